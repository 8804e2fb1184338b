//! Processes and files that end with the benchmark.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::machine;

/// nginx needs an order to take its workers along; SIGKILL would leave them.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// A process that is stopped when this is dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts a process on one core; this thread stays on `home`.
    pub fn start(command: &mut Command, core: usize, home: usize) -> anyhow::Result<Self> {
        Self::spawn(command.stdout(Stdio::null()), core, home)
    }

    /// The same, with what it says on standard output.
    pub fn start_talking(
        command: &mut Command,
        core: usize,
        home: usize,
    ) -> anyhow::Result<(Self, ChildStdout)> {
        let mut running = Self::spawn(command.stdout(Stdio::piped()), core, home)?;
        let stdout = running.0.stdout.take().context("a pipe")?;
        Ok((running, stdout))
    }

    fn spawn(command: &mut Command, core: usize, home: usize) -> anyhow::Result<Self> {
        command.stdin(Stdio::null());
        machine::pin_this_thread(core)?;
        let started = command.spawn();
        machine::pin_this_thread(home)?;
        let shown = command.get_program().display();
        Ok(Self(
            started.with_context(|| format!("cannot run {shown}"))?,
        ))
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let deadline = Instant::now() + ENDS_WITHIN;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.0.kill();
                let _ = self.0.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A directory that is removed when this is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("tollgate-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where a program of this name is; servers are often where users do not look.
pub fn find_program(name: &str) -> Option<PathBuf> {
    const PLACES: [&str; 5] = [
        "/usr/sbin",
        "/usr/local/sbin",
        "/usr/bin",
        "/usr/local/bin",
        "/opt/homebrew/bin",
    ];
    PLACES
        .iter()
        .map(|place| Path::new(place).join(name))
        .find(|path| path.is_file())
}

/// A loopback address that nobody listens on.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
