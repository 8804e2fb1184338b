//! Who runs the server: PostgreSQL refuses to run as root.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::{Gid, Uid, User};

use crate::error::ClusterError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) name: String,
    /// Whether children have to change to it, which only root can do.
    pub(crate) is_switch: bool,
}

impl Account {
    /// The account of this process.
    pub(crate) fn own() -> Account {
        let uid = Uid::effective();
        Account {
            uid: uid.as_raw(),
            gid: Gid::effective().as_raw(),
            name: uid.to_string(),
            is_switch: false,
        }
    }

    /// The current account; for root the owner of existing `data`, else `postgres`, else `nobody`.
    pub(crate) fn choose(data: &Path) -> Result<Account, ClusterError> {
        if !Uid::effective().is_root() {
            return Ok(Account::own());
        }
        if let Ok(metadata) = fs::symlink_metadata(data)
            && metadata.uid() != 0
        {
            return Ok(Account {
                uid: metadata.uid(),
                gid: metadata.gid(),
                name: metadata.uid().to_string(),
                is_switch: true,
            });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Account {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                name: user.name,
                is_switch: true,
            })
            .ok_or(ClusterError::NoAccount)
    }

    /// Lets `command` run as this account; supplementary groups are dropped with the uid.
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.is_switch {
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Gives it a path that this process has just made.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        if self.is_switch {
            lchown(path, Some(self.uid), Some(self.gid))?;
        }
        Ok(())
    }

    /// The outermost directory on the way into `dir` (itself included) that it cannot enter.
    pub(crate) fn blocked_by(&self, dir: &Path) -> Option<PathBuf> {
        if !self.is_switch {
            return None;
        }
        let ways: Vec<&Path> = dir.ancestors().collect();
        ways.into_iter()
            .rev()
            .find(|way| fs::metadata(way).is_ok_and(|metadata| !self.may_enter(&metadata)))
            .map(Path::to_owned)
    }

    fn may_enter(&self, directory: &fs::Metadata) -> bool {
        let search = if directory.uid() == self.uid {
            0o100
        } else if directory.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        directory.mode() & search != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::Scratch;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    fn stranger() -> Account {
        Account {
            uid: 54_321,
            gid: 54_321,
            name: "stranger".into(),
            is_switch: true,
        }
    }

    #[test]
    fn root_never_runs_the_server_itself() {
        let account = Account::choose(Path::new("/nonexistent")).expect("an account");
        assert_ne!(account.uid, 0);
        assert_eq!(account.is_switch, Uid::effective().is_root());
    }

    #[test]
    fn a_parent_that_others_cannot_enter_is_named() {
        let scratch = Scratch::new();
        let closed = scratch.path().join("closed");
        let inner = closed.join("inner");
        fs::create_dir_all(&inner).expect("directories");
        assert_eq!(stranger().blocked_by(&inner), None);
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).expect("mode");
        assert_eq!(stranger().blocked_by(&inner), Some(closed));
    }

    #[test]
    fn an_own_account_is_never_blocked() {
        let own = Account {
            is_switch: false,
            ..stranger()
        };
        assert_eq!(own.blocked_by(Path::new("/root")), None);
    }
}
