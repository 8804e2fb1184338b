//! Child processes: a clean environment, their own process group, and an end with ours.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;

use nix::sys::signal::Signal;

use crate::account::Account;

/// A command that runs as `account` and sees nothing of our environment, terminal or directory.
///
/// Its own process group lets Ctrl-C reach the application first, which then stops its server.
pub(crate) fn command(program: &Path, account: &Account) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    account.apply(&mut command);
    command
}

/// Spawns `command` so that it gets `signal` when this process ends, even by SIGKILL.
///
/// Where the system has no such signal, the next start finds the leftover and stops it.
pub(crate) fn spawn_bound(mut command: Command, signal: Signal) -> io::Result<Child> {
    die_with_parent(&mut command, signal);
    let (reply, answer) = mpsc::channel();
    let spawner = SPAWNER
        .as_ref()
        .map_err(|error| io::Error::new(error.kind(), error.to_string()))?;
    spawner
        .send(Job { command, reply })
        .map_err(|_| io::Error::other("the spawner thread has ended"))?;
    answer
        .recv()
        .map_err(|_| io::Error::other("the spawner thread has ended"))?
}

struct Job {
    command: Command,
    reply: mpsc::Sender<io::Result<Child>>,
}

/// Linux sends the parent-death signal when the spawning *thread* ends, so one thread that lives
/// as long as the process does all the spawning.
static SPAWNER: LazyLock<io::Result<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (sender, jobs) = mpsc::channel::<Job>();
    thread::Builder::new()
        .name("cluster-spawner".into())
        .spawn(move || {
            for mut job in jobs {
                let _ = job.reply.send(job.command.spawn());
            }
        })?;
    Ok(sender)
});

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn die_with_parent(command: &mut Command, signal: Signal) {
    use std::os::unix::process::CommandExt;

    let parent = nix::unistd::getpid();
    let bind = move || {
        nix::sys::prctl::set_pdeathsig(signal)?;
        // Our end may have come before the line above: then no signal would ever follow.
        if nix::unistd::getppid() != parent {
            return Err(nix::errno::Errno::ESRCH.into());
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls, both async-signal-safe; it
    // allocates nothing, takes no lock and touches only values that it owns. It runs after the uid
    // change, which would clear the signal.
    unsafe {
        command.pre_exec(bind);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command, _: Signal) {}
