//! Quota periods: half-open spans of UTC, and the limit that holds in one.

use time::{Duration, Month, OffsetDateTime, Time, UtcOffset};

use crate::field::closed_set;

/// No limit, total or sum of totals is larger, so that their arithmetic stays far from overflow.
pub const UNITS_MAX: u64 = 1_000_000_000_000_000;

closed_set! {
    /// In UTC: day from 00:00, week from Monday, month from the 1st.
    Period {
        Day = "day",
        Week = "week",
        Month = "month",
    }
}

/// `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: OffsetDateTime,
    pub end: OffsetDateTime,
}

impl Span {
    pub fn contains(&self, instant: OffsetDateTime) -> bool {
        self.start <= instant && instant < self.end
    }
}

impl Period {
    /// The period that contains `instant`.
    pub fn containing(self, instant: OffsetDateTime) -> Span {
        let midnight = instant
            .to_offset(UtcOffset::UTC)
            .replace_time(Time::MIDNIGHT);
        match self {
            Period::Day => Span {
                start: midnight,
                end: midnight + Duration::DAY,
            },
            Period::Week => {
                let since_monday = midnight.weekday().number_days_from_monday();
                let start = midnight - Duration::days(i64::from(since_monday));
                Span {
                    start,
                    end: start + Duration::WEEK,
                }
            }
            Period::Month => {
                let start = midnight - Duration::days(i64::from(midnight.day()) - 1);
                let length = start.month().length(start.year());
                Span {
                    start,
                    end: start + Duration::days(i64::from(length)),
                }
            }
        }
    }

    /// The period after the one that contains `instant`.
    pub fn following(self, instant: OffsetDateTime) -> Span {
        self.containing(self.containing(instant).end)
    }

    /// The longest that a period can be, for bounds.
    pub fn longest() -> Duration {
        Duration::days(i64::from(Month::January.length(2000)))
    }
}

/// The quota of a subscription, as far as counting goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub limit: u64,
    pub period: Period,
    /// Subtracted from the limit in the first period.
    pub offset: u64,
    /// Lies in the first period.
    pub first_period_at: OffsetDateTime,
}

impl Terms {
    /// The limit in the period that starts at `span.start`.
    pub fn limit_in(&self, span: Span) -> u64 {
        if self.period.containing(self.first_period_at).start == span.start {
            self.limit.saturating_sub(self.offset)
        } else {
            self.limit
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[track_caller]
    fn check(period: Period, instant: OffsetDateTime, start: OffsetDateTime, end: OffsetDateTime) {
        assert_eq!(
            period.containing(instant),
            Span { start, end },
            "{period} at {instant}"
        );
    }

    #[test]
    fn periods_are_half_open_and_utc() {
        let (first, last) = (
            datetime!(2026-11-22 00:00 UTC),
            datetime!(2026-11-22 23:59:59.999 UTC),
        );
        for instant in [first, last] {
            check(Period::Day, instant, first, datetime!(2026-11-23 00:00 UTC));
        }
        check(
            Period::Day,
            datetime!(2026-11-23 01:30 +2),
            first,
            datetime!(2026-11-23 00:00 UTC),
        );
    }

    #[test]
    fn weeks_start_on_monday() {
        let (start, end) = (
            datetime!(2026-11-16 00:00 UTC),
            datetime!(2026-11-23 00:00 UTC),
        );
        for instant in [start, datetime!(2026-11-22 23:59:59 UTC)] {
            check(Period::Week, instant, start, end);
        }
        check(Period::Week, end, end, datetime!(2026-11-30 00:00 UTC));
    }

    #[test]
    fn months_start_on_the_first_and_have_their_own_length() {
        check(
            Period::Month,
            datetime!(2028-02-29 12:00 UTC),
            datetime!(2028-02-01 00:00 UTC),
            datetime!(2028-03-01 00:00 UTC),
        );
        assert_eq!(
            Period::Month.following(datetime!(2026-12-31 23:59 UTC)).end,
            datetime!(2027-02-01 00:00 UTC)
        );
    }

    #[test]
    fn the_offset_counts_in_the_first_period_only() {
        let terms = Terms {
            limit: 100,
            period: Period::Month,
            offset: 30,
            first_period_at: datetime!(2026-11-10 09:00 UTC),
        };
        let november = Period::Month.containing(datetime!(2026-11-22 00:00 UTC));
        let december = Period::Month.following(november.start);
        assert_eq!(
            (terms.limit_in(november), terms.limit_in(december)),
            (70, 100)
        );
    }
}
