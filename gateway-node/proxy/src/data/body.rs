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
use super::upstream::Link;
use crate::shared::Clock;

/// Why a body broke off. hyper closes the connection; the text reaches nobody but the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the request's body is larger than allowed")]
    TooLarge,
    #[error("nothing moved for too long")]
    Silent,
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// A request's body.
pub(super) enum RequestBody {
    Empty,
    Upload(Rc<Upload>),
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

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.progress.get() == Progress::Done {
            return Poll::Ready(None);
        }
        let mut incoming = self.incoming.borrow_mut();
        let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) else {
            self.progress.set(Progress::WaitingForClient);
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
            Some(Ok(frame)) => match self.pass(frame) {
                Ok(frame) => Some(Ok(frame)),
                Err(error) => Some(Err(error)),
            },
        };
        if is_last || frame.is_none() {
            self.progress.set(Progress::Done);
            if !self.is_answered.get() {
                self.client.wait(self.first_byte, self.clock.mono_ns());
            }
        }
        Poll::Ready(frame)
    }

    fn pass(&self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        match frame.into_data() {
            Ok(data) => {
                let received = self.received.get() + data.len() as u64;
                self.received.set(received);
                if received > self.bytes_max {
                    self.fault.set(Some(UploadFault::TooLarge));
                    return Err(BodyError::TooLarge);
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

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &*self {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Upload(upload) => upload.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            RequestBody::Empty => true,
            RequestBody::Upload(upload) => upload.progress.get() == Progress::Done,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Upload(upload) => upload.incoming.borrow().size_hint(),
        }
    }
}

/// An answer's body. The exchange that it ends is settled when hyper lets go of it.
pub(super) struct AnswerBody {
    content: Content,
    exchange: Option<Box<Exchange>>,
    /// What the body broke off with, while what came before it goes out.
    failure: Option<hyper::Error>,
}

enum Content {
    Empty,
    Ready(Bytes),
    Upstream { incoming: Incoming, link: Box<Link> },
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
    pub(super) fn upstream(incoming: Incoming, link: Box<Link>, exchange: Box<Exchange>) -> Self {
        Self {
            content: Content::Upstream { incoming, link },
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
        if let Content::Upstream { link, .. } = content {
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
        let (incoming, link) = match &mut this.content {
            Content::Upstream { incoming, link } => (incoming, link),
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
        let mut frame = Pin::new(&mut *incoming).poll_frame(cx);
        if frame.is_pending() {
            link.poll(cx);
            frame = Pin::new(incoming).poll_frame(cx);
        }
        match frame {
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
            Content::Upstream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty => SizeHint::with_exact(0),
            Content::Ready(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream { incoming, .. } => incoming.size_hint(),
        }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let is_whole = match &self.content {
            Content::Empty => true,
            // To HEAD hyper answers without asking for the body.
            Content::Ready(_) => true,
            Content::Upstream { incoming, .. } => incoming.is_end_stream(),
        };
        if is_whole {
            self.finish();
        }
        // Else the exchange is dropped unfinished, which settles it as aborted, and the link is
        // closed.
    }
}
