//! One cluster for all concurrently running test processes, so that plain `cargo test` needs nothing.
//!
//! The first process to ask starts it, unsafe for data and fast. Every process holds a shared lock
//! as long as it lives; a detached watcher stops the server and throws all data away when that lock
//! has been free for half a minute. Whoever is killed frees its lock, and what it left behind is
//! reused, recovered or removed by the next process or by the watcher.

mod site;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::binaries::{self, Binaries};
use crate::database::{Address, check_name};
use crate::error::{ClusterError, io_error};
use crate::lock;
use site::{Site, Watch};

/// Preparing a template runs every migration, while the other tests wait for it.
const TEMPLATE_WITHIN: Duration = Duration::from_secs(300);

/// This process's share of the test cluster, held until the process ends.
#[derive(Debug)]
pub struct Lease {
    site: Site,
    address: Address,
    ledger: Ledger,
    /// The shared lock.
    _held: File,
}

/// Joins the test cluster, starting it if need be; further calls return the same lease.
pub fn lease() -> Result<&'static Lease, ClusterError> {
    static LEASE: Mutex<Option<&'static Lease>> = Mutex::new(None);
    let mut lease = LEASE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(lease) = *lease {
        return Ok(lease);
    }
    let binaries = binaries::find(None)?;
    let taken = Lease::take(&binaries, Site::of_user(&binaries)?, Watch::DEFAULT)?;
    Ok(lease.insert(Box::leak(Box::new(taken))))
}

impl Lease {
    fn take(binaries: &Binaries, site: Site, watch: Watch) -> Result<Lease, ClusterError> {
        let _turn = site.take_turn()?;
        // The shared lock first: from here on no watcher can begin to stop the server.
        let held = site.hold()?;
        site.ensure_watcher(binaries, watch)?;
        let address = site.ensure_server(binaries)?;
        let ledger = Ledger::open(&site)?;
        Ok(Lease {
            site,
            address,
            ledger,
            _held: held,
        })
    }

    /// See [`crate::Cluster::url`].
    pub fn url(&self, database: &str) -> String {
        self.address.url(database)
    }

    /// Returns the name of a fresh database, a copy of the template `name`.
    ///
    /// If the template does not exist, an empty database is made and given to `prepare` as a URL,
    /// once across all processes; a failing or killed `prepare` leaves no template. The cluster
    /// outlives a test run by a while, so `name` has to change with what `prepare` does (a hash of
    /// the migrations). `prepare` has to close its connections. The copy is dropped some time after
    /// this process has ended.
    pub fn database_from_template<E>(
        &self,
        name: &str,
        prepare: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<Result<String, E>, ClusterError> {
        check_name(name)?;
        let template = format!("t_{name}");
        if let Some(copy) = self.copy(&template)? {
            return Ok(Ok(copy));
        }
        let _lock = self.site.lock_templates(TEMPLATE_WITHIN)?;
        if let Some(copy) = self.copy(&template)? {
            return Ok(Ok(copy));
        }
        // A copy of the finished draft appears whole or not at all.
        let draft = format!("d_{name}");
        self.address.drop_if_exists(&draft)?;
        self.address.create(&draft, None)?;
        if let Err(error) = prepare(&self.url(&draft)) {
            return Ok(Err(error));
        }
        self.address.create(&template, Some(&draft))?;
        self.address.drop_if_exists(&draft)?;
        match self.copy(&template)? {
            Some(copy) => Ok(Ok(copy)),
            None => Err(ClusterError::NoTemplate { name: template }),
        }
    }

    /// `None` if there is no such template.
    fn copy(&self, template: &str) -> Result<Option<String>, ClusterError> {
        let copy = self.ledger.next_name()?;
        match self.address.create(&copy, Some(template)) {
            Ok(()) => Ok(Some(copy)),
            Err(ClusterError::NoTemplate { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The names of this process's databases, in a file that it keeps locked: once the lock is free, the
/// watcher drops them.
#[derive(Debug)]
struct Ledger {
    path: PathBuf,
    file: File,
    prefix: String,
    count: AtomicU64,
}

impl Ledger {
    fn open(site: &Site) -> Result<Ledger, ClusterError> {
        // Unique also if the pid comes round again within the cluster's life.
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let prefix = format!("c_{}_{:x}", std::process::id(), since_epoch.as_nanos());
        let ledgers = site.ledgers()?;
        // The watcher passes over dotted names: nobody takes the file before it is locked.
        let draft = ledgers.join(format!(".{prefix}"));
        let path = ledgers.join(&prefix);
        let file = site.open(&draft)?;
        lock::exclusive(&file, &draft, Duration::ZERO)?;
        std::fs::rename(&draft, &path).map_err(io_error("make", &path))?;
        Ok(Ledger {
            path,
            file,
            prefix,
            count: AtomicU64::new(0),
        })
    }

    /// Writes the name down before there is such a database, so that none is ever forgotten.
    fn next_name(&self) -> Result<String, ClusterError> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}_{number}", self.prefix);
        // One write of a whole line in append mode: threads do not mix theirs.
        let line = format!("{name}\n");
        (&self.file)
            .write_all(line.as_bytes())
            .map_err(io_error("write", &self.path))?;
        Ok(name)
    }
}
