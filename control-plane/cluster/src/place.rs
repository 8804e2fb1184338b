//! Where a cluster lives: its directory, its lock, its socket.
//!
//! `dir/lock` (the owner's lock), `dir/data` (of the account that runs the server), `dir/run` (the
//! socket), `dir/postgresql.log`; `dir/location` where the data had to live elsewhere.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NOFOLLOW;

use crate::account::Account;
use crate::error::{ClusterError, io_error};
use crate::lock;

/// Where root keeps data whose wanted directory the server's account cannot enter.
pub(crate) const FALLBACK_ROOT: &str = "/var/lib/tollgate";

/// `sun_path` holds 108 bytes with its closing NUL.
const SOCKET_PATH_MAX: usize = 107;
pub(crate) const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// The data is not where it was asked to be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub wanted: PathBuf,
    pub used: PathBuf,
    /// The directory that the server's account cannot enter.
    pub blocked_by: PathBuf,
    pub account: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PostgreSQL runs as {}, which cannot enter {}: the data is in {} instead of {}",
            self.account,
            self.blocked_by.display(),
            self.used.display(),
            self.wanted.display()
        )
    }
}

/// A directory that this process may run a server in.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) account: Account,
    pub(crate) moved: Option<Moved>,
    locks: Vec<File>,
}

impl Place {
    /// Makes `dir`, owns it, and goes elsewhere if the server's account cannot enter it.
    pub(crate) fn own(dir: &Path, fallback_root: &Path) -> Result<Place, ClusterError> {
        let wanted = make_enterable(dir)?;
        let mut locks = vec![lock::own(&wanted)?];
        let account = Account::choose(&wanted.join("data"))?;
        let Some(blocked_by) = account.blocked_by(&wanted) else {
            return Ok(Place {
                dir: wanted,
                account,
                moved: None,
                locks,
            });
        };
        let used = relocated(&wanted, fallback_root)?;
        locks.push(lock::own(&used)?);
        let account = Account::choose(&used.join("data"))?;
        let moved = Moved {
            wanted,
            used: used.clone(),
            blocked_by,
            account: account.name.clone(),
        };
        Ok(Place {
            dir: used,
            account,
            moved: Some(moved),
            locks,
        })
    }

    /// A directory that several processes share, each under locks of its own.
    pub(crate) fn shared(dir: &Path) -> Result<Place, ClusterError> {
        let dir = make_enterable(dir)?;
        require_owner(&dir, nix::unistd::Uid::effective().as_raw())?;
        let account = Account::choose(&dir.join("data"))?;
        Ok(Place {
            dir,
            account,
            moved: None,
            locks: Vec::new(),
        })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("postgresql.log")
    }

    /// The private directory of the socket, made if needed; under the system's temporary directory
    /// where the path would not fit.
    pub(crate) fn socket_dir(&self) -> Result<PathBuf, ClusterError> {
        let near = self.dir.join("run");
        if fits(&near) {
            self.make_private(&near)?;
            return Ok(near);
        }
        let mut hasher = DefaultHasher::new();
        self.dir.hash(&mut hasher);
        let name = format!("tollgate-{}-{:016x}", self.account.uid, hasher.finish());
        let far = temporary_roots(&self.account)
            .map(|root| root.join(&name))
            .find(|far| fits(far))
            .ok_or_else(|| ClusterError::SocketPathTooLong {
                dir: self.dir.clone(),
            })?;
        self.make_private(&far)?;
        Ok(far)
    }

    /// Makes `path` a directory that only the server's account (and root) can enter, or refuses
    /// one that somebody else prepared.
    pub(crate) fn make_private(&self, path: &Path) -> Result<(), ClusterError> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => self.account.give(path).map_err(io_error("own", path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                require_owner(path, self.account.uid)
            }
            Err(error) => Err(io_error("make", path)(error)),
        }
    }

    /// Releases the directory at once, also for children that are between fork and exec.
    pub(crate) fn release(&mut self) {
        for lock in self.locks.drain(..) {
            let _ = lock.unlock();
        }
    }
}

/// Temporary directories that `account` can enter, the configured one first.
pub(crate) fn temporary_roots(account: &Account) -> impl Iterator<Item = PathBuf> {
    let account = account.clone();
    [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into()]
        .into_iter()
        .filter_map(|root| fs::canonicalize(root).ok())
        .filter(move |root| account.blocked_by(root).is_none())
}

fn fits(dir: &Path) -> bool {
    dir.as_os_str().len() + "/".len() + SOCKET_NAME.len() <= SOCKET_PATH_MAX
}

/// Makes `dir` and missing parents; what root makes can be passed through, though not listed.
fn make_enterable(dir: &Path) -> Result<PathBuf, ClusterError> {
    let dir = std::path::absolute(dir).map_err(io_error("resolve", dir))?;
    let mode = if nix::unistd::Uid::effective().is_root() {
        0o711
    } else {
        0o700
    };
    let missing: Vec<&Path> = dir.ancestors().take_while(|way| !way.exists()).collect();
    for way in missing.into_iter().rev() {
        match fs::create_dir(way) {
            // By chmod, because the umask may take the bits away.
            Ok(()) => fs::set_permissions(way, Permissions::from_mode(mode))
                .map_err(io_error("open up", way))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error("make", way)(error)),
        }
    }
    fs::canonicalize(&dir).map_err(io_error("resolve", &dir))
}

/// The other directory that `wanted` points at, made on first use. The pointer lives in `wanted`,
/// so that removing `wanted` means starting afresh.
fn relocated(wanted: &Path, root: &Path) -> Result<PathBuf, ClusterError> {
    let root = make_enterable(root)?;
    let pointer = wanted.join("location");
    if let Ok(text) = fs::read(&pointer) {
        let used = PathBuf::from(std::ffi::OsString::from_vec(text));
        let is_plain_dir = fs::symlink_metadata(&used).is_ok_and(|metadata| metadata.is_dir());
        if used.parent() == Some(&root) && is_plain_dir {
            return Ok(used);
        }
    }
    let used = nix::unistd::mkdtemp(&root.join("postgres-XXXXXX"))
        .map_err(|errno| io_error("make a directory in", &root)(errno.into()))?;
    fs::set_permissions(&used, Permissions::from_mode(0o711))
        .map_err(io_error("open up", &used))?;
    let draft = wanted.join("location.new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(O_NOFOLLOW)
            .open(&draft)?;
        file.write_all(used.as_os_str().as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &pointer)
    };
    write().map_err(io_error("write", &pointer))?;
    Ok(used)
}

fn require_owner(path: &Path, uid: u32) -> Result<(), ClusterError> {
    let metadata = fs::symlink_metadata(path).map_err(io_error("inspect", path))?;
    if !metadata.is_dir() || metadata.uid() != uid {
        return Err(ClusterError::NotOurs {
            path: path.to_owned(),
            owner: metadata.uid(),
            wanted: uid,
        });
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A directory that others can enter, removed at the end of a test.
    pub(crate) struct Scratch(PathBuf);

    impl Scratch {
        pub(crate) fn new() -> Scratch {
            let root = fs::canonicalize(std::env::temp_dir()).expect("temporary directory");
            let dir = nix::unistd::mkdtemp(&root.join("cluster-XXXXXX")).expect("directory");
            fs::set_permissions(&dir, Permissions::from_mode(0o711)).expect("mode");
            Scratch(dir)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn socket_paths_stay_within_the_kernels_limit() {
        let scratch = Scratch::new();
        let short = Place::own(&scratch.path().join("short"), scratch.path()).expect("place");
        assert_eq!(
            short.socket_dir().expect("socket directory"),
            short.dir.join("run")
        );

        let deep = scratch.path().join("d".repeat(60)).join("e".repeat(60));
        let long = Place::own(&deep, scratch.path()).expect("place");
        let far = long.socket_dir().expect("socket directory");
        assert!(fits(&far));
        assert!(!far.starts_with(&long.dir));
        assert_eq!(
            long.socket_dir().expect("the same again"),
            far,
            "stable over restarts"
        );
        let metadata = fs::metadata(&far).expect("made");
        assert_eq!(metadata.mode() & 0o777, 0o700);
        assert_eq!(metadata.uid(), long.account.uid);
        fs::remove_dir(&far).expect("removed");
    }

    #[test]
    fn the_limit_counts_the_whole_socket_path() {
        let dir = |length: usize| PathBuf::from(format!("/{}", "x".repeat(length - 1)));
        assert!(fits(&dir(SOCKET_PATH_MAX - 14)));
        assert!(!fits(&dir(SOCKET_PATH_MAX - 13)));
    }

    #[test]
    fn a_directory_that_somebody_else_prepared_is_refused() {
        let scratch = Scratch::new();
        let place = Place::own(&scratch.path().join("pg"), scratch.path()).expect("place");
        std::os::unix::fs::symlink("/tmp", place.dir.join("run")).expect("link");
        assert!(matches!(
            place.socket_dir(),
            Err(ClusterError::NotOurs { .. })
        ));
    }

    #[test]
    fn a_second_owner_is_refused_and_told_who_holds_it() {
        let scratch = Scratch::new();
        let dir = scratch.path().join("pg");
        let mut first = Place::own(&dir, scratch.path()).expect("place");
        match Place::own(&dir, scratch.path()) {
            Err(ClusterError::Busy { holder, .. }) => {
                assert_eq!(holder, Some(std::process::id()));
            }
            other => panic!("expected Busy, got {other:?}"),
        }
        first.release();
        Place::own(&dir, scratch.path()).expect("free again");
    }

    #[test]
    fn data_behind_a_closed_parent_lives_elsewhere_until_the_directory_is_removed() {
        if !nix::unistd::Uid::effective().is_root() {
            return; // only root changes accounts
        }
        let scratch = Scratch::new();
        let root = scratch.path().join("elsewhere");
        let closed = scratch.path().join("closed");
        fs::create_dir(&closed).expect("directory");
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("mode");
        let dir = closed.join("pg");

        let used = || {
            let place = Place::own(&dir, &root).expect("place");
            let moved = place.moved.clone().expect("moved");
            assert_eq!(moved.blocked_by, closed);
            assert_eq!(moved.used, place.dir);
            let message = moved.to_string();
            assert!(message.contains(&*closed.to_string_lossy()), "{message}");
            place.dir
        };
        let first = used();
        assert_eq!(first.parent(), Some(root.as_path()));
        assert_eq!(used(), first);
        fs::remove_dir_all(&dir).expect("removed");
        assert_ne!(used(), first);
    }
}
