//! The one command that installs PostgreSQL on this machine.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::binaries::search_path;

/// A command to show (`Display`) or to run (`argv`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallCommand {
    pub argv: Vec<String>,
}

/// The command for this machine's package manager, through `sudo` or `su` where it needs root;
/// `None` where no package manager is known.
pub fn install_command() -> Option<InstallCommand> {
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let has_program = |name: &str| program(name).is_some();
    let command = package_command(has_program, &os_release, apt_knows_packages())?;
    // Homebrew refuses to run as root.
    if Uid::effective().is_root() || command[0] == "brew" {
        return Some(InstallCommand { argv: command });
    }
    Some(as_root(command, has_program("sudo")))
}

fn package_command(
    has_program: impl Fn(&str) -> bool,
    os_release: &str,
    has_apt_lists: bool,
) -> Option<Vec<String>> {
    let command: &[&str] = if cfg!(target_os = "macos") && has_program("brew") {
        &["brew", "install", "postgresql@17"]
    } else if has_program("apt-get") && has_apt_lists {
        &[
            "apt-get",
            "install",
            "-y",
            "--no-install-recommends",
            "postgresql",
        ]
    } else if has_program("apt-get") {
        // Container images ship without package lists; nothing could be installed before an update.
        &[
            "sh",
            "-c",
            "apt-get update && apt-get install -y --no-install-recommends postgresql",
        ]
    } else if has_program("dnf") {
        dnf(os_release)
    } else if has_program("apk") {
        &["apk", "add", "postgresql"]
    } else if has_program("zypper") {
        &[
            "zypper",
            "--non-interactive",
            "install",
            "postgresql-server",
        ]
    } else if has_program("pacman") {
        &["pacman", "-S", "--noconfirm", "postgresql"]
    } else if has_program("brew") {
        &["brew", "install", "postgresql@17"]
    } else {
        return None;
    };
    Some(command.iter().copied().map(String::from).collect())
}

/// Enterprise Linux 8 and 9 install 10 and 13 unless a newer module stream is named.
fn dnf(os_release: &str) -> &'static [&'static str] {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim_matches('"')
    };
    let is_enterprise = value("PLATFORM_ID=").starts_with("platform:el");
    match (value("ID="), value("VERSION_ID=").split('.').next()) {
        ("amzn", _) => &["dnf", "install", "-y", "postgresql15-server"],
        (_, Some("8" | "9")) if is_enterprise => {
            &["dnf", "module", "install", "-y", "postgresql:15/server"]
        }
        _ => &["dnf", "install", "-y", "postgresql-server"],
    }
}

fn as_root(command: Vec<String>, has_sudo: bool) -> InstallCommand {
    let argv = if has_sudo {
        [vec![String::from("sudo")], command].concat()
    } else {
        let line = InstallCommand { argv: command }.to_string();
        vec![String::from("su"), String::from("-c"), line]
    };
    InstallCommand { argv }
}

fn apt_knows_packages() -> bool {
    fs::read_dir("/var/lib/apt/lists")
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|program: &PathBuf| Path::is_file(program))
}

impl fmt::Display for InstallCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.argv.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+=".contains(c);
            if word.chars().all(is_plain) {
                f.write_str(word)?;
            } else {
                write!(f, "'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EL9: &str = "ID=\"rocky\"\nVERSION_ID=\"9.4\"\nPLATFORM_ID=\"platform:el9\"\n";
    const FEDORA: &str = "ID=fedora\nVERSION_ID=42\nPLATFORM_ID=\"platform:f42\"\n";

    #[track_caller]
    fn check(manager: &str, os_release: &str, has_apt_lists: bool, shown: Option<&str>) {
        let argv = package_command(|name| name == manager, os_release, has_apt_lists);
        let command = argv.map(|argv| InstallCommand { argv }.to_string());
        assert_eq!(command.as_deref(), shown);
    }

    #[test]
    fn every_package_manager_has_its_command() {
        let apt = "apt-get install -y --no-install-recommends postgresql";
        check("apt-get", "", true, Some(apt));
        check(
            "apt-get",
            "",
            false,
            Some(&format!("sh -c 'apt-get update && {apt}'")),
        );
        check(
            "dnf",
            FEDORA,
            false,
            Some("dnf install -y postgresql-server"),
        );
        check(
            "dnf",
            EL9,
            false,
            Some("dnf module install -y postgresql:15/server"),
        );
        check("apk", "", false, Some("apk add postgresql"));
        check("brew", "", false, Some("brew install postgresql@17"));
        check("winget", "", false, None);
    }

    #[test]
    fn without_root_the_command_asks_for_it() {
        let command = || vec![String::from("apk"), String::from("add"), String::from("x")];
        assert_eq!(as_root(command(), true).to_string(), "sudo apk add x");
        assert_eq!(as_root(command(), false).to_string(), "su -c 'apk add x'");
    }
}
