//! What a tenant has used, and what is left.

mod json;
mod pages;

use domain::id::TenantId;
use domain::permission::Action;
use domain::usage::{By, Counts, Group, QuotaUse, UsageRow};
use store::Conn;
use store::usage_reports::Range;
use time::OffsetDateTime;
use web::chart::Bucket;
use web::format;
use web::forms::usage::UsageBucket;

use crate::action::ActionError;
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// More rows than this are cut off: hours of a month by a few dozen keys.
pub(crate) const ROWS_MAX: u32 = 20_000;

/// Which counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question {
    pub range: Range,
    pub by: By,
    /// None: not split.
    pub group: Option<Group>,
}

/// Oldest first; hours and days without any request are left out.
pub(crate) async fn show(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    question: Question,
) -> Result<Vec<UsageRow>, ActionError> {
    authority.require_in(Action::ShowUsage, tenant)?;
    let split = (question.by, question.group);
    Ok(store::usage_reports::list(tx, tenant, question.range, split, ROWS_MAX).await?)
}

/// What is left of the tenant's quotas in the periods that run now.
pub(crate) async fn quotas(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    now: Now,
) -> Result<Vec<QuotaUse>, ActionError> {
    authority.require_in(Action::ShowUsage, tenant)?;
    Ok(store::usage_reports::list_quotas(tx, tenant, now.0).await?)
}

/// The last 24 hours, the present one included.
pub(crate) fn last_day(now: Now) -> Range {
    let to = now.0.truncate_to_hour() + time::Duration::HOUR;
    Range {
        from: to - time::Duration::DAY,
        to,
    }
}

/// A bar for every hour or day of the range, also where nothing was counted.
pub(crate) fn bars(rows: &[UsageRow], range: Range, width: UsageBucket) -> Vec<Bucket> {
    let mut bars = Vec::new();
    let mut at = range.from;
    while at < range.to {
        let counts = sum(rows.iter().filter(|row| row.at == at));
        bars.push(Bucket {
            label: label(at, width),
            title: title(at, width),
            counts: counts.into(),
        });
        at += width.length();
    }
    bars
}

pub(crate) fn sum<'a>(rows: impl Iterator<Item = &'a UsageRow>) -> Counts {
    rows.fold(Counts::default(), |mut sum, row| {
        let one = &row.counts;
        sum.admitted = sum.admitted.saturating_add(one.admitted);
        sum.success = sum.success.saturating_add(one.success);
        sum.redirect = sum.redirect.saturating_add(one.redirect);
        sum.client_error = sum.client_error.saturating_add(one.client_error);
        sum.server_error = sum.server_error.saturating_add(one.server_error);
        sum.aborted = sum.aborted.saturating_add(one.aborted);
        sum.throttled = sum.throttled.saturating_add(one.throttled);
        sum.quota_exceeded = sum.quota_exceeded.saturating_add(one.quota_exceeded);
        sum.denied = sum.denied.saturating_add(one.denied);
        sum
    })
}

/// All requests, however they ended.
pub(crate) fn total(counts: &Counts) -> u64 {
    web::chart::StatusCounts::from(*counts).total()
}

/// Over rate, burst, quota or concurrency.
pub(crate) fn throttled(counts: &Counts) -> u64 {
    counts.throttled.saturating_add(counts.quota_exceeded)
}

pub(crate) fn succeeded(counts: &Counts) -> u64 {
    counts.success.saturating_add(counts.redirect)
}

fn label(at: OffsetDateTime, width: UsageBucket) -> String {
    match width {
        UsageBucket::Hour => format!("{:02}:00", at.hour()),
        UsageBucket::Day => short_date(at),
    }
}

fn title(at: OffsetDateTime, width: UsageBucket) -> String {
    match width {
        UsageBucket::Hour => format!("{}, {:02}:00", format::date(at), at.hour()),
        UsageBucket::Day => format::date(at),
    }
}

/// `22 Nov`.
fn short_date(at: OffsetDateTime) -> String {
    let date = format::date(at);
    date.rsplit_once(' ')
        .map_or(date.clone(), |(day, _)| day.to_owned())
}

#[cfg(test)]
mod tests {
    use domain::usage::GroupKey;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn hours_without_requests_have_a_bar_too() {
        let range = last_day(Now(datetime!(2026-11-22 14:03 UTC)));
        assert_eq!(range.from, datetime!(2026-11-21 15:00 UTC));
        assert_eq!(range.to, datetime!(2026-11-22 15:00 UTC));
        let row = UsageRow {
            at: datetime!(2026-11-22 14:00 UTC),
            group: GroupKey::Whole,
            counts: Counts {
                success: 3,
                throttled: 1,
                ..Counts::default()
            },
        };
        let bars = bars(&[row], range, UsageBucket::Hour);
        assert_eq!(bars.len(), 24);
        assert_eq!(bars[23].counts.total(), 4);
        assert_eq!(bars[23].label, "14:00");
        assert_eq!(bars[23].title, "22 Nov 2026, 14:00");
        assert_eq!(bars[0].counts.total(), 0);
    }

    #[test]
    fn days_are_labelled_without_their_year() {
        let at = datetime!(2026-11-02 00:00 UTC);
        assert_eq!(label(at, UsageBucket::Day), "2 Nov");
    }
}
