//! Rates: a token bucket kept as the one instant at which it would be full again (GCRA).
//!
//! In any window of length t at most `burst + rate * t` are admitted, however many cores take from
//! one bucket, and whatever is given back: a token is taken back only as long as the bucket would
//! not have overflowed without the take, because what overflows is gone.
//!
//! Instants are counted in sixteenths of a nanosecond, which lasts for 36 years of uptime. The time
//! that one token takes to grow is rounded up to that unit, so that rounding only ever admits less:
//! 0.0001 % less at 16 000 requests per second, 0.1 % less at 16 million.

use std::sync::atomic::{AtomicU64, Ordering};

use snapshot::rate_share::WHOLE;

const UNITS_PER_NS: u64 = 16;
/// Units in 1000 seconds, the time in which a rate of one thousandth per second grows a token.
const UNITS_PER_1000_S: u64 = 1_000_000_000_000 * UNITS_PER_NS;
/// 18 years: a bucket that takes longer than this to fill is held at what grows in this time.
const WINDOW_MAX: u64 = 1 << 63;
/// How much later than `now + window` the full instant must be to show that the limit has shrunk.
/// It is not zero because cores come here with readings of the clock that are a little old.
const SHRUNK_MARGIN: u64 = 10 * 1_000_000_000 * UNITS_PER_NS;

/// A rate and a bucket size, with what taking needs computed once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    per_second_milli: u64,
    burst: u64,
    /// Units in which one token grows.
    interval: u64,
    /// Units in which an empty bucket becomes full.
    window: u64,
}

impl RateLimit {
    /// `per_second_milli` is in thousandths of a request per second, up to 10^12; `burst` in
    /// requests. Where either is zero nothing is admitted.
    pub fn new(per_second_milli: u64, burst: u64) -> Self {
        let interval = match per_second_milli {
            0 => u64::MAX,
            rate => UNITS_PER_1000_S.div_ceil(rate),
        };
        Self {
            per_second_milli,
            burst,
            interval,
            window: interval * burst.min(WINDOW_MAX / interval),
        }
    }

    pub fn per_second_milli(&self) -> u64 {
        self.per_second_milli
    }

    pub fn burst(&self) -> u64 {
        self.burst
    }

    /// Units in which an empty bucket becomes full.
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// A part of [`WHOLE`] of the rate and of the bucket, which is full after the same time. It
    /// still tells the whole as its rate and burst.
    pub(crate) fn of_part(self, part: u32) -> Self {
        if part >= WHOLE {
            return self;
        }
        let interval = u128::from(self.interval) * u128::from(WHOLE);
        let interval = interval.div_ceil(u128::from(part.max(1)));
        Self {
            interval: u64::try_from(interval).unwrap_or(u64::MAX),
            ..self
        }
    }

    /// Tells limits of different rates apart, nearly always.
    fn tag(&self) -> u16 {
        (self.interval ^ self.interval >> 16 ^ self.interval >> 32) as u16
    }
}

/// A bucket. A new one is full. It has a cache line pair of its own, because many cores write it.
///
/// It may be used with another limit at any time: the time it still needs to become full is kept,
/// so that changing a limit never fills a bucket. Where that is more than the new limit's bucket
/// can need, the bucket counts as empty and has its next token about ten seconds later.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Gcra {
    /// When the bucket is full again; in the past: it is full.
    full_at: AtomicU64,
    /// See [`Returns`].
    returns: AtomicU64,
}

/// How many tokens may be given back without making room that the takes since would have filled to
/// the brim. Each take lowers it to the whole tokens that the bucket lacked at that moment, each
/// return by one. At zero the tokens taken before can never be given back, and the next take begins
/// a new epoch.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Returns {
    epoch: u32,
    /// Of the limit whose tokens are counted; another limit begins an epoch.
    limit_tag: u16,
    tokens: u16,
}

/// A token. Hand it to [`Gcra::give_back`] if the request does not take place.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whole tokens left.
    pub remaining: u64,
    /// Until the bucket is full again.
    pub reset_ns: u64,
    interval: u64,
    epoch: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Until a token has grown; at least 1.
    pub retry_after_ns: u64,
    /// Until the bucket is full again.
    pub reset_ns: u64,
}

/// What [`Gcra::peek`] sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Whole tokens.
    pub remaining: u64,
    /// Until the bucket is full.
    pub reset_ns: u64,
}

impl Gcra {
    /// Takes one token. `now_ns` is on one monotonic clock for all callers.
    pub fn take(&self, limit: &RateLimit, now_ns: u64) -> Result<Taken, Refused> {
        let now = now_ns.saturating_mul(UNITS_PER_NS);
        let mut full_at = self.full_at.load(Ordering::Acquire);
        loop {
            let base = base(full_at, now, limit);
            let next = base.saturating_add(limit.interval);
            let is_refused = next - now > limit.window || next == u64::MAX;
            let to = if is_refused { base } else { next };
            if is_refused && base >= full_at {
                return Err(refused(base, now, limit));
            }
            // Noted before the exchange, so that who sees the exchange sees the note.
            let lacking = if base == full_at { base - now } else { 0 };
            let epoch = self.note_take(limit, lacking);
            match self.exchange(full_at, to) {
                Err(found) => full_at = found,
                Ok(_) if is_refused => return Err(refused(base, now, limit)),
                Ok(_) => {
                    return Ok(Taken {
                        remaining: (limit.window - (next - now)) / limit.interval,
                        reset_ns: (next - now).div_ceil(UNITS_PER_NS),
                        interval: limit.interval,
                        epoch,
                    });
                }
            }
        }
    }

    /// Undoes a take, as far as that never admits more than if it had not been.
    #[expect(clippy::needless_pass_by_value, reason = "a token is given back once")]
    pub fn give_back(&self, taken: Taken) {
        loop {
            // Read first: a take that noted itself after the reservation makes the exchange fail.
            let full_at = self.full_at.load(Ordering::Acquire);
            if !self.reserve_return(taken.epoch) {
                return;
            }
            let to = full_at.saturating_sub(taken.interval);
            if self.exchange(full_at, to).is_ok() {
                return;
            }
        }
    }

    /// The bucket is not full before then, whatever was known of it.
    pub(crate) fn not_full_before(&self, at_ns: u64) {
        let at = at_ns.saturating_mul(UNITS_PER_NS);
        self.full_at.fetch_max(at, Ordering::AcqRel);
    }

    pub(crate) fn is_full(&self, now_ns: u64) -> bool {
        self.full_at.load(Ordering::Acquire) <= now_ns.saturating_mul(UNITS_PER_NS)
    }

    /// Goes over to a larger part of a limit that fills in `window`: the tokens stay what they are.
    pub(crate) fn grow(&self, window: u64, (from, to): (u32, u32), now_ns: u64) {
        let now = now_ns.saturating_mul(UNITS_PER_NS);
        self.void_returns();
        let mut full_at = self.full_at.load(Ordering::Acquire);
        loop {
            let filled = window - full_at.saturating_sub(now).min(window);
            let of_new = u128::from(filled) * u128::from(from) / u128::from(to.max(1));
            let filled = u64::try_from(of_new).unwrap_or(filled).min(window);
            match self.exchange(full_at, now.saturating_add(window - filled)) {
                Ok(_) => return,
                Err(found) => full_at = found,
            }
        }
    }

    /// Tokens that were taken before are not given back any more.
    fn void_returns(&self) {
        let mut word = self.returns.load(Ordering::Acquire);
        loop {
            let returns = Returns::from_word(word);
            let next = Returns {
                epoch: returns.epoch.wrapping_add(1),
                limit_tag: returns.limit_tag,
                tokens: 0,
            };
            match self.exchange_returns(word, next) {
                Ok(_) => return,
                Err(found) => word = found,
            }
        }
    }

    pub fn peek(&self, limit: &RateLimit, now_ns: u64) -> Level {
        let now = now_ns.saturating_mul(UNITS_PER_NS);
        let base = base(self.full_at.load(Ordering::Relaxed), now, limit);
        Level {
            remaining: limit.window.saturating_sub(base - now) / limit.interval,
            reset_ns: (base - now).div_ceil(UNITS_PER_NS),
        }
    }

    /// Notes a take by which `lacking` units were missing from a full bucket; returns its epoch.
    fn note_take(&self, limit: &RateLimit, lacking: u64) -> u32 {
        let tokens = u16::try_from(lacking / limit.interval).unwrap_or(u16::MAX);
        let limit_tag = limit.tag();
        let mut word = self.returns.load(Ordering::Acquire);
        loop {
            let mut returns = Returns::from_word(word);
            if tokens == 0 || returns.tokens == 0 || returns.limit_tag != limit_tag {
                returns = Returns {
                    epoch: returns.epoch.wrapping_add(1),
                    limit_tag,
                    tokens: u16::MAX,
                };
            } else if tokens < returns.tokens {
                returns.tokens = tokens;
            } else {
                return returns.epoch;
            }
            match self.exchange_returns(word, returns) {
                Ok(_) => return returns.epoch,
                Err(found) => word = found,
            }
        }
    }

    fn reserve_return(&self, epoch: u32) -> bool {
        let mut word = self.returns.load(Ordering::Acquire);
        loop {
            let mut returns = Returns::from_word(word);
            if returns.epoch != epoch || returns.tokens == 0 {
                return false;
            }
            returns.tokens -= 1;
            match self.exchange_returns(word, returns) {
                Ok(_) => return true,
                Err(found) => word = found,
            }
        }
    }

    fn exchange(&self, from: u64, to: u64) -> Result<u64, u64> {
        self.full_at
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    fn exchange_returns(&self, from: u64, to: Returns) -> Result<u64, u64> {
        self.returns
            .compare_exchange(from, to.word(), Ordering::AcqRel, Ordering::Acquire)
    }
}

impl Returns {
    fn from_word(word: u64) -> Self {
        Self {
            epoch: (word >> 32) as u32,
            limit_tag: (word >> 16) as u16,
            tokens: word as u16,
        }
    }

    fn word(self) -> u64 {
        u64::from(self.epoch) << 32 | u64::from(self.limit_tag) << 16 | u64::from(self.tokens)
    }
}

/// The full instant as seen now: a full bucket overflows, one that outlived a larger limit is empty.
fn base(full_at: u64, now: u64, limit: &RateLimit) -> u64 {
    let latest = now.saturating_add(limit.window);
    if full_at > latest.saturating_add(SHRUNK_MARGIN) {
        latest.saturating_add(SHRUNK_MARGIN)
    } else {
        full_at.max(now)
    }
}

fn refused(base: u64, now: u64, limit: &RateLimit) -> Refused {
    let reset = base - now;
    let missing = reset
        .saturating_add(limit.interval)
        .saturating_sub(limit.window);
    Refused {
        retry_after_ns: missing.div_ceil(UNITS_PER_NS).max(1),
        reset_ns: reset.div_ceil(UNITS_PER_NS),
    }
}

#[cfg(test)]
mod tests;
