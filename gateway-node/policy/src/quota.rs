//! Quotas: whole units that the store leased to this node, spent one by one.
//!
//! Invariants: a unit is spent at most once, only within its period, and only after the caller has
//! written down that the node no longer holds it. What the node was granted is learned from totals
//! that only grow, so that repeated, late and reordered answers change nothing.
//!
//! The cores use [`QuotaSlot::take`] and [`QuotaSlot::give_back`], without locks. Everything else
//! is for the one task that draws leases, in this order, again and again: ask for
//! [`QuotaSlot::items_to_ask`], [`QuotaSlot::apply`] the answers, [`QuotaSlot::set_aside`] what may
//! be spent next, write what [`QuotaSlot::draft`] says, and tell [`QuotaSlot::written`].

mod beyond;
mod books;
mod demand;
mod drawing;
mod lane;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use snapshot::id::{PlanId, TenantId};
use snapshot::lease::{Lease, LeaseItem};

use self::beyond::Beyond;
pub use self::beyond::Pace;
use self::books::Books;
use self::lane::{Lane, LaneTake, Tag};
use crate::headers::retry_after_s;

const SECOND_NS: u64 = 1_000_000_000;

/// A node's part of one tenant's quota in one group.
#[derive(Debug)]
pub struct QuotaSlot {
    tenant_id: TenantId,
    group: Arc<str>,
    /// The running period and the next one, in either order.
    lanes: [Lane; 2],
    /// The store had nothing left: asking before this instant is of no use.
    ask_again_at_ns: AtomicU64,
    /// Requests that found no balance and ask for one.
    misses: AtomicU64,
    beyond: Beyond,
    books: Mutex<Books>,
}

/// One unit taken. Hand it to [`QuotaSlot::give_back`] if the request does not take place.
#[derive(Debug, PartialEq, Eq)]
pub struct Unit(Source);

#[derive(Debug, PartialEq, Eq)]
enum Source {
    Leased(Tag),
    /// Admitted beyond what was leased.
    Beyond,
}

#[derive(Debug, PartialEq, Eq)]
pub enum QuotaTake {
    Taken(Unit),
    /// Nothing is left in memory: ask the lease task.
    Empty,
    /// The store said a moment ago that nothing is left: do not ask.
    Exhausted,
}

/// The version of a plan that limits a quota.
pub type Terms = (PlanId, u32);

/// What a node knows of a tenant's quota in the running period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// In force, as the store last said.
    pub limit: u64,
    /// What the store had left when it last spoke, with what this node holds.
    pub remaining: u64,
    pub ends_in_ns: u64,
}

/// What a lease's answer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// So many units more are held; zero for an answer that was known already.
    Added(u64),
    /// The store has nothing left for the running period.
    Exhausted,
    /// The store knows no quota of this tenant in this group.
    NoQuota,
    /// The period has ended, or is one that this node no longer keeps.
    Over,
}

/// An entry of the balance file: units of one period that no process has had in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub period_start_ms: i64,
    pub units: u64,
    pub limit: u64,
    /// On the monotonic clock, as below.
    pub starts_at_ns: u64,
    pub ends_at_ns: u64,
}

/// What may go on once the [`Held`] that came with it are in the file.
#[derive(Debug)]
#[must_use = "what was set aside is spendable once `written` is told"]
pub struct Mark {
    epoch: u64,
    changes: u64,
    lanes: [Option<LaneMark>; 2],
}

#[derive(Debug, Clone, Copy)]
struct LaneMark {
    tag: Tag,
    aside: u64,
    returning: u64,
}

impl QuotaSlot {
    pub fn new(tenant_id: TenantId, group: Arc<str>) -> Self {
        Self {
            tenant_id,
            group,
            lanes: [Lane::new(0), Lane::new(1)],
            ask_again_at_ns: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            beyond: Beyond::default(),
            books: Mutex::new(Books::default()),
        }
    }

    pub fn tenant_id(&self) -> TenantId {
        self.tenant_id
    }

    pub fn group(&self) -> &Arc<str> {
        &self.group
    }

    /// Takes one unit of the period that runs.
    pub fn take(&self, now_ns: u64) -> QuotaTake {
        for lane in &self.lanes {
            if let LaneTake::Taken(tag) = lane.take(now_ns) {
                return QuotaTake::Taken(Unit(Source::Leased(tag)));
            }
        }
        if now_ns < self.ask_again_at_ns.load(Ordering::Acquire) {
            return QuotaTake::Exhausted;
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        QuotaTake::Empty
    }

    /// Undoes a take. A unit of a period that has been left is void.
    #[expect(clippy::needless_pass_by_value, reason = "a unit is given back once")]
    pub fn give_back(&self, unit: Unit) {
        match unit.0 {
            Source::Leased(tag) => self.lanes[tag.lane()].add(tag, 1),
            Source::Beyond => self.beyond.give_back(),
        }
    }

    /// The store is away since then, and `nodes` share its limits.
    pub fn note_away(&self, since_ns: u64, nodes: u32) {
        self.beyond.note_away(since_ns, nodes);
    }

    pub fn note_back(&self) {
        self.beyond.note_back();
    }

    /// Takes a unit beyond what was leased, within this node's share of the quota's even pace since
    /// the store went away. The store is charged with it when it is back.
    pub fn take_share(&self, pace: Pace, now_ns: u64) -> Option<Unit> {
        self.beyond
            .take_share(pace, now_ns)
            .then_some(Unit(Source::Beyond))
    }

    /// Takes a unit beyond what was leased, whatever the limit.
    pub fn take_beyond(&self) -> Unit {
        self.beyond.take_any();
        Unit(Source::Beyond)
    }

    /// `None` before the first lease of the running period.
    pub fn known(&self, now_ns: u64) -> Option<Known> {
        let lane = self.lanes.iter().find(|lane| lane.is_running(now_ns))?;
        Some(Known {
            limit: lane.limit(),
            remaining: lane.remaining(),
            ends_in_ns: lane.ends_at_ns().saturating_sub(now_ns),
        })
    }

    /// Seconds until the running period ends, rounded up; 1 where that is not known.
    pub fn ends_in_s(&self, now_ns: u64) -> u64 {
        self.known(now_ns)
            .map_or(1, |known| retry_after_s(known.ends_in_ns))
    }

    /// Takes up what the file of an earlier process held. Call it before anything else, earlier
    /// periods first.
    pub fn restore(&self, held: Held, now_ns: u64) {
        if now_ns < held.ends_at_ns {
            self.books().restore(&self.lanes, held);
        }
    }

    /// What to ask the store for now, or to tell it. Until an answer is applied, or
    /// [`QuotaSlot::ask_failed`] is told, or ten seconds have passed, there is nothing more.
    pub fn items_to_ask(&self, now_ns: u64) -> Vec<LeaseItem> {
        let misses = self.misses.load(Ordering::Relaxed);
        let may_draw = self.ask_again_at_ns.load(Ordering::Acquire) <= now_ns;
        let mut books = self.books();
        books.observe(&self.lanes, misses, now_ns);
        let mut items = books.items(&self.lanes, self.spread_ns(), may_draw, now_ns);
        for item in &mut items {
            item.tenant_id = self.tenant_id.to_bytes();
            item.group = self.group.as_ref().to_owned();
        }
        items
    }

    /// No answer came to what was asked.
    pub fn ask_failed(&self) {
        self.books().asked_at_ns = None;
    }

    /// Says which terms the snapshot in force has for the quota; `None`: it has none. Where they
    /// differ from those before, the store is asked at once, also though it had nothing left, and
    /// what the limit in force does not cover goes back.
    pub fn set_terms(&self, terms: Option<Terms>, now_ns: u64) {
        let mut books = self.books();
        if books.terms == Some(terms) {
            return;
        }
        books.terms = Some(terms);
        books.exhausted_times = 0;
        for (period, _) in books.live_mut(&self.lanes) {
            period.refresh_since_ns = Some(now_ns);
        }
        self.ask_again_at_ns.store(0, Ordering::Release);
    }

    /// Takes in an answer. `asked_at_ns`: when the request that it answers was sent first.
    /// Between the end of a period and the start of the next one there may be a gap of a round
    /// trip, in which [`QuotaSlot::take`] finds the slot empty.
    pub fn apply(&self, lease: &Lease, asked_at_ns: u64, now_ns: u64) -> Applied {
        let mut books = self.books();
        let (applied, ask_again_at_ns) = books.apply(&self.lanes, lease, asked_at_ns, now_ns);
        if let Some(at_ns) = ask_again_at_ns {
            self.ask_again_at_ns.store(at_ns, Ordering::Release);
        }
        applied
    }

    /// So many requests wait still, whatever came in between: it may have gone to others.
    pub fn still_waiting(&self, requests: u64) {
        let misses = self.misses.load(Ordering::Relaxed);
        let mut books = self.books();
        books.misses_served = books.misses_served.min(misses.saturating_sub(requests));
    }

    /// Whether there is nothing to take, and the store had nothing left when it was asked last.
    pub fn is_exhausted(&self, now_ns: u64) -> bool {
        self.balance(now_ns) == 0 && now_ns < self.ask_again_at_ns.load(Ordering::Acquire)
    }

    /// Sets aside about a second's demand of what is held, to be spent once it is written. Returns
    /// how many units.
    pub fn set_aside(&self, now_ns: u64) -> u64 {
        let misses = self.misses.load(Ordering::Relaxed);
        let mut books = self.books();
        if books.is_running(&self.lanes, now_ns) {
            books.charge(&self.lanes, self.beyond.take_uncharged(), now_ns);
        }
        books.set_aside(&self.lanes, misses, now_ns)
    }

    /// Units that can be taken at once.
    pub fn balance(&self, now_ns: u64) -> u64 {
        let running = self.lanes.iter().filter(|lane| lane.is_running(now_ns));
        running.map(Lane::balance).sum()
    }

    /// Whether [`QuotaSlot::draft`] differs from what was written last.
    pub fn needs_writing(&self) -> bool {
        self.books().needs_writing()
    }

    /// The slot's part of the balance file. Where writing it fails, make another draft.
    pub fn draft(&self, now_ns: u64) -> (Vec<Held>, Mark) {
        self.books().draft(&self.lanes, now_ns)
    }

    /// What `mark` came with is in the file: what was set aside before is spendable now, and what
    /// was taken back is told to the store.
    pub fn written(&self, mark: &Mark) {
        self.books().written(&self.lanes, mark);
    }

    /// Takes everything out of memory and out of what is held, to be returned to the store once it
    /// is written. Returns how many units. What was taken over from an earlier process cannot be
    /// returned by this one and goes back into what is held.
    pub fn take_back_all(&self) -> u64 {
        self.books().take_back_all(&self.lanes)
    }

    /// The same with what is held beyond 20 minutes of recent demand, ten minutes after the last
    /// grant at the earliest.
    pub fn take_back_idle(&self, now_ns: u64) -> u64 {
        self.books().take_back_idle(&self.lanes, now_ns)
    }

    /// Whether units that were taken back are not yet acknowledged by the store.
    pub fn is_returning(&self, now_ns: u64) -> bool {
        self.books().is_returning(&self.lanes, now_ns)
    }

    /// Tenants' next periods are asked for at different times, two to ten minutes ahead.
    fn spread_ns(&self) -> u64 {
        let random = self.tenant_id.0.as_u128() as u64;
        (120 + random % 480) * SECOND_NS
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
