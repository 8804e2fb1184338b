//! The access log: each core writes its lines into a buffer of its own, whole buffers cross a
//! bounded queue to one writer thread. A writer that cannot keep up costs lines, which are counted,
//! and never a request's time.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use snapshot::id::{ApiKeyId, RouteId, TenantId};

use crate::config::AccessLog;
use crate::shared::Shared;

const BATCHES_MAX: usize = 64;
/// A core hands its buffer on when it holds this much, or when its tick comes.
const BATCH_BYTES: usize = 64 << 10;
/// Paths are cut to this many bytes.
const PATH_BYTES_MAX: usize = 1024;

enum Message {
    Lines { bytes: Vec<u8>, records: u64 },
    Stop,
}

/// The writer thread.
pub(crate) struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(crate) fn start(target: &AccessLog) -> io::Result<Self> {
        let sink = match target {
            AccessLog::Off => {
                return Ok(Self {
                    queue: None,
                    thread: None,
                });
            }
            AccessLog::Stdout => Sink::Stdout(io::stdout()),
            AccessLog::File(path) => {
                Sink::File(OpenOptions::new().create(true).append(true).open(path)?)
            }
        };
        let (queue, inbox) = sync_channel(BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(sink, &inbox))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
        })
    }

    pub(crate) fn queue(&self) -> Queue {
        Queue(self.queue.clone())
    }

    /// Writes what is queued, then ends. The cores must have ended.
    pub(crate) async fn stop(mut self) {
        let (queue, thread) = (self.queue.take(), self.thread.take());
        let ended = tokio::task::spawn_blocking(move || {
            // A writer that has already ended has nothing left to write.
            if let Some(queue) = queue {
                drop(queue.send(Message::Stop));
            }
            thread.map(JoinHandle::join)
        });
        drop(ended.await);
    }
}

enum Sink {
    Stdout(io::Stdout),
    File(File),
}

fn write_all(mut sink: Sink, inbox: &Receiver<Message>) {
    let mut is_broken = false;
    while let Ok(Message::Lines { bytes, records }) = inbox.recv() {
        let written = match &mut sink {
            Sink::Stdout(out) => out.write_all(&bytes).and_then(|()| out.flush()),
            Sink::File(file) => file.write_all(&bytes),
        };
        match written {
            Ok(()) => is_broken = false,
            // Once per outage: a full disk must not fill the other log too.
            Err(error) if !is_broken => {
                is_broken = true;
                tracing::error!(%error, records, "access log lines could not be written");
            }
            Err(_) => {}
        }
    }
}

/// The way to the writer; none when the log is off.
#[derive(Clone)]
pub(crate) struct Queue(Option<SyncSender<Message>>);

/// One line. Never a secret, a header's value or a query.
pub(crate) struct Record<'a> {
    pub(crate) at_ms: i64,
    /// Made here or checked, as are client and method: nothing that JSON escapes.
    pub(crate) request_id: &'a str,
    pub(crate) client: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) code: Option<&'static str>,
    pub(crate) route_id: Option<RouteId>,
    pub(crate) tenant_id: Option<TenantId>,
    pub(crate) key_id: Option<ApiKeyId>,
    pub(crate) duration_us: u64,
    /// From the forwarding to the upstream's first byte.
    pub(crate) upstream_us: Option<u64>,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) is_aborted: bool,
}

/// The log of one core; never leaves its thread.
pub(crate) struct CoreLog {
    shared: Arc<Shared>,
    queue: Queue,
    buffer: RefCell<Vec<u8>>,
    records: Cell<u64>,
    /// The second that was last formatted, and its text.
    second: RefCell<(i64, String)>,
}

impl CoreLog {
    pub(crate) fn new(shared: Arc<Shared>, queue: Queue) -> Self {
        Self {
            shared,
            queue,
            buffer: RefCell::default(),
            records: Cell::new(0),
            second: RefCell::new((i64::MIN, String::new())),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.queue.0.is_some()
    }

    pub(crate) fn write(&self, record: &Record<'_>) {
        let mut line = self.buffer.borrow_mut();
        line.extend_from_slice(b"{\"time\":\"");
        self.put_time(&mut line, record.at_ms);
        put_plain(
            &mut line,
            b"\",\"request_id\":\"",
            record.request_id.as_bytes(),
        );
        put_plain(&mut line, b"\",\"client\":\"", record.client.as_bytes());
        put_plain(&mut line, b"\",\"method\":\"", record.method.as_bytes());
        put_text(&mut line, b"\",\"host\":\"", record.host);
        put_text(&mut line, b"\",\"path\":\"", cut(record.path));
        put_number(&mut line, b"\",\"status\":", u64::from(record.status));
        if let Some(code) = record.code {
            put_plain(&mut line, b",\"code\":\"", code.as_bytes());
            line.push(b'"');
        }
        if let Some(id) = record.route_id {
            put_plain(&mut line, b",\"route\":\"", &id.to_text());
            line.push(b'"');
        }
        if let Some(id) = record.tenant_id {
            put_plain(&mut line, b",\"tenant\":\"", &id.to_text());
            line.push(b'"');
        }
        if let Some(id) = record.key_id {
            put_plain(&mut line, b",\"key\":\"", &id.to_text());
            line.push(b'"');
        }
        put_number(&mut line, b",\"duration_us\":", record.duration_us);
        if let Some(micros) = record.upstream_us {
            put_number(&mut line, b",\"upstream_us\":", micros);
        }
        put_number(&mut line, b",\"request_bytes\":", record.request_bytes);
        put_number(&mut line, b",\"response_bytes\":", record.response_bytes);
        if record.is_aborted {
            line.extend_from_slice(b",\"aborted\":true");
        }
        line.extend_from_slice(b"}\n");
        self.records.set(self.records.get() + 1);
        if line.len() >= BATCH_BYTES {
            drop(line);
            self.flush();
        }
    }

    /// Hands the buffer to the writer, or drops and counts it.
    pub(crate) fn flush(&self) {
        let records = self.records.take();
        if records == 0 {
            return;
        }
        let Some(queue) = &self.queue.0 else { return };
        let capacity = self.buffer.borrow().len().min(BATCH_BYTES) + 1024;
        let bytes = self.buffer.replace(Vec::with_capacity(capacity));
        if queue.try_send(Message::Lines { bytes, records }).is_err() {
            let dropped = &self.shared.gauges.log_records_dropped;
            dropped.fetch_add(records, Ordering::Relaxed);
        }
    }

    fn put_time(&self, line: &mut Vec<u8>, at_ms: i64) {
        let (second, millis) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
        let mut held = self.second.borrow_mut();
        if held.0 != second {
            *held = (second, format_second(second));
        }
        line.extend_from_slice(held.1.as_bytes());
        let digit = |place: i64| b'0' + (millis / place % 10) as u8;
        line.extend_from_slice(&[b'.', digit(100), digit(10), digit(1), b'Z']);
    }
}

fn format_second(second: i64) -> String {
    let at = time::OffsetDateTime::from_unix_timestamp(second)
        .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

fn cut(path: &str) -> &str {
    match path.char_indices().nth(PATH_BYTES_MAX) {
        Some((end, _)) => &path[..end],
        None => path,
    }
}

fn put_number(line: &mut Vec<u8>, before: &[u8], number: u64) {
    line.extend_from_slice(before);
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line.extend_from_slice(&digits[start..]);
}

/// What is known to hold nothing that JSON escapes.
fn put_plain(line: &mut Vec<u8>, before: &[u8], text: &[u8]) {
    line.extend_from_slice(before);
    line.extend_from_slice(text);
}

/// JSON string content (RFC 8259, section 7), copied in runs.
fn put_text(line: &mut Vec<u8>, before: &[u8], text: &str) {
    line.extend_from_slice(before);
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|byte| IS_ESCAPED[usize::from(*byte)]) {
        line.extend_from_slice(&rest[..place]);
        // Writing to memory does not fail.
        let _ = write!(line, "\\u{:04x}", rest[place]);
        rest = &rest[place + 1..];
    }
    line.extend_from_slice(rest);
}

const IS_ESCAPED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(path: &'a str) -> Record<'a> {
        Record {
            at_ms: 1_700_000_000_007,
            request_id: "r",
            client: "192.0.2.1",
            method: "GET",
            host: "api.example.com",
            path,
            status: 200,
            code: None,
            route_id: None,
            tenant_id: None,
            key_id: None,
            duration_us: 1234,
            upstream_us: Some(0),
            request_bytes: 0,
            response_bytes: u64::MAX,
            is_aborted: false,
        }
    }

    #[test]
    fn a_line_is_json_whatever_the_path_holds() {
        let (shared, _inbox) = Shared::new();
        let (queue, lines) = sync_channel(1);
        let log = CoreLog::new(shared, Queue(Some(queue)));
        log.write(&record("/a\"b\\c\n\u{e4}"));
        log.flush();
        let Ok(Message::Lines { bytes, records: 1 }) = lines.recv() else {
            panic!("one record was written");
        };
        let line: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        assert_eq!(line["path"], "/a\"b\\c\n\u{e4}");
        assert_eq!(line["time"], "2023-11-14T22:13:20.007Z");
        assert_eq!(line["response_bytes"], u64::MAX);
    }

    #[test]
    fn lines_that_the_writer_has_no_room_for_are_dropped_and_counted() {
        let (shared, _inbox) = Shared::new();
        let (queue, _lines) = sync_channel(0);
        let log = CoreLog::new(shared.clone(), Queue(Some(queue)));
        log.write(&record("/"));
        log.write(&record("/"));
        log.flush();
        assert_eq!(shared.gauges.log_records_dropped.load(Ordering::Relaxed), 2);
    }
}
