//! How long to wait before trying again: doubling, with jitter, and never so long that recovery is
//! slow to be noticed.

use std::time::Duration;

use super::identity::random;

const FIRST: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// The pause after a failure: between half of the current step and all of it.
    pub(crate) fn pause(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(MAX);
        let [jitter] = random::<1>();
        step / 2 + step * u32::from(jitter) / 510
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds_and_start_anew() {
        let mut backoff = Backoff::default();
        let first = backoff.pause();
        assert!(first >= FIRST / 2 && first <= FIRST, "{first:?}");
        let last = (0..20).map(|_| backoff.pause()).last().expect("20");
        assert!(last >= MAX / 2 && last <= MAX, "{last:?}");
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
