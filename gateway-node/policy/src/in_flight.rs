//! Requests in flight at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many requests are under way. It counts without a limit too, so that a limit that comes
/// later knows of those that began before it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct InFlight(AtomicU32);

/// As many requests as allowed are in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl InFlight {
    /// Counts a request in. `None` is no limit. Each `Ok` is followed by one [`InFlight::leave`].
    pub fn enter(&self, limit: Option<u32>) -> Result<(), Full> {
        let limit = limit.unwrap_or(u32::MAX);
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < limit).then(|| count + 1)
            })
            .map_or(Err(Full), |_| Ok(()))
    }

    pub fn leave(&self) {
        // Stays at zero: wrapping would lock the caller out for good.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                count.checked_sub(1)
            });
    }

    pub fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn no_more_than_the_limit_are_in_flight() {
        let in_flight = InFlight::default();
        assert_eq!(in_flight.enter(Some(0)), Err(Full));
        assert_eq!(in_flight.enter(Some(2)), Ok(()));
        assert_eq!(in_flight.enter(Some(2)), Ok(()));
        assert_eq!(in_flight.enter(Some(2)), Err(Full));
        in_flight.leave();
        assert_eq!(in_flight.enter(Some(2)), Ok(()));
        assert_eq!(in_flight.count(), 2);
    }

    #[test]
    fn requests_without_a_limit_count_against_a_later_one() {
        let in_flight = InFlight::default();
        for _ in 0..3 {
            assert_eq!(in_flight.enter(None), Ok(()));
        }
        assert_eq!(in_flight.enter(Some(3)), Err(Full));
        assert_eq!(in_flight.enter(Some(4)), Ok(()));
    }

    #[test]
    fn leaving_too_often_admits_no_more() {
        let in_flight = InFlight::default();
        in_flight.leave();
        assert_eq!(in_flight.count(), 0);
        assert_eq!(in_flight.enter(Some(1)), Ok(()));
        assert_eq!(in_flight.enter(Some(1)), Err(Full));
    }

    #[test]
    fn cores_together_keep_the_limit() {
        let in_flight = InFlight::default();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5000 {
                        if in_flight.enter(Some(2)).is_ok() {
                            assert!(in_flight.count() <= 2);
                            in_flight.leave();
                        }
                    }
                });
            }
        });
        assert_eq!(in_flight.count(), 0);
    }
}
