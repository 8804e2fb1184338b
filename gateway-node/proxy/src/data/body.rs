//! Bodies on their way through: the client's to the upstream, and the answer's to the client. Each
//! frame is asked for only when the other side has room, and nothing is held.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::Client;
use super::exchange::Exchange;
use super::headers;
use super::upstream::{Link, LinkError};
use crate::shared::Clock;

/// Why a request's body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadError {
    #[error("the request's body is larger than allowed")]
    TooLarge,
    #[error("the request's body has another length than its head says")]
    OtherLength,
    #[error("the request's body comes too slowly")]
    TooSlow,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// Why an answer's body broke off. hyper closes the connection; the text reaches nobody but the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("nothing moved for too long")]
    Silent,
    #[error(transparent)]
    Broken(#[from] LinkError),
}

/// A body that the client sends, seen from both the request and its forwarding.
pub(super) struct Upload {
    incoming: RefCell<Incoming>,
    client: Rc<Client>,
    clock: Clock,
    bytes_max: u64,
    /// How long the upstream may take to answer once it has the body.
    first_byte: Duration,
    received: Cell<u64>,
    progress: Cell<Progress>,
    fault: Cell<Option<UploadFault>>,
    is_answered: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Untouched,
    /// The upstream would take more.
    WaitingForClient,
    WaitingForUpstream,
    Done,
}

/// What was wrong on the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadFault {
    TooLarge,
    TooSlow,
    /// Broken off, or not a body by HTTP's rules.
    Broken,
}

impl Upload {
    pub(super) fn new(
        incoming: Incoming,
        client: Rc<Client>,
        clock: Clock,
        bytes_max: u64,
        first_byte: Duration,
    ) -> Rc<Self> {
        Rc::new(Self {
            incoming: RefCell::new(incoming),
            client,
            clock,
            bytes_max,
            first_byte,
            received: Cell::new(0),
            progress: Cell::new(Progress::Untouched),
            fault: Cell::new(None),
            is_answered: Cell::new(false),
        })
    }

    pub(super) fn received_bytes(&self) -> u64 {
        self.received.get()
    }

    pub(super) fn is_untouched(&self) -> bool {
        self.progress.get() == Progress::Untouched
    }

    pub(super) fn is_waiting_for_client(&self) -> bool {
        self.progress.get() == Progress::WaitingForClient
    }

    /// The answer has begun: from now on its own silence counts.
    pub(super) fn answered(&self) {
        self.is_answered.set(true);
    }

    pub(super) fn fault(&self) -> Option<UploadFault> {
        self.fault.get()
    }

    pub(super) fn is_done(&self) -> bool {
        self.progress.get() == Progress::Done
    }

    /// How long it is, where the client said so.
    pub(super) fn length(&self) -> Option<u64> {
        self.incoming.borrow().size_hint().exact()
    }

    /// The next piece.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        if self.progress.get() == Progress::Done {
            return Poll::Ready(None);
        }
        let mut incoming = self.incoming.borrow_mut();
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            self.progress.set(Progress::WaitingForClient);
            self.client.pace.wait(|| self.clock.mono_ns());
            return Poll::Pending;
        };
        self.progress.set(Progress::WaitingForUpstream);
        let is_last = incoming.is_end_stream();
        let frame = match frame {
            None => None,
            Some(Err(error)) => {
                self.fault.set(Some(UploadFault::Broken));
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => Some(self.pass(frame)),
        };
        if is_last || frame.is_none() {
            self.progress.set(Progress::Done);
            self.client.pace.end();
            if !self.is_answered.get() {
                self.client.wait(self.first_byte, self.clock.mono_ns());
            }
        }
        Poll::Ready(frame)
    }

    fn pass(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, UploadError> {
        match frame.into_data() {
            Ok(data) => {
                let received = self.received.get() + data.len() as u64;
                self.received.set(received);
                let (pace, bytes) = (&self.client.pace, data.len() as u64);
                if !pace.receive(bytes, || self.clock.mono_ns()) {
                    self.fault.set(Some(UploadFault::TooSlow));
                    return Err(UploadError::TooSlow);
                }
                if received > self.bytes_max {
                    self.fault.set(Some(UploadFault::TooLarge));
                    return Err(UploadError::TooLarge);
                }
                Ok(Frame::data(data))
            }
            Err(frame) => {
                let mut trailers = frame.into_trailers().unwrap_or_default();
                headers::clean_trailers(&mut trailers);
                Ok(Frame::trailers(trailers))
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.client.pace.end();
    }
}

/// An answer's body. The exchange that it ends is settled when hyper lets go of it.
pub(super) struct AnswerBody {
    content: Content,
    exchange: Option<Box<Exchange>>,
    /// What the body broke off with, while what came before it goes out.
    failure: Option<LinkError>,
}

enum Content {
    Empty,
    Ready(Bytes),
    Upstream(Box<Link>),
}

impl AnswerBody {
    /// An answer of the node's own, or one of the upstream's that has no body.
    pub(super) fn ready(bytes: Bytes, exchange: Box<Exchange>) -> Self {
        let content = if bytes.is_empty() {
            Content::Empty
        } else {
            Content::Ready(bytes)
        };
        Self {
            content,
            exchange: Some(exchange),
            failure: None,
        }
    }

    /// What the upstream sends, as it comes.
    pub(super) fn upstream(link: Box<Link>, exchange: Box<Exchange>) -> Self {
        Self {
            content: Content::Upstream(link),
            exchange: Some(exchange),
            failure: None,
        }
    }

    /// All of the body has passed.
    fn finish(&mut self) {
        let content = std::mem::replace(&mut self.content, Content::Empty);
        let Some(mut exchange) = self.exchange.take() else {
            return;
        };
        exchange.is_complete = true;
        if let Content::Upstream(link) = content {
            link.release(exchange.finish());
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(failure) = this.failure.take() {
            return Poll::Ready(Some(Err(failure.into())));
        }
        let link = match &mut this.content {
            Content::Upstream(link) => link,
            Content::Ready(bytes) => {
                let bytes = std::mem::take(bytes);
                if let Some(exchange) = &mut this.exchange {
                    exchange.response_bytes = bytes.len() as u64;
                }
                this.finish();
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            Content::Empty => {
                this.finish();
                return Poll::Ready(None);
            }
        };
        let Some(exchange) = &mut this.exchange else {
            return Poll::Ready(None);
        };
        if exchange.client.take_expired() {
            return Poll::Ready(Some(Err(BodyError::Silent)));
        }
        match link.poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                // hyper drops what it has not written yet when it learns of an error.
                this.failure = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                exchange.client.moved();
                Poll::Ready(Some(Ok(match frame.into_data() {
                    Ok(data) => {
                        exchange.response_bytes += data.len() as u64;
                        Frame::data(data)
                    }
                    Err(frame) => {
                        let mut trailers = frame.into_trailers().unwrap_or_default();
                        headers::clean_trailers(&mut trailers);
                        Frame::trailers(trailers)
                    }
                })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty => true,
            Content::Ready(bytes) => bytes.is_empty(),
            Content::Upstream(link) => link.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream(link) => match link.length() {
                Some(length) => SizeHint::with_exact(length),
                None => SizeHint::default(),
            },
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let is_whole = match &self.content {
            Content::Empty => true,
            // To HEAD hyper answers without asking for the body.
            Content::Ready(_) => true,
            Content::Upstream(link) => link.is_end(),
        };
        if is_whole {
            self.finish();
        }
        // Else the exchange is dropped unfinished, which settles it as aborted, and the link is
        // closed.
    }
}
