//! What tenants subscribe to. Terms are versions: a change writes a new one and says whom it
//! reaches.

use domain::id::PlanId;
use domain::plan::{ApplyTo, Plan, PlanName, PlanTerms, Price, Quota};
use domain::scope::{self, Scope};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::routes::read_rate;
use crate::rows::{signed, signed_small, small, unsigned, word};
use crate::{Conn, Error, PlatformTx, Result, edition};

struct Raw {
    id: Uuid,
    name: String,
    description: String,
    is_self_service: bool,
    version: i32,
    retired_at: Option<OffsetDateTime>,
    edition: i32,
    created_at: OffsetDateTime,
    rate_milli: Option<i64>,
    burst: Option<i64>,
    rate_on_store_down: String,
    quota_limit: Option<i64>,
    quota_period: Option<String>,
    quota_offset: i64,
    quota_group: String,
    quota_on_store_down: String,
    concurrency: Option<i64>,
    scopes: Vec<String>,
    price_minor: Option<i64>,
    price_currency: Option<String>,
    price_period: Option<String>,
    api_ids: Vec<Uuid>,
}

impl Raw {
    fn read(self) -> Result<Plan> {
        let quota = match (self.quota_limit, &self.quota_period) {
            (Some(limit), Some(period)) => Some(Quota {
                limit: unsigned(limit),
                period: word("quota period", period)?,
                offset: unsigned(self.quota_offset),
                group: self.quota_group,
                on_store_down: word("plan", &self.quota_on_store_down)?,
            }),
            _ => None,
        };
        let price = match (self.price_minor, self.price_currency, &self.price_period) {
            (Some(amount), Some(currency), Some(period)) => Some(Price {
                amount_minor: unsigned(amount),
                currency,
                period: word("price period", period)?,
            }),
            _ => None,
        };
        let terms = PlanTerms {
            rate: read_rate(self.rate_milli, self.burst),
            rate_on_store_down: word("plan", &self.rate_on_store_down)?,
            quota,
            concurrency: self
                .concurrency
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            scopes: Scope::parse_all("scopes", &self.scopes)
                .map_err(|_| Error::corrupt("scope"))?,
            api_ids: self.api_ids.into_iter().map(Into::into).collect(),
            price,
        };
        Ok(Plan {
            id: self.id.into(),
            name: self.name,
            description: self.description,
            is_self_service: self.is_self_service,
            version: small(self.version),
            terms,
            retired_at: self.retired_at,
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

/// What an operator says of a plan.
#[derive(Debug, Clone)]
pub struct PlanEdit<'a> {
    pub name: &'a PlanName,
    pub description: &'a str,
    pub is_self_service: bool,
    pub terms: &'a PlanTerms,
}

pub async fn insert(tx: &mut PlatformTx, id: PlanId, plan: &PlanEdit<'_>) -> Result<Plan> {
    sqlx::query!(
        "insert into plans (id, name, description, is_self_service, current_version)
        values ($1, $2, $3, $4, 1)",
        id.0,
        plan.name.as_str(),
        plan.description,
        plan.is_self_service
    )
    .execute(&mut **tx)
    .await?;
    insert_version(tx, id, 1, plan.terms).await?;
    dirty::mark(tx, &[Mark::Plan(id)]).await?;
    get(tx, id).await
}

/// Edits a plan. Where its terms differ from the current ones, they become a new version: for
/// everybody on the plan, or for those who subscribe from now on.
///
/// Fails as a whole where a tenant would be left with an API in two subscriptions, or two quotas
/// in a group.
pub async fn update(
    tx: &mut PlatformTx,
    id: PlanId,
    plan: &PlanEdit<'_>,
    apply_to: ApplyTo,
    seen: Option<i32>,
) -> Result<Plan> {
    lock(tx, id, seen).await?;
    let current = get(tx, id).await?;
    let version = current.version + u32::from(current.terms != *plan.terms);
    if version != current.version {
        insert_version(tx, id, version, plan.terms).await?;
    }
    sqlx::query!(
        "update plans set name = $2, description = $3, is_self_service = $4, current_version = $5,
            edition = edition + 1
        where id = $1",
        id.0,
        plan.name.as_str(),
        plan.description,
        plan.is_self_service,
        signed_small(version)
    )
    .execute(&mut **tx)
    .await?;
    // Also without a new version: some tenants may be on an older one.
    if apply_to == ApplyTo::All {
        all_tenants_move_to_version(tx, id, version, plan.terms).await?;
    }
    dirty::mark(tx, &[Mark::Plan(id)]).await?;
    get(tx, id).await
}

/// Takes no new subscriptions from now on; tenants on it stay.
pub async fn retire(
    tx: &mut PlatformTx,
    id: PlanId,
    now: OffsetDateTime,
    seen: Option<i32>,
) -> Result<Plan> {
    lock(tx, id, seen).await?;
    sqlx::query!(
        "update plans set retired_at = coalesce(retired_at, $2), edition = edition + 1
        where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    get(tx, id).await
}

/// Holds the plan, also against subscriptions that are being made.
async fn lock(tx: &mut PlatformTx, id: PlanId, seen: Option<i32>) -> Result<()> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        id.to_string()
    )
    .fetch_one(&mut **tx)
    .await?;
    let found = sqlx::query_scalar!("select edition from plans where id = $1 for update", id.0)
        .fetch_optional(&mut **tx)
        .await?;
    edition::check("plan", found, seen)
}

async fn insert_version(
    tx: &mut PlatformTx,
    id: PlanId,
    version: u32,
    terms: &PlanTerms,
) -> Result<()> {
    let (quota, price) = (terms.quota.as_ref(), terms.price.as_ref());
    sqlx::query!(
        "insert into plan_versions (plan_id, version, rate_milli, burst, rate_on_store_down,
            quota_limit, quota_period, quota_offset, quota_group, quota_on_store_down,
            concurrency, scopes, price_minor, price_currency, price_period)
        values ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 'default'), coalesce($10, 'refuse'),
            $11, $12, $13, $14, $15)",
        id.0,
        signed_small(version),
        terms.rate.map(|rate| signed(rate.per_second_milli)),
        terms.rate.map(|rate| signed(rate.burst)),
        terms.rate_on_store_down.as_str(),
        quota.map(|quota| signed(quota.limit)),
        quota.map(|quota| quota.period.as_str()),
        quota.map_or(0, |quota| signed(quota.offset)),
        quota.map(|quota| quota.group.as_str()),
        quota.map(|quota| quota.on_store_down.as_str()),
        terms.concurrency.map(i64::from),
        &scope::texts(&terms.scopes),
        price.map(|price| signed(price.amount_minor)),
        price.map(|price| price.currency.as_str()),
        price.map(|price| price.period.as_str())
    )
    .execute(&mut **tx)
    .await?;
    let api_ids: Vec<Uuid> = terms.api_ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "insert into plan_version_apis (plan_id, version, api_id)
        select $1, $2, api_id from unnest($3::uuid[]) as given (api_id)",
        id.0,
        signed_small(version),
        &api_ids
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Served by `subscriptions_plan`.
async fn all_tenants_move_to_version(
    tx: &mut PlatformTx,
    id: PlanId,
    version: u32,
    terms: &PlanTerms,
) -> Result<()> {
    let version = signed_small(version);
    let group = terms.quota.as_ref().map(|quota| quota.group.as_str());
    sqlx::query!(
        "update subscriptions set plan_version = $2, quota_group = $3
        where plan_id = $1 and status <> 'ended'",
        id.0,
        version,
        group
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "delete from subscription_apis a using subscriptions s
        where s.plan_id = $1 and s.status = 'active' and a.tenant_id = s.tenant_id
            and a.subscription_id = s.id",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into subscription_apis (tenant_id, api_id, subscription_id)
        select s.tenant_id, a.api_id, s.id from subscriptions s
        join plan_version_apis a on a.plan_id = s.plan_id and a.version = s.plan_version
        where s.plan_id = $1 and s.status = 'active'",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into dirty_marks (map, key)
        select 'tenant', uuid_send(tenant_id) from subscriptions
        where plan_id = $1 and status = 'active'",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// With the terms of the current version. Served by primary keys.
pub async fn get(tx: &mut Conn, id: PlanId) -> Result<Plan> {
    sqlx::query_as!(
        Raw,
        r#"select p.id, p.name, p.description, p.is_self_service, v.version, p.retired_at, p.edition,
            p.created_at, v.rate_milli, v.burst, v.rate_on_store_down, v.quota_limit,
            v.quota_period, v.quota_offset, v.quota_group, v.quota_on_store_down, v.concurrency,
            v.scopes, v.price_minor, v.price_currency, v.price_period,
            array(select a.api_id from plan_version_apis a where a.plan_id = p.id and a.version = v.version order by a.api_id) as "api_ids!"
        from plans p join plan_versions v on v.plan_id = p.id and v.version = p.current_version
        where p.id = $1"#,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "plan" })?
    .read()
}

/// A plan with the terms of the given version, as a subscription has them.
pub async fn get_version(tx: &mut Conn, id: PlanId, version: u32) -> Result<Plan> {
    sqlx::query_as!(
        Raw,
        r#"select p.id, p.name, p.description, p.is_self_service, v.version, p.retired_at, p.edition,
            p.created_at, v.rate_milli, v.burst, v.rate_on_store_down, v.quota_limit,
            v.quota_period, v.quota_offset, v.quota_group, v.quota_on_store_down, v.concurrency,
            v.scopes, v.price_minor, v.price_currency, v.price_period,
            array(select a.api_id from plan_version_apis a where a.plan_id = p.id and a.version = v.version order by a.api_id) as "api_ids!"
        from plans p join plan_versions v on v.plan_id = p.id
        where p.id = $1 and v.version = $2"#,
        id.0,
        signed_small(version)
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "plan" })?
    .read()
}

/// Which plans a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    All,
    /// Those that take new subscriptions.
    Offered,
}

/// Oldest first, after `after`. Served by the primary key.
pub async fn list(
    tx: &mut Conn,
    listed: Listed,
    after: Option<PlanId>,
    limit: u32,
) -> Result<Vec<Plan>> {
    sqlx::query_as!(
        Raw,
        r#"select p.id, p.name, p.description, p.is_self_service, v.version, p.retired_at, p.edition,
            p.created_at, v.rate_milli, v.burst, v.rate_on_store_down, v.quota_limit,
            v.quota_period, v.quota_offset, v.quota_group, v.quota_on_store_down, v.concurrency,
            v.scopes, v.price_minor, v.price_currency, v.price_period,
            array(select a.api_id from plan_version_apis a where a.plan_id = p.id and a.version = v.version order by a.api_id) as "api_ids!"
        from plans p join plan_versions v on v.plan_id = p.id and v.version = p.current_version
        where p.id > $1 and (p.retired_at is null or not $2)
        order by p.id limit $3"#,
        after.map_or(Uuid::nil(), |id| id.0),
        listed == Listed::Offered,
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// How many tenants are on each of these plans. Served by `subscriptions_plan`.
pub async fn all_tenants_count_subscribers(
    tx: &mut PlatformTx,
    ids: &[PlanId],
) -> Result<Vec<(PlanId, u64)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select plan_id, count(*) as "count!" from subscriptions
        where plan_id = any($1) and status = 'active' group by plan_id"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.plan_id.into(), unsigned(row.count)))
        .collect())
}
