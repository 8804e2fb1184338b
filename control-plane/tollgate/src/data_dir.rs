//! The data directory: who owns it, and the files that `up` keeps in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// A data directory that this process holds alone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Creates the directory if needed, proves that it is writable, and locks it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let create = || -> std::io::Result<(PathBuf, File)> {
            // Others may enter but not list: PostgreSQL's account has to reach its part below.
            DirBuilder::new().recursive(true).mode(0o711).create(path)?;
            let path = path.canonicalize()?;
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path.join("up.lock"))?;
            Ok((path, lock))
        };
        let (path, lock) =
            create().with_context(|| format!("cannot write to the data directory {shown}"))?;
        if let Err(cause) = lock.try_lock() {
            match cause {
                fs::TryLockError::WouldBlock => {
                    bail!("another tollgate is running on the data directory {shown}")
                }
                fs::TryLockError::Error(cause) => {
                    return Err(cause).with_context(|| format!("cannot lock {shown}"));
                }
            }
        }
        Ok(Self { path, _lock: lock })
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder that only its owner enters.
    pub fn create_private(&self, name: &str) -> anyhow::Result<()> {
        let path = self.join(name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot create {}", path.display()))
    }

    /// The file's text; `None` where there is no such file.
    pub fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes a file that only its owner reads, whole or not at all.
    pub fn write_secret(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.join(name);
        let temporary = self.join(&format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)?;
            File::open(&self.path)?.sync_all()
        };
        write().with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        let path = self.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                Err(cause).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }
}
