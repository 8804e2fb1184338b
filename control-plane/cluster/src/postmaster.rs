//! `postmaster.pid`: who serves a data directory, and whether it is ready.
//!
//! Lines: pid, data directory, start time, port, socket directory, listen address, shared memory,
//! status (PostgreSQL's `pidfile.h`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{ClusterError, io_error};

const POLL: Duration = Duration::from_millis(10);
/// A fast shutdown writes a checkpoint; after a busy hour that takes seconds.
const FAST_STOP: Duration = Duration::from_secs(30);
const IMMEDIATE_STOP: Duration = Duration::from_secs(10);

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) is_ready: bool,
}

pub(crate) fn path(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

pub(crate) fn read(data: &Path) -> Result<Option<PidFile>, ClusterError> {
    let path = path(data);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("read", &path)(error)),
    }
}

/// `None` while the file is still being written.
fn parse(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let is_ready = lines.nth(6).is_some_and(|status| status.trim() == "ready");
    Some(PidFile { pid, is_ready })
}

/// Whether `pid` is a live postmaster of `data`: pids are reused, and a zombie is nobody.
#[cfg(target_os = "linux")]
pub(crate) fn serves(pid: i32, data: &Path) -> bool {
    // A postmaster's working directory is its data directory.
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn serves(pid: i32, data: &Path) -> bool {
    let output = std::process::Command::new("ps")
        .args(["-o", "args=", "-p", &pid.to_string()])
        .output();
    let shown = data.to_string_lossy();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&*shown))
}

/// Polls `ended` until it is true or `within` has passed.
pub(crate) fn wait(within: Duration, mut ended: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if ended() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
}

/// Stops a server: fast, then immediate, then by force. `has_ended` says when it is gone.
pub(crate) fn stop(
    pid: i32,
    data: &Path,
    mut has_ended: impl FnMut() -> bool,
) -> Result<(), ClusterError> {
    let steps = [
        (Signal::SIGINT, FAST_STOP),
        (Signal::SIGQUIT, IMMEDIATE_STOP),
        (Signal::SIGKILL, IMMEDIATE_STOP),
    ];
    for (signal, within) in steps {
        if has_ended() {
            return Ok(());
        }
        if signal != Signal::SIGINT {
            tracing::warn!(pid, %signal, "PostgreSQL does not stop, trying harder");
        }
        let _ = kill(Pid::from_raw(pid), signal);
        if wait(within, &mut has_ended) {
            return Ok(());
        }
    }
    Err(ClusterError::NotStopped {
        dir: data.to_owned(),
        pid: pid.unsigned_abs(),
    })
}

/// Makes `data` startable after an owner that was killed: stops a server that outlived it, and
/// takes the name of an unrelated process out of `postmaster.pid`.
///
/// Call only as the owner of the directory.
pub(crate) fn recover(data: &Path) -> Result<(), ClusterError> {
    let Some(file) = read(data)? else {
        return Ok(());
    };
    // Single-user servers note themselves as a negative pid.
    let pid = file.pid.abs();
    if serves(pid, data) {
        tracing::info!(
            pid,
            "stopping a PostgreSQL that a killed process left behind"
        );
        return stop(pid, data, || !serves(pid, data));
    }
    if kill(Pid::from_raw(pid), None).is_ok() {
        disown(data)?;
    }
    Ok(())
}

/// Puts a pid that cannot exist in place of a reused one, over which PostgreSQL would refuse to
/// start. Removing the file would also remove its check for orphaned backends in shared memory.
fn disown(data: &Path) -> Result<(), ClusterError> {
    let path = path(data);
    let edit = || -> io::Result<()> {
        let text = fs::read_to_string(&path)?;
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        fs::write(&path, format!("{}\n{rest}", i32::MAX))
    };
    edit().map_err(io_error("correct", &path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::tests::Scratch;

    const READY: &str = "4711\n/pg/data\n1790000000\n5432\n/pg/run\n\n  5432001  98304\nready   \n";

    #[test]
    fn only_line_8_says_ready() {
        let file = |is_ready| {
            Some(PidFile {
                pid: 4711,
                is_ready,
            })
        };
        assert_eq!(parse(READY), file(true));
        assert_eq!(parse(&READY.replace("ready   ", "starting")), file(false));
        assert_eq!(parse("4711\nready\n"), file(false));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_reused_pid_is_never_signalled() {
        let scratch = Scratch::new();
        let own = std::process::id();
        let text = READY.replace("4711", &own.to_string());
        fs::write(path(scratch.path()), text).expect("pid file");
        recover(scratch.path()).expect("recovered");
        let after = fs::read_to_string(path(scratch.path())).expect("still there");
        assert!(after.starts_with(&format!("{}\n/pg/data\n", i32::MAX)));
        assert!(after.contains("98304"), "shared memory is still checked");
    }
}
