//! The control side as a whole, over real sockets, against the fake control plane.
#![allow(clippy::unwrap_used)]

mod admin;
mod leases;
mod snapshots;
mod usage;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, LocalSet};
use tokio_util::sync::CancellationToken;

use super::state_dir::StateDir;
use super::testing::{Fake, TempDir, eventually};
use super::{ControlError, run_on};
use crate::config::Config;
use crate::shared::Shared;

/// The control side of one node, running.
struct TestNode {
    shared: Arc<Shared>,
    admin: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<Result<(), ControlError>>,
}

impl TestNode {
    async fn start(fake: &Fake, state_dir: &Path) -> Self {
        let mut config = config(fake, state_dir);
        config.enroll_token = Some(fake.token());
        Self::start_with(config).await
    }

    async fn start_with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let admin = listener.local_addr().unwrap();
        let (shared, inbox) = Shared::new();
        let shutdown = CancellationToken::new();
        let (theirs, stop) = (shared.clone(), shutdown.clone());
        let running = tokio::task::spawn_local(async move {
            run_on(listener, &config, theirs, inbox, stop).await
        });
        Self {
            shared,
            admin,
            shutdown,
            running,
        }
    }

    /// Revision of the snapshot in force; 0: none.
    fn revision(&self) -> u64 {
        let snapshot = self.shared.snapshot.load();
        snapshot
            .as_ref()
            .map_or(0, |snapshot| snapshot.version().revision)
    }

    async fn serves(&self, revision: u64) {
        let shared = self.shared.clone();
        eventually(&format!("revision {revision} is in force"), move || {
            let snapshot = shared.snapshot.load();
            snapshot
                .as_ref()
                .is_some_and(|snapshot| snapshot.version().revision == revision)
        })
        .await;
    }

    async fn stop(self) -> Result<(), ControlError> {
        self.shutdown.cancel();
        self.running.await.unwrap()
    }

    /// Ends it as SIGKILL would: nothing is said, nothing is stored.
    async fn kill(self, state_dir: &Path) {
        self.running.abort();
        let _ = self.running.await;
        // Disk work that was under way in another thread holds the lock a moment longer.
        eventually("the lock is free", || StateDir::open(state_dir).is_ok()).await;
    }

    async fn get(&self, path: &str) -> String {
        self.request("GET", path).await
    }

    async fn request(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

fn config(fake: &Fake, state_dir: &Path) -> Config {
    let unused = SocketAddr::from(([127, 0, 0, 1], 0));
    Config::new(fake.url(), state_dir.to_owned(), unused)
}

async fn local<F: Future>(test: F) -> F::Output {
    LocalSet::new().run_until(test).await
}

async fn world() -> (Arc<Fake>, TempDir) {
    (Fake::start().await, TempDir::new())
}
