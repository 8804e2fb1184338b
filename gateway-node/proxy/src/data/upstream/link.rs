//! One HTTP/1.1 connection to an upstream. It is polled by whoever uses it, in that request's own
//! task, and by nobody while it rests. It carries one request at a time: the answer may begin
//! before the request has gone out whole, and both go on then.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body::Frame;
use tokio_util::io::poll_read_buf;

use super::chunked::Step;
use super::origin::Origin;
use super::outgoing::{Outgoing, Output, SendError};
use super::response::{self, Framing, Head, Malformed};
use crate::data::body::UploadError;
use crate::data::connection::Client;
use crate::data::io::Stream;
use crate::shared::Shared;

/// What is read at once at first; it grows while reads fill it.
const READ_BYTES_MIN: usize = 8 << 10;
const READ_BYTES_MAX: usize = 256 << 10;
/// Heads of informational answers before the answer (RFC 9110, section 15.2).
const INFORMATIONAL_MAX: u32 = 16;

pub(in crate::data) struct Link {
    stream: Stream,
    origin: Rc<Origin>,
    output: Output,
    input: BytesMut,
    read_bytes: usize,
    framing: Framing,
    /// Another request may follow once this one is through.
    is_persistent: bool,
    /// It has carried a request before.
    pub(in crate::data) is_reused: bool,
    pub(super) idle_since_ns: u64,
    _slot: Slot,
}

/// A place under the node-wide cap of upstream connections.
pub(super) struct Slot(Arc<Shared>);

impl Slot {
    pub(super) fn take(shared: &Arc<Shared>, max: u64) -> Option<Self> {
        let open = &shared.gauges.upstream_connections;
        if open.fetch_add(1, Ordering::Relaxed) >= max {
            open.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let opened = &shared.gauges.upstream_connections_opened;
        opened.fetch_add(1, Ordering::Relaxed);
        Some(Self(shared.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let open = &self.0.gauges.upstream_connections;
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why an answer did not come, or not whole.
#[derive(Debug, thiserror::Error)]
pub(in crate::data) enum LinkError {
    #[error("the upstream's connection broke")]
    Io(#[source] io::Error),
    #[error("the upstream closed its connection before the end of its answer")]
    Closed,
    #[error("the upstream's answer is malformed")]
    Malformed(#[from] Malformed),
    #[error("the request did not go out whole")]
    Request(#[source] UploadError),
}

/// How sending a request ended.
pub(in crate::data) enum Sent {
    Answer(Head),
    Failed(LinkError),
    /// The wait took too long.
    Expired,
}

impl Link {
    pub(super) fn new(stream: Stream, origin: Rc<Origin>, slot: Slot) -> Box<Self> {
        Box::new(Self {
            stream,
            origin,
            output: Output::default(),
            input: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            framing: Framing::EMPTY,
            is_persistent: true,
            is_reused: false,
            idle_since_ns: 0,
            _slot: slot,
        })
    }

    /// A buffer for the head of a request that this connection is to send.
    pub(in crate::data) fn take_buffer(&mut self) -> Vec<u8> {
        self.output.take_buffer()
    }

    /// Sends a request and waits for the answer's head.
    pub(in crate::data) async fn send(&mut self, request: Outgoing, client: &Client) -> Sent {
        let Outgoing { method, head, body } = request;
        self.output.begin(head, body);
        let (mut informational, mut failure) = (0, None);
        poll_fn(|cx| {
            if client.take_expired() {
                return Poll::Ready(Sent::Expired);
            }
            match self.output.poll(&mut self.stream, cx) {
                Poll::Ready(Err(SendError::Body(error))) => {
                    return Poll::Ready(Sent::Failed(LinkError::Request(error)));
                }
                // An upstream that takes no more may have answered all the same.
                Poll::Ready(Err(SendError::Io(error))) => {
                    self.abandon_request();
                    failure = Some(LinkError::Io(error));
                }
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
            self.poll_head(&method, &mut informational, cx)
                .map(|answer| match answer {
                    Ok(head) => Sent::Answer(head),
                    Err(error) => Sent::Failed(failure.take().unwrap_or(error)),
                })
        })
        .await
    }

    fn abandon_request(&mut self) {
        self.is_persistent = false;
        self.output.abandon();
    }

    /// The head of a request that failed, where it may be sent again on another connection: this
    /// one rested before, and it ended without a byte of an answer. What the upstream may have got
    /// is sent again only if it `may_be_repeated` (RFC 9110, section 9.2.2).
    pub(in crate::data) fn take_unanswered(
        &mut self,
        error: &LinkError,
        may_be_repeated: bool,
    ) -> Option<Vec<u8>> {
        let has_closed = matches!(error, LinkError::Io(_) | LinkError::Closed);
        let is_unanswered = self.is_reused && has_closed && self.input.is_empty();
        (is_unanswered && (may_be_repeated || !self.output.is_begun()))
            .then(|| self.output.take_head())
    }

    fn poll_head(
        &mut self,
        method: &Method,
        informational: &mut u32,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Head, LinkError>> {
        loop {
            if let Some(mut head) = response::take(&mut self.input, method)? {
                // Also 101, which nobody asked for, is no answer.
                if head.status.is_informational() {
                    *informational += 1;
                    if head.status == http::StatusCode::SWITCHING_PROTOCOLS
                        || *informational > INFORMATIONAL_MAX
                    {
                        let error = Malformed("an informational answer that nobody asked for");
                        return Poll::Ready(Err(error.into()));
                    }
                    continue;
                }
                self.is_persistent &= head.is_persistent;
                self.framing = std::mem::replace(&mut head.framing, Framing::EMPTY);
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_read(cx)).map_err(LinkError::Io)? == 0 {
                return Poll::Ready(Err(LinkError::Closed));
            }
        }
    }

    /// The next piece of the answer's body; meanwhile the request's goes on.
    pub(in crate::data) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, LinkError>>> {
        if !self.output.is_done() {
            match self.output.poll(&mut self.stream, cx) {
                Poll::Ready(Err(SendError::Body(error))) => {
                    return Poll::Ready(Some(Err(LinkError::Request(error))));
                }
                // The answer may come whole although the request was not wanted whole.
                Poll::Ready(Err(SendError::Io(_))) => self.abandon_request(),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            match &mut self.framing {
                Framing::Length(0) => return Poll::Ready(None),
                Framing::Length(left) if !self.input.is_empty() => {
                    let length = usize::try_from(*left)
                        .map_or(self.input.len(), |left| left.min(self.input.len()));
                    *left -= length as u64;
                    let data = self.input.split_to(length).freeze();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Framing::UntilClose if !self.input.is_empty() => {
                    let data = self.input.split().freeze();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Framing::Chunked(decoder) => match decoder.next(&mut self.input) {
                    Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Step::Trailers(fields)) => {
                        return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                    }
                    Ok(Step::End) => return Poll::Ready(None),
                    Ok(Step::More) => {}
                    Err(error) => return Poll::Ready(Some(Err(error.into()))),
                },
                Framing::Length(_) | Framing::UntilClose => {}
            }
            match ready!(self.poll_read(cx)) {
                Ok(0) if matches!(self.framing, Framing::UntilClose) => {
                    self.framing = Framing::EMPTY;
                }
                Ok(0) => return Poll::Ready(Some(Err(LinkError::Closed))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(LinkError::Io(error)))),
            }
        }
    }

    /// Whether the answer has come whole, as far as is known without asking for more.
    pub(in crate::data) fn is_end(&self) -> bool {
        match &self.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(decoder) => decoder.is_done(),
            Framing::UntilClose => false,
        }
    }

    /// How much of the body is still to come, where that is known.
    pub(in crate::data) fn length(&self) -> Option<u64> {
        match &self.framing {
            Framing::Length(left) => Some(*left),
            Framing::Chunked(_) | Framing::UntilClose => None,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.input.reserve(self.read_bytes);
        let room = self.input.capacity() - self.input.len();
        let read = ready!(poll_read_buf(
            Pin::new(&mut self.stream),
            cx,
            &mut self.input
        ))?;
        if read == room {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(read))
    }

    /// Whether it can take a request, as far as can be known without sending one. What an upstream
    /// says while it rests is no answer to anything.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.poll_read(&mut cx).is_pending()
    }

    /// Ends a use: it goes back to rest where it can, or is closed.
    pub(in crate::data) fn release(mut self: Box<Self>, now_ns: u64) {
        if !(self.is_persistent && self.is_end() && self.output.is_done() && self.input.is_empty())
        {
            return;
        }
        if self.read_bytes > READ_BYTES_MIN {
            // What a large answer needed is not held at rest.
            self.read_bytes = READ_BYTES_MIN;
            self.input = BytesMut::new();
        }
        self.is_reused = true;
        self.idle_since_ns = now_ns;
        let origin = self.origin.clone();
        origin.rest(self);
    }
}
