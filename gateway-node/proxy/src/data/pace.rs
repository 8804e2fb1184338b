//! Whether a client sends a body fast enough. Without a least rate it could hold a connection to an
//! upstream for as long as it sends a byte now and then.

use std::cell::Cell;
use std::time::Duration;

/// The least that is asked of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeastRate {
    /// 0: none.
    pub(super) bytes_per_second: u64,
    /// Time that is spent waiting for the client before it is judged, and then again.
    pub(super) over: Duration,
}

/// The pace of the body that comes in. Only time that is spent waiting for the client counts: an
/// upstream that takes the body slowly is not its fault.
#[derive(Debug)]
pub(super) struct Pace {
    least: LeastRate,
    waiting_since_ns: Cell<Option<u64>>,
    /// Both since the client was last judged.
    waited_ns: Cell<u64>,
    bytes: Cell<u64>,
}

impl Pace {
    pub(super) fn new(least: LeastRate) -> Self {
        Self {
            least,
            waiting_since_ns: Cell::new(None),
            waited_ns: Cell::new(0),
            bytes: Cell::new(0),
        }
    }

    /// More was asked for, and nothing is there.
    pub(super) fn wait(&self, now_ns: impl FnOnce() -> u64) {
        if self.waiting_since_ns.get().is_none() {
            self.waiting_since_ns.set(Some(now_ns()));
        }
    }

    /// Bytes came. False: too few in the time.
    pub(super) fn receive(&self, bytes: u64, now_ns: impl FnOnce() -> u64) -> bool {
        self.bytes.set(self.bytes.get() + bytes);
        let Some(since_ns) = self.waiting_since_ns.take() else {
            return true;
        };
        let waited_ns = self.waited_ns.get() + now_ns().saturating_sub(since_ns);
        self.waited_ns.set(waited_ns);
        if !self.is_judged(waited_ns) {
            return true;
        }
        let is_enough = self.is_enough(waited_ns);
        self.waited_ns.set(0);
        self.bytes.set(0);
        is_enough
    }

    /// Whether the wait that goes on is too long already.
    pub(super) fn is_too_slow(&self, now_ns: u64) -> bool {
        let Some(since_ns) = self.waiting_since_ns.get() else {
            return false;
        };
        let waited_ns = self.waited_ns.get() + now_ns.saturating_sub(since_ns);
        self.is_judged(waited_ns) && !self.is_enough(waited_ns)
    }

    /// The body has ended, or nobody asks for it any more.
    pub(super) fn end(&self) {
        self.waiting_since_ns.set(None);
        self.waited_ns.set(0);
        self.bytes.set(0);
    }

    fn is_judged(&self, waited_ns: u64) -> bool {
        u128::from(waited_ns) >= self.least.over.as_nanos()
    }

    fn is_enough(&self, waited_ns: u64) -> bool {
        let needed = u128::from(self.least.bytes_per_second) * u128::from(waited_ns);
        u128::from(self.bytes.get()) * 1_000_000_000 >= needed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Waits and bytes in turn; whether it went well after each.
    #[track_caller]
    fn check(steps: &[(u64, u64)], expected: &[bool]) {
        let pace = Pace::new(LeastRate {
            bytes_per_second: 100,
            over: Duration::from_secs(10),
        });
        let mut now_ns = 7 * SECOND;
        let mut found = Vec::new();
        for (seconds, bytes) in steps {
            pace.wait(|| now_ns);
            now_ns += seconds * SECOND;
            found.push(pace.receive(*bytes, || now_ns));
        }
        assert_eq!(found, expected, "{steps:?}");
    }

    #[test]
    fn a_client_is_judged_by_what_came_while_it_was_waited_for() {
        check(&[(1, 1), (1, 1)], &[true, true]);
        check(&[(10, 1_000)], &[true]);
        check(&[(10, 999)], &[false]);
        check(&[(9, 0), (1, 1_000)], &[true, true]);
        check(&[(9, 1), (1, 1)], &[true, false]);
        // What came quickly at first is not credit for later.
        check(&[(10, 1 << 30), (9, 1), (1, 1)], &[true, true, false]);
    }

    #[test]
    fn a_wait_that_goes_on_is_judged_too() {
        let pace = Pace::new(LeastRate {
            bytes_per_second: 100,
            over: Duration::from_secs(10),
        });
        assert!(!pace.is_too_slow(100 * SECOND), "nobody is waited for");
        pace.wait(|| 0);
        pace.wait(|| 5 * SECOND);
        assert!(!pace.is_too_slow(10 * SECOND - 1));
        assert!(pace.is_too_slow(10 * SECOND));
        pace.end();
        assert!(!pace.is_too_slow(100 * SECOND));
    }

    #[test]
    fn without_a_least_rate_nobody_is_too_slow() {
        let pace = Pace::new(LeastRate {
            bytes_per_second: 0,
            over: Duration::ZERO,
        });
        pace.wait(|| 0);
        assert!(!pace.is_too_slow(u64::MAX));
        assert!(pace.receive(0, || u64::MAX));
    }
}
