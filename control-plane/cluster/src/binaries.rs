//! Finding installed server binaries.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::install::install_command;

/// The oldest major version whose features the schema and the client tools rely on.
pub const OLDEST_MAJOR: u32 = 14;

/// A directory with everything a private cluster needs, and its major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    pub bin_dir: PathBuf,
    pub major: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    #[error("no PostgreSQL server binaries found{}; {}", place(.at.as_deref()), advice())]
    Missing { at: Option<PathBuf> },
    #[error(
        "PostgreSQL {found} in {at} is too old, {OLDEST_MAJOR} or newer is needed; {}",
        advice()
    )]
    TooOld { found: u32, at: PathBuf },
}

/// The programs that are run; a directory that lacks one is passed over.
const PROGRAMS: [&str; 5] = ["postgres", "initdb", "createdb", "dropdb", "pg_isready"];

/// Finds the binaries in `explicit` (a bin directory or its parent), else in `PATH`, else in the
/// usual places, newest first.
pub fn find(explicit: Option<&Path>) -> Result<Binaries, FindError> {
    match explicit {
        Some(dir) => choose(&[dir.to_owned(), dir.join("bin")], Some(dir)),
        None => choose(&Places::of_this_machine().candidates(), None),
    }
}

/// Finds binaries of exactly this major version: data of another one cannot be opened.
pub(crate) fn find_major(major: u32) -> Option<Binaries> {
    Places::of_this_machine()
        .candidates()
        .iter()
        .filter_map(|dir| inspect(dir))
        .find(|binaries| binaries.major == major)
}

fn choose(candidates: &[PathBuf], explicit: Option<&Path>) -> Result<Binaries, FindError> {
    let mut too_old: Option<Binaries> = None;
    for found in candidates.iter().filter_map(|dir| inspect(dir)) {
        if found.major >= OLDEST_MAJOR {
            return Ok(found);
        }
        if too_old.as_ref().is_none_or(|old| old.major < found.major) {
            too_old = Some(found);
        }
    }
    Err(match too_old {
        Some(old) => FindError::TooOld {
            found: old.major,
            at: old.bin_dir,
        },
        None => FindError::Missing {
            at: explicit.map(Path::to_owned),
        },
    })
}

/// Resolves `dir` through its `initdb`, which finds its share directory by its real path.
fn inspect(dir: &Path) -> Option<Binaries> {
    let initdb = fs::canonicalize(dir.join("initdb")).ok()?;
    let bin_dir = initdb.parent()?.to_owned();
    if !PROGRAMS.iter().all(|name| bin_dir.join(name).is_file()) {
        return None;
    }
    let output = Command::new(bin_dir.join("postgres"))
        .arg("--version")
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { bin_dir, major })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, also `17devel` and `18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

struct Places {
    path: Option<OsString>,
    root: PathBuf,
}

/// Directories whose entries carry a version: parent, the text before the number, what follows.
const VERSIONED: [(&str, &str, &str); 12] = [
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("usr/lib", "postgresql", "bin"),
    ("usr/lib64", "postgresql-", "bin"),
    ("usr/libexec", "postgresql", ""),
    ("opt/homebrew/opt", "postgresql@", "bin"),
    ("usr/local/opt", "postgresql@", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql@", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("Library/PostgreSQL", "", "bin"),
    ("opt/local/lib", "postgresql", "bin"),
    ("opt/bitnami", "postgresql", "bin"),
];

const UNVERSIONED: [&str; 5] = [
    "usr/local/pgsql/bin",
    "opt/homebrew/bin",
    "usr/local/bin",
    "usr/bin",
    "opt/bitnami/postgresql/bin",
];

impl Places {
    fn of_this_machine() -> Places {
        Places {
            path: Some(search_path()),
            root: PathBuf::from("/"),
        }
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let mut candidates: Vec<PathBuf> = self
            .path
            .iter()
            .flat_map(std::env::split_paths)
            .filter(|dir| dir.is_absolute())
            .collect();
        let mut numbered = Vec::new();
        for (parent, before, after) in VERSIONED {
            for entry in fs::read_dir(self.root.join(parent)).into_iter().flatten() {
                let Ok(entry) = entry else { continue };
                let name = entry.file_name();
                let version = name.to_str().and_then(|name| name.strip_prefix(before));
                if let Some(major) = version.and_then(|version| version.parse::<u32>().ok()) {
                    numbered.push((major, entry.path().join(after)));
                }
            }
        }
        numbered.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        candidates.extend(numbered.into_iter().map(|(_, dir)| dir));
        candidates.extend(UNVERSIONED.map(|dir| self.root.join(dir)));
        candidates
    }
}

/// `PATH`, empty if unset.
#[expect(
    clippy::disallowed_methods,
    reason = "where this machine's programs are is no configuration of ours"
)]
pub(crate) fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

fn place(at: Option<&Path>) -> String {
    at.map(|at| format!(" in {}", at.display()))
        .unwrap_or_default()
}

fn advice() -> String {
    match install_command() {
        Some(command) => format!("install PostgreSQL with: {command}"),
        None => format!("install the PostgreSQL server, version {OLDEST_MAJOR} or newer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Makes a bin directory whose `postgres` answers with this version.
    fn install(dir: &Path, version: &str) {
        fs::create_dir_all(dir).expect("bin directory");
        for program in PROGRAMS {
            let path = dir.join(program);
            fs::write(
                &path,
                format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n"),
            )
            .expect("program");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
        }
    }

    fn find_under(root: &Path, path: Option<&Path>) -> Result<Binaries, FindError> {
        let places = Places {
            path: path.map(|dir| dir.as_os_str().to_owned()),
            root: root.to_owned(),
        };
        choose(&places.candidates(), None)
    }

    #[test]
    fn versions_of_every_shape_are_read() {
        for (text, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
            ("postgres (PostgreSQL) 9.6.24", 9),
            ("postgres (PostgreSQL) 18beta1", 18),
            ("postgres (PostgreSQL) 19devel\n", 19),
        ] {
            assert_eq!(major_of(text), Some(major), "{text}");
        }
        assert_eq!(major_of("postgres"), None);
    }

    #[test]
    fn the_newest_packaged_version_wins_by_number() {
        let scratch = Scratch::new();
        for version in ["9", "14", "17"] {
            install(
                &scratch
                    .path()
                    .join("usr/lib/postgresql")
                    .join(version)
                    .join("bin"),
                version,
            );
        }
        install(&scratch.path().join("usr/pgsql-16/bin"), "16.1");
        assert_eq!(
            find_under(scratch.path(), None).map(|found| found.major),
            Ok(17)
        );
    }

    #[test]
    fn path_wins_unless_too_old_and_is_resolved() {
        let scratch = Scratch::new();
        let real = scratch.path().join("cellar/15/bin");
        install(&real, "15.2");
        let linked = scratch.path().join("linked");
        fs::create_dir(&linked).expect("directory");
        symlink(real.join("initdb"), linked.join("initdb")).expect("link");
        install(&scratch.path().join("usr/lib/postgresql/17/bin"), "17.0");
        let found = find_under(scratch.path(), Some(&linked)).expect("found");
        assert_eq!(found.bin_dir, fs::canonicalize(&real).expect("real path"));

        let old = scratch.path().join("old");
        install(&old, "12.1");
        let found = find_under(scratch.path(), Some(&old)).expect("found");
        assert_eq!(found.major, 17);
    }

    #[test]
    fn too_old_and_missing_are_one_clear_line() {
        let scratch = Scratch::new();
        let missing = find(Some(scratch.path())).expect_err("nothing there");
        assert_eq!(
            missing,
            FindError::Missing {
                at: Some(scratch.path().to_owned())
            }
        );
        install(&scratch.path().join("bin"), "13.9");
        let too_old = find(Some(scratch.path())).expect_err("too old");
        assert!(matches!(too_old, FindError::TooOld { found: 13, .. }));
        for message in [missing.to_string(), too_old.to_string()] {
            assert!(!message.contains('\n'), "{message}");
            assert!(message.contains("install"), "{message}");
        }
    }

    #[test]
    fn a_directory_without_client_tools_is_passed_over() {
        let scratch = Scratch::new();
        let bin = scratch.path().join("bin");
        install(&bin, "16.0");
        fs::remove_file(bin.join("createdb")).expect("removed");
        assert!(matches!(find(Some(&bin)), Err(FindError::Missing { .. })));
    }
}
