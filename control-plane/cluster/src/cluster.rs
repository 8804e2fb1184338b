//! A server that one process owns: start, use, stop.

use std::path::Path;
use std::process::Child;

use crate::binaries::Binaries;
use crate::database::{Address, check_name};
use crate::error::ClusterError;
use crate::place::{FALLBACK_ROOT, Moved, Place};
use crate::postmaster;
use crate::server::{self, Lifetime, Profile};

const PROFILE: Profile = Profile {
    initdb: &["--data-checksums"],
    settings: &["max_connections=200"],
    lifetime: Lifetime::Process,
};

/// A running server that this process owns; dropping it stops the server, and so does the end of
/// the process.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    address: Address,
    /// `None` once stopped.
    child: Option<Child>,
}

impl Cluster {
    /// Starts the cluster in `dir`, making it first where there is none and recovering it where its
    /// last owner was killed.
    ///
    /// Started as root, the server runs as the owner of existing data, else as `postgres`, else as
    /// `nobody`; where that account cannot enter `dir`, [`Cluster::moved`] says where the data is.
    pub fn start(binaries: &Binaries, dir: &Path) -> Result<Cluster, ClusterError> {
        Cluster::start_in(binaries, Place::own(dir, Path::new(FALLBACK_ROOT))?)
    }

    fn start_in(binaries: &Binaries, place: Place) -> Result<Cluster, ClusterError> {
        let server = server::launch(binaries, &place, &PROFILE)?;
        tracing::info!(
            pid = server.child.id(),
            dir = %place.dir.display(),
            account = %place.account.name,
            "PostgreSQL is ready"
        );
        Ok(Cluster {
            place,
            address: server.address,
            child: Some(server.child),
        })
    }

    /// `postgres://<superuser>@localhost:5432/<database>?host=<socket directory>`; nothing listens
    /// on that port, it only names the socket.
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// Where the data lives if not in the directory that was asked for.
    pub fn moved(&self) -> Option<&Moved> {
        self.place.moved.as_ref()
    }

    /// Makes a database, as a copy of `template` if given. An existing one is
    /// [`ClusterError::AlreadyExists`].
    pub fn create_database(&self, name: &str, template: Option<&str>) -> Result<(), ClusterError> {
        check_name(name)?;
        template.map_or(Ok(()), check_name)?;
        self.address.create(name, template)
    }

    /// Disconnects all clients and stops the server, by force if it takes too long.
    pub fn stop(mut self) -> Result<(), ClusterError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), ClusterError> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let pid = child.id().cast_signed();
        let data = self.place.data();
        postmaster::stop(pid, &data, || server::has_ended(&mut child))?;
        self.place.release();
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "PostgreSQL could not be stopped");
        }
    }
}

#[cfg(test)]
mod tests;
