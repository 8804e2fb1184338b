//! The data directory: who owns it, and the files that `up` keeps in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const LOCK: &str = "up.lock";

/// A data directory that this process holds alone.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
    made: Made,
}

/// What opening a data directory made.
#[derive(Debug, Default)]
struct Made {
    has_lock: bool,
    /// From the innermost outwards.
    folders: Vec<PathBuf>,
}

impl DataDir {
    /// Creates the directory if needed, proves that it is writable, and locks it.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let missing = path.ancestors().take_while(|folder| !folder.exists());
        let mut made = Made {
            has_lock: false,
            folders: missing.map(Path::to_owned).collect(),
        };
        loop {
            let (path, lock, is_new) = create(path)
                .with_context(|| format!("cannot write to the data directory {shown}"))?;
            made.has_lock |= is_new;
            match lock.try_lock() {
                Err(fs::TryLockError::WouldBlock) => {
                    bail!("another tollgate is running on the data directory {shown}")
                }
                Err(fs::TryLockError::Error(cause)) => {
                    return Err(cause).with_context(|| format!("cannot lock {shown}"));
                }
                Ok(()) => {}
            }
            // A start that was refused meanwhile may have taken the file away again.
            if is_at(&lock, &path.join(LOCK)) {
                return Ok(Self {
                    path,
                    _lock: lock,
                    made,
                });
            }
        }
    }

    /// Takes away what opening it made: for a start that is refused before it has done anything.
    /// What is not empty stays.
    pub fn abandon(self) {
        if self.made.has_lock {
            let _ = fs::remove_file(self.join(LOCK));
        }
        for folder in &self.made.folders {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
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

/// The directory, its lock file and whether that is a new one.
fn create(path: &Path) -> std::io::Result<(PathBuf, File, bool)> {
    // Others may enter but not list: PostgreSQL's account has to reach its part below.
    DirBuilder::new().recursive(true).mode(0o711).create(path)?;
    let path = path.canonicalize()?;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let lock = path.join(LOCK);
    match options.clone().create_new(true).open(&lock) {
        Ok(file) => Ok((path, file, true)),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
            // Not there any more: the next turn makes it.
            let file = options.create(true).truncate(false).open(&lock)?;
            Ok((path, file, false))
        }
        Err(cause) => Err(cause),
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(found)) = (file.metadata(), fs::metadata(path)) else {
        return false;
    };
    (held.dev(), held.ino()) == (found.dev(), found.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let name = format!("tollgate-data-dir-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn an_abandoned_directory_is_as_it_was_before() {
        let outer = fresh("new");
        DataDir::open(&outer.join("a/b")).expect("opens").abandon();
        assert!(!outer.exists(), "what was made is gone");

        fs::create_dir(&outer).expect("creates");
        DataDir::open(&outer).expect("opens").abandon();
        assert_eq!(fs::read_dir(&outer).expect("is there").count(), 0);

        drop(DataDir::open(&outer).expect("opens"));
        DataDir::open(&outer).expect("opens").abandon();
        assert!(outer.join(LOCK).exists(), "an earlier start's lock stays");
        fs::remove_dir_all(outer).expect("removes");
    }

    #[test]
    fn a_directory_has_one_owner() {
        let path = fresh("owner");
        let held = DataDir::open(&path).expect("opens");
        let refused = DataDir::open(&path).expect_err("it is held");
        assert!(refused.to_string().contains("another tollgate"));
        held.abandon();
    }
}
