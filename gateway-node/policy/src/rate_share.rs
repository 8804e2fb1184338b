//! A subscription's rate on this node: the bucket, and the share of the plan that it goes by.
//!
//! A share is a part of the plan's rate and of its bucket alike, in force until it runs out. The
//! shares of a fleet add up to no more than the whole, so what all nodes admit is what one would:
//! what a share grows by while it is held starts empty, and what it shrinks by is gone.
//!
//! The cores use [`RateShare::limit`] and the bucket, without locks. Everything else is for the one
//! task that asks for shares.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use snapshot::document::OnStoreDown;
use snapshot::id::SubscriptionId;
use snapshot::rate_share::WHOLE;

use crate::gcra::{Gcra, RateLimit};

/// How long requests do not wait after one has waited in vain.
const SLOW: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub struct RateShare {
    id: SubscriptionId,
    pub(crate) bucket: Gcra,
    /// Of [`WHOLE`]: what the bucket was last used with.
    part: AtomicU32,
    /// Until when it is in force.
    until_ns: AtomicU64,
    /// A store that is there did not answer in time: nothing is admitted until then.
    slow_until_ns: AtomicU64,
    /// The store is away: the plan's setting decides until then.
    away_until_ns: AtomicU64,
    /// What the node goes by without a share, where the plan lets it.
    local_part: AtomicU32,
    /// Units in which the whole bucket fills, of the limit that was last used.
    window: AtomicU64,
    /// Requests that asked for a token, ever.
    seen: AtomicU64,
}

/// What a request is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareLimit {
    Limit(RateLimit),
    /// The share in force is of nothing, for the moment.
    Nothing,
    /// No share is in force: one is to be asked for first.
    Unknown,
    /// None can be had, and the plan says to refuse then.
    Unavailable,
}

impl RateShare {
    pub(crate) fn new(id: SubscriptionId) -> Self {
        Self {
            id,
            bucket: Gcra::default(),
            part: AtomicU32::new(WHOLE),
            until_ns: AtomicU64::new(0),
            slow_until_ns: AtomicU64::new(0),
            away_until_ns: AtomicU64::new(0),
            local_part: AtomicU32::new(WHOLE),
            window: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }
    }

    pub fn id(&self) -> SubscriptionId {
        self.id
    }

    /// What the plan's limit comes to on this node now.
    pub(crate) fn limit(
        &self,
        plan: &RateLimit,
        on_store_down: OnStoreDown,
        now_ns: u64,
    ) -> ShareLimit {
        self.seen.fetch_add(1, Ordering::Relaxed);
        if self.window.load(Ordering::Relaxed) != plan.window() {
            self.window.store(plan.window(), Ordering::Relaxed);
        }
        if self.is_in_force(now_ns) {
            return match self.part.load(Ordering::Acquire) {
                0 => ShareLimit::Nothing,
                part => ShareLimit::Limit(plan.of_part(part)),
            };
        }
        if now_ns >= self.away_until_ns.load(Ordering::Relaxed) {
            return match now_ns < self.slow_until_ns.load(Ordering::Relaxed) {
                true => ShareLimit::Nothing,
                false => ShareLimit::Unknown,
            };
        }
        let part = match on_store_down {
            OnStoreDown::Refuse => return ShareLimit::Unavailable,
            OnStoreDown::LocalShare => self.local_part.load(Ordering::Relaxed),
            OnStoreDown::Allow => WHOLE,
        };
        self.go_by(part, now_ns);
        ShareLimit::Limit(plan.of_part(part))
    }

    /// A request waited for a share long enough.
    pub fn give_up(&self, now_ns: u64) {
        let until = now_ns.saturating_add(as_ns(SLOW));
        self.slow_until_ns.store(until, Ordering::Relaxed);
    }

    /// No share can be had until then: from the time on at which the present one has run out, the
    /// plan's setting decides.
    pub fn store_is_away(&self, until_ns: u64) {
        self.away_until_ns.store(until_ns, Ordering::Relaxed);
    }

    /// Requests that asked for a token, ever: how the demand is seen.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The share in force, of [`WHOLE`].
    pub fn in_force(&self, now_ns: u64) -> Option<u32> {
        self.is_in_force(now_ns)
            .then(|| self.part.load(Ordering::Relaxed))
    }

    /// Goes by a share that was granted, until `until_ns`. Where none was in force, the bucket
    /// needs `missing` more to become full.
    pub fn grant(&self, part: u32, until_ns: u64, missing: Duration, now_ns: u64) {
        if !self.is_in_force(now_ns) {
            let full_at_ns = now_ns.saturating_add(as_ns(missing));
            self.bucket.not_full_before(full_at_ns);
        }
        self.go_by(part.min(WHOLE), now_ns);
        self.until_ns.store(until_ns, Ordering::Release);
    }

    /// Goes by nothing any more; false, and nothing happens, where the bucket is not full: what was
    /// spent of it would be forgotten.
    pub fn release(&self, now_ns: u64) -> bool {
        if !self.bucket.is_full(now_ns) {
            return false;
        }
        self.until_ns.store(0, Ordering::Release);
        self.part.store(WHOLE, Ordering::Release);
        true
    }

    /// What this node goes by while no share can be had, of [`WHOLE`].
    pub fn set_local_part(&self, part: u32) {
        self.local_part.store(part.min(WHOLE), Ordering::Relaxed);
    }

    fn is_in_force(&self, now_ns: u64) -> bool {
        now_ns < self.until_ns.load(Ordering::Acquire)
    }

    /// Goes over to another part. A larger one finds the tokens that there were, a smaller one as
    /// much less as the bucket is smaller.
    fn go_by(&self, part: u32, now_ns: u64) {
        let before = self.part.load(Ordering::Acquire);
        if part > before {
            let window = self.window.load(Ordering::Relaxed);
            self.bucket.grow(window, (before, part), now_ns);
        }
        if part != before {
            self.part.store(part, Ordering::Release);
        }
    }
}

fn as_ns(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    /// 10 per second, 20 at once: full in two seconds.
    const PLAN: (u64, u64) = (10_000, 20);

    fn share() -> (RateShare, RateLimit) {
        let plan = RateLimit::new(PLAN.0, PLAN.1);
        let share = RateShare::new(SubscriptionId(uuid::Uuid::from_u128(1)));
        (share, plan)
    }

    /// How many are admitted at once.
    fn admitted(share: &RateShare, plan: &RateLimit, now_ns: u64) -> u32 {
        let mut count = 0;
        while let ShareLimit::Limit(limit) = share.limit(plan, OnStoreDown::LocalShare, now_ns)
            && share.bucket.take(&limit, now_ns).is_ok()
        {
            count += 1;
        }
        count
    }

    #[test]
    fn without_a_share_one_is_asked_for_and_then_the_plan_decides() {
        let (share, plan) = share();
        let limit = |on_store_down, now| share.limit(&plan, on_store_down, now);
        assert_eq!(limit(OnStoreDown::Refuse, 0), ShareLimit::Unknown);
        share.give_up(0);
        assert_eq!(limit(OnStoreDown::Allow, 1), ShareLimit::Nothing);
        share.store_is_away(SECOND);
        assert_eq!(limit(OnStoreDown::Refuse, 1), ShareLimit::Unavailable);
        share.set_local_part(WHOLE / 4);
        let local = ShareLimit::Limit(plan.of_part(WHOLE / 4));
        assert_eq!(limit(OnStoreDown::LocalShare, 1), local);
        assert_eq!(limit(OnStoreDown::Allow, 1), ShareLimit::Limit(plan));
        assert_eq!(limit(OnStoreDown::Allow, SECOND), ShareLimit::Unknown);
        assert_eq!(share.seen(), 6);
    }

    #[test]
    fn a_share_is_a_part_of_rate_and_bucket() {
        let (share, plan) = share();
        share.grant(WHOLE / 4, 60 * SECOND, Duration::ZERO, 0);
        assert_eq!(admitted(&share, &plan, 0), 5);
        assert_eq!(admitted(&share, &plan, 4 * SECOND), 5);
        assert_eq!(admitted(&share, &plan, 4 * SECOND + SECOND), 2);
    }

    #[test]
    fn what_a_share_grows_by_starts_empty() {
        let (share, plan) = share();
        admitted(&share, &plan, 0);
        share.grant(WHOLE / 4, 60 * SECOND, Duration::ZERO, SECOND);
        // Ten seconds later it holds its five; the other fifteen are to grow.
        share.grant(WHOLE, 60 * SECOND, Duration::ZERO, 11 * SECOND);
        assert_eq!(admitted(&share, &plan, 11 * SECOND), 5);
        assert_eq!(admitted(&share, &plan, 12 * SECOND), 10);
        assert_eq!(admitted(&share, &plan, 60 * SECOND - 1), 20);
    }

    #[test]
    fn what_a_share_shrinks_by_is_gone() {
        let (share, plan) = share();
        share.limit(&plan, OnStoreDown::LocalShare, 0);
        share.grant(WHOLE, 60 * SECOND, Duration::ZERO, 0);
        share.grant(WHOLE / 2, 60 * SECOND, Duration::ZERO, 0);
        share.grant(WHOLE, 60 * SECOND, Duration::ZERO, 0);
        assert_eq!(admitted(&share, &plan, 0), 10);
    }

    #[test]
    fn a_share_of_nothing_admits_nothing_and_one_after_it_starts_empty() {
        let (share, plan) = share();
        share.grant(0, 60 * SECOND, Duration::ZERO, 0);
        assert_eq!(admitted(&share, &plan, 0), 0);
        share.limit(&plan, OnStoreDown::LocalShare, 0);
        share.grant(WHOLE / 2, 60 * SECOND, Duration::ZERO, 0);
        assert_eq!(admitted(&share, &plan, 0), 0);
        assert_eq!(admitted(&share, &plan, SECOND), 5);
    }

    #[test]
    fn a_new_share_begins_with_what_is_left_by_all_nodes() {
        let (share, plan) = share();
        share.grant(WHOLE, 60 * SECOND, Duration::from_secs(1), SECOND);
        assert_eq!(admitted(&share, &plan, SECOND), 10);
    }

    #[test]
    fn only_a_full_bucket_is_given_back() {
        let (share, plan) = share();
        share.grant(WHOLE, 60 * SECOND, Duration::ZERO, 0);
        assert_eq!(admitted(&share, &plan, 0), 20);
        assert!(!share.release(2 * SECOND - 1));
        assert!(share.release(2 * SECOND));
        assert_eq!(share.in_force(2 * SECOND), None);
        let limit = share.limit(&plan, OnStoreDown::LocalShare, 2 * SECOND);
        assert_eq!(limit, ShareLimit::Unknown);
    }
}
