//! One connection to an upstream. It is polled by whoever uses it, in that request's own task, and
//! by nobody while it rests.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::origin::Origin;
use crate::data::body::RequestBody;
use crate::data::connection::Client;
use crate::data::io::Stream;
use crate::shared::Shared;

pub(in crate::data) struct Link {
    sender: SendRequest<RequestBody>,
    connection: Connection<TokioIo<Stream>, RequestBody>,
    origin: Rc<Origin>,
    is_closed: bool,
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

impl Link {
    pub(super) async fn new(
        stream: Stream,
        origin: Rc<Origin>,
        slot: Slot,
    ) -> hyper::Result<Box<Self>> {
        let (sender, connection) = hyper::client::conn::http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await?;
        Ok(Box::new(Self {
            sender,
            connection,
            origin,
            is_closed: false,
            is_reused: false,
            idle_since_ns: 0,
            _slot: slot,
        }))
    }

    /// Lets bytes move. True when the connection has ended.
    pub(in crate::data) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.is_closed {
            // What went wrong comes out at the request or the body that it went wrong for.
            self.is_closed = Pin::new(&mut self.connection).poll(cx).is_ready();
        }
        self.is_closed
    }

    /// Whether it can take a request, as far as can be known without sending one.
    pub(super) fn is_usable(&mut self) -> bool {
        !self.poll(&mut Context::from_waker(Waker::noop())) && self.sender.is_ready()
    }

    /// Sends a request and waits for the answer's head.
    pub(in crate::data) async fn send(
        &mut self,
        request: Request<RequestBody>,
        client: &Client,
    ) -> Sent {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            if client.take_expired() {
                return Poll::Ready(Sent::Expired);
            }
            self.poll(cx);
            answer.as_mut().poll(cx).map(|answer| match answer {
                Ok(response) => Sent::Answer(response),
                Err(failure) => Sent::Failed(failure),
            })
        })
        .await
    }

    /// Ends a use: it goes back to rest where it can, or is closed.
    pub(in crate::data) fn release(mut self: Box<Self>, now_ns: u64) {
        if self.is_usable() {
            self.is_reused = true;
            self.idle_since_ns = now_ns;
            let origin = self.origin.clone();
            origin.rest(self);
        }
    }
}

/// How sending a request ended.
pub(in crate::data) enum Sent {
    Answer(Response<Incoming>),
    /// With the request, where nothing of it was sent.
    Failed(TrySendError<Request<RequestBody>>),
    /// The wait took too long.
    Expired,
}
