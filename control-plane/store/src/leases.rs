//! Quota leases: the ledger of what nodes were granted, gave back, and may still draw. The rule is
//! in `domain::lease`; here it is applied to locked rows, so that of several draws at once each
//! sees what the one before left.

mod ledger;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::{NodeId, TenantId};
use domain::lease::{Ask, Holding, draw as apply_draw, learn as apply_learn};
use domain::quota::{Span, Terms};
use snapshot::lease::{Lease, LeaseItem, LeaseRequest, LeaseResponse, Outcome};
use time::{Duration, OffsetDateTime};

use crate::nodes::{FenceError, check_incarnation};
use crate::rows::signed;
use crate::{Db, Error, PlatformTx};
use ledger::{Group, Place, Row};

/// A draw that gave way to another is made again this often.
const ATTEMPTS_MAX: u32 = 4;
/// A node that was not heard for longer has no share of limits.
const HEARD_WITHIN: Duration = Duration::hours(1);

/// Why a whole request is refused; what becomes of its items stands in the answer.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("a newer process of the node took over")]
    Fenced,
    /// The text says what is wrong with the request.
    #[error("a lease request is malformed: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<FenceError> for DrawError {
    fn from(cause: FenceError) -> Self {
        match cause {
            FenceError::Fenced => DrawError::Fenced,
            FenceError::Store(cause) => DrawError::Store(cause),
        }
    }
}

impl From<sqlx::Error> for DrawError {
    fn from(cause: sqlx::Error) -> Self {
        DrawError::Store(cause.into())
    }
}

/// What an item comes to before the ledger is looked at.
struct Target {
    item: usize,
    /// `None`: the tenant has no quota in the group and named no period.
    place: Option<Place>,
    /// The period that may be drawn from, with its limit; `None`: learn only.
    open: Option<(Span, u64)>,
    has_quota: bool,
}

/// Answers a node's request, an entry per item in the order asked, by the database's clock.
///
/// Totals only grow, and a sequence is granted once: repeating or reordering requests changes
/// nothing. Nothing is granted beyond the limit in force now, and what nodes hold and have spent
/// never exceeds the highest that was in force in the period, as long as the database keeps what
/// it acknowledged.
pub async fn draw(
    db: &Db,
    node: NodeId,
    request: &LeaseRequest,
) -> Result<LeaseResponse, DrawError> {
    let mut attempt = 1;
    loop {
        let mut tx = db.platform_tx().await?;
        let now = sqlx::query_scalar!(r#"select now() as "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        let result = match draw_at(&mut tx, node, request, now).await {
            Ok(response) => tx.commit().await.map(|()| response).map_err(Into::into),
            Err(cause) => Err(cause),
        };
        match result {
            Err(DrawError::Store(Error::Contended(_))) if attempt < ATTEMPTS_MAX => attempt += 1,
            result => return result,
        }
    }
}

/// The same inside a transaction and at a given instant.
pub async fn draw_at(
    tx: &mut PlatformTx,
    node: NodeId,
    request: &LeaseRequest,
    now: OffsetDateTime,
) -> Result<LeaseResponse, DrawError> {
    if request.items.len() > snapshot::lease::ITEMS_MAX {
        return Err(DrawError::Malformed("too many items"));
    }
    check_incarnation(tx, node, request.incarnation).await?;
    let groups = read_groups(&request.items)?;
    let terms = ledger::load_terms(tx, &groups).await?;
    let targets = aim(&request.items, &groups, &terms, now)?;
    ledger::open_periods(tx, &targets).await?;
    let mut rows = ledger::lock_periods(tx, &targets).await?;
    let mut holdings = ledger::load_holdings(tx, node, request.incarnation, &rows).await?;
    let leases = targets
        .iter()
        .map(|target| answer(target, request, &mut rows, &mut holdings, now))
        .collect();
    ledger::save_holdings(tx, node, request.incarnation, &holdings).await?;
    ledger::save_periods(tx, &rows).await?;
    let nodes = count_nodes(tx, node, now).await?;
    Ok(LeaseResponse { leases, nodes })
}

/// Those that were heard within the last hour, and the one that asks. Reads the table of nodes.
async fn count_nodes(
    tx: &mut PlatformTx,
    node: NodeId,
    now: OffsetDateTime,
) -> Result<u32, DrawError> {
    let others = sqlx::query_scalar!(
        r#"select count(*) as "count!" from nodes
        where revoked_at is null and last_seen_at > $2 and id <> $1"#,
        node.0,
        now - HEARD_WITHIN
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1))
}

fn read_groups(items: &[LeaseItem]) -> Result<Vec<Group>, DrawError> {
    items
        .iter()
        .map(|item| {
            let tenant = TenantId::from_bytes(&item.tenant_id)
                .map_err(|_| DrawError::Malformed("tenant id"))?;
            if item.group.is_empty() || item.group.len() > 40 {
                return Err(DrawError::Malformed("quota group"));
            }
            Ok(Group {
                tenant: tenant.0,
                name: item.group.clone(),
            })
        })
        .collect()
}

/// Finds the period of each item: the one that it names, or the current or the next one.
fn aim(
    items: &[LeaseItem],
    groups: &[Group],
    terms: &HashMap<Group, Terms>,
    now: OffsetDateTime,
) -> Result<Vec<Target>, DrawError> {
    let mut seen = BTreeSet::new();
    let mut targets = Vec::with_capacity(items.len());
    for (item, (asked, group)) in items.iter().zip(groups).enumerate() {
        let terms = terms.get(group);
        let drawable = terms.map(|terms| {
            let spans = [terms.period.containing(now), terms.period.following(now)];
            spans.map(|span| (span, terms.limit_in(span)))
        });
        let (start, open) = if asked.period_start_ms == 0 {
            let open = drawable.map(|spans| spans[usize::from(asked.is_for_next_period)]);
            (open.map(|(span, _)| span.start), open)
        } else {
            let start =
                instant(asked.period_start_ms).ok_or(DrawError::Malformed("start of a period"))?;
            let open =
                drawable.and_then(|spans| spans.into_iter().find(|(span, _)| span.start == start));
            (Some(start), open)
        };
        let place = start.map(|start| Place {
            group: group.clone(),
            start,
        });
        if let Some(place) = &place
            && !seen.insert(place.clone())
        {
            return Err(DrawError::Malformed("two items of one period"));
        }
        targets.push(Target {
            item,
            place,
            open,
            has_quota: terms.is_some(),
        });
    }
    Ok(targets)
}

/// Applies the rule to one item and says what came of it.
fn answer(
    target: &Target,
    request: &LeaseRequest,
    rows: &mut BTreeMap<Place, Row>,
    holdings: &mut BTreeMap<Place, (Holding, bool)>,
    now: OffsetDateTime,
) -> Lease {
    let item = &request.items[target.item];
    let lease = Lease {
        tenant_id: item.tenant_id.clone(),
        group: item.group.clone(),
        period_start_ms: item.period_start_ms,
        granted_total: item.granted_total,
        returned_total: item.returned_total,
        ..Lease::default()
    };
    let is_over = |lease| Lease {
        outcome: if target.has_quota || item.period_start_ms != 0 {
            Outcome::PeriodOver
        } else {
            Outcome::NoQuota
        } as i32,
        ..lease
    };
    let Some((place, row)) = target
        .place
        .as_ref()
        .and_then(|place| Some((place, rows.get_mut(place)?)))
    else {
        return is_over(lease);
    };
    let (holding, is_changed) = holdings.entry(place.clone()).or_default();
    let before = (row.ledger, *holding);
    let ask = Ask {
        sequence: request.sequence,
        granted_total: item.granted_total,
        returned_total: item.returned_total,
        wanted: item.wanted,
    };
    let granted = match target.open {
        Some(_) => apply_draw(&mut row.ledger, holding, ask),
        None => {
            apply_learn(&mut row.ledger, holding, ask);
            0
        }
    };
    row.is_changed |= before.0 != row.ledger;
    *is_changed |= before.1 != *holding;
    let lease = Lease {
        period_start_ms: milliseconds(place.start),
        granted_total: holding.granted,
        returned_total: holding.returned,
        limit: row.ledger.limit,
        available: row.ledger.available(),
        excess: row.ledger.excess(),
        ..lease
    };
    if target.open.is_none() {
        return is_over(lease);
    }
    let got_nothing = granted == 0 && holding.granted <= item.granted_total;
    Lease {
        starts_in_ms: milliseconds_between(now, place.start),
        ends_in_ms: milliseconds_between(now, row.end),
        outcome: if item.wanted > 0 && got_nothing && lease.available == 0 {
            Outcome::Exhausted
        } else {
            Outcome::Granted
        } as i32,
        ..lease
    }
}

/// Periods start on whole seconds of this millennium.
fn instant(unix_ms: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .ok()
        .filter(|instant| (2000..10_000).contains(&instant.year()))
}

fn milliseconds(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// 0 where `to` has passed.
fn milliseconds_between(from: OffsetDateTime, to: OffsetDateTime) -> u64 {
    u64::try_from((to - from).whole_milliseconds()).unwrap_or(0)
}

/// Forgets periods that ended before then, with all leases in them; returns how many. Served by
/// `quota_periods_end`.
pub async fn all_tenants_delete_before(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    limit: u32,
) -> crate::Result<u64> {
    let deleted = sqlx::query!(
        "delete from quota_periods where (tenant_id, quota_group, period_start) in (
            select tenant_id, quota_group, period_start from quota_periods
            where period_end < $1 limit $2
        )",
        before,
        signed(u64::from(limit))
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}
