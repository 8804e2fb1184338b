//! A whole stack of `up` as a process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tollgate::report::{UP_JSON, UpReport};

use crate::ports::PortOffset;
use crate::wait::{self, until};

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// A running stack with a data directory of its own. Dropping it kills the process.
pub struct Stack {
    child: Child,
    pub report: UpReport,
    pub data_dir: PathBuf,
    ports: PortOffset,
    program: PathBuf,
    arguments: Vec<String>,
}

impl Stack {
    /// Starts a stack with a fresh data directory. `program` is the path of the `plane` binary.
    pub async fn start(program: &str, arguments: &[&str]) -> Self {
        let ports = PortOffset::take();
        let data_dir = fresh_directory();
        let program = PathBuf::from(program);
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let (child, report) = launch(&program, &data_dir, ports.offset, &arguments).await;
        Self {
            child,
            report,
            data_dir,
            ports,
            program,
            arguments,
        }
    }

    /// The first gateway's base URL.
    pub fn gateway(&self) -> &str {
        &self.report.gateways[0]
    }

    pub fn demo_key(&self) -> &str {
        &self
            .report
            .demo
            .as_ref()
            .expect("a stack with demo data")
            .api_key
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the stack runs")
    }

    /// SIGKILL: nothing is cleaned up.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("the stack runs");
    }

    /// SIGTERM; returns the exit code.
    pub async fn stop(&mut self) -> i32 {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid()).expect("a pid"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("the stack runs");
        let ended = tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await;
        ended
            .expect("the stack stops in time")
            .expect("waits")
            .code()
            .unwrap_or(-1)
    }

    /// Starts it again on the same data directory and ports.
    pub async fn restart(&mut self) {
        let (child, report) = launch(
            &self.program,
            &self.data_dir,
            self.ports.offset,
            &self.arguments,
        )
        .await;
        self.child = child;
        self.report = report;
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        wait::end(&mut self.child);
        let _ = std::fs::remove_dir_all(&self.data_dir);
    }
}

async fn launch(
    program: &Path,
    data_dir: &Path,
    offset: u16,
    arguments: &[String],
) -> (Child, UpReport) {
    let mut command = Command::new(program);
    command
        .args(["tollgate", "up", "--data-dir"])
        .arg(data_dir)
        .args(["--port-offset", &offset.to_string()])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("the plane binary runs");
    let report = until("up.json of a ready stack", READY_WITHIN, async || {
        if let Some(status) = child.try_wait().expect("waits") {
            panic!("the stack ended while starting: {status}");
        }
        // A killed stack leaves its report behind.
        read_report(data_dir).filter(|report| Some(report.pid) == child.id())
    })
    .await;
    (child, report)
}

fn read_report(data_dir: &Path) -> Option<UpReport> {
    let text = std::fs::read_to_string(data_dir.join(UP_JSON)).ok()?;
    serde_json::from_str(&text).ok()
}

/// A directory that the account of PostgreSQL can enter, also when the tests run as root.
pub fn fresh_directory() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("tollgate-e2e-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}
