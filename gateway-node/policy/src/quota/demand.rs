//! How fast a node spends a tenant's quota.

const SECOND_NS: u64 = 1_000_000_000;
/// What is older than about this weighs little for leases.
const MEMORY_NS: u64 = 120 * SECOND_NS;
/// Shorter spans say nothing about a rate.
const SPAN_MIN_NS: u64 = SECOND_NS;
/// A peak is forgotten by a tenth with each span.
const PEAK_KEPT_TENTHS: u64 = 9;

/// Takes per 1000 seconds: the mean over the last minutes, and the recent peak of a second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Demand {
    began_at_ns: Option<u64>,
    seen_at_ns: u64,
    seen: u64,
    mean_milli: u64,
    peak_milli: u64,
}

impl Demand {
    /// `spent` is everything ever spent, wanted in vain included.
    pub(super) fn observe(&mut self, spent: u64, now_ns: u64) {
        let Some(began) = self.began_at_ns else {
            self.began_at_ns = Some(now_ns);
            self.seen_at_ns = now_ns;
            self.seen = spent;
            return;
        };
        let span = now_ns.saturating_sub(self.seen_at_ns);
        if span < SPAN_MIN_NS {
            return;
        }
        let units = spent.saturating_sub(self.seen);
        let rate = scale(units, 1000 * SECOND_NS, span);
        let age = now_ns.saturating_sub(began).min(MEMORY_NS).max(span);
        self.mean_milli = if rate >= self.mean_milli {
            self.mean_milli + scale(rate - self.mean_milli, span, age)
        } else {
            self.mean_milli - scale(self.mean_milli - rate, span, age)
        };
        self.peak_milli = rate.max(self.peak_milli / 10 * PEAK_KEPT_TENTHS);
        self.seen_at_ns = now_ns;
        self.seen = spent;
    }

    /// What is spent in so long at the mean rate, rounded up.
    pub(super) fn within(&self, span_ns: u64) -> u64 {
        let units = u128::from(self.mean_milli) * u128::from(span_ns);
        u64::try_from(units.div_ceil(u128::from(1000 * SECOND_NS))).unwrap_or(u64::MAX)
    }

    /// What a busy second spends, rounded up; at least 1.
    pub(super) fn second(&self) -> u64 {
        self.peak_milli.max(self.mean_milli).div_ceil(1000).max(1)
    }

    pub(super) fn is_any(&self) -> bool {
        self.mean_milli > 0
    }
}

fn scale(value: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steady(per_second: u64, seconds: u64) -> Demand {
        let mut demand = Demand::default();
        for second in 0..=seconds {
            demand.observe(per_second * second, second * SECOND_NS);
        }
        demand
    }

    #[test]
    fn a_steady_rate_is_seen_as_it_is_from_the_start() {
        for seconds in [1, 2, 60, 600] {
            let demand = steady(50, seconds);
            assert_eq!(demand.second(), 50, "after {seconds}");
            assert_eq!(demand.within(600 * SECOND_NS), 30_000, "after {seconds}");
        }
    }

    #[test]
    fn silence_is_forgotten_within_minutes() {
        let mut demand = steady(100, 300);
        demand.observe(30_000, 900 * SECOND_NS);
        assert!(demand.within(SECOND_NS) <= 1);
    }

    #[test]
    fn moments_apart_say_nothing() {
        let mut demand = Demand::default();
        demand.observe(0, 0);
        demand.observe(1_000_000, SECOND_NS - 1);
        assert!(!demand.is_any());
        assert_eq!(demand.second(), 1);
    }

    #[test]
    fn a_peak_is_remembered_for_some_seconds() {
        let mut demand = steady(10, 100);
        demand.observe(1000 + 500, 101 * SECOND_NS);
        assert_eq!(demand.second(), 500);
        demand.observe(1500, 102 * SECOND_NS);
        assert_eq!(demand.second(), 450);
    }

    #[test]
    fn nothing_overflows() {
        let mut demand = Demand::default();
        demand.observe(0, 0);
        demand.observe(u64::MAX, SECOND_NS);
        assert_eq!(demand.within(u64::MAX), u64::MAX);
        demand.observe(0, u64::MAX);
        assert!(demand.second() >= 1);
    }
}
