//! Tenants on plans.

use domain::conflict::Conflict;
use domain::id::{PlanId, SubscriptionId, TenantId, UserId};
use domain::subscription::{Subscription, SubscriptionStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::{small, word};
use crate::{Conn, Error, PlatformTx, Result, edition};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    plan_id: Uuid,
    plan_version: i32,
    plan_name: String,
    status: String,
    edition: i32,
    created_at: OffsetDateTime,
    activated_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
    request_message: Option<String>,
}

impl Raw {
    fn read(self) -> Result<Subscription> {
        Ok(Subscription {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            plan_id: self.plan_id.into(),
            plan_version: small(self.plan_version),
            plan_name: self.plan_name,
            status: word("subscription status", &self.status)?,
            edition: self.edition,
            created_at: self.created_at,
            activated_at: self.activated_at,
            ended_at: self.ended_at,
            message: self.request_message,
        })
    }
}

/// Asks for a plan: the subscription is pending until [`activate`].
///
/// Gets the plan's current version; fails where the plan is retired or the tenant has it already.
pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
    plan: PlanId,
    requested_by: Option<UserId>,
) -> Result<Subscription> {
    wait_for_edits(tx, plan).await?;
    let offered = sqlx::query!(
        "select current_version, retired_at from plans where id = $1",
        plan.0
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(Conflict::UnknownPlan)?;
    if offered.retired_at.is_some() {
        return Err(Conflict::PlanRetired.into());
    }
    sqlx::query!(
        "insert into subscriptions (id, tenant_id, plan_id, plan_version, status, requested_by)
        values ($1, $2, $3, $4, 'pending', $5)",
        id.0,
        tenant.0,
        plan.0,
        offered.current_version,
        requested_by.map(|user| user.0)
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Keeps what the tenant wrote with its request.
pub async fn set_message(
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
    message: &str,
) -> Result<Subscription> {
    sqlx::query!(
        "update subscriptions set request_message = $3
        where tenant_id = $1 and id = $2 and status = 'pending'",
        tenant.0,
        id.0,
        message
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Brings a pending subscription into force, on the plan's current version.
///
/// Quota counters hang on the tenant and the group, so what was used stays used; the first period
/// of the group stays the first. Fails where an API would be opened twice.
pub async fn activate(
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
    now: OffsetDateTime,
) -> Result<Subscription> {
    // The plan before the row, as an edit of the plan does.
    let plan = get(tx, tenant, id).await?.plan_id;
    wait_for_edits(tx, plan).await?;
    lock(tx, tenant, id, None).await?;
    let activated = sqlx::query!(
        "update subscriptions s set status = 'active', activated_at = $3,
            plan_version = v.version,
            quota_group = case when v.quota_limit is not null then v.quota_group end,
            first_period_at = coalesce((
                select min(other.first_period_at) from subscriptions other
                where other.tenant_id = $1 and other.quota_group = v.quota_group
                    and v.quota_limit is not null and other.status <> 'pending'
            ), $3),
            edition = s.edition + 1
        from plans p
        join plan_versions v on v.plan_id = p.id and v.version = p.current_version
        where s.tenant_id = $1 and s.id = $2 and s.status = 'pending' and p.id = s.plan_id",
        tenant.0,
        id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    if activated.rows_affected() == 0 {
        return Err(Conflict::SubscriptionOver.into());
    }
    sqlx::query!(
        "insert into subscription_apis (tenant_id, api_id, subscription_id)
        select s.tenant_id, a.api_id, s.id from subscriptions s
        join plan_version_apis a on a.plan_id = s.plan_id and a.version = s.plan_version
        where s.tenant_id = $1 and s.id = $2",
        tenant.0,
        id.0
    )
    .execute(&mut *tx)
    .await?;
    dirty::mark(tx, &[Mark::Tenant(tenant)]).await?;
    get(tx, tenant, id).await
}

/// Ends a subscription, or turns a request down. To change plans, end one and activate the next
/// in one transaction.
pub async fn end(
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
    now: OffsetDateTime,
    seen: Option<i32>,
) -> Result<Subscription> {
    lock(tx, tenant, id, seen).await?;
    let ended = sqlx::query!(
        "update subscriptions set status = 'ended', ended_at = $3, edition = edition + 1
        where tenant_id = $1 and id = $2 and status <> 'ended'",
        tenant.0,
        id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    if ended.rows_affected() == 0 {
        return Err(Conflict::SubscriptionOver.into());
    }
    sqlx::query!(
        "delete from subscription_apis where tenant_id = $1 and subscription_id = $2",
        tenant.0,
        id.0
    )
    .execute(&mut *tx)
    .await?;
    dirty::mark(tx, &[Mark::Tenant(tenant)]).await?;
    get(tx, tenant, id).await
}

/// Until the transaction ends, no edit of the plan for everybody passes this subscription by. The
/// tenant's role may not lock the plan's row, so both sides lock its id instead.
async fn wait_for_edits(tx: &mut Conn, plan: PlanId) -> Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock_shared(hashtextextended($1, 0))",
        plan.to_string()
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

async fn lock(
    tx: &mut Conn,
    tenant: TenantId,
    id: SubscriptionId,
    seen: Option<i32>,
) -> Result<()> {
    let found = sqlx::query_scalar!(
        "select edition from subscriptions where tenant_id = $1 and id = $2 for update",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?;
    edition::check("subscription", found, seen)
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: SubscriptionId) -> Result<Subscription> {
    sqlx::query_as!(
        Raw,
        "select s.id, s.tenant_id, s.plan_id, s.plan_version, p.name as plan_name, s.status,
            s.edition, s.created_at, s.activated_at, s.ended_at, s.request_message
        from subscriptions s join plans p on p.id = s.plan_id
        where s.tenant_id = $1 and s.id = $2",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound {
        what: "subscription",
    })?
    .read()
}

/// Oldest first, after `after`; ended ones too. Served by the unique index over tenant and id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<Subscription>> {
    sqlx::query_as!(
        Raw,
        "select s.id, s.tenant_id, s.plan_id, s.plan_version, p.name as plan_name, s.status,
            s.edition, s.created_at, s.activated_at, s.ended_at, s.request_message
        from subscriptions s join plans p on p.id = s.plan_id
        where s.tenant_id = $1 and s.id > $2 order by s.id limit $3",
        tenant.0,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// Subscriptions of one status with their tenants' names, oldest first, after `after`.
pub async fn all_tenants_list(
    tx: &mut PlatformTx,
    status: SubscriptionStatus,
    after: Option<SubscriptionId>,
    limit: u32,
) -> Result<Vec<(Subscription, String)>> {
    sqlx::query!(
        "select s.id, s.tenant_id, s.plan_id, s.plan_version, p.name as plan_name, s.status,
            s.edition, s.created_at, s.activated_at, s.ended_at, s.request_message,
            t.name as tenant_name
        from subscriptions s
        join plans p on p.id = s.plan_id
        join tenants t on t.id = s.tenant_id
        where s.status = $1 and s.id > $2 order by s.id limit $3",
        status.as_str(),
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        let subscription = Raw {
            id: row.id,
            tenant_id: row.tenant_id,
            plan_id: row.plan_id,
            plan_version: row.plan_version,
            plan_name: row.plan_name,
            status: row.status,
            edition: row.edition,
            created_at: row.created_at,
            activated_at: row.activated_at,
            ended_at: row.ended_at,
            request_message: row.request_message,
        };
        Ok((subscription.read()?, row.tenant_name))
    })
    .collect()
}

/// What the tenants of a page of a list are on, by tenant. Served by `subscriptions_one_per_plan`.
pub async fn all_tenants_active_of(
    tx: &mut PlatformTx,
    tenants: &[TenantId],
) -> Result<Vec<Subscription>> {
    let ids: Vec<Uuid> = tenants.iter().map(|id| id.0).collect();
    sqlx::query_as!(
        Raw,
        "select s.id, s.tenant_id, s.plan_id, s.plan_version, p.name as plan_name, s.status,
            s.edition, s.created_at, s.activated_at, s.ended_at, s.request_message
        from subscriptions s join plans p on p.id = s.plan_id
        where s.tenant_id = any($1) and s.status = 'active' order by s.tenant_id, s.id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}
