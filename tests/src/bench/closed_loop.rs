//! Clients that send their next request when the last was answered: wrk.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

use super::process::find_program;
use super::subject::Subject;

pub struct Wrk(PathBuf);

/// What one run did.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub requests: u64,
    pub per_second: f64,
    /// Answers other than 2xx.
    pub refused: u64,
    /// Broken connections, and answers that took more than 2 s.
    pub broken: u64,
}

impl Wrk {
    pub fn find() -> Option<Self> {
        find_program("wrk").map(Self)
    }

    pub async fn run(
        &self,
        subject: &Subject,
        connections: usize,
        length: Duration,
    ) -> anyhow::Result<Done> {
        let mut command = Command::new(&self.0);
        command
            .args(["-t", "1", "-c", &connections.to_string()])
            .args(["-d", &format!("{}s", length.as_secs())])
            .args(["-H", &format!("x-api-key: {}", subject.key)])
            .arg(subject.url())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = command.output().await.context("cannot run wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("wrk failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        parse(&text).with_context(|| format!("wrk said what is not understood: {text}"))
    }
}

fn parse(text: &str) -> Option<Done> {
    let lines = || text.lines().map(str::trim);
    let requests = lines().find_map(|line| line.split_once(" requests in "))?.0;
    let per_second = lines().find_map(|line| line.strip_prefix("Requests/sec:"))?;
    let refused = lines().find_map(|line| line.strip_prefix("Non-2xx or 3xx responses:"));
    let refused: u64 = refused.map_or(Some(0), |count| count.trim().parse().ok())?;
    // "Socket errors: connect 0, read 0, write 0, timeout 0"
    let errors = lines()
        .find_map(|line| line.strip_prefix("Socket errors:"))
        .unwrap_or_default();
    let errors: u64 = errors
        .split([' ', ','])
        .filter_map(|word| word.parse::<u64>().ok())
        .sum();
    Some(Done {
        requests: requests.parse().ok()?,
        per_second: per_second.trim().parse().ok()?,
        refused,
        broken: errors,
    })
}
