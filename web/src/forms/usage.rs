//! The query of `/t/{tenant}/usage`.

use serde::Deserialize;
use time::{Duration, OffsetDateTime, Time};

use super::{FormErrors, optional_instant};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct UsageQuery {
    /// `24h`, `7d`, `30d` or `custom`; empty: `24h`, or `custom` where `from` is given.
    pub range: String,
    pub from: String,
    pub to: String,
    /// `hour`, `day` or empty for what suits the range.
    pub by: String,
}

/// The range is half-open and made of whole buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRange {
    pub from: OffsetDateTime,
    pub to: OffsetDateTime,
    pub bucket: UsageBucket,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageBucket {
    Hour,
    Day,
}

impl UsageBucket {
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::Hour => Duration::HOUR,
            Self::Day => Duration::DAY,
        }
    }

    /// As the query spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// More bars than this are neither readable nor cheap to count.
pub const BUCKETS_MAX: i64 = 400;

impl UsageQuery {
    /// `now` ends the ranges that are not custom: the bucket it lies in is the last one.
    pub fn parse(&self, now: OffsetDateTime) -> Result<UsageRange, FormErrors> {
        let mut errors = FormErrors::default();
        let last = match self.range.as_str() {
            "7d" => Some(Duration::days(7)),
            "30d" => Some(Duration::days(30)),
            "24h" => Some(Duration::DAY),
            "" if self.from.is_empty() => Some(Duration::DAY),
            _ => None,
        };
        let range = match last {
            Some(length) => {
                let bucket = self.bucket(length);
                let to = ceiling(now, bucket);
                UsageRange {
                    from: to - length,
                    to,
                    bucket,
                }
            }
            None => self.custom(&mut errors, now),
        };
        if (range.to - range.from).whole_seconds() / range.bucket.length().whole_seconds()
            > BUCKETS_MAX
        {
            errors.insert(
                "by",
                "The range is too long for this: count by day, or choose a shorter one.",
            );
        }
        errors.or(range)
    }

    fn custom(&self, errors: &mut FormErrors, now: OffsetDateTime) -> UsageRange {
        let to = optional_instant(errors, "to", &self.to).unwrap_or(now);
        let from = optional_instant(errors, "from", &self.from);
        if from.is_none() {
            errors.insert("from", "Enter where the range starts.");
        }
        let from = from.unwrap_or(to - Duration::DAY);
        if from >= to {
            errors.insert("to", "The end must be after the start.");
        }
        let bucket = self.bucket(to - from);
        UsageRange {
            from: floor(from, bucket),
            to: ceiling(to, bucket),
            bucket,
        }
    }

    fn bucket(&self, length: Duration) -> UsageBucket {
        match self.by.as_str() {
            "hour" => UsageBucket::Hour,
            "day" => UsageBucket::Day,
            _ if length > Duration::days(3) => UsageBucket::Day,
            _ => UsageBucket::Hour,
        }
    }
}

fn floor(at: OffsetDateTime, bucket: UsageBucket) -> OffsetDateTime {
    match bucket {
        UsageBucket::Hour => at.truncate_to_hour(),
        UsageBucket::Day => at.replace_time(Time::MIDNIGHT),
    }
}

/// The first bucket start that is not before `at`.
fn ceiling(at: OffsetDateTime, bucket: UsageBucket) -> OffsetDateTime {
    let start = floor(at, bucket);
    if start == at {
        start
    } else {
        start + bucket.length()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 14:03 UTC);

    fn query(range: &str, by: &str) -> UsageQuery {
        UsageQuery {
            range: range.to_owned(),
            by: by.to_owned(),
            ..UsageQuery::default()
        }
    }

    #[test]
    fn the_default_is_24_whole_hours_that_end_with_the_present_one() {
        let range = UsageQuery::default().parse(NOW).unwrap();
        assert_eq!(range.from, datetime!(2026-11-21 15:00 UTC));
        assert_eq!(range.to, datetime!(2026-11-22 15:00 UTC));
        assert_eq!(range.bucket, UsageBucket::Hour);
    }

    #[test]
    fn long_ranges_are_counted_by_day() {
        let range = query("7d", "").parse(NOW).unwrap();
        assert_eq!(range.bucket, UsageBucket::Day);
        assert_eq!(range.to - range.from, Duration::days(7));
        assert_eq!(range.to, datetime!(2026-11-23 00:00 UTC));
    }

    #[test]
    fn too_many_bars_and_backward_ranges_are_refused() {
        assert!(
            query("30d", "hour")
                .parse(NOW)
                .unwrap_err()
                .get("by")
                .is_some()
        );
        let backward = UsageQuery {
            from: "2026-11-22T10:00".to_owned(),
            to: "2026-11-22T09:00".to_owned(),
            ..UsageQuery::default()
        };
        assert!(backward.parse(NOW).unwrap_err().get("to").is_some());
        assert!(
            query("custom", "")
                .parse(NOW)
                .unwrap_err()
                .get("from")
                .is_some()
        );
    }
}
