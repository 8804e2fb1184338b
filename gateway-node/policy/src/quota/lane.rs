//! The units of one period that may be spent now.

use std::sync::atomic::{AtomicU64, Ordering};

/// Low bits of the word that hold the balance; the tag of the period is above.
const BALANCE_BITS: u32 = 40;
const BALANCE_MASK: u64 = (1 << BALANCE_BITS) - 1;
/// Most that the lease task puts into memory at once; far from what the bits hold, so that units
/// that are given back cannot reach the tag.
pub(super) const BALANCE_MAX: u64 = 1 << (BALANCE_BITS - 1);
/// A slot has two lanes. A lane's tag grows by two with each period that it takes on, from its own
/// index, so that a tag says its lane.
const TAG_STEP: u64 = 2 << BALANCE_BITS;

/// A period's tag, unique within a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag(u64);

impl Tag {
    pub(super) fn lane(self) -> usize {
        (self.0 & 1) as usize
    }
}

/// What a lane had for one take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LaneTake {
    Taken(Tag),
    /// Its period runs, and nothing is left here.
    Used,
    /// Its period has ended, or has not begun.
    Idle,
}

/// One period. The word is emptied before the other fields are changed to another period, and is
/// filled after, so that an exchange of the word shows that they belonged to it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Lane {
    word: AtomicU64,
    starts_at_ns: AtomicU64,
    ends_at_ns: AtomicU64,
    /// Of the tenant, as the store last said.
    limit: AtomicU64,
    /// What the store and this node have beyond the balance, as last known.
    beyond: AtomicU64,
}

impl Lane {
    pub(super) fn new(index: u64) -> Self {
        Self {
            word: AtomicU64::new(index << BALANCE_BITS),
            starts_at_ns: AtomicU64::new(0),
            ends_at_ns: AtomicU64::new(0),
            limit: AtomicU64::new(0),
            beyond: AtomicU64::new(0),
        }
    }

    pub(super) fn take(&self, now_ns: u64) -> LaneTake {
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            if !self.is_running(now_ns) {
                return LaneTake::Idle;
            }
            if word & BALANCE_MASK == 0 {
                return LaneTake::Used;
            }
            match self.word.compare_exchange_weak(
                word,
                word - 1,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return LaneTake::Taken(Tag(word >> BALANCE_BITS)),
                Err(found) => word = found,
            }
        }
    }

    /// Adds to the balance if the lane still has that period.
    pub(super) fn add(&self, tag: Tag, units: u64) {
        let _ = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                (word >> BALANCE_BITS == tag.0 && units <= BALANCE_MASK - (word & BALANCE_MASK))
                    .then_some(word + units)
            });
    }

    /// Takes up to `most` out of the balance.
    pub(super) fn withdraw(&self, most: u64) -> u64 {
        let share = |word: u64| (word & BALANCE_MASK).min(most);
        self.word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                Some(word - share(word))
            })
            .map_or(0, share)
    }

    /// Turns to another period; what was left of the old one is void.
    pub(super) fn turn(&self, starts_at_ns: u64, ends_at_ns: u64) -> Tag {
        let _ = self
            .word
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
                Some((word & !BALANCE_MASK).wrapping_add(TAG_STEP))
            });
        self.set_span(starts_at_ns, ends_at_ns);
        self.set_known(0, 0);
        self.tag()
    }

    pub(super) fn set_span(&self, starts_at_ns: u64, ends_at_ns: u64) {
        self.starts_at_ns.store(starts_at_ns, Ordering::Release);
        self.ends_at_ns.store(ends_at_ns, Ordering::Release);
    }

    /// Takes in another answer about the period: of two starts the earlier is nearer to the true
    /// one, of two ends the later.
    pub(super) fn widen(&self, starts_at_ns: u64, ends_at_ns: u64) {
        self.starts_at_ns.fetch_min(starts_at_ns, Ordering::AcqRel);
        self.ends_at_ns.fetch_max(ends_at_ns, Ordering::AcqRel);
    }

    pub(super) fn set_known(&self, limit: u64, beyond: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.beyond.store(beyond, Ordering::Relaxed);
    }

    pub(super) fn tag(&self) -> Tag {
        Tag(self.word.load(Ordering::Acquire) >> BALANCE_BITS)
    }

    pub(super) fn balance(&self) -> u64 {
        self.word.load(Ordering::Acquire) & BALANCE_MASK
    }

    pub(super) fn is_running(&self, now_ns: u64) -> bool {
        self.starts_at_ns() <= now_ns && now_ns < self.ends_at_ns()
    }

    pub(super) fn starts_at_ns(&self) -> u64 {
        self.starts_at_ns.load(Ordering::Acquire)
    }

    pub(super) fn ends_at_ns(&self) -> u64 {
        self.ends_at_ns.load(Ordering::Acquire)
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// What the tenant has left in the period, as far as this node knows.
    pub(super) fn remaining(&self) -> u64 {
        self.beyond
            .load(Ordering::Relaxed)
            .saturating_add(self.balance())
    }
}
