//! Where the two halves of a node meet: `control` swaps snapshots in and answers lease questions,
//! the cores serve from them and report what they did. Nothing here is locked on the hot path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use policy::{
    Fact, Failures, Now, QuotaSlot, Registry, ShareQuestion, Snapshot, SubscriptionState,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::meter::CoreUsage;

/// Requests of all cores that wait for a lease at one time; what is above is refused at once.
const QUESTIONS_MAX: usize = 4096;
/// Meter reports that may wait for the control side. A core that finds the queue full keeps
/// counting and reports later.
const REPORTS_MAX: usize = 256;

/// State that both halves of one node share. Several nodes in one process have one each.
pub struct Shared {
    pub clock: Clock,
    /// The snapshot in force; none until the first one is verified.
    pub snapshot: ArcSwapOption<Snapshot>,
    /// Counters that outlive snapshots.
    pub registry: Arc<Registry>,
    /// Failed authentications per address, over all cores.
    pub failures: Failures,
    /// Cancelled once the stored snapshot is in force, or there is none: connections wait for it, so
    /// that a node that starts anew refuses nobody for want of it.
    pub has_looked: CancellationToken,
    /// Set when the node begins to stop: it is not ready any more.
    pub is_draining: AtomicBool,
    /// Set for good when the control plane says that this node was revoked: then it has no snapshot.
    pub is_revoked: AtomicBool,
    pub gauges: Gauges,
    /// When the control plane last confirmed the snapshot, in milliseconds of `clock`; negative
    /// when that was before this process started.
    confirmed_mono_ms: AtomicI64,
    questions: mpsc::Sender<LeaseQuestion>,
    share_questions: mpsc::Sender<ShareAsked>,
    reports: mpsc::Sender<CoreUsage>,
}

/// The receiving ends, which the control side owns.
pub struct ControlInbox {
    /// Each is to be answered at once or as soon as its lease is decided; the asking request gives
    /// up by itself after its own deadline, so a late answer does no harm.
    pub questions: mpsc::Receiver<LeaseQuestion>,
    /// As `questions`, for shares of rates.
    pub share_questions: mpsc::Receiver<ShareAsked>,
    /// What the cores counted, about once a second from each. Closed when all cores have ended
    /// and their last counts were sent.
    pub reports: mpsc::Receiver<CoreUsage>,
}

/// A request waits until its tenant's quota slot has a balance again.
pub struct LeaseQuestion {
    pub slot: Arc<QuotaSlot>,
    pub answer: oneshot::Sender<Fact>,
}

/// A request waits until its subscription has a share of the rate; the end of `answer` is the answer.
pub struct ShareAsked {
    pub state: Arc<SubscriptionState>,
    pub answer: oneshot::Sender<()>,
}

/// Node-wide figures for `/metrics` and for node-wide caps. Each is written by many cores but
/// seldom (per connection, not per request).
#[derive(Debug, Default)]
pub struct Gauges {
    pub client_connections: AtomicU64,
    pub client_connections_accepted: AtomicU64,
    /// Turned away because the node or the address had too many.
    pub client_connections_refused: AtomicU64,
    pub upstream_connections: AtomicU64,
    pub upstream_connections_opened: AtomicU64,
    /// Access log records that were dropped because the writer could not keep up.
    pub log_records_dropped: AtomicU64,
    /// Counts that were dropped because reports could not be handed on for very long.
    pub counts_dropped: AtomicU64,
}

impl Shared {
    pub fn new() -> (Arc<Self>, ControlInbox) {
        let (questions, questions_inbox) = mpsc::channel(QUESTIONS_MAX);
        let (share_questions, share_questions_inbox) = mpsc::channel(QUESTIONS_MAX);
        let (reports, reports_inbox) = mpsc::channel(REPORTS_MAX);
        let shared = Arc::new(Self {
            clock: Clock::start(),
            snapshot: ArcSwapOption::empty(),
            registry: Arc::default(),
            failures: Failures::default(),
            has_looked: CancellationToken::new(),
            is_draining: AtomicBool::new(false),
            is_revoked: AtomicBool::new(false),
            gauges: Gauges::default(),
            confirmed_mono_ms: AtomicI64::new(0),
            questions,
            share_questions,
            reports,
        });
        let inbox = ControlInbox {
            questions: questions_inbox,
            share_questions: share_questions_inbox,
            reports: reports_inbox,
        };
        (shared, inbox)
    }

    /// Notes that the control plane said, `age` ago, that the active snapshot is the latest.
    pub fn confirm(&self, age: Duration, now: Now) {
        let at = mono_ms(now) - i64::try_from(age.as_millis()).unwrap_or(i64::MAX / 2);
        self.confirmed_mono_ms.store(at, Ordering::Relaxed);
    }

    /// How long ago the control plane last confirmed the snapshot, in milliseconds.
    pub fn stale_ms(&self, now: Now) -> u64 {
        let confirmed = self.confirmed_mono_ms.load(Ordering::Relaxed);
        u64::try_from(mono_ms(now) - confirmed).unwrap_or(0)
    }

    /// Asks for a lease and waits for the answer, at most `wait`. No answer is the store's absence.
    pub(crate) async fn ask_for_lease(&self, slot: Arc<QuotaSlot>, wait: Duration) -> Fact {
        let (answer, answered) = oneshot::channel();
        if self
            .questions
            .try_send(LeaseQuestion { slot, answer })
            .is_err()
        {
            return Fact::StoreAway;
        }
        match tokio::time::timeout(wait, answered).await {
            Ok(Ok(fact)) => fact,
            Ok(Err(_)) | Err(_) => Fact::StoreAway,
        }
    }

    /// Asks for a share of a rate and waits until it is there or the wait is over; then what the
    /// plan says holds for a while.
    pub(crate) async fn ask_for_share(&self, question: ShareQuestion) {
        let ShareQuestion { state, wait } = question;
        let (answer, answered) = oneshot::channel();
        let asked = ShareAsked {
            state: state.clone(),
            answer,
        };
        let is_answered = self.share_questions.try_send(asked).is_ok()
            && tokio::time::timeout(wait, answered).await.is_ok();
        if !is_answered {
            state.rate.give_up(self.clock.mono_ns());
        }
    }

    /// Hands a core's counts to the control side; false, and none are taken, when it is far behind.
    pub(crate) fn report(&self, take: impl FnOnce() -> CoreUsage) -> bool {
        match self.reports.try_reserve() {
            Ok(place) => {
                place.send(take());
                true
            }
            Err(_) => false,
        }
    }
}

fn mono_ms(now: Now) -> i64 {
    i64::try_from(now.mono_ns / 1_000_000).unwrap_or(i64::MAX)
}

/// Both clocks of a node, read in this one place. `mono_ns` counts from the node's start.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    pub fn now(&self) -> Now {
        let unix_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(0));
        Now {
            unix_ms,
            mono_ns: self.mono_ns(),
        }
    }

    /// The monotonic clock alone.
    pub fn mono_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
