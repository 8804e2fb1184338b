//! The end of a connection: the last words to a client that made no request, and the time to hear
//! them.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};
use snapshot::usage::Class;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::answer;
use super::connection::Client;
use super::core::Core;
use super::exchange::MINUTE_MS;
use super::identity;
use super::io::ClientIo;
use super::refusal::EdgeRefusal;
use crate::log::Record;
use crate::meter::CountKey;

/// How long, and how much, a refused client may still send before the socket is closed: closing on
/// unread bytes resets the connection, and the client would lose the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1 << 20;

/// Says why there is no answer; counted and logged as a refused request.
pub(super) async fn refuse(core: &Core, client: &Client, mut io: ClientIo, refusal: EdgeRefusal) {
    let now = core.clock.now();
    let id = identity::request_id(client, &HeaderMap::new(), &core.random, now.unix_ms);
    let words = last_words(refusal, &id, now.unix_ms);
    let said = timeout(LINGER, io.stream.write_all(words.as_bytes())).await;
    core.meter.count(CountKey {
        tenant_id: None,
        key_id: None,
        route_id: None,
        class: Class::Denied,
        minute: u32::try_from(now.unix_ms / MINUTE_MS).unwrap_or(0),
    });
    core.meter.status(refusal.status());
    core.meter.refusal(refusal.code());
    if core.log.is_on() {
        core.log.write(&Record {
            at_ms: now.unix_ms,
            request_id: id.to_str().unwrap_or_default(),
            client: client.peer_value.to_str().unwrap_or_default(),
            method: "",
            host: "",
            path: "",
            status: refusal.status(),
            code: Some(refusal.code()),
            route_id: None,
            tenant_id: None,
            key_id: None,
            duration_us: 0,
            upstream_us: None,
            request_bytes: 0,
            response_bytes: words.len() as u64,
            is_aborted: !matches!(said, Ok(Ok(()))),
        });
    }
    linger(io).await;
}

fn last_words(refusal: EdgeRefusal, id: &HeaderValue, unix_ms: i64) -> String {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let since_epoch = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_epoch);
    let body = answer::problem_body(status, &refusal.into(), id);
    let mut words = String::with_capacity(640);
    // Writing to memory does not fail.
    let _ = write!(
        words,
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
         cache-control: no-store\r\nx-request-id: {}\r\nconnection: close\r\n\
         content-length: {}\r\ndate: {date}\r\n\r\n{body}",
        id.to_str().unwrap_or_default(),
        body.len(),
    );
    words
}

/// Reads on for a moment where the client may still be sending.
pub(super) async fn linger(mut io: ClientIo) {
    if io.traffic.has_ended.get() {
        return;
    }
    let drained = async {
        io.stream.shutdown().await?;
        let mut sink = [0; 4096];
        let mut total = 0;
        while total < LINGER_BYTES_MAX {
            match io.stream.read(&mut sink).await? {
                0 => break,
                count => total += count,
            }
        }
        std::io::Result::Ok(())
    };
    // What goes wrong now concerns nobody: the answer is out, the socket is closed next.
    drop(timeout(LINGER, drained).await);
}
