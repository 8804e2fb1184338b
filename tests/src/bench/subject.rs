//! A proxy that is measured.

use std::net::SocketAddr;
use std::time::Duration;

use e2e::wait::until;

use super::BODY_BYTES;
use super::machine::{CpuTime, resident_bytes};
use super::process::Running;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Subject {
    pub name: &'static str,
    pub address: SocketAddr,
    pub path: &'static str,
    /// What clients send as `x-api-key`, also where nobody looks at it: all get the same bytes.
    pub key: String,
    pub process: Running,
}

impl Subject {
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    /// The request's bytes.
    pub fn request(&self) -> Vec<u8> {
        let Self {
            address, path, key, ..
        } = self;
        format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nx-api-key: {key}\r\n\r\n").into_bytes()
    }

    pub fn cpu_time(&self) -> anyhow::Result<CpuTime> {
        CpuTime::of(self.process.pid())
    }

    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes(self.process.pid())
    }

    /// The whole way works: 200 with the upstream's body.
    pub async fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let http = reqwest::Client::new();
        until(self.name, ANSWERS_WITHIN, async || {
            let request = http.get(self.url()).header("x-api-key", &self.key);
            let answer = request.send().await.ok()?.error_for_status().ok()?;
            (answer.bytes().await.ok()?.len() == BODY_BYTES).then_some(())
        })
        .await;
        Ok(())
    }
}
