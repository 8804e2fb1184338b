//! One client connection: hyper serves it, this task watches its clock. A single timer per
//! connection is set again only when it rings too early, so that a request costs no timer.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Method};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep};

use super::core::Core;
use super::farewell;
use super::identity::ForwardedCache;
use super::io::{ClientIo, Stream, Traffic};
use super::pace::{LeastRate, Pace};
use super::refusal::EdgeRefusal;
use super::service;

/// What hyper buffers of a connection at most; a request's head must fit.
pub(super) const READ_BUFFER_BYTES: usize = 128 << 10;

/// What the requests of one connection share.
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// The peer's address as a header value, made once.
    pub(super) peer_value: HeaderValue,
    pub(super) is_trusted_proxy: bool,
    pub(super) is_tls: bool,
    pub(super) traffic: Rc<Traffic>,
    pub(super) forwarded: ForwardedCache,
    /// Of the body that a request sends.
    pub(super) pace: Pace,
    phase: Cell<Phase>,
    /// When the present wait began, by the node's clock.
    since_ns: Cell<u64>,
    /// How long it may take.
    wait_ns: Cell<u64>,
    /// Bytes that move begin the wait anew.
    is_extended_by_moves: Cell<bool>,
    /// The traffic's moves when the wait began.
    moves_seen: Cell<u64>,
    has_expired: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests.
    Resting,
    /// A head is coming in.
    Head,
    /// A request is being served.
    Busy,
}

impl Client {
    fn new(core: &Core, peer: SocketAddr, is_tls: bool, now_ns: u64) -> Self {
        let ip = peer.ip().to_canonical();
        let peer_value = HeaderValue::try_from(ip.to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self {
            peer: ip,
            peer_value,
            is_trusted_proxy: core.trusts(ip),
            is_tls,
            traffic: Rc::default(),
            forwarded: ForwardedCache::default(),
            pace: Pace::new(LeastRate {
                bytes_per_second: core.config.limits.upload_bytes_per_second_min,
                over: core.config.timeouts.upload_grace,
            }),
            phase: Cell::new(Phase::Resting),
            since_ns: Cell::new(now_ns),
            wait_ns: Cell::new(as_ns(core.config.timeouts.header_read)),
            is_extended_by_moves: Cell::new(false),
            moves_seen: Cell::new(0),
            has_expired: Cell::new(false),
        }
    }

    /// A request begins.
    pub(super) fn begin(&self, method: &Method, idle: Duration, now_ns: u64) {
        self.phase.set(Phase::Busy);
        self.wait_for_moves(idle, now_ns);
        self.traffic.head_was_parsed(method);
    }

    /// From now on the request may go on this long whenever no bytes move.
    pub(super) fn wait_for_moves(&self, at_most: Duration, now_ns: u64) {
        self.wait(at_most, now_ns);
        self.is_extended_by_moves.set(true);
        self.moves_seen.set(self.traffic.moves.get());
    }

    /// From now on the request may go on this long, whatever moves.
    pub(super) fn wait(&self, at_most: Duration, now_ns: u64) {
        self.since_ns.set(now_ns);
        self.wait_ns.set(as_ns(at_most));
        self.is_extended_by_moves.set(false);
    }

    /// Where bytes moved since the wait began, it begins anew; not for a client that is too slow.
    fn extend(&self, now_ns: u64) {
        if self.pace.is_too_slow(now_ns) {
            return;
        }
        let moves = self.traffic.moves.get();
        if self.is_extended_by_moves.get() && self.moves_seen.replace(moves) != moves {
            self.since_ns.set(now_ns);
        }
    }

    fn due_ns(&self) -> u64 {
        self.since_ns.get().saturating_add(self.wait_ns.get())
    }

    /// Bytes moved that the client's own socket does not show.
    pub(super) fn moved(&self) {
        let moves = &self.traffic.moves;
        moves.set(moves.get().wrapping_add(1));
    }

    /// The request is over.
    pub(super) fn end(&self, keep_alive: Duration, now_ns: u64) {
        self.traffic.answer_was_made();
        self.phase.set(Phase::Resting);
        self.wait(keep_alive, now_ns);
    }

    /// Whether the wait took too long; true once per wait.
    pub(super) fn take_expired(&self) -> bool {
        self.has_expired.take()
    }
}

fn as_ns(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// How a connection's service ended.
enum End {
    /// hyper closed it in order, or it broke.
    Closed,
    /// No request was made of what the client sent, or none in time.
    Refused(EdgeRefusal),
    /// Nothing moved for too long.
    Silent,
}

/// Serves a connection until it closes.
pub(super) async fn serve(core: Rc<Core>, stream: Stream, peer: SocketAddr) {
    let is_tls = !matches!(stream, Stream::Plain(_));
    let client = Rc::new(Client::new(&core, peer, is_tls, core.clock.mono_ns()));
    let io = ClientIo {
        stream,
        traffic: client.traffic.clone(),
    };
    let service = {
        let (core, client) = (core.clone(), client.clone());
        service_fn(move |request| service::answer(core.clone(), client.clone(), request))
    };
    let mut connection = core.http.serve_connection(TokioIo::new(io), service);
    let mut watch = Watch::new(&core, &client);
    let mut timer = pin!(tokio::time::sleep(core.config.timeouts.header_read));
    let mut is_stopping = false;
    let end = poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(closed(&client, &result));
            }
            if core.is_draining.get() && !is_stopping {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            match watch.poll(timer.as_mut(), cx) {
                Verdict::Wait => return Poll::Pending,
                Verdict::Again => {}
                Verdict::End(end) => return Poll::Ready(end),
            }
        }
    });
    let end = core.connections.watch(end).await;
    let io = connection.into_parts().io.into_inner();
    match end {
        End::Closed => farewell::linger(io).await,
        End::Refused(refusal) => farewell::refuse(&core, &client, io, refusal).await,
        End::Silent => {}
    }
}

/// What is said to a client whose bytes hyper could not make a request of.
fn closed(client: &Client, result: &hyper::Result<()>) -> End {
    let status = match client.traffic.overheard.get() {
        Some(status) => status,
        // HTTP/2's first bytes: to those hyper itself says nothing.
        None => match result {
            Err(error) if error.is_parse() && client.traffic.is_quiet() => 400,
            _ => return End::Closed,
        },
    };
    End::Refused(match status {
        414 => EdgeRefusal::UriTooLong,
        431 => EdgeRefusal::HeadersTooLarge,
        _ => EdgeRefusal::MalformedRequest,
    })
}

enum Verdict {
    Wait,
    /// The wait has run out: let the request see it.
    Again,
    End(End),
}

struct Watch<'a> {
    core: &'a Core,
    client: &'a Client,
    rings_at_ns: u64,
    was_told: bool,
}

impl<'a> Watch<'a> {
    fn new(core: &'a Core, client: &'a Client) -> Self {
        Self {
            core,
            client,
            rings_at_ns: client.due_ns(),
            was_told: false,
        }
    }

    /// Called when hyper waits: sees to it that the timer rings in time, and what it means.
    fn poll(&mut self, mut timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Verdict {
        let client = self.client;
        if client.phase.get() == Phase::Resting && client.traffic.has_input.get() {
            client.phase.set(Phase::Head);
            client.wait(
                self.core.config.timeouts.header_read,
                self.core.clock.mono_ns(),
            );
        }
        if self.was_told {
            // The request was told and hyper still waits: the peer does not even take the answer.
            self.was_told = false;
            if client.has_expired.take() {
                return Verdict::End(End::Silent);
            }
        }
        if client.due_ns() < self.rings_at_ns {
            self.set(timer.as_mut());
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now_ns = self.core.clock.mono_ns();
            if client.due_ns() <= now_ns {
                client.extend(now_ns);
            }
            if client.due_ns() > now_ns {
                self.set(timer.as_mut());
                continue;
            }
            match client.phase.get() {
                Phase::Head => {
                    return Verdict::End(End::Refused(EdgeRefusal::RequestTimeout));
                }
                Phase::Resting => return Verdict::End(End::Silent),
                Phase::Busy => {
                    client.since_ns.set(now_ns);
                    self.set(timer.as_mut());
                    client.has_expired.set(true);
                    self.was_told = true;
                    return Verdict::Again;
                }
            }
        }
        Verdict::Wait
    }

    fn set(&mut self, timer: Pin<&mut Sleep>) {
        self.rings_at_ns = self.client.due_ns();
        let rest = self.rings_at_ns.saturating_sub(self.core.clock.mono_ns());
        timer.reset(Instant::now() + Duration::from_nanos(rest));
    }
}
