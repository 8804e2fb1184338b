use std::sync::Arc;
use std::thread;

use proptest::prelude::*;

use super::*;

const S: u64 = 1_000_000_000;

fn take(bucket: &Gcra, limit: &RateLimit, now_ns: u64) -> Option<Taken> {
    bucket.take(limit, now_ns).ok()
}

#[test]
fn a_new_bucket_is_full_and_grows_by_the_rate() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(10_000, 3));
    let at = 50 * S;
    let seen: Vec<_> = (0..4).map(|_| bucket.take(&limit, at)).collect();
    let left: Vec<_> = seen.iter().flatten().map(|taken| taken.remaining).collect();
    assert_eq!(left, [2, 1, 0]);
    let reset: Vec<_> = seen.iter().flatten().map(|taken| taken.reset_ns).collect();
    assert_eq!(reset, [S / 10, S / 5, 3 * S / 10]);
    let refused = seen[3].as_ref().expect_err("empty");
    assert_eq!(refused.retry_after_ns, S / 10);
    assert_eq!(refused.reset_ns, 3 * S / 10);
    assert!(take(&bucket, &limit, at + S / 10 - 1).is_none());
    assert!(take(&bucket, &limit, at + S / 10).is_some());
    assert!(take(&bucket, &limit, at + S / 10).is_none());
}

#[test]
fn an_idle_bucket_holds_no_more_than_its_burst() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1_000_000, 5));
    for at in [0, 3600 * S, 7200 * S] {
        let taken = (0..10)
            .filter(|_| take(&bucket, &limit, at).is_some())
            .count();
        assert_eq!(taken, 5, "at {at}");
    }
}

#[test]
fn the_slowest_rate_grows_one_token_in_a_thousand_seconds() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1, 1));
    assert!(take(&bucket, &limit, 7).is_some());
    assert!(take(&bucket, &limit, 1000 * S + 6).is_none());
    assert!(take(&bucket, &limit, 1000 * S + 7).is_some());
}

#[test]
fn nothing_is_admitted_without_a_rate_or_a_bucket() {
    for limit in [RateLimit::new(0, 10), RateLimit::new(1000, 0)] {
        assert!(take(&Gcra::default(), &limit, 5 * S).is_none());
        assert_eq!(Gcra::default().peek(&limit, 5 * S).remaining, 0);
    }
}

#[test]
fn the_end_of_the_clock_refuses() {
    let (bucket, limit) = (
        Gcra::default(),
        RateLimit::new(1_000_000_000_000, 1_000_000_000),
    );
    assert!(take(&bucket, &limit, u64::MAX).is_none());
    assert!(take(&bucket, &limit, u64::MAX / 16).is_none());
}

#[test]
fn peeking_takes_nothing() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1000, 2));
    assert_eq!(
        bucket.peek(&limit, S),
        Level {
            remaining: 2,
            reset_ns: 0
        }
    );
    take(&bucket, &limit, S);
    let level = Level {
        remaining: 1,
        reset_ns: S,
    };
    assert_eq!(bucket.peek(&limit, S), level);
    assert_eq!(bucket.peek(&limit, S), level);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1000, 2));
    let first = take(&bucket, &limit, S).expect("full");
    take(&bucket, &limit, S).expect("one left");
    bucket.give_back(first);
    assert!(take(&bucket, &limit, S).is_some());
    assert!(take(&bucket, &limit, S).is_none());
}

#[test]
fn a_token_that_grew_again_meanwhile_is_not_given_back_on_top() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1000, 2));
    let first = take(&bucket, &limit, S).expect("full");
    // The bucket is full again, and loses a token to another request.
    take(&bucket, &limit, 3 * S).expect("full");
    bucket.give_back(first);
    assert!(take(&bucket, &limit, 3 * S).is_some());
    assert!(take(&bucket, &limit, 3 * S).is_none());
}

#[test]
fn a_token_that_kept_the_bucket_from_overflowing_is_not_given_back() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1000, 2));
    let first = take(&bucket, &limit, S).expect("full");
    // Without the first take this one would have found a full bucket, half a token wasted.
    take(&bucket, &limit, S + S / 2).expect("one left");
    bucket.give_back(first);
    assert!(take(&bucket, &limit, S + S / 2).is_none());
    assert!(take(&bucket, &limit, 2 * S).is_some());
}

#[test]
fn a_changed_limit_does_not_fill_the_bucket() {
    let bucket = Gcra::default();
    let (slow, fast) = (RateLimit::new(1000, 2), RateLimit::new(2000, 4));
    while take(&bucket, &slow, S).is_some() {}
    // Two seconds are owed; at two per second these are all four tokens.
    assert!(take(&bucket, &fast, S).is_none());
    assert!(take(&bucket, &fast, S + S / 2).is_some());
    assert!(take(&bucket, &fast, S + S / 2).is_none());
}

#[test]
fn a_smaller_limit_is_not_locked_by_the_time_that_the_larger_one_owed() {
    let bucket = Gcra::default();
    let (slow, fast) = (RateLimit::new(1, 10), RateLimit::new(1000, 1));
    while take(&bucket, &slow, S).is_some() {}
    let refused = bucket.take(&fast, S).expect_err("still owes");
    assert_eq!(refused.retry_after_ns, 11 * S);
    assert!(take(&bucket, &fast, 12 * S - 1).is_none());
    assert!(take(&bucket, &fast, 12 * S).is_some());
}

#[test]
fn a_bucket_that_fills_in_more_than_18_years_is_capped() {
    let limit = RateLimit::new(1, 1_000_000_000);
    assert_eq!(Gcra::default().peek(&limit, 0).remaining, 576_460);
}

#[test]
fn giving_back_at_once_never_wears_out() {
    let (bucket, limit) = (Gcra::default(), RateLimit::new(1000, 5));
    for spent in 0..4 {
        for _ in 0..200_000 {
            let taken = take(&bucket, &limit, S).expect("given back each time");
            assert_eq!(taken.remaining, 4 - spent);
            bucket.give_back(taken);
        }
        take(&bucket, &limit, S).expect("kept");
    }
}

#[test]
fn cores_together_admit_no_more_than_one_would() {
    let (bucket, limit) = (Arc::new(Gcra::default()), RateLimit::new(1000, 1000));
    let cores: Vec<_> = (0..4)
        .map(|core| {
            let bucket = bucket.clone();
            thread::spawn(move || {
                // Every third token goes back at once, over and over.
                let mut kept = 0;
                for turn in 0..3000 {
                    match bucket.take(&limit, S) {
                        Ok(taken) if (turn + core) % 3 == 0 => bucket.give_back(taken),
                        Ok(_) => kept += 1,
                        Err(_) => {}
                    }
                }
                kept
            })
        })
        .collect();
    let kept: u64 = cores
        .into_iter()
        .map(|core| core.join().expect("runs"))
        .sum();
    assert!((900..=1000).contains(&kept), "{kept}");
}

/// The bucket as one would write it down: tokens times 10^12, exactly.
struct Model {
    level: i128,
    at_ns: u64,
    rate: i128,
    burst: i128,
}

const TOKEN: i128 = 1_000_000_000_000;

impl Model {
    fn new(milli: u64, burst: u64) -> Self {
        let burst = i128::from(burst) * TOKEN;
        Self {
            level: burst,
            at_ns: 0,
            rate: i128::from(milli),
            burst,
        }
    }

    fn grow(&mut self, now_ns: u64) {
        let grown = i128::from(now_ns - self.at_ns) * self.rate;
        self.level = (self.level + grown).min(self.burst);
        self.at_ns = now_ns;
    }
}

fn limits() -> impl Strategy<Value = (u64, u64)> {
    let rate = prop_oneof![
        1..100u64,
        1..1_000_000u64,
        1..16_000_000_000u64,
        1..=1_000_000_000_000u64
    ];
    let burst = prop_oneof![1..10u64, 1..1000u64, 1..500_000u64];
    (rate, burst)
}

proptest! {
    /// Steps are in sixteenths of the time of a token, so that every edge is met.
    #[test]
    fn never_more_than_the_exact_bucket_and_hardly_less(
        (milli, burst) in limits(),
        start in 0..10_000_000 * S,
        steps in prop::collection::vec((prop_oneof![Just(0), 0..40u64, 0..16_000u64], 1..20usize), 1..60),
    ) {
        let limit = RateLimit::new(milli, burst);
        let (bucket, mut model) = (Gcra::default(), Model::new(milli, burst));
        let mut now = start;
        // Each token may cost up to a sixteenth of a nanosecond too much.
        let mut slack = 0i128;
        for (sixteenths, takes) in steps {
            now += sixteenths * 62_500_000_000 / milli;
            model.grow(now);
            for _ in 0..takes {
                match bucket.take(&limit, now) {
                    Ok(taken) => {
                        model.level -= TOKEN;
                        slack += i128::from(milli).div_euclid(16) + 1;
                        prop_assert!(model.level >= 0, "admitted more than there was");
                        prop_assert!(i128::from(taken.remaining) <= model.level / TOKEN);
                    }
                    Err(refused) => {
                        prop_assert!(model.level < TOKEN + slack, "refused a whole token");
                        let later = now + refused.retry_after_ns;
                        prop_assert!(bucket.peek(&limit, later).remaining >= 1);
                        prop_assert_eq!(bucket.peek(&limit, later - 1).remaining, 0);
                    }
                }
            }
        }
    }

    /// Giving back at any later time never admits more than never having taken would.
    #[test]
    fn giving_back_late_never_admits_more(
        milli in 1..1_000_000u64,
        burst in 1..5u64,
        steps in prop::collection::vec((0..40u64, 0..3u8, any::<prop::sample::Index>()), 1..80),
    ) {
        let limit = RateLimit::new(milli, burst);
        let bucket = Gcra::default();
        let (mut now, mut open, mut kept) = (0u64, Vec::new(), Vec::new());
        for (sixteenths, action, which) in steps {
            now += sixteenths * 62_500_000_000 / milli;
            match action {
                0 if !open.is_empty() => {
                    let (_, taken) = open.swap_remove(which.index(open.len()));
                    bucket.give_back(taken);
                }
                1 => kept.extend(bucket.take(&limit, now).ok().map(|_| now)),
                _ => open.extend(bucket.take(&limit, now).ok().map(|taken| (now, taken))),
            }
            // What is still out counts as admitted.
            let mut all: Vec<u64> = open.iter().map(|(at, _)| *at).chain(kept.iter().copied()).collect();
            all.sort_unstable();
            for (index, from) in all.iter().enumerate() {
                let grown = i128::from(now - from) * i128::from(milli);
                let admitted = (all.len() - index) as i128;
                prop_assert!(admitted * TOKEN <= i128::from(burst) * TOKEN + grown);
            }
        }
    }
}
