//! The rows behind leases: read in the order of their keys and locked, changed in memory, written
//! back.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::id::NodeId;
use domain::lease::{Holding, Ledger};
use domain::quota::{Span, Terms};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{DrawError, Target};
use crate::PlatformTx;
use crate::rows::{signed, unsigned, word};

/// Which counters an item is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    pub(super) tenant: Uuid,
    pub(super) name: String,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) group: Group,
    pub(super) start: OffsetDateTime,
}

pub(super) struct Row {
    pub(super) ledger: Ledger,
    pub(super) end: OffsetDateTime,
    pub(super) is_changed: bool,
}

/// The quotas in force. Served by `subscriptions_one_per_group`.
pub(super) async fn load_terms(
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

/// Makes the rows of periods that are drawn from for the first time, in the order of their keys,
/// so that two draws never wait for each other.
pub(super) async fn open_periods(tx: &mut PlatformTx, targets: &[Target]) -> Result<(), DrawError> {
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
pub(super) async fn lock_periods(
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
            highest_limit: unsigned(row.limit_in_force),
            granted: unsigned(row.granted),
            returned: unsigned(row.returned),
            overdrawn: unsigned(row.overdrawn),
        };
        let mut end = row.period_end;
        let mut is_changed = false;
        if let Some(Some((span, limit))) = places.get(&place) {
            is_changed = *limit > ledger.highest_limit || span.end != end;
            ledger.set_limit(*limit);
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
pub(super) async fn load_holdings(
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

pub(super) async fn save_holdings(
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

pub(super) async fn save_periods(
    tx: &mut PlatformTx,
    rows: &BTreeMap<Place, Row>,
) -> Result<(), DrawError> {
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
        &numbers(|one| one.highest_limit),
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
