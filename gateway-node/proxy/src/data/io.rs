//! The sockets as hyper sees them, with an eye on what passes: whether bytes move, and what the
//! last bytes were.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::Method;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// As many of the last bytes are kept as a request's head may have at most, and what came with it.
const TAIL_BYTES_MAX: usize = super::connection::READ_BUFFER_BYTES;
/// Capacity that a resting connection keeps for it.
const TAIL_BYTES_KEPT: usize = 4 << 10;

/// What passed over a client's socket, for the connection's task and its requests.
#[derive(Default)]
pub(super) struct Traffic {
    /// Grows with every read and write that moved bytes.
    pub(super) moves: Cell<u64>,
    /// Bytes came in since this was last cleared.
    pub(super) has_input: Cell<bool>,
    pub(super) has_ended: Cell<bool>,
    saying: Cell<Saying>,
    /// Status of an answer that hyper gave by itself: it is kept back, the node gives a better one.
    pub(super) overheard: Cell<Option<u16>>,
    tail: RefCell<Tail>,
}

/// What is on its way to the client.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Saying {
    /// Nothing of ours: what hyper writes now is its own answer to what it could not parse.
    #[default]
    Nothing,
    /// The answer to a request.
    Answer,
    /// hyper has all of an answer, but may not have written it.
    EndOfAnswer,
}

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Where the last read begins in `bytes`.
    last_read: usize,
}

impl Traffic {
    /// Called when a head of this method was parsed: it and what came before are of no more use.
    pub(super) fn head_was_parsed(&self, method: &Method) {
        self.has_input.set(false);
        self.saying.set(Saying::Answer);
        let tail = &mut *self.tail.borrow_mut();
        let rest = &tail.bytes[tail.last_read..];
        let head = if rest.starts_with(method.as_str().as_bytes()) {
            memmem::find(rest, b"\r\n\r\n").map_or(0, |end| end + 4)
        } else {
            // It began in an earlier read; what is left of it here has no request line.
            0
        };
        tail.bytes.drain(..tail.last_read + head);
        tail.last_read = 0;
        tail.bytes.shrink_to(TAIL_BYTES_KEPT);
    }

    pub(super) fn answer_was_made(&self) {
        self.saying.set(Saying::EndOfAnswer);
    }

    /// All that was said has been written.
    fn flushed(&self) {
        if self.saying.get() == Saying::EndOfAnswer {
            self.saying.set(Saying::Nothing);
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.saying.get() == Saying::Nothing
    }

    /// Keeps back what hyper says by itself, and notes the status that it begins with.
    fn overhear(&self, bytes: &[u8]) {
        if self.overheard.get().is_none() {
            let status = bytes
                .get(9..12)
                .and_then(|digits| std::str::from_utf8(digits).ok());
            let status = status.and_then(|digits| digits.parse().ok());
            self.overheard.set(Some(status.unwrap_or(400)));
        }
    }

    /// Whether a head of this method and version, among the last bytes, has the header `name`.
    ///
    /// hyper drops a Content-Length that stands beside a Transfer-Encoding without telling. Every
    /// line that could be the request line is taken for it, whatever its target, so that no bait
    /// in a header or body hides the real one; and a head that is not found counts as having the
    /// header. That refuses too much, never too little.
    pub(super) fn head_has(&self, method: &Method, version: &[u8], name: &[u8]) -> bool {
        let tail = self.tail.borrow();
        let lines = || tail.bytes.split(|byte| *byte == b'\n');
        // A body without a line end may stand before it in the same line.
        let start = [method.as_str().as_bytes(), b" "].concat();
        let is_request_line = |line: &[u8]| {
            line.trim_ascii_end().ends_with(version) && memmem::find(line, &start).is_some()
        };
        let mut is_found = false;
        for (place, _) in lines()
            .enumerate()
            .filter(|(_, line)| is_request_line(line))
        {
            is_found = true;
            let fields = lines()
                .skip(place + 1)
                .take_while(|line| !line.trim_ascii().is_empty());
            let mut names = fields.filter_map(|line| line.split(|byte| *byte == b':').next());
            if names.any(|found| found.trim_ascii().eq_ignore_ascii_case(name)) {
                return true;
            }
        }
        !is_found
    }

    fn read(&self, bytes: &[u8]) {
        self.moves.set(self.moves.get().wrapping_add(1));
        self.has_input.set(true);
        let tail = &mut *self.tail.borrow_mut();
        if tail.bytes.len() + bytes.len() > TAIL_BYTES_MAX {
            let surplus = tail.bytes.len() + bytes.len() - TAIL_BYTES_MAX;
            let drained = surplus.min(tail.bytes.len());
            tail.bytes.drain(..drained);
        }
        tail.last_read = tail.bytes.len();
        let kept = &bytes[bytes.len().saturating_sub(TAIL_BYTES_MAX)..];
        tail.bytes.extend_from_slice(kept);
    }
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
    TlsUpstream(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// A client's socket.
pub(super) struct ClientIo {
    pub(super) stream: Stream,
    pub(super) traffic: Rc<Traffic>,
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(())) = &result {
            let read = &buffer.filled()[before..];
            if read.is_empty() {
                self.traffic.has_ended.set(true);
            } else {
                self.traffic.read(read);
            }
        }
        result
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.traffic.is_quiet() {
            self.traffic.overhear(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.traffic.is_quiet() {
            self.traffic
                .overhear(slices.first().map_or(&[], |slice| &**slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        if result.is_ready() {
            self.traffic.flushed();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.traffic.overheard.get().is_some() {
            // The last word is still to be said.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl ClientIo {
    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        if matches!(result, Poll::Ready(Ok(1..))) {
            let moves = &self.traffic.moves;
            moves.set(moves.get().wrapping_add(1));
        }
    }
}

macro_rules! each_stream {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::TlsUpstream($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each_stream!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        each_stream!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each_stream!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
            Stream::TlsUpstream(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_stream!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each_stream!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_length(traffic: &Traffic) -> bool {
        traffic.head_has(&Method::POST, b" HTTP/1.1", b"content-length")
    }

    #[track_caller]
    fn check(reads: &[&str], expected: bool) {
        let traffic = Traffic::default();
        for read in reads {
            traffic.read(read.as_bytes());
        }
        assert_eq!(has_length(&traffic), expected);
    }

    #[test]
    fn a_header_is_found_in_the_head_it_stands_in_only() {
        check(&["POST /a HTTP/1.1\r\nTE: x\r\n\r\n"], false);
        check(&["POST /a HTTP/1.1\r\ncontent-LENGTH: 3\r\n\r\n"], true);
        check(
            &["POST /a HTTP/1.1\r\nA: b\r\ncont", "ent-length:3\r\n\r\n"],
            true,
        );
        check(
            &["POST /a HTTP/1.1\r\n\r\ncontent-length: 3\r\n\r\n"],
            false,
        );
        check(
            &["PUT /b HTTP/1.1\r\ncontent-length: 0\r\n\r\nPOST /a HTTP/1.1\r\n\r\n"],
            false,
        );
    }

    #[test]
    fn a_bait_does_not_hide_the_head() {
        let head = "POST /a#f HTTP/1.1\r\ncontent-length: 3\r\n";
        check(&[head, "x: POST /a HTTP/1.1\r\n\r\n"], true);
        check(&[head, "\r\n1e\r\nPOST /a HTTP/1.1\r\nx: y\r\n\r\n"], true);
        check(&["no head here\r\n\r\n"], true);
    }

    #[test]
    fn the_tail_is_bounded_and_forgets_what_was_parsed() {
        let traffic = Traffic::default();
        traffic.read(b"POST /a HTTP/1.1\r\ncontent-length: 3\r\n\r\n");
        traffic.read(&vec![b'x'; TAIL_BYTES_MAX + 7]);
        assert_eq!(traffic.tail.borrow().bytes.len(), TAIL_BYTES_MAX);
        traffic.read(b"yz");
        traffic.head_was_parsed(&Method::POST);
        assert_eq!(traffic.tail.borrow().bytes, b"yz");
    }

    #[test]
    fn a_head_that_was_parsed_is_not_taken_for_the_next_one() {
        let traffic = Traffic::default();
        let next = b"POST /a HTTP/1.1\r\nTE: x\r\n\r\n";
        let first = b"POST /a HTTP/1.1\r\ncontent-length: 0\r\n\r\n";
        traffic.read(&[&first[..], next].concat());
        traffic.head_was_parsed(&Method::POST);
        assert!(!has_length(&traffic));
        assert_eq!(traffic.tail.borrow().bytes, next);
    }
}
