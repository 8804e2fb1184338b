//! Quota leases: the ledger of what nodes were granted, gave back, and may still draw. The rule is
//! in `domain::lease`; here it is applied to locked rows, so that of several draws at once each
//! sees what the one before left.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::{NodeId, TenantId};
use domain::lease::{Ask, Holding, Ledger, draw as apply_draw, learn as apply_learn};
use domain::quota::{Span, Terms};
use snapshot::lease::{Lease, LeaseItem, LeaseRequest, LeaseResponse, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::nodes::{FenceError, check_incarnation};
use crate::rows::{signed, unsigned, word};
use crate::{Db, Error, PlatformTx};

/// A draw that gave way to another is made again this often.
const ATTEMPTS_MAX: u32 = 4;

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

/// Which counters an item is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Group {
    tenant: Uuid,
    name: String,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    group: Group,
    start: OffsetDateTime,
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

struct Row {
    ledger: Ledger,
    end: OffsetDateTime,
    is_changed: bool,
}

/// Answers a node's request, an entry per item in the order asked, by the database's clock.
///
/// Totals only grow, and a sequence is granted once: repeating or reordering requests changes
/// nothing. What nodes hold and have spent never exceeds the highest limit that was in force in
/// the period, as long as the database keeps what it acknowledged.
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
    let terms = load_terms(tx, &groups).await?;
    let targets = aim(&request.items, &groups, &terms, now)?;
    open_periods(tx, &targets).await?;
    let mut rows = lock_periods(tx, &targets).await?;
    let mut holdings = load_holdings(tx, node, request.incarnation, &rows).await?;
    let leases = targets
        .iter()
        .map(|target| answer(target, request, &mut rows, &mut holdings, now))
        .collect();
    save_holdings(tx, node, request.incarnation, &holdings).await?;
    save_periods(tx, &rows).await?;
    Ok(LeaseResponse { leases })
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

/// The quotas in force. Served by `subscriptions_one_per_group`.
async fn load_terms(
    tx: &mut PlatformTx,
    groups: &[Group],
) -> Result<HashMap<Group, Terms>, DrawError> {
    let (tenants, names) = columns(groups.iter().collect::<BTreeSet<_>>().into_iter());
    let rows = sqlx::query!(
        r#"select s.tenant_id, s.quota_group as "quota_group!", s.first_period_at as "first_period_at!",
            v.quota_limit as "quota_limit!", v.quota_period as "quota_period!", v.quota_offset
        from unnest($1::uuid[], $2::text[]) as asked (tenant_id, quota_group)
        join subscriptions s on s.tenant_id = asked.tenant_id
            and s.quota_group = asked.quota_group and s.status = 'active'
        join plan_versions v on v.plan_id = s.plan_id and v.version = s.plan_version
        where v.quota_limit is not null"#,
        &tenants,
        &names
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            let group = Group {
                tenant: row.tenant_id,
                name: row.quota_group,
            };
            let terms = Terms {
                limit: unsigned(row.quota_limit),
                period: word("quota period", &row.quota_period)?,
                offset: unsigned(row.quota_offset),
                first_period_at: row.first_period_at,
            };
            Ok((group, terms))
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

/// Makes the rows of periods that are drawn from for the first time, in the order of their keys,
/// so that two draws never wait for each other.
async fn open_periods(tx: &mut PlatformTx, targets: &[Target]) -> Result<(), DrawError> {
    let open: BTreeMap<&Place, (Span, u64)> = targets
        .iter()
        .filter_map(|target| Some((target.place.as_ref()?, target.open?)))
        .collect();
    let (tenants, names) = columns(open.keys().map(|place| &place.group));
    let starts: Vec<OffsetDateTime> = open.values().map(|(span, _)| span.start).collect();
    let ends: Vec<OffsetDateTime> = open.values().map(|(span, _)| span.end).collect();
    let limits: Vec<i64> = open.values().map(|(_, limit)| signed(*limit)).collect();
    sqlx::query!(
        "insert into quota_periods (tenant_id, quota_group, period_start, period_end, limit_in_force)
        select tenant_id, quota_group, period_start, period_end, limit_in_force
        from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[])
            as opened (tenant_id, quota_group, period_start, period_end, limit_in_force)
        order by tenant_id, quota_group, period_start
        on conflict (tenant_id, quota_group, period_start) do nothing",
        &tenants,
        &names,
        &starts,
        &ends,
        &limits
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Locks the ledger's rows in the order of their keys, and takes the limits that are in force now
/// into them. Served by the primary key.
async fn lock_periods(
    tx: &mut PlatformTx,
    targets: &[Target],
) -> Result<BTreeMap<Place, Row>, DrawError> {
    let places: BTreeMap<&Place, Option<(Span, u64)>> = targets
        .iter()
        .filter_map(|target| Some((target.place.as_ref()?, target.open)))
        .collect();
    let (tenants, names) = columns(places.keys().map(|place| &place.group));
    let starts: Vec<OffsetDateTime> = places.keys().map(|place| place.start).collect();
    let found = sqlx::query!(
        "select p.tenant_id, p.quota_group, p.period_start, p.period_end, p.limit_in_force,
            p.granted, p.returned, p.overdrawn
        from quota_periods p
        where (p.tenant_id, p.quota_group, p.period_start) in (
            select * from unnest($1::uuid[], $2::text[], $3::timestamptz[])
        )
        order by p.tenant_id, p.quota_group, p.period_start
        for update",
        &tenants,
        &names,
        &starts
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut rows = BTreeMap::new();
    for row in found {
        let place = Place {
            group: Group {
                tenant: row.tenant_id,
                name: row.quota_group,
            },
            start: row.period_start,
        };
        let mut ledger = Ledger {
            limit: unsigned(row.limit_in_force),
            granted: unsigned(row.granted),
            returned: unsigned(row.returned),
            overdrawn: unsigned(row.overdrawn),
        };
        let mut end = row.period_end;
        let mut is_changed = false;
        if let Some(Some((span, limit))) = places.get(&place) {
            is_changed = *limit > ledger.limit || span.end != end;
            // The promise is against the highest limit that was in force in the period.
            ledger.limit = ledger.limit.max(*limit);
            end = span.end;
        }
        rows.insert(
            place,
            Row {
                ledger,
                end,
                is_changed,
            },
        );
    }
    Ok(rows)
}

/// This process's totals in the locked periods. Served by the primary key.
async fn load_holdings(
    tx: &mut PlatformTx,
    node: NodeId,
    incarnation: u64,
    rows: &BTreeMap<Place, Row>,
) -> Result<BTreeMap<Place, (Holding, bool)>, DrawError> {
    let (tenants, names) = columns(rows.keys().map(|place| &place.group));
    let starts: Vec<OffsetDateTime> = rows.keys().map(|place| place.start).collect();
    let found = sqlx::query!(
        "select l.tenant_id, l.quota_group, l.period_start, l.granted, l.returned, l.last_sequence
        from quota_leases l
        where (l.tenant_id, l.quota_group, l.period_start) in (
            select * from unnest($1::uuid[], $2::text[], $3::timestamptz[])
        ) and l.node_id = $4 and l.incarnation = $5",
        &tenants,
        &names,
        &starts,
        node.0,
        signed(incarnation)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(found
        .into_iter()
        .map(|row| {
            let place = Place {
                group: Group {
                    tenant: row.tenant_id,
                    name: row.quota_group,
                },
                start: row.period_start,
            };
            let holding = Holding {
                granted: unsigned(row.granted),
                returned: unsigned(row.returned),
                last_sequence: unsigned(row.last_sequence),
            };
            (place, (holding, false))
        })
        .collect())
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

async fn save_holdings(
    tx: &mut PlatformTx,
    node: NodeId,
    incarnation: u64,
    holdings: &BTreeMap<Place, (Holding, bool)>,
) -> Result<(), DrawError> {
    let changed: Vec<(&Place, &Holding)> = holdings
        .iter()
        .filter(|(_, (_, is_changed))| *is_changed)
        .map(|(place, (holding, _))| (place, holding))
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (tenants, names) = columns(changed.iter().map(|(place, _)| &place.group));
    let starts: Vec<OffsetDateTime> = changed.iter().map(|(place, _)| place.start).collect();
    let numbers = |read: fn(&Holding) -> u64| -> Vec<i64> {
        changed.iter().map(|(_, one)| signed(read(one))).collect()
    };
    sqlx::query!(
        "insert into quota_leases (tenant_id, quota_group, period_start, node_id, incarnation,
            granted, returned, last_sequence)
        select tenant_id, quota_group, period_start, $4, $5, granted, returned, last_sequence
        from unnest($1::uuid[], $2::text[], $3::timestamptz[], $6::bigint[], $7::bigint[], $8::bigint[])
            as changed (tenant_id, quota_group, period_start, granted, returned, last_sequence)
        on conflict (tenant_id, quota_group, period_start, node_id, incarnation) do update
            set granted = excluded.granted, returned = excluded.returned,
                last_sequence = excluded.last_sequence",
        &tenants,
        &names,
        &starts,
        node.0,
        signed(incarnation),
        &numbers(|one| one.granted),
        &numbers(|one| one.returned),
        &numbers(|one| one.last_sequence)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn save_periods(tx: &mut PlatformTx, rows: &BTreeMap<Place, Row>) -> Result<(), DrawError> {
    let changed: Vec<(&Place, &Row)> = rows.iter().filter(|(_, row)| row.is_changed).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let (tenants, names) = columns(changed.iter().map(|(place, _)| &place.group));
    let starts: Vec<OffsetDateTime> = changed.iter().map(|(place, _)| place.start).collect();
    let ends: Vec<OffsetDateTime> = changed.iter().map(|(_, row)| row.end).collect();
    let numbers = |read: fn(&Ledger) -> u64| -> Vec<i64> {
        changed
            .iter()
            .map(|(_, row)| signed(read(&row.ledger)))
            .collect()
    };
    sqlx::query!(
        "update quota_periods p set period_end = changed.period_end,
            limit_in_force = changed.limit_in_force, granted = changed.granted,
            returned = changed.returned, overdrawn = changed.overdrawn
        from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::bigint[],
            $6::bigint[], $7::bigint[], $8::bigint[])
            as changed (tenant_id, quota_group, period_start, period_end, limit_in_force, granted,
                returned, overdrawn)
        where p.tenant_id = changed.tenant_id and p.quota_group = changed.quota_group
            and p.period_start = changed.period_start",
        &tenants,
        &names,
        &starts,
        &ends,
        &numbers(|one| one.limit),
        &numbers(|one| one.granted),
        &numbers(|one| one.returned),
        &numbers(|one| one.overdrawn)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn columns<'a>(groups: impl Iterator<Item = &'a Group>) -> (Vec<Uuid>, Vec<String>) {
    groups
        .map(|group| (group.tenant, group.name.clone()))
        .unzip()
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
