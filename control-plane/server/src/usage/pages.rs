//! `/t/{tenant}/usage`.

use std::collections::{BTreeMap, HashMap};

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use domain::id::ApiKeyId;
use domain::usage::{By, Counts, Group, GroupKey, UsageRow};
use store::usage_reports::Range;
use web::chart::{Chart, StatusCounts};
use web::format::{absolute, percent, thousands};
use web::forms::FormErrors;
use web::forms::usage::{UsageBucket, UsageQuery, UsageRange};
use web::layout::TenantTab;
use web::pages::usage::{KeyUsage, StatusUsage, Usage};

use super::{Question, bars, show, succeeded, sum, throttled, total};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::page::{Answer, Member, invalid, page};
use crate::subscriptions;

/// Names of more keys than this are not looked up.
const KEYS_NAMED: u32 = 1_000;
/// The busiest keys that the table shows.
const KEYS_SHOWN: usize = 50;

pub(crate) fn pages() -> Router<App> {
    Router::new().route("/t/{tenant}/usage", get(show_page))
}

async fn show_page(
    State(app): State<App>,
    member: Member,
    now: Now,
    Query(query): Query<UsageQuery>,
) -> Answer {
    let (range, errors) = match query.parse(now.0) {
        Ok(range) => (range, FormErrors::default()),
        Err(errors) => match UsageQuery::default().parse(now.0) {
            Ok(range) => (range, errors),
            Err(_) => return Err(ActionError::NotFound("range").into()),
        },
    };
    let is_wrong = !errors.is_empty();
    let shown = build(&app, &member, (query, errors, range), now).await?;
    if is_wrong {
        return invalid(&shown);
    }
    page(&shown)
}

async fn build(
    app: &App,
    member: &Member,
    (query, errors, asked): (UsageQuery, FormErrors, UsageRange),
    now: Now,
) -> Result<Usage, ActionError> {
    let (authority, tenant) = (&member.authority, member.tenant.id);
    let range = Range {
        from: asked.from,
        to: asked.to,
    };
    let (by, noun) = match asked.bucket {
        UsageBucket::Hour => (By::Hour, "hour"),
        UsageBucket::Day => (By::Day, "day"),
    };
    let question = |group| Question { range, by, group };
    let mut tx = Tx::open(app, authority).await?;
    let whole = show(authority, &mut tx, tenant, question(None)).await?;
    let by_key = show(authority, &mut tx, tenant, question(Some(Group::Key))).await?;
    let names = key_names(member, &mut tx).await?;
    let cards = subscriptions::cards(authority, &mut tx, tenant, now).await?;
    tx.commit().await?;
    let counts = sum(whole.iter());
    Ok(Usage {
        shell: member.shell(TenantTab::Usage),
        tenant_id: tenant.to_string(),
        query,
        errors,
        range_label: format!("{} to {}", without_zone(asked.from), absolute(asked.to)),
        total: thousands(total(&counts)),
        success_share: percent(succeeded(&counts), total(&counts)),
        throttled: thousands(throttled(&counts)),
        server_errors: thousands(counts.server_error),
        chart: Chart::new(
            "usage",
            format!("Requests by {noun}"),
            &bars(&whole, range, asked.bucket),
        ),
        keys: keys(&by_key, &names),
        statuses: statuses(&counts),
        subscriptions: cards,
    })
}

async fn key_names(member: &Member, tx: &mut Tx) -> Result<HashMap<ApiKeyId, String>, ActionError> {
    let keys =
        crate::api_keys::list(&member.authority, tx, member.tenant.id, None, KEYS_NAMED).await?;
    Ok(keys.into_iter().map(|key| (key.id, key.name)).collect())
}

/// The busiest first.
fn keys(rows: &[UsageRow], names: &HashMap<ApiKeyId, String>) -> Vec<KeyUsage> {
    let mut by_key: BTreeMap<Option<ApiKeyId>, Vec<&UsageRow>> = BTreeMap::new();
    for row in rows {
        if let GroupKey::Key(key) = row.group {
            by_key.entry(key).or_default().push(row);
        }
    }
    let mut sums: Vec<(Option<ApiKeyId>, Counts)> = by_key
        .into_iter()
        .map(|(key, rows)| (key, sum(rows.into_iter())))
        .collect();
    sums.sort_by_key(|(_, counts)| std::cmp::Reverse(total(counts)));
    let all: u64 = sums.iter().map(|(_, counts)| total(counts)).sum();
    let busiest = sums.first().map_or(0, |(_, counts)| total(counts));
    sums.iter()
        .filter(|(_, counts)| total(counts) > 0)
        .take(KEYS_SHOWN)
        .map(|(key, counts)| KeyUsage {
            key_id: key.map_or(String::new(), |key| key.to_string()),
            name: match key {
                None => "Without a key".to_owned(),
                Some(key) => names.get(key).cloned().unwrap_or_else(|| key.to_string()),
            },
            total: thousands(total(counts)),
            share: percent(total(counts), all),
            permille: total(counts).saturating_mul(1000) / busiest.max(1),
            throttled: thousands(throttled(counts)),
            errors: thousands(counts.client_error.saturating_add(counts.server_error)),
        })
        .collect()
}

fn statuses(counts: &Counts) -> Vec<StatusUsage> {
    let all = StatusCounts::from(*counts).total();
    [
        ("2xx Success", counts.success),
        ("3xx Redirect", counts.redirect),
        ("4xx Client error", counts.client_error),
        ("5xx Server error", counts.server_error),
        ("Aborted", counts.aborted),
        ("429 Over rate or concurrency", counts.throttled),
        ("429 Over quota", counts.quota_exceeded),
        ("401, 403, 404 Refused", counts.denied),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(label, count)| StatusUsage {
        label: label.to_owned(),
        total: thousands(count),
        share: percent(count, all),
    })
    .collect()
}

fn without_zone(at: time::OffsetDateTime) -> String {
    absolute(at).trim_end_matches(" UTC").to_owned()
}
