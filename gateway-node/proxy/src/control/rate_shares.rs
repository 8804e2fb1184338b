//! Asks for this node's shares of the rates: which subscriptions it serves and how busy they are,
//! and what it may go by for the next seconds. What a share means is in `policy::rate_share`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use policy::SubscriptionState;
use snapshot::id::SubscriptionId;
use snapshot::rate_share::{ITEMS_MAX, PATH, Share, ShareItem, ShareRequest, ShareResponse, WHOLE};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::client::{Bounds, CallError, SignedCalls};
use super::health::Health;
use crate::shared::{ShareAsked, Shared};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(2),
    answer_bytes_max: 1 << 20,
};
/// Questions that come this close together go into one call.
const GATHER: Duration = Duration::from_millis(1);
/// How often shares are renewed and demand is told.
const TICK: Duration = Duration::from_millis(500);
/// After a share of nothing, or one that shrank: others wait to hear of it.
const SOON: Duration = Duration::from_millis(100);
/// As long as this a node that had nothing waits for others to hear of it; after that its requests
/// are refused at once.
const NOTHING_MAX: Duration = Duration::from_millis(1500);
/// How long requests go by the plan's setting after a call that failed.
const AWAY: Duration = Duration::from_secs(2);
/// Without an incarnation for so long, the control plane counts as away.
const REGISTRATION_EXPECTED: Duration = Duration::from_secs(1);
/// How long a stopping node goes on giving back.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) struct RateShares {
    calls: Arc<SignedCalls>,
    shared: Arc<Shared>,
    health: Arc<Health>,
    held: HashMap<SubscriptionId, Entry>,
    incarnation: Option<u64>,
    /// The last call failed, or none could be made for too long.
    is_store_away: bool,
}

struct Entry {
    state: Arc<SubscriptionState>,
    /// The grant that it goes by; 0: it holds nothing.
    grant: u64,
    demand: Demand,
    waiting: Vec<oneshot::Sender<()>>,
    is_urgent: bool,
    /// Since when it was granted nothing, on top of having nothing.
    nothing_since: Option<Instant>,
    /// Given back here; the control plane is still to be told.
    is_released: bool,
}

/// Requests per second of late: quick to rise, slow to fall.
struct Demand {
    per_second: f64,
    seen: u64,
    since: Instant,
}

impl Demand {
    fn observe(&mut self, seen: u64, now: Instant) {
        let elapsed = (now - self.since).as_secs_f64();
        // Over a shorter time a single request would pass for many.
        if elapsed < SOON.as_secs_f64() {
            return;
        }
        let recent = seen.saturating_sub(self.seen) as f64 / elapsed;
        self.per_second = recent.max((self.per_second + recent) / 2.0);
        (self.seen, self.since) = (seen, now);
    }

    fn milli(&self) -> u64 {
        (self.per_second * 1000.0) as u64
    }

    /// Less than a request in ten seconds.
    fn is_over(&self) -> bool {
        self.per_second < 0.1
    }
}

impl RateShares {
    pub(crate) fn new(calls: Arc<SignedCalls>, shared: Arc<Shared>, health: Arc<Health>) -> Self {
        Self {
            calls,
            shared,
            health,
            held: HashMap::new(),
            incarnation: None,
            is_store_away: false,
        }
    }

    /// Runs until `shutdown`, which comes when nothing is admitted any more; then gives back.
    pub(crate) async fn run(
        mut self,
        mut questions: mpsc::Receiver<ShareAsked>,
        mut incarnation: watch::Receiver<Option<u64>>,
        shutdown: CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let started = Instant::now();
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(question) = questions.recv() => {
                    self.take_questions(question, &mut questions);
                    due = Some(due.unwrap_or_else(|| Instant::now() + GATHER));
                }
                () = until(due) => {
                    self.ask(Which::Urgent).await;
                    due = self.is_urgent().then(|| Instant::now() + SOON);
                }
                _ = tick.tick() => {
                    self.is_store_away |=
                        self.incarnation.is_none() && started.elapsed() > REGISTRATION_EXPECTED;
                    self.release_idle();
                    self.ask(Which::All).await;
                    due = self.is_urgent().then(|| Instant::now() + SOON);
                }
                Ok(()) = incarnation.changed(), if self.incarnation.is_none() => {
                    self.incarnation = *incarnation.borrow_and_update();
                    due = Some(Instant::now());
                }
            }
        }
        drop(tokio::time::timeout(FAREWELL, self.give_back()).await);
    }

    fn take_questions(&mut self, first: ShareAsked, more: &mut mpsc::Receiver<ShareAsked>) {
        let mut next = Some(first);
        while let Some(ShareAsked { state, answer }) = next {
            let entry = self
                .held
                .entry(state.rate.id())
                .or_insert_with(|| Entry::new(state));
            entry.is_urgent = true;
            if self.is_store_away {
                entry.go_without(self.shared.clock.mono_ns());
            } else {
                entry.waiting.push(answer);
            }
            next = more.try_recv().ok();
        }
    }

    /// Asks, in as many calls as it takes.
    async fn ask(&mut self, which: Which) {
        let now = Instant::now();
        let mut items = Vec::new();
        for (id, entry) in &mut self.held {
            if which == Which::All || entry.is_urgent {
                entry.demand.observe(entry.state.rate.seen(), now);
                items.push(entry.item(*id));
                entry.is_urgent = false;
            }
        }
        for some in items.chunks(ITEMS_MAX) {
            self.call(some).await;
        }
    }

    async fn call(&mut self, items: &[ShareItem]) {
        let Some(incarnation) = self.incarnation else {
            if self.is_store_away {
                self.go_without();
            }
            return;
        };
        let asked_at_ns = self.shared.clock.mono_ns();
        let request = ShareRequest {
            incarnation,
            items: items.to_vec(),
        };
        let answer: Result<ShareResponse, CallError> =
            self.calls.post(PATH, &request, BOUNDS).await;
        let failure = match answer {
            Ok(response) if response.shares.len() == items.len() => {
                self.health.note_shares();
                self.is_store_away = false;
                let local_part = WHOLE / response.live_nodes.max(1);
                for (item, share) in items.iter().zip(&response.shares) {
                    self.apply(item, share, (asked_at_ns, local_part));
                }
                return;
            }
            Ok(_) => String::from("malformed"),
            Err(cause) => cause.code().to_owned(),
        };
        if self.health.note_share_failure(&failure) {
            tracing::warn!(code = failure, "shares of rates cannot be had");
        }
        self.is_store_away = true;
        self.go_without();
    }

    fn go_without(&mut self) {
        let now_ns = self.shared.clock.mono_ns();
        for entry in self.held.values_mut() {
            entry.go_without(now_ns);
        }
    }

    fn apply(&mut self, item: &ShareItem, share: &Share, (asked_at_ns, local_part): (u64, u32)) {
        let Ok(id) = SubscriptionId::from_bytes(&item.subscription_id) else {
            return;
        };
        let Some(entry) = self.held.get_mut(&id) else {
            return;
        };
        if share.subscription_id != item.subscription_id {
            return;
        }
        let now_ns = self.shared.clock.mono_ns();
        let rate = &entry.state.rate;
        rate.set_local_part(local_part);
        if item.is_released {
            entry.is_released = false;
            entry.grant = 0;
            entry.is_urgent = !entry.waiting.is_empty();
            if !entry.is_urgent {
                self.held.remove(&id);
            }
            return;
        }
        if share.is_unknown {
            // The snapshot that says so is on its way; until then the plan's setting decides.
            entry.go_without(now_ns);
            return;
        }
        let before = rate.in_force(now_ns).unwrap_or(0);
        entry.grant = share.grant;
        entry.nothing_since = match entry.nothing_since {
            _ if share.part > 0 || before > 0 => None,
            None => Some(Instant::now()),
            since => since,
        };
        let is_newcomer = entry
            .nothing_since
            .is_some_and(|since| since.elapsed() < NOTHING_MAX);
        // Who gave something up says so at once; who still has nothing asks again soon.
        entry.is_urgent = share.part < before || (is_newcomer && !entry.is_idle());
        if is_newcomer {
            return;
        }
        let until_ns = asked_at_ns.saturating_add(share.lease_ms.saturating_mul(1_000_000));
        let missing = Duration::from_millis(share.missing_ms);
        rate.grant(share.part, until_ns, missing, now_ns);
        entry.waiting.clear();
    }

    /// Gives back what nobody uses, as soon as its bucket is full.
    fn release_idle(&mut self) {
        let now_ns = self.shared.clock.mono_ns();
        for entry in self.held.values_mut() {
            entry.waiting.retain(|waiting| !waiting.is_closed());
            entry.is_released |= entry.is_idle() && entry.state.rate.release(now_ns);
        }
    }

    /// What is full goes to the other nodes at once; the rest when its time has run out.
    async fn give_back(&mut self) {
        let now_ns = self.shared.clock.mono_ns();
        for entry in self.held.values_mut() {
            entry.is_released |= entry.state.rate.release(now_ns);
        }
        let released = self.held.iter().filter(|(_, entry)| entry.is_released);
        let items: Vec<ShareItem> = released.map(|(id, entry)| entry.item(*id)).collect();
        for some in items.chunks(ITEMS_MAX) {
            self.call(some).await;
        }
    }

    fn is_urgent(&self) -> bool {
        self.held.values().any(|entry| entry.is_urgent)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    Urgent,
}

impl Entry {
    fn new(state: Arc<SubscriptionState>) -> Self {
        Self {
            demand: Demand {
                per_second: 0.0,
                seen: state.rate.seen(),
                since: Instant::now(),
            },
            state,
            grant: 0,
            waiting: Vec::new(),
            is_urgent: true,
            nothing_since: None,
            is_released: false,
        }
    }

    fn item(&self, id: SubscriptionId) -> ShareItem {
        ShareItem {
            subscription_id: id.to_bytes(),
            demand_milli: self.demand.milli(),
            grant: self.grant,
            is_released: self.is_released,
        }
    }

    fn is_idle(&self) -> bool {
        self.demand.is_over() && self.waiting.is_empty()
    }

    /// Requests go by the plan's setting for a while, those that wait too.
    fn go_without(&mut self, now_ns: u64) {
        let away_ns = u64::try_from(AWAY.as_nanos()).unwrap_or(u64::MAX);
        self.state
            .rate
            .store_is_away(now_ns.saturating_add(away_ns));
        self.waiting.clear();
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
