//! Reaching a server: connection URLs, and databases by PostgreSQL's own client programs.

use std::path::PathBuf;
use std::process::Output;

use crate::account::Account;
use crate::error::{ClusterError, io_error};
use crate::spawn;

/// The role that owns a private cluster.
pub(crate) const SUPERUSER: &str = "tollgate";
pub(crate) const PORT: &str = "5432";

const NAME_BYTES_MAX: usize = 60;

/// Where a server answers, and the client programs of its version.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) bin_dir: PathBuf,
    pub(crate) socket_dir: PathBuf,
}

impl Address {
    /// The port is spelt out because clients would otherwise take it from `PGPORT`.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://{SUPERUSER}@localhost:{PORT}/{}?host={}",
            percent_encoded(database.as_bytes()),
            percent_encoded(self.socket_dir.as_os_str().as_encoded_bytes()),
        )
    }

    pub(crate) fn create(&self, name: &str, template: Option<&str>) -> Result<(), ClusterError> {
        let mut arguments = vec!["--maintenance-db=postgres"];
        if let Some(template) = template {
            arguments.extend(["--template", template]);
        }
        arguments.push(name);
        let output = self.run("createdb", &arguments)?;
        if output.status.success() {
            return Ok(());
        }
        // The programs print no SQLSTATE; both sides run in the C locale, so the texts are fixed.
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(if text.ends_with("already exists") {
            ClusterError::AlreadyExists { name: name.into() }
        } else if text.contains("template database") && text.ends_with("does not exist") {
            ClusterError::NoTemplate {
                name: template.unwrap_or_default().into(),
            }
        } else {
            ClusterError::Client {
                program: "createdb",
                output: text,
            }
        })
    }

    pub(crate) fn drop_if_exists(&self, name: &str) -> Result<(), ClusterError> {
        let arguments = ["--if-exists", "--force", "--maintenance-db=postgres", name];
        let output = self.run("dropdb", &arguments)?;
        if output.status.success() {
            return Ok(());
        }
        Err(ClusterError::Client {
            program: "dropdb",
            output: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    }

    /// Whether the server takes connections.
    pub(crate) fn accepts(&self) -> bool {
        self.run("pg_isready", &["--dbname=postgres", "--timeout=5"])
            .is_ok_and(|output| output.status.success())
    }

    fn run(&self, program: &'static str, arguments: &[&str]) -> Result<Output, ClusterError> {
        let path = self.bin_dir.join(program);
        let mut command = spawn::command(&path, &Account::own());
        command
            .env("PGCONNECT_TIMEOUT", "10")
            .arg("--host")
            .arg(&self.socket_dir)
            .args(["--port", PORT, "--username", SUPERUSER]);
        if program != "pg_isready" {
            command.arg("--no-password");
        }
        command
            .args(arguments)
            .stderr(std::process::Stdio::piped())
            .output()
            .map_err(io_error("run", &path))
    }
}

/// Lower-case names need no quoting anywhere; 60 bytes leave room for a prefix within 63.
pub(crate) fn check_name(name: &str) -> Result<(), ClusterError> {
    let is_plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(());
    }
    Err(ClusterError::InvalidName { name: name.into() })
}

fn percent_encoded(bytes: &[u8]) -> String {
    let mut encoded = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_carry_any_socket_directory() {
        let address = Address {
            bin_dir: PathBuf::from("/bin"),
            socket_dir: PathBuf::from("/tmp/a b/ü&c?d"),
        };
        assert_eq!(
            address.url("tollgate"),
            "postgres://tollgate@localhost:5432/tollgate?host=%2Ftmp%2Fa%20b%2F%C3%BC%26c%3Fd"
        );
    }

    #[test]
    fn only_plain_lower_case_names_are_taken() {
        for name in ["a", "tollgate_1", &"x".repeat(60)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "A", "a-b", "a\"b", "ä", "-a", "a b", &"x".repeat(61)] {
            assert!(
                matches!(check_name(name), Err(ClusterError::InvalidName { .. })),
                "{name}"
            );
        }
    }
}
