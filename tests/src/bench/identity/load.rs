//! Clients of a token endpoint: each asks again as soon as it is answered, on a connection of its
//! own, for a given time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a client sends again and again.
#[derive(Debug, Clone)]
pub struct Asking {
    pub address: SocketAddr,
    /// `/oauth2/token`.
    pub path: &'static str,
    /// All of the form but a refresh token.
    pub form: String,
}

/// What came of a round.
#[derive(Debug, Default)]
pub struct Round {
    pub seconds: f64,
    pub latencies_us: Vec<u32>,
}

impl Round {
    pub fn per_second(&self) -> f64 {
        self.latencies_us.len() as f64 / self.seconds
    }

    /// Call it with sorted latencies only.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let place = (last as f64 * quantile).round() as usize;
        self.latencies_us.get(place).copied().map_or(0.0, f64::from)
    }
}

/// As many clients as there are places. Each holds a refresh token, which it replaces by the one
/// that it is answered with; an empty one is not sent.
pub async fn round(
    asking: &Asking,
    tokens: &mut [String],
    length: Duration,
) -> anyhow::Result<Round> {
    let started = Instant::now();
    let mut clients = JoinSet::new();
    for (place, token) in tokens.iter().enumerate() {
        let (asking, token) = (asking.clone(), token.clone());
        clients.spawn(async move {
            let done = client(&asking, token, started + length).await;
            (place, done)
        });
    }
    let mut round = Round::default();
    while let Some(ended) = clients.join_next().await {
        let (place, done) = ended?;
        let (token, latencies) = done?;
        tokens[place] = token;
        round.latencies_us.extend(latencies);
    }
    round.seconds = started.elapsed().as_secs_f64();
    round.latencies_us.sort_unstable();
    Ok(round)
}

async fn client(
    asking: &Asking,
    mut token: String,
    until: Instant,
) -> anyhow::Result<(String, Vec<u32>)> {
    let mut stream = TcpStream::connect(asking.address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        let answer = tokio::time::timeout(ANSWER_WITHIN, ask(&mut stream, asking, &token));
        let answer = answer.await.context("no answer in time")??;
        latencies.push(begun.elapsed().as_micros() as u32);
        if !token.is_empty() {
            let next = answer["refresh_token"].as_str();
            token = next.context("no refresh token in the answer")?.to_owned();
        }
    }
    Ok((token, latencies))
}

/// One request; anything but success is an error, which ends the run.
async fn ask(stream: &mut TcpStream, asking: &Asking, token: &str) -> anyhow::Result<Value> {
    let mut form = asking.form.clone();
    if !token.is_empty() {
        form.push_str("&refresh_token=");
        form.push_str(token);
    }
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        asking.path,
        asking.address,
        form.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::with_capacity(8 << 10);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > ANSWER_BYTES_MAX {
            bail!("the connection ended within an answer");
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&bytes[..end])?;
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let (_, length) = length.context("an answer without a length")?;
        let body = &bytes[end + 4..];
        if body.len() < length.trim().parse()? {
            continue;
        }
        if !head.starts_with("HTTP/1.1 200") {
            bail!("{head}\n{}", String::from_utf8_lossy(body));
        }
        return Ok(serde_json::from_slice(body)?);
    }
}
