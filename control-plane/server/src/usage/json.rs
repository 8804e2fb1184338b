//! `/api/v1/tenants/{tenant}/usage`.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use domain::FieldError;
use domain::id::TenantId;
use domain::permission::Action;
use domain::usage::{By, Counts, Group, GroupKey, QuotaUse, UsageRow};
use serde::{Deserialize, Serialize};
use store::usage_reports::Range;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Question, last_day};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Search, Stop};

/// More hours than this are asked for by day.
const HOURS_MAX: i64 = 31 * 24;
const DAYS_MAX: i64 = 400;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(json::route(Action::ShowUsage, routes!(show)))
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsageQuery {
    /// Start of the range, RFC 3339; rounded down to the hour or day. Left out: 24 hours before
    /// `to`.
    #[serde(with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>)]
    from: Option<OffsetDateTime>,
    /// End of the range, not included; rounded up. Left out: now.
    #[serde(with = "time::serde::rfc3339::option")]
    #[param(value_type = Option<String>)]
    to: Option<OffsetDateTime>,
    /// Width of a row; `hour` when left out. At most 31 days by hour and 400 by day.
    #[param(value_type = Option<String>, pattern = "^(hour|day)$")]
    by: Option<By>,
    /// What rows are split by; left out: not split.
    #[param(value_type = Option<String>, pattern = "^(key|route|status)$")]
    group: Option<Group>,
}

/// What was counted, and what is left.
#[derive(Debug, Serialize, ToSchema)]
struct UsageView {
    #[serde(with = "time::serde::rfc3339")]
    from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    /// Oldest first; spans without requests are left out.
    items: Vec<UsageItem>,
    /// Rows were left out because there are too many: ask for less at once.
    is_cut_off: bool,
    quotas: Vec<QuotaView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct UsageItem {
    /// Start of the hour or day, UTC.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// The id of the key or route, or the class of status; null: without a key, no route, or not
    /// split.
    group: Option<String>,
    /// How requests ended: `admitted` is what plans count, the others are how they ended.
    #[schema(value_type = HashMap<String, u64>)]
    counts: HashMap<&'static str, u64>,
}

/// A quota in the period that runs now.
#[derive(Debug, Serialize, ToSchema)]
struct QuotaView {
    group: String,
    #[serde(with = "time::serde::rfc3339")]
    period_start: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    period_end: OffsetDateTime,
    limit: u64,
    used: u64,
    remaining: u64,
}

/// Shows what a tenant has used, and what is left of its quotas.
#[utoipa::path(get, path = "/tenants/{tenant}/usage", tag = "usage",
    params(("tenant" = String, Path), UsageQuery), responses((status = 200, body = UsageView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    now: Now,
    Search(query): Search<UsageQuery>,
) -> Result<Json<UsageView>, Stop> {
    let question = query.parse(now)?;
    let authority = &caller.authority;
    let mut tx = Tx::open(&app, authority).await?;
    let rows = super::show(authority, &mut tx, tenant, question).await?;
    let quotas = super::quotas(authority, &mut tx, tenant, now).await?;
    Ok(Json(UsageView {
        from: question.range.from,
        to: question.range.to,
        is_cut_off: rows.len() >= super::ROWS_MAX as usize,
        items: rows.iter().map(UsageItem::of).collect(),
        quotas: quotas.iter().map(QuotaView::of).collect(),
    }))
}

impl UsageQuery {
    fn parse(&self, now: Now) -> Result<Question, ActionError> {
        let by = self.by.unwrap_or(By::Hour);
        let (width, rows_max) = match by {
            By::Hour => (Duration::HOUR, HOURS_MAX),
            By::Day => (Duration::DAY, DAYS_MAX),
        };
        let to = self.to.unwrap_or(last_day(now).to);
        let range = Range {
            from: round_down(self.from.unwrap_or(to - Duration::DAY), by),
            to: match round_down(to, by) {
                start if start == to => to,
                start => start + width,
            },
        };
        if range.from >= range.to {
            let message = "The range ends before it starts.";
            return Err(FieldError::new("to", "out_of_range", message).into());
        }
        if (range.to - range.from).whole_seconds() / width.whole_seconds() > rows_max {
            let message = format!("Ask for at most {HOURS_MAX} hours or {DAYS_MAX} days at once.");
            return Err(FieldError::new("from", "out_of_range", message).into());
        }
        Ok(Question {
            range,
            by,
            group: self.group,
        })
    }
}

fn round_down(at: OffsetDateTime, by: By) -> OffsetDateTime {
    let at = at.to_offset(time::UtcOffset::UTC);
    match by {
        By::Hour => at.truncate_to_hour(),
        By::Day => at.truncate_to_day(),
    }
}

impl UsageItem {
    fn of(row: &UsageRow) -> Self {
        Self {
            at: row.at,
            group: match row.group {
                GroupKey::Key(key) => key.map(|id| id.to_string()),
                GroupKey::Route(route) => route.map(|id| id.to_string()),
                GroupKey::Status(class) => Some(class.to_string()),
                GroupKey::Whole => None,
            },
            counts: counted(&row.counts),
        }
    }
}

/// By the names of the classes.
fn counted(counts: &Counts) -> HashMap<&'static str, u64> {
    HashMap::from([
        ("admitted", counts.admitted),
        ("success", counts.success),
        ("redirect", counts.redirect),
        ("client_error", counts.client_error),
        ("server_error", counts.server_error),
        ("aborted", counts.aborted),
        ("throttled", counts.throttled),
        ("quota_exceeded", counts.quota_exceeded),
        ("denied", counts.denied),
    ])
}

impl QuotaView {
    fn of(quota: &QuotaUse) -> Self {
        Self {
            group: quota.group.clone(),
            period_start: quota.period_start,
            period_end: quota.period_end,
            limit: quota.limit,
            used: quota.used,
            remaining: quota.remaining(),
        }
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: Now = Now(datetime!(2026-11-22 14:03 UTC));

    #[test]
    fn the_default_is_the_last_day_by_hour() {
        let question = UsageQuery::default()
            .parse(NOW)
            .expect("the default is valid");
        assert_eq!(question.range, last_day(NOW));
        assert_eq!(question.by, By::Hour);
    }

    #[test]
    fn ranges_are_whole_rows_and_bounded() {
        let query = |from, to, by| UsageQuery {
            from: Some(from),
            to: Some(to),
            by: Some(by),
            group: None,
        };
        let (from, to) = (
            datetime!(2026-11-20 10:30 +2),
            datetime!(2026-11-21 10:30 UTC),
        );
        let range = query(from, to, By::Day).parse(NOW).expect("in order").range;
        assert_eq!(range.from, datetime!(2026-11-20 00:00 UTC));
        assert_eq!(range.to, datetime!(2026-11-22 00:00 UTC));
        assert!(query(to, from, By::Day).parse(NOW).is_err());
        let long_ago = datetime!(2025-01-01 00:00 UTC);
        assert!(query(long_ago, to, By::Hour).parse(NOW).is_err());
    }
}
