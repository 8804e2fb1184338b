//! Lock files (flock): the kernel frees them however their holder ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::O_NOFOLLOW;

use crate::account::Account;
use crate::error::{ClusterError, io_error};

const POLL: Duration = Duration::from_millis(5);

/// Opens a file for locking or appending; the account that runs the server may open it too.
pub(crate) fn open(path: &Path, account: &Account) -> Result<File, ClusterError> {
    let open = || -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(O_NOFOLLOW)
            .open(path)?;
        if account.is_switch {
            fchown(&file, Some(account.uid), Some(account.gid))?;
        }
        Ok(file)
    };
    open().map_err(io_error("open", path))
}

/// Takes `dir`'s lock for the life of the returned file, or says who holds it.
pub(crate) fn own(dir: &Path) -> Result<File, ClusterError> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(O_NOFOLLOW)
        .open(&path)
        .map_err(io_error("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let _ = file.read_to_string(&mut text);
            return Err(ClusterError::Busy {
                dir: dir.to_owned(),
                holder: text.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
    }
    // The pid only helps whoever reads the refusal; the lock alone decides.
    let note = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).map_err(io_error("write", &path))?;
    Ok(file)
}

pub(crate) fn exclusive(file: &File, path: &Path, within: Duration) -> Result<(), ClusterError> {
    take(|| file.try_lock(), path, within)
}

pub(crate) fn shared(file: &File, path: &Path, within: Duration) -> Result<(), ClusterError> {
    take(|| file.try_lock_shared(), path, within)
}

fn take(
    attempt: impl Fn() -> Result<(), TryLockError>,
    path: &Path,
    within: Duration,
) -> Result<(), ClusterError> {
    let deadline = Instant::now() + within;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(io_error("lock", path)(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(ClusterError::LockTimeout {
                    path: path.to_owned(),
                    after: within,
                });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(POLL),
        }
    }
}
