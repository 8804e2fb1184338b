//! Units beyond what was leased, while the store is away.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The store is not away.
const NEVER: u64 = u64::MAX;

/// A node's part of a quota's even pace: the limit, spread over the period and over the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub limit: u64,
    pub period_ns: u64,
}

/// What a node admitted beyond its leases since the store went away, and what of that the store is
/// still to be told.
#[derive(Debug)]
pub(super) struct Beyond {
    away_since_ns: AtomicU64,
    /// As the store last counted them; 0: it has not said.
    nodes: AtomicU32,
    /// Within the share, since the store went away.
    shared: AtomicU64,
    uncharged: AtomicU64,
}

impl Default for Beyond {
    fn default() -> Self {
        Self {
            away_since_ns: AtomicU64::new(NEVER),
            nodes: AtomicU32::new(0),
            shared: AtomicU64::new(0),
            uncharged: AtomicU64::new(0),
        }
    }
}

impl Beyond {
    pub(super) fn note_away(&self, since_ns: u64, nodes: u32) {
        self.nodes.store(nodes, Ordering::Release);
        if self.away_since_ns.swap(since_ns, Ordering::AcqRel) != since_ns {
            self.shared.store(0, Ordering::Release);
        }
    }

    pub(super) fn note_back(&self) {
        self.away_since_ns.store(NEVER, Ordering::Release);
    }

    /// Takes a unit of the share; `false`: it is used up for now.
    pub(super) fn take_share(&self, pace: Pace, now_ns: u64) -> bool {
        let away_ns = now_ns.saturating_sub(self.away_since_ns.load(Ordering::Acquire));
        let nodes = self.nodes.load(Ordering::Acquire);
        let whole = u128::from(pace.limit) * u128::from(away_ns);
        let share = match u128::from(pace.period_ns) * u128::from(nodes) {
            0 => 0,
            parts => u64::try_from(whole / parts).unwrap_or(u64::MAX),
        };
        let taken = self
            .shared
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |shared| {
                (shared < share).then_some(shared + 1)
            });
        if taken.is_ok() {
            self.take_any();
        }
        taken.is_ok()
    }

    pub(super) fn take_any(&self) {
        self.uncharged.fetch_add(1, Ordering::AcqRel);
    }

    /// A unit that was charged already stays charged.
    pub(super) fn give_back(&self) {
        let _ = self
            .uncharged
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |units| {
                units.checked_sub(1)
            });
    }

    pub(super) fn take_uncharged(&self) -> u64 {
        self.uncharged.swap(0, Ordering::AcqRel)
    }
}
