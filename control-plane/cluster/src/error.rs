//! What can go wrong, by what a caller does differently.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::binaries::FindError;

/// Why a private cluster could not be started, stopped or used.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{dir} is in use by another running process{}", holder.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Busy { dir: PathBuf, holder: Option<u32> },

    #[error(
        "PostgreSQL does not run as root, and neither of the accounts postgres and nobody exists"
    )]
    NoAccount,

    #[error("{path} belongs to uid {owner}, but uid {wanted} has to own it")]
    NotOurs {
        path: PathBuf,
        owner: u32,
        wanted: u32,
    },

    #[error("the account {account} cannot enter {blocked_by}, which it needs to run {bin_dir}")]
    BinariesUnreachable {
        bin_dir: PathBuf,
        blocked_by: PathBuf,
        account: String,
    },

    #[error("{dir} holds data of PostgreSQL {data}, but only PostgreSQL {installed} was found")]
    OtherMajor {
        dir: PathBuf,
        data: u32,
        installed: u32,
    },

    #[error("{dir} is neither empty nor a PostgreSQL data directory")]
    NotACluster { dir: PathBuf },

    #[error("no directory short enough for a socket (107 bytes) was found for {dir}")]
    SocketPathTooLong { dir: PathBuf },

    #[error("initialising a database cluster in {dir} failed: {output}")]
    Init { dir: PathBuf, output: String },

    #[error("PostgreSQL in {dir} ended while starting: {output}")]
    EndedAtStart { dir: PathBuf, output: String },

    #[error("PostgreSQL in {dir} was not ready after {after:?}: {output}")]
    NotReady {
        dir: PathBuf,
        after: Duration,
        output: String,
    },

    #[error("PostgreSQL (pid {pid}) in {dir} did not stop")]
    NotStopped { dir: PathBuf, pid: u32 },

    #[error("waited {after:?} for the lock {path}")]
    LockTimeout { path: PathBuf, after: Duration },

    #[error("the watcher of the test cluster did not start: {output}")]
    Watcher { output: String },

    #[error("{name:?} is not a database name (a-z, 0-9 and _, 1 to 60 characters)")]
    InvalidName { name: String },

    #[error("database {name} already exists")]
    AlreadyExists { name: String },

    #[error("template database {name} does not exist")]
    NoTemplate { name: String },

    #[error("{program} failed: {output}")]
    Client {
        program: &'static str,
        output: String,
    },

    #[error(transparent)]
    Binaries(#[from] FindError),

    #[error("cannot {attempt} {path}")]
    Io {
        attempt: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Turns an I/O error into one that says what was attempted on which path.
pub(crate) fn io_error(
    attempt: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> ClusterError {
    let path = path.to_owned();
    move |source| ClusterError::Io {
        attempt,
        path,
        source,
    }
}
