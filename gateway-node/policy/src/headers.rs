//! What a caller is told of its limits: `RateLimit-Policy` and `RateLimit`
//! (draft-ietf-httpapi-ratelimit-headers-10), structured lists (RFC 9651), written without
//! allocating.

use std::fmt;

use snapshot::document::Period;

use crate::gcra::RateLimit;
use crate::quota::QuotaSlot;

const SECOND_NS: u64 = 1_000_000_000;
const DAY_S: u64 = 86_400;
/// Structured integers have at most 15 digits (RFC 9651 section 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;
/// Both items of a header with the longest integers take 90 bytes.
const TEXT_BYTES: usize = 96;

/// The limits that a request was held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitReport {
    rate: Option<Rate>,
    quota: Option<Quota>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate {
    burst: u64,
    /// In which an empty bucket becomes full.
    window_s: u64,
    remaining: u64,
    reset_ns: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    limit: u64,
    window_s: u64,
    /// Left in the period and nanoseconds to its end; `None`: this node does not know.
    state: Option<(u64, u64)>,
}

impl LimitReport {
    /// Of several rates the one is told that has the least left.
    pub fn add_rate(&mut self, limit: &RateLimit, remaining: u64, reset_ns: u64) {
        let is_tighter = self
            .rate
            .is_none_or(|told| (remaining, told.reset_ns) < (told.remaining, reset_ns));
        if is_tighter {
            self.rate = Some(Rate {
                burst: limit.burst(),
                window_s: window_s(limit),
                remaining,
                reset_ns,
            });
        }
    }

    /// The plan's quota.
    pub fn set_quota(&mut self, limit: u64, period: Period) {
        let window_s = match period {
            Period::Day => DAY_S,
            Period::Week => 7 * DAY_S,
            // The longest month: what is told is never exceeded.
            Period::Month | Period::Unspecified => 31 * DAY_S,
        };
        self.quota = Some(Quota {
            limit,
            window_s,
            state: None,
        });
    }

    /// What the node knows of the quota that was set.
    pub fn set_quota_now(&mut self, slot: &QuotaSlot, now_ns: u64) {
        if let Some(quota) = &mut self.quota {
            let known = slot.known(now_ns);
            quota.limit = known.map_or(quota.limit, |known| known.limit.min(quota.limit));
            quota.state = known.map(|known| (known.remaining.min(quota.limit), known.ends_in_ns));
        }
    }

    /// `RateLimit-Policy` and `RateLimit`; an empty one is not to be sent. `None`: no limits.
    pub fn header_values(&self) -> Option<(Text, Text)> {
        let (mut policy, mut state) = (Text::default(), Text::default());
        if let Some(rate) = &self.rate {
            policy.add("rate", (b'q', rate.burst), (b'w', rate.window_s));
            let reset_s = rate.reset_ns.div_ceil(SECOND_NS);
            state.add("rate", (b'r', rate.remaining), (b't', reset_s));
        }
        if let Some(quota) = &self.quota {
            policy.add("quota", (b'q', quota.limit), (b'w', quota.window_s));
            if let Some((remaining, ends_in_ns)) = quota.state {
                let ends_in_s = ends_in_ns.div_ceil(SECOND_NS);
                state.add("quota", (b'r', remaining), (b't', ends_in_s));
            }
        }
        (!policy.is_empty()).then_some((policy, state))
    }
}

/// `Retry-After` (RFC 9110 section 10.2.3): seconds, rounded up, at least 1.
pub fn retry_after_s(wait_ns: u64) -> u64 {
    wait_ns.div_ceil(SECOND_NS).max(1)
}

fn window_s(limit: &RateLimit) -> u64 {
    let burst_milli = u128::from(limit.burst()) * 1000;
    let seconds = burst_milli.div_ceil(u128::from(limit.per_second_milli().max(1)));
    u64::try_from(seconds).unwrap_or(u64::MAX).max(1)
}

/// A short ASCII text on the stack.
#[derive(Clone, Copy)]
pub struct Text {
    bytes: [u8; TEXT_BYTES],
    len: usize,
}

impl Text {
    pub fn as_str(&self) -> &str {
        self.bytes
            .get(..self.len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends an item with two parameters to the list, or nothing where it would not fit.
    fn add(&mut self, name: &str, first: (u8, u64), second: (u8, u64)) {
        let before = self.len;
        let separator: &[u8] = if self.is_empty() { b"" } else { b", " };
        let fits = self.put(separator)
            && self.put(b"\"")
            && self.put(name.as_bytes())
            && self.put(b"\"")
            && self.put_parameter(first)
            && self.put_parameter(second);
        if !fits {
            self.len = before;
        }
    }

    fn put_parameter(&mut self, (name, number): (u8, u64)) -> bool {
        let mut digits = [0; 20];
        let mut start = digits.len();
        let mut rest = number.min(INTEGER_MAX);
        loop {
            start -= 1;
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.put(&[b';', name, b'=']) && self.put(&digits[start..])
    }

    fn put(&mut self, part: &[u8]) -> bool {
        let end = self.len + part.len();
        let Some(place) = self.bytes.get_mut(self.len..end) else {
            return false;
        };
        place.copy_from_slice(part);
        self.len = end;
        true
    }
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; TEXT_BYTES],
            len: 0,
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use snapshot::id::TenantId;
    use snapshot::lease::{Lease, Outcome};

    use super::*;

    #[track_caller]
    fn check(report: &LimitReport, policy: &str, state: &str) {
        let (told_policy, told_state) = report.header_values().expect("limits");
        assert_eq!(told_policy.as_str(), policy);
        assert_eq!(told_state.as_str(), state);
    }

    #[test]
    fn without_limits_nothing_is_told() {
        assert!(LimitReport::default().header_values().is_none());
    }

    #[test]
    fn a_rate_is_told_with_seconds_rounded_up() {
        let mut report = LimitReport::default();
        report.add_rate(&RateLimit::new(3000, 10), 9, 1);
        check(&report, r#""rate";q=10;w=4"#, r#""rate";r=9;t=1"#);
        let mut report = LimitReport::default();
        report.add_rate(&RateLimit::new(1_000_000, 1), 0, SECOND_NS + 1);
        check(&report, r#""rate";q=1;w=1"#, r#""rate";r=0;t=2"#);
    }

    #[test]
    fn the_tightest_of_several_rates_is_told() {
        let mut report = LimitReport::default();
        report.add_rate(&RateLimit::new(1000, 5), 4, SECOND_NS);
        report.add_rate(&RateLimit::new(1000, 3), 2, SECOND_NS);
        report.add_rate(&RateLimit::new(1000, 9), 8, SECOND_NS);
        check(&report, r#""rate";q=3;w=3"#, r#""rate";r=2;t=1"#);
        report.add_rate(&RateLimit::new(100, 3), 2, 10 * SECOND_NS);
        check(&report, r#""rate";q=3;w=30"#, r#""rate";r=2;t=10"#);
    }

    #[test]
    fn a_quota_is_told_once_its_state_is_known() {
        let slot = QuotaSlot::new(TenantId(uuid::Uuid::from_u128(1)), "default".into());
        let mut report = LimitReport::default();
        report.add_rate(&RateLimit::new(1000, 5), 4, SECOND_NS);
        report.set_quota(1000, Period::Day);
        report.set_quota_now(&slot, 0);
        let policy = r#""rate";q=5;w=5, "quota";q=1000;w=86400"#;
        check(&report, policy, r#""rate";r=4;t=1"#);
        let lease = Lease {
            tenant_id: slot.tenant_id().to_bytes(),
            group: "default".to_owned(),
            period_start_ms: 5,
            granted_total: 10,
            limit: 1000,
            available: 700,
            ends_in_ms: 60_001,
            outcome: Outcome::Granted.into(),
            ..Lease::default()
        };
        slot.apply(&lease, 0, 0);
        report.set_quota_now(&slot, 0);
        check(&report, policy, r#""rate";r=4;t=1, "quota";r=710;t=61"#);
        // A plan with a smaller limit than the store last knew is what counts for the caller.
        report.set_quota(500, Period::Week);
        report.set_quota_now(&slot, 60_001_000_000 - 1);
        let policy = r#""rate";q=5;w=5, "quota";q=500;w=604800"#;
        check(&report, policy, r#""rate";r=4;t=1, "quota";r=500;t=1"#);
    }

    #[test]
    fn the_longest_values_fit_and_stay_integers() {
        let mut report = LimitReport::default();
        report.add_rate(&RateLimit::new(1, u64::MAX), u64::MAX, u64::MAX);
        report.set_quota(u64::MAX, Period::Month);
        let max = INTEGER_MAX;
        let policy = format!(r#""rate";q={max};w={max}, "quota";q={max};w=2678400"#);
        let state = format!(r#""rate";r={max};t=18446744074"#);
        check(&report, &policy, &state);
        let mut text = Text::default();
        text.add("rate", (b'q', u64::MAX), (b'w', u64::MAX));
        text.add("quota", (b'q', u64::MAX), (b'w', u64::MAX));
        assert!(
            text.as_str()
                .ends_with(&format!(r#""quota";q={max};w={max}"#))
        );
    }

    #[test]
    fn a_client_is_never_told_to_retry_too_early() {
        for (wait_ns, told) in [
            (0, 1),
            (1, 1),
            (SECOND_NS, 1),
            (SECOND_NS + 1, 2),
            (u64::MAX, 18_446_744_074),
        ] {
            assert_eq!(retry_after_s(wait_ns), told, "{wait_ns}");
        }
    }
}
