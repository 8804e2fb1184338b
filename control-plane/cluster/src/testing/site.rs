//! The directory of a test cluster, and who may do what in it when.
//!
//! `turn` (exclusive: one process at a time starts things), `leases` (shared by every test process,
//! exclusive for a watcher that stops the server), `watcher` (exclusive for the watcher's life),
//! `templates` (exclusive while
//! one is made), `ledgers/` (one file per test process), and what `place.rs` lists.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::account::Account;
use crate::binaries::{Binaries, search_path};
use crate::database::{Address, PORT, SUPERUSER};
use crate::error::{ClusterError, io_error};
use crate::lock;
use crate::place::{Place, temporary_roots};
use crate::postmaster;
use crate::server::{self, Lifetime, Profile};
use crate::spawn;

const PROFILE: Profile = Profile {
    initdb: &["--no-sync"],
    settings: &[
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "wal_level=minimal",
        "max_wal_senders=0",
        "autovacuum=off",
        "max_connections=400",
    ],
    lifetime: Lifetime::Detached,
};

const WATCHER: &str = include_str!("watcher.sh");

/// Others may be initialising the cluster (seconds), or a watcher may be stopping it.
const TURN_WITHIN: Duration = Duration::from_secs(240);
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How often the watcher looks, and after how many looks without a lease it ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub(crate) every: Duration,
    pub(crate) idle_looks: u32,
}

impl Watch {
    pub(crate) const DEFAULT: Watch = Watch {
        every: Duration::from_secs(3),
        idle_looks: 10,
    };
}

#[derive(Debug)]
pub(crate) struct Site {
    place: Place,
}

impl Site {
    /// One per user and major version, in the system's temporary directory.
    pub(crate) fn of_user(binaries: &Binaries) -> Result<Site, ClusterError> {
        let own = Account::own();
        let server = Account::choose(Path::new(""))?;
        let name = format!("tollgate-tests-{}-{}", own.uid, binaries.major);
        let root = temporary_roots(&server)
            .next()
            .unwrap_or_else(std::env::temp_dir);
        Site::at(&root.join(name))
    }

    pub(crate) fn at(dir: &Path) -> Result<Site, ClusterError> {
        let place = Place::shared(dir)?;
        Ok(Site { place })
    }

    /// Held while something is being started, by one process at a time.
    pub(crate) fn take_turn(&self) -> Result<File, ClusterError> {
        self.lock_exclusively("turn", TURN_WITHIN)
    }

    /// Held while a template is made.
    pub(crate) fn lock_templates(&self, within: Duration) -> Result<File, ClusterError> {
        self.lock_exclusively("templates", within)
    }

    /// The shared lock of a process that uses the server.
    pub(crate) fn hold(&self) -> Result<File, ClusterError> {
        let path = self.path("leases");
        let file = self.open(&path)?;
        lock::shared(&file, &path, TURN_WITHIN)?;
        Ok(file)
    }

    pub(crate) fn ledgers(&self) -> Result<PathBuf, ClusterError> {
        let path = self.path("ledgers");
        self.place.make_private(&path)?;
        Ok(path)
    }

    pub(crate) fn open(&self, path: &Path) -> Result<File, ClusterError> {
        lock::open(path, &self.place.account)
    }

    /// Starts a watcher unless one runs. Call with the turn and a share of `leases` held.
    pub(crate) fn ensure_watcher(
        &self,
        binaries: &Binaries,
        watch: Watch,
    ) -> Result<(), ClusterError> {
        let path = self.path("watcher");
        let file = self.open(&path)?;
        match file.try_lock() {
            Ok(()) => file.unlock().map_err(io_error("unlock", &path))?,
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
        }
        let shell = Path::new("/bin/sh");
        let mut command = spawn::command(shell, &self.place.account);
        command
            .env("PATH", program_path())
            .args(["-c", WATCHER, "tollgate-test-watcher"])
            .arg(self.path("leases"))
            .arg(&path)
            .arg(self.place.data())
            .arg(self.ledgers()?)
            .arg(self.place.socket_dir()?)
            .arg(&binaries.bin_dir)
            .args([PORT, SUPERUSER])
            .arg(watch.every.as_secs_f64().to_string())
            .arg(watch.idle_looks.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().map_err(io_error("run", shell))?;
        confirm(child).map_err(io_error("read from", shell))?
    }

    /// Joins the running server or starts one. Call with the turn and a share of `leases` held.
    pub(crate) fn ensure_server(&self, binaries: &Binaries) -> Result<Address, ClusterError> {
        let data = self.place.data();
        if let Some(file) = postmaster::read(&data)?
            && postmaster::serves(file.pid, &data)
        {
            let address = Address {
                bin_dir: binaries.bin_dir.clone(),
                socket_dir: self.place.socket_dir()?,
            };
            // It may still be starting if the process that began to start it was killed.
            let mut is_ready = false;
            postmaster::wait(READY_WITHIN, || {
                is_ready = server::is_ready(file.pid, &address, &data);
                is_ready || !postmaster::serves(file.pid, &data)
            });
            if is_ready {
                return Ok(address);
            }
            postmaster::stop(file.pid, &data, || !postmaster::serves(file.pid, &data))?;
        }
        // Written without fsync: what a killed server left is not to be trusted, nor missed.
        match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &data)(error));
            }
            _ => {}
        }
        Ok(server::launch(binaries, &self.place, &PROFILE)?.address)
    }

    fn lock_exclusively(&self, name: &str, within: Duration) -> Result<File, ClusterError> {
        let path = self.path(name);
        let file = self.open(&path)?;
        lock::exclusive(&file, &path, within)?;
        Ok(file)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.dir.join(name)
    }
}

/// The watcher answers once it holds its lock; an early end says why on its standard error.
fn confirm(mut child: Child) -> io::Result<Result<(), ClusterError>> {
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut answer)?;
    }
    if answer.trim() == "watching" {
        return Ok(Ok(()));
    }
    let output = child.wait_with_output()?;
    Ok(Err(ClusterError::Watcher {
        output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    }))
}

/// Where `flock` and the like are, on systems with unusual places too.
fn program_path() -> OsString {
    let mut path = search_path();
    path.push(":/usr/bin:/bin:/usr/sbin:/sbin");
    path
}
