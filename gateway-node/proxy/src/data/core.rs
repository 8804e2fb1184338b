//! What the tasks of one core share. It never leaves its thread, so nothing in it is locked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

use arc_swap::ArcSwapOption;
use arc_swap::cache::Cache;
use policy::{Snapshot, TokenMemory};
use tokio::sync::Notify;

use super::connection::READ_BUFFER_BYTES;
use super::identity::Callers;
use super::random::Random;
use super::refusal::EdgeRefusal;
use super::upstream::Upstreams;
use crate::config::Config;
use crate::log::{CoreLog, Queue};
use crate::meter::Meter;
use crate::shared::{Clock, Shared};
use snapshot::guard::Loopback;

pub(super) struct Core {
    pub(super) config: Arc<Config>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Clock,
    pub(super) http: hyper::server::conn::http1::Builder,
    pub(super) upstreams: Upstreams,
    pub(super) loopback: Loopback,
    pub(super) meter: Meter,
    pub(super) log: CoreLog,
    pub(super) random: Random,
    pub(super) callers: Callers,
    pub(super) tokens: TokenMemory,
    pub(super) connections: Connections,
    pub(super) is_draining: Cell<bool>,
    /// When the last request ended, by `clock`: for what need not be exact.
    pub(super) latest_ns: Cell<u64>,
    snapshot: RefCell<SnapshotCache>,
    /// When an upstream's failure was last logged.
    complained_ns: Cell<u64>,
}

/// Failures of upstreams come by the thousand; the access log has each of them.
const COMPLAIN_EVERY_NS: u64 = 1_000_000_000;

/// Costs one atomic load per look, where the snapshot is still the same.
type SnapshotCache = Cache<SnapshotOf, Option<Arc<Snapshot>>>;

struct SnapshotOf(Arc<Shared>);

impl std::ops::Deref for SnapshotOf {
    type Target = ArcSwapOption<Snapshot>;

    fn deref(&self) -> &Self::Target {
        &self.0.snapshot
    }
}

impl Core {
    pub(super) fn new(config: Arc<Config>, shared: Arc<Shared>, log: Queue) -> Self {
        let mut http = hyper::server::conn::http1::Builder::new();
        // Times are watched by the connection's task, which needs no timer per request.
        http.header_read_timeout(None)
            .max_buf_size(READ_BUFFER_BYTES)
            .half_close(false)
            .pipeline_flush(false);
        Self {
            clock: shared.clock,
            http,
            upstreams: Upstreams::new(),
            loopback: if config.allow_loopback_upstreams {
                Loopback::Allowed
            } else {
                Loopback::Refused
            },
            meter: Meter::new(shared.clone()),
            log: CoreLog::new(shared.clone(), log),
            random: Random::seeded(),
            callers: Callers::default(),
            tokens: TokenMemory::default(),
            connections: Connections::default(),
            is_draining: Cell::new(false),
            latest_ns: Cell::new(shared.clock.mono_ns()),
            complained_ns: Cell::new(0),
            snapshot: RefCell::new(Cache::new(SnapshotOf(shared.clone()))),
            config,
            shared,
        }
    }

    /// The snapshot in force.
    pub(super) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.borrow_mut().load().clone()
    }

    /// Why there is none.
    pub(super) fn absence(&self) -> EdgeRefusal {
        if self.shared.is_revoked.load(Ordering::Relaxed) {
            EdgeRefusal::NodeRevoked
        } else {
            EdgeRefusal::NotReady
        }
    }

    /// Whether it is time to log the failure of an upstream again.
    pub(super) fn may_complain(&self) -> bool {
        let now_ns = self.clock.mono_ns();
        let is_time = now_ns >= self.complained_ns.get() + COMPLAIN_EVERY_NS;
        if is_time {
            self.complained_ns.set(now_ns);
        }
        is_time
    }

    /// Whether the address is one of a proxy whose forwarding headers are believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let proxies = &self.config.trusted_proxies;
        proxies.iter().any(|net| net.contains(&address))
    }
}

/// The core's open connections, so that they can be told to end.
#[derive(Default)]
pub(super) struct Connections {
    wakers: RefCell<HashMap<u64, Waker>>,
    next: Cell<u64>,
    ended: Notify,
}

impl Connections {
    /// Runs a connection's future; [`Connections::wake_all`] has it polled.
    pub(super) async fn watch<F: Future>(&self, connection: F) -> F::Output {
        let place = Place {
            id: self.next.replace(self.next.get() + 1),
            connections: self,
        };
        // The waker of a task stays the same, so that it is noted once.
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            self.wakers.borrow_mut().insert(place.id, waker);
            Poll::Ready(())
        })
        .await;
        connection.await
    }

    pub(super) fn wake_all(&self) {
        for waker in self.wakers.borrow().values() {
            waker.wake_by_ref();
        }
    }

    /// Waits until there is none.
    pub(super) async fn all_ended(&self) {
        while !self.wakers.borrow().is_empty() {
            self.ended.notified().await;
        }
    }
}

struct Place<'a> {
    id: u64,
    connections: &'a Connections,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.connections.wakers.borrow_mut().remove(&self.id);
        self.connections.ended.notify_one();
    }
}
