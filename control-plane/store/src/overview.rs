//! What operators see of all tenants at once: counts for lists and for the overview.

use domain::id::{SubscriptionId, TenantId};
use domain::tenant::TenantStatus;
use domain::usage::Counts;
use snapshot::usage::Class;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::unsigned;
use crate::usage_reports::Range;
use crate::{Error, PlatformTx, Result};

fn class(stored: i16) -> Class {
    Class::try_from(i32::from(stored)).unwrap_or(Class::Unspecified)
}

/// Everybody's counts by hour, oldest first; hours without requests are left out. Scans the hours
/// of all tenants.
pub async fn all_tenants_usage_by_hour(
    tx: &mut PlatformTx,
    range: Range,
) -> Result<Vec<(OffsetDateTime, Counts)>> {
    let rows = sqlx::query!(
        r#"select hour, class, sum(count)::bigint as "count!" from usage_hours
        where hour >= $1 and hour < $2 group by hour, class order by hour, class limit 20000"#,
        range.from,
        range.to
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut hours: Vec<(OffsetDateTime, Counts)> = Vec::new();
    for row in rows {
        if hours.last().is_none_or(|(hour, _)| *hour != row.hour) {
            hours.push((row.hour, Counts::default()));
        }
        if let Some((_, counts)) = hours.last_mut() {
            counts.add(class(row.class), unsigned(row.count));
        }
    }
    Ok(hours)
}

/// Counts of some tenants in a span. Served by the primary key of `usage_hours`.
pub async fn all_tenants_usage_of(
    tx: &mut PlatformTx,
    tenants: &[TenantId],
    range: Range,
) -> Result<Vec<(TenantId, Counts)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select tenant_id, class, sum(count)::bigint as "count!" from usage_hours
        where tenant_id = any($1) and hour >= $2 and hour < $3
        group by tenant_id, class order by tenant_id, class"#,
        &ids,
        range.from,
        range.to
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut found: Vec<(TenantId, Counts)> = Vec::new();
    for row in rows {
        if found.last().is_none_or(|(id, _)| id.0 != row.tenant_id) {
            found.push((row.tenant_id.into(), Counts::default()));
        }
        if let Some((_, counts)) = found.last_mut() {
            counts.add(class(row.class), unsigned(row.count));
        }
    }
    Ok(found)
}

/// The tenants with the most admitted requests in a span, with their names. Scans the hours of all
/// tenants.
pub async fn all_tenants_busiest(
    tx: &mut PlatformTx,
    range: Range,
    limit: u32,
) -> Result<Vec<(TenantId, String)>> {
    let rows = sqlx::query!(
        "select t.id, t.name from usage_hours u join tenants t on t.id = u.tenant_id
        where u.hour >= $1 and u.hour < $2 and u.class = $3
        group by t.id, t.name order by sum(u.count) desc, t.id limit $4",
        range.from,
        range.to,
        Class::Admitted as i16,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id.into(), row.name))
        .collect())
}

/// How many keys that are not revoked each of these tenants has. Served by the unique index over
/// tenant and id.
pub async fn all_tenants_key_counts(
    tx: &mut PlatformTx,
    tenants: &[TenantId],
) -> Result<Vec<(TenantId, u64)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select tenant_id, count(*) as "count!" from api_keys
        where tenant_id = any($1) and revoked_at is null group by tenant_id"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.tenant_id.into(), unsigned(row.count)))
        .collect())
}

/// Names of tenants that are there still. Served by the primary key.
pub async fn all_tenants_names(
    tx: &mut PlatformTx,
    tenants: &[TenantId],
) -> Result<Vec<(TenantId, String)>> {
    let ids: Vec<Uuid> = tenants.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select id, name from tenants where id = any($1) order by id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id.into(), row.name))
        .collect())
}

/// How many tenants are in a state. Scans all of them.
pub async fn all_tenants_count_in(tx: &mut PlatformTx, status: TenantStatus) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenants where status = $1"#,
        status.as_str()
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(unsigned(count))
}

/// Whose subscription it is. Served by the primary key.
pub async fn all_tenants_tenant_of(tx: &mut PlatformTx, id: SubscriptionId) -> Result<TenantId> {
    let tenant = sqlx::query_scalar!("select tenant_id from subscriptions where id = $1", id.0)
        .fetch_optional(&mut **tx)
        .await?;
    tenant.map(Into::into).ok_or(Error::NotFound {
        what: "subscription",
    })
}

/// Email addresses of who asked for these plans, as far as they are there still. Served by primary
/// keys.
pub async fn all_tenants_requesters(
    tx: &mut PlatformTx,
    ids: &[SubscriptionId],
) -> Result<Vec<(SubscriptionId, String)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "select s.id, u.email from subscriptions s join users u on u.id = s.requested_by
        where s.id = any($1) order by s.id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id.into(), row.email))
        .collect())
}
