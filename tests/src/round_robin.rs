//! A load balancer in front of two servers that gives each request to the other one than the
//! request before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// No request of a test is longer.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A request per connection, so that none of them stays with one server.
#[derive(Debug)]
pub struct RoundRobin {
    url: String,
    taken: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl RoundRobin {
    pub async fn start(servers: [SocketAddr; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let taken: Arc<AtomicUsize> = Arc::default();
        let count = taken.clone();
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, servers, count.clone()));
            }
        });
        Self { url, taken, server }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests that were passed on.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(
    mut client: TcpStream,
    servers: [SocketAddr; 2],
    taken: Arc<AtomicUsize>,
) -> Option<()> {
    let request = read_request(&mut client).await?;
    let turn = taken.fetch_add(1, Ordering::Relaxed);
    let mut server = TcpStream::connect(servers[turn % 2]).await.ok()?;
    server.write_all(&request).await.ok()?;
    // The server ends the connection with its answer, and so do we.
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.ok()?;
    client.write_all(&answer).await.ok()?;
    client.shutdown().await.ok()
}

/// A whole request (RFC 9112), changed to be the last of its connection.
async fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let body = bytes.len() - (end + 4);
            let text = std::str::from_utf8(&bytes[..end]).ok()?;
            if body >= content_length(text) {
                let (line, headers) = text.split_once("\r\n")?;
                let start = format!("{line}\r\nconnection: close\r\n{headers}\r\n\r\n");
                return Some([start.as_bytes(), &bytes[end + 4..]].concat());
            }
        }
        let read = client.read_buf(&mut bytes).await.ok()?;
        if read == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
}

fn content_length(head: &str) -> usize {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    found.map_or(0, |(_, length)| length.trim().parse().unwrap_or(0))
}
