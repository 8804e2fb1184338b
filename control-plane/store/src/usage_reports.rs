//! Usage as people see it: counts by hour or day, what is left of quotas, latencies of routes.

use domain::id::{RouteId, TenantId};
use domain::quota::Terms;
use domain::usage::{By, Counts, Group, GroupKey, QuotaUse, StatusClass, UsageRow};
use snapshot::usage::{Class, LATENCY_BUCKETS};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::{unsigned, word};
use crate::{Conn, Error, PlatformTx, Result};

/// `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    pub from: OffsetDateTime,
    pub to: OffsetDateTime,
}

/// Counts of a tenant, oldest first, at most `rows_max` rows of hours or days by key, route or
/// status. `None`: not split. Served by the primary key of `usage_hours`.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    range: Range,
    (by, group): (By, Option<Group>),
    rows_max: u32,
) -> Result<Vec<UsageRow>> {
    let rows = sqlx::query!(
        r#"select date_trunc($4, hour, 'UTC') as "at!",
            case $5 when 'key' then key_id when 'route' then route_id else tenant_id end as "part!",
            class, sum(count)::bigint as "count!"
        from usage_hours
        where tenant_id = $1 and hour >= $2 and hour < $3
        group by 1, 2, 3 order by 1, 2, 3 limit $6"#,
        tenant.0,
        range.from,
        range.to,
        by.as_str(),
        group.map_or("", Group::as_str),
        // A row of the report has up to ten classes.
        i64::from(rows_max) * 10
    )
    .fetch_all(tx)
    .await?;
    let mut report: Vec<UsageRow> = Vec::new();
    for row in rows {
        let class = Class::try_from(i32::from(row.class)).unwrap_or(Class::Unspecified);
        let count = unsigned(row.count);
        let part = Some(row.part).filter(|part| !part.is_nil());
        let key = match group {
            None => Some(GroupKey::Whole),
            Some(Group::Key) => Some(GroupKey::Key(part.map(Into::into))),
            Some(Group::Route) => Some(GroupKey::Route(part.map(Into::into))),
            Some(Group::Status) => StatusClass::of(class).map(GroupKey::Status),
        };
        let Some(key) = key else { continue };
        match report.last_mut() {
            Some(last) if last.at == row.at && last.group == key => last.counts.add(class, count),
            _ => {
                let mut counts = Counts::default();
                counts.add(class, count);
                report.push(UsageRow {
                    at: row.at,
                    group: key,
                    counts,
                });
            }
        }
    }
    report.truncate(usize::try_from(rows_max).unwrap_or(usize::MAX));
    Ok(report)
}

/// A tenant's counts of a span as a whole. Served by the primary key of `usage_hours`.
pub async fn sum(tx: &mut Conn, tenant: TenantId, range: Range) -> Result<Counts> {
    let rows = sqlx::query!(
        r#"select class, sum(count)::bigint as "count!" from usage_hours
        where tenant_id = $1 and hour >= $2 and hour < $3 group by class order by class"#,
        tenant.0,
        range.from,
        range.to
    )
    .fetch_all(tx)
    .await?;
    let mut counts = Counts::default();
    for row in rows {
        let class = Class::try_from(i32::from(row.class)).unwrap_or(Class::Unspecified);
        counts.add(class, unsigned(row.count));
    }
    Ok(counts)
}

/// Everybody's counts of a span. Scans the hours of all tenants: for an operator's overview.
pub async fn all_tenants_sum(tx: &mut PlatformTx, range: Range) -> Result<Counts> {
    let rows = sqlx::query!(
        r#"select class, sum(count)::bigint as "count!" from usage_hours
        where hour >= $1 and hour < $2 group by class order by class"#,
        range.from,
        range.to
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut counts = Counts::default();
    for row in rows {
        let class = Class::try_from(i32::from(row.class)).unwrap_or(Class::Unspecified);
        counts.add(class, unsigned(row.count));
    }
    Ok(counts)
}

/// What the tenant's quotas are and what is left of them in the periods that run now.
///
/// What is used is counted over the routes of the APIs that the subscription opens, so it follows
/// admissions within seconds; what the ledger gave out beyond that is held by nodes.
pub async fn list_quotas(
    tx: &mut Conn,
    tenant: TenantId,
    now: OffsetDateTime,
) -> Result<Vec<QuotaUse>> {
    let rows = sqlx::query!(
        r#"select s.id, s.quota_group as "quota_group!", s.first_period_at as "first_period_at!",
            v.quota_limit as "quota_limit!", v.quota_period as "quota_period!", v.quota_offset
        from subscriptions s
        join plan_versions v on v.plan_id = s.plan_id and v.version = s.plan_version
        where s.tenant_id = $1 and s.status = 'active' and s.quota_group is not null
            and v.quota_limit is not null
        order by s.id"#,
        tenant.0
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut quotas = Vec::with_capacity(rows.len());
    for row in rows {
        let terms = Terms {
            limit: unsigned(row.quota_limit),
            period: word("quota period", &row.quota_period)?,
            offset: unsigned(row.quota_offset),
            first_period_at: row.first_period_at,
        };
        quotas.push(quota(tx, tenant, (row.id, row.quota_group), terms, now).await?);
    }
    Ok(quotas)
}

async fn quota(
    tx: &mut Conn,
    tenant: TenantId,
    (subscription, group): (Uuid, String),
    terms: Terms,
    now: OffsetDateTime,
) -> Result<QuotaUse> {
    let span = terms.period.containing(now);
    let ledger = sqlx::query!(
        "select granted, returned from quota_periods
        where tenant_id = $1 and quota_group = $2 and period_start = $3",
        tenant.0,
        group,
        span.start
    )
    .fetch_optional(&mut *tx)
    .await?;
    let used = sqlx::query_scalar!(
        r#"select coalesce(sum(case class when 1 then count else -count end), 0)::bigint as "used!"
        from usage_hours u
        where u.tenant_id = $1 and u.hour >= $2 and u.hour < $3 and u.class in (1, 7)
            and u.route_id in (
                select r.id from routes r
                join subscription_apis a on a.api_id = r.api_id
                where a.tenant_id = $1 and a.subscription_id = $4
            )"#,
        tenant.0,
        span.start,
        span.end,
        subscription
    )
    .fetch_one(tx)
    .await?;
    let used = unsigned(used);
    let drawn = ledger
        .as_ref()
        .map_or(0, |row| unsigned(row.granted - row.returned));
    Ok(QuotaUse {
        tenant_id: tenant,
        group,
        period_start: span.start,
        period_end: span.end,
        limit: terms.limit_in(span),
        used,
        held: drawn.saturating_sub(used),
    })
}

/// A route's latencies over a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLatencies {
    pub route_id: RouteId,
    /// By [`snapshot::usage::LATENCY_BOUNDS_US`].
    pub buckets: [u64; LATENCY_BUCKETS],
    pub sum_us: u64,
}

/// Of all routes that were used. Served by the partitions of `latency_hours`.
pub async fn list_latencies(tx: &mut PlatformTx, range: Range) -> Result<Vec<RouteLatencies>> {
    sqlx::query!(
        r#"select route_id, array_agg(total order by place) as "buckets!", max(sum_us)::bigint as "sum_us!"
        from (
            select h.route_id, b.place, sum(b.count)::bigint as total,
                sum(h.sum_us) as sum_us
            from latency_hours h
            cross join unnest(h.buckets) with ordinality as b (count, place)
            where h.hour >= $1 and h.hour < $2
            group by h.route_id, b.place
        ) as sums
        group by route_id order by route_id limit 10000"#,
        range.from,
        range.to
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        let buckets: Vec<u64> = row.buckets.into_iter().map(unsigned).collect();
        Ok(RouteLatencies {
            route_id: row.route_id.into(),
            buckets: buckets
                .try_into()
                .map_err(|_| Error::corrupt("latency histogram"))?,
            sum_us: unsigned(row.sum_us),
        })
    })
    .collect()
}
