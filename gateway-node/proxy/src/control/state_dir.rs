//! STATE_DIR: what a node keeps across restarts, in files that are either whole or absent.
//!
//! A file is written to a temporary name, flushed, renamed over the old one, and the directory is
//! flushed; each begins with the SHA-256 of its payload, so that a flipped byte is noticed. One
//! process at a time: the lock file is held for the life of the process, and the kernel lets go of
//! it when the process dies, however it dies.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use snapshot::chunk::sha256;

const LOCK: &str = "lock";
const TEMPORARY: &str = ".tmp";
const DIGEST_BYTES: usize = 32;
/// No file of ours is larger; a larger one is not ours.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    #[error("the state directory {} is not writable: {source}", path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("the state directory {} is in use by another gateway-node process", path.display())]
    InUse { path: PathBuf },
}

/// What reading a file of the state directory can come to besides its payload or its absence.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} does not have the content that was written to it", path.display())]
    Corrupt { path: PathBuf },
    #[error("could not read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

#[derive(Debug)]
pub(crate) struct StateDir {
    root: PathBuf,
    lock: File,
}

impl StateDir {
    /// Makes the directory if it is missing, proves that it can be written, and locks it.
    pub(crate) fn open(root: &Path) -> Result<Self, StateDirError> {
        let refuse = |source| StateDirError::NotWritable {
            path: root.to_owned(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .map_err(refuse)?;
        close_to_others(root);
        let lock = owner_only(OpenOptions::new().create(true).write(true).truncate(false))
            .open(root.join(LOCK))
            .map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StateDirError::InUse {
                    path: root.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(refuse(source)),
        }
        let dir = Self {
            root: root.to_owned(),
            lock,
        };
        dir.remove_temporaries(root).map_err(refuse)?;
        dir.write("probe", b"").map_err(refuse)?;
        dir.remove("probe").map_err(refuse)?;
        Ok(dir)
    }

    /// Device and inode of the lock file: a copy of the directory has another.
    pub(crate) fn lock_identity(&self) -> io::Result<(u64, u64)> {
        let metadata = self.lock.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes a directory below this one, if it is missing.
    pub(crate) fn create_dir(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)?;
        self.remove_temporaries(&path)?;
        sync_dir(&self.root)
    }

    /// The payload of a file, or `None` if there is no such file.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let path = self.path(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ReadError::Io { path, source }),
        }
        match bytes.split_at_checked(DIGEST_BYTES) {
            Some((digest, payload)) if sha256(payload) == digest => {
                bytes.drain(..DIGEST_BYTES);
                Ok(Some(bytes))
            }
            _ => Err(ReadError::Corrupt { path }),
        }
    }

    /// Replaces a file; when this returns it will be found after a crash.
    pub(crate) fn write(&self, name: &str, payload: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let temporary = temporary_name(&path);
        let written = write_and_flush(&temporary, &[&sha256(payload), payload])
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_dir(path.parent().unwrap_or(&self.root)));
        if written.is_err() {
            // A full disk is not helped by the half that was written.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Replaces a file without flushing: it survives the death of the process, not of the machine.
    pub(crate) fn write_unflushed(&self, name: &str, payload: &[u8]) -> io::Result<()> {
        let path = self.path(name);
        let temporary = temporary_name(&path);
        let written = create_owner_only(&temporary)
            .and_then(|mut file| file.write_all(&sha256(payload)).map(|()| file))
            .and_then(|mut file| file.write_all(payload))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Removes a file; one that is not there is removed already.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
            _ => Ok(()),
        }
    }

    /// Names in a directory below this one, sorted, with their sizes.
    pub(crate) fn list(&self, name: &str) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path(name))? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string() {
                found.push((name, entry.metadata()?.len()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn remove_temporaries(&self, dir: &Path) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(TEMPORARY) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Flushes a directory, so that the names in it survive a crash.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    PathBuf::from(name)
}

fn write_and_flush(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = create_owner_only(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// A new or emptied file that only its owner may read.
pub(crate) fn create_owner_only(path: &Path) -> io::Result<File> {
    owner_only(OpenOptions::new().create(true).write(true).truncate(true)).open(path)
}

fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600)
}

/// A directory made by someone else (a mounted volume) may stand open. Its files are 0600 anyhow,
/// so that not being allowed to close it is no reason to stop.
fn close_to_others(root: &Path) {
    let is_open = fs::metadata(root).is_ok_and(|found| found.permissions().mode() & 0o077 != 0);
    if is_open && fs::set_permissions(root, fs::Permissions::from_mode(0o700)).is_err() {
        tracing::warn!(path = %root.display(), "the state directory is open to other users");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::TempDir;

    #[test]
    fn what_was_written_is_read_and_private() {
        let temp = TempDir::new();
        let dir = StateDir::open(&temp.path().join("state")).expect("opens");
        assert_eq!(dir.read("a").expect("reads"), None);
        dir.write("a", b"one").expect("writes");
        dir.write("a", b"two").expect("writes");
        assert_eq!(dir.read("a").expect("reads").as_deref(), Some(&b"two"[..]));
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path("a")), mode(&dir.root)), (0o600, 0o700));
    }

    #[test]
    fn a_flipped_byte_is_noticed() {
        let temp = TempDir::new();
        let dir = StateDir::open(temp.path()).expect("opens");
        dir.write("a", b"some content").expect("writes");
        let path = dir.path("a");
        let mut bytes = fs::read(&path).expect("reads");
        bytes[35] ^= 1;
        fs::write(&path, bytes).expect("writes");
        assert!(matches!(dir.read("a"), Err(ReadError::Corrupt { .. })));
    }

    #[test]
    fn two_processes_never_share_a_state_directory() {
        let temp = TempDir::new();
        let first = StateDir::open(temp.path()).expect("opens");
        assert!(matches!(
            StateDir::open(temp.path()),
            Err(StateDirError::InUse { .. })
        ));
        drop(first);
        StateDir::open(temp.path()).expect("the lock was released");
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_refused_in_one_line() {
        // Not even root can make a file here.
        let refused = StateDir::open(Path::new("/proc/tollgate-state")).expect_err("read-only");
        let text = refused.to_string();
        assert!(text.starts_with("the state directory /proc/tollgate-state is not writable"));
        assert!(!text.contains('\n'));
    }
}
