//! Reading what becomes a snapshot: by id after a change, in pages for a build from nothing. All of
//! it in one [`CompileTx`], so that the rows belong together.

use std::collections::HashMap;

use domain::api_key::KeyHash;
use domain::compile::{
    ApiRow, CorsRow, KeyRow, PlanRow, QuotaRow, RateRow, RouteRow, SubscriptionRow, TargetRow,
    TenantRow, TimeoutsRow, UpstreamRow, audience_of,
};
use domain::id::{ApiId, PlanId, TenantId, UpstreamId};
use domain::{plan, quota};
use snapshot::document::{OnStoreDown, Period};
use snapshot::seal::SealedSecret;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::{bytes32, small, unsigned, word};
use crate::{CompileTx, Error, Result};

mod identity;

pub use identity::{authorizer_ids, authorizers, own_issuer, revocations, revocations_page};

/// Rows per page of a build from nothing.
pub const PAGE: u32 = 5_000;

struct RawKey {
    hash: Vec<u8>,
    id: Uuid,
    tenant_id: Uuid,
    expires_at: Option<OffsetDateTime>,
    scopes: Option<Vec<String>>,
    api_ids: Vec<Uuid>,
    allowed_ips: Vec<String>,
    rate_milli: Option<i64>,
    burst: Option<i64>,
}

impl RawKey {
    fn read(self) -> Result<KeyRow> {
        let allowed_ips = self.allowed_ips.iter().map(|text| text.parse());
        Ok(KeyRow {
            hash: KeyHash(bytes32("key hash", &self.hash)?),
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            expires_at_ms: self.expires_at.map(milliseconds),
            scopes: self.scopes,
            api_ids: self.api_ids.into_iter().map(Into::into).collect(),
            allowed_ips: allowed_ips
                .collect::<std::result::Result<_, _>>()
                .map_err(|_| Error::corrupt("allowed address"))?,
            rate: rate(self.rate_milli, self.burst),
        })
    }
}

/// Rounded down: a key never lives longer than was asked for.
fn milliseconds(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos().div_euclid(1_000_000)).unwrap_or(i64::MAX)
}

fn rate(per_second_milli: Option<i64>, burst: Option<i64>) -> Option<RateRow> {
    Some(RateRow {
        per_second_milli: unsigned(per_second_milli?),
        burst: unsigned(burst?),
    })
}

/// Those of the values that open an enabled key; the others are to be taken out. Served by the
/// primary key of `api_key_values`.
pub async fn keys(tx: &mut CompileTx, hashes: &[KeyHash]) -> Result<Vec<KeyRow>> {
    let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.0.to_vec()).collect();
    sqlx::query_as!(
        RawKey,
        r#"select v.hash, k.id, k.tenant_id, least(k.expires_at, v.expires_at) as expires_at,
            k.scopes, k.api_ids, k.allowed_ips::text[] as "allowed_ips!", k.rate_milli, k.burst
        from api_key_values v
        join api_keys k on k.tenant_id = v.tenant_id and k.id = v.key_id
        where v.hash = any($1) and k.is_enabled and k.revoked_at is null"#,
        &hashes
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(RawKey::read)
    .collect()
}

/// A page of all values that open an enabled key, by hash. Served by the same primary key.
pub async fn keys_page(tx: &mut CompileTx, after: Option<KeyHash>) -> Result<Vec<KeyRow>> {
    let after = after.map_or_else(Vec::new, |hash| hash.0.to_vec());
    sqlx::query_as!(
        RawKey,
        r#"select v.hash, k.id, k.tenant_id, least(k.expires_at, v.expires_at) as expires_at,
            k.scopes, k.api_ids, k.allowed_ips::text[] as "allowed_ips!", k.rate_milli, k.burst
        from api_key_values v
        join api_keys k on k.tenant_id = v.tenant_id and k.id = v.key_id
        where v.hash > $1 and k.is_enabled and k.revoked_at is null
        order by v.hash limit $2"#,
        after,
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(RawKey::read)
    .collect()
}

/// Those of the tenants that exist. Served by primary keys.
pub async fn tenants(tx: &mut CompileTx, ids: &[TenantId]) -> Result<Vec<TenantRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select id, status = 'suspended' as "is_suspended!" from tenants where id = any($1)"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = rows.into_iter().map(|row| (row.id, row.is_suspended));
    with_subscriptions(tx, rows.collect()).await
}

/// A page of all tenants, by id.
pub async fn tenants_page(tx: &mut CompileTx, after: Option<TenantId>) -> Result<Vec<TenantRow>> {
    let rows = sqlx::query!(
        r#"select id, status = 'suspended' as "is_suspended!" from tenants
        where id > $1 order by id limit $2"#,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = rows.into_iter().map(|row| (row.id, row.is_suspended));
    with_subscriptions(tx, rows.collect()).await
}

/// Served by `subscription_apis_subscription` and `subscriptions_one_per_plan`.
async fn with_subscriptions(
    tx: &mut CompileTx,
    tenants: Vec<(Uuid, bool)>,
) -> Result<Vec<TenantRow>> {
    let ids: Vec<Uuid> = tenants.iter().map(|(id, _)| *id).collect();
    let rows = sqlx::query!(
        r#"select s.tenant_id, s.id, s.plan_id, s.plan_version,
            array(
                select a.api_id from subscription_apis a
                where a.tenant_id = s.tenant_id and a.subscription_id = s.id order by a.api_id
            ) as "api_ids!"
        from subscriptions s
        where s.tenant_id = any($1) and s.status = 'active'
        order by s.tenant_id, s.id"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut subscriptions: HashMap<Uuid, Vec<SubscriptionRow>> = HashMap::new();
    for row in rows {
        subscriptions
            .entry(row.tenant_id)
            .or_default()
            .push(SubscriptionRow {
                id: row.id.into(),
                plan_id: row.plan_id.into(),
                plan_version: small(row.plan_version),
                api_ids: row.api_ids.into_iter().map(Into::into).collect(),
            });
    }
    Ok(tenants
        .into_iter()
        .map(|(id, is_suspended)| TenantRow {
            id: id.into(),
            is_suspended,
            subscriptions: subscriptions.remove(&id).unwrap_or_default(),
        })
        .collect())
}

/// All versions of these plans. Served by primary keys.
pub async fn plans(tx: &mut CompileTx, ids: &[PlanId]) -> Result<Vec<PlanRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        "select p.id, v.version, p.name, v.rate_milli, v.burst, v.rate_on_store_down, v.quota_limit,
            v.quota_period,
            v.quota_group, v.quota_on_store_down, v.concurrency, v.scopes
        from plans p
        join plan_versions v on v.plan_id = p.id
        where p.id = any($1)
        order by p.id, v.version",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        let quota = match (row.quota_limit, row.quota_period) {
            (Some(limit), Some(period)) => Some(QuotaRow {
                limit: unsigned(limit),
                period: match word("quota period", &period)? {
                    quota::Period::Day => Period::Day,
                    quota::Period::Week => Period::Week,
                    quota::Period::Month => Period::Month,
                },
                on_store_down: on_store_down(&row.quota_on_store_down)?,
                group: row.quota_group,
            }),
            _ => None,
        };
        Ok(PlanRow {
            id: row.id.into(),
            version: small(row.version),
            name: row.name,
            rate: rate(row.rate_milli, row.burst),
            rate_on_store_down: on_store_down(&row.rate_on_store_down)?,
            quota,
            concurrency: row
                .concurrency
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
            scopes: row.scopes,
        })
    })
    .collect()
}

fn on_store_down(stored: &str) -> Result<OnStoreDown> {
    Ok(match word("plan", stored)? {
        plan::OnStoreDown::Refuse => OnStoreDown::Refuse,
        plan::OnStoreDown::LocalShare => OnStoreDown::LocalShare,
        plan::OnStoreDown::Allow => OnStoreDown::Allow,
    })
}

/// The ids of all plans, by id, after `after`.
pub async fn plan_ids(tx: &mut CompileTx, after: Option<PlanId>) -> Result<Vec<PlanId>> {
    let ids = sqlx::query_scalar!(
        "select id from plans where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(PlanId).collect())
}

/// Those of the upstreams that exist. Served by primary keys.
pub async fn upstreams(tx: &mut CompileTx, ids: &[UpstreamId]) -> Result<Vec<UpstreamRow>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select u.id, u.name,
            array(select t.url from upstream_targets t where t.upstream_id = u.id order by t.url) as "urls!",
            array(select t.weight from upstream_targets t where t.upstream_id = u.id order by t.url) as "weights!"
        from upstreams u where u.id = any($1)"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| UpstreamRow {
            id: row.id.into(),
            name: row.name,
            targets: row
                .urls
                .into_iter()
                .zip(row.weights)
                .map(|(url, weight)| TargetRow {
                    url,
                    weight: small(weight),
                })
                .collect(),
        })
        .collect())
}

/// The ids of all upstreams, by id, after `after`.
pub async fn upstream_ids(
    tx: &mut CompileTx,
    after: Option<UpstreamId>,
) -> Result<Vec<UpstreamId>> {
    let ids = sqlx::query_scalar!(
        "select id from upstreams where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(UpstreamId).collect())
}

/// Those of the APIs that exist, with their routes. Served by primary keys and `routes_api`.
pub async fn apis(tx: &mut CompileTx, ids: &[ApiId]) -> Result<Vec<ApiRow>> {
    let mut routes = routes(tx, ids).await?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query!(
        r#"select a.id, a.name, a.base_path, a.api_key_header, a.cors, a.max_stale_ms, a.audience,
            coalesce((select d.issuer from deployment d), '') as "issuer!",
            array(select h.host from api_hosts h where h.api_id = a.id and h.host <> '' order by h.host) as "hosts!"
        from apis a where a.id = any($1)"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(ApiRow {
            id: row.id.into(),
            name: row.name,
            hosts: row.hosts,
            base_path: row.base_path,
            api_key_header: row.api_key_header,
            cors: cors(row.cors)?,
            max_stale_ms: row.max_stale_ms.map(unsigned),
            audience: audience_of(row.audience, &row.issuer, row.id.into()),
            routes: routes.remove(&row.id).unwrap_or_default(),
        })
    })
    .collect()
}

async fn routes(tx: &mut CompileTx, apis: &[ApiId]) -> Result<HashMap<Uuid, Vec<RouteRow>>> {
    let ids: Vec<Uuid> = apis.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select r.id, r.api_id, r.path, r.api_key_required, r.scopes,
            coalesce(r.upstream_id, a.upstream_id) as "upstream_id!", r.rate_milli, r.burst,
            r.forward_credentials, r.connect_timeout_ms, r.first_byte_timeout_ms,
            r.idle_timeout_ms, r.cors, r.body_bytes_max, r.lease_wait_ms, r.authorizer_id,
            array(select m.method from route_methods m where m.route_id = r.id and m.method <> '' order by m.method) as "methods!"
        from routes r
        join apis a on a.id = r.api_id
        where r.api_id = any($1)
        order by r.api_id, r.id"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut routes: HashMap<Uuid, Vec<RouteRow>> = HashMap::new();
    for row in rows {
        routes.entry(row.api_id).or_default().push(RouteRow {
            id: row.id.into(),
            methods: row.methods,
            path: row.path,
            api_key_required: row.api_key_required,
            scopes: row.scopes,
            upstream_id: row.upstream_id.into(),
            rate: rate(row.rate_milli, row.burst),
            forward_credentials: row.forward_credentials,
            timeouts: TimeoutsRow {
                connect_ms: row.connect_timeout_ms.map(small),
                first_byte_ms: row.first_byte_timeout_ms.map(small),
                idle_ms: row.idle_timeout_ms.map(small),
            },
            cors: cors(row.cors)?,
            body_bytes_max: row.body_bytes_max.map(unsigned),
            lease_wait_ms: row.lease_wait_ms.map(small),
            authorizer_id: row.authorizer_id.map(Into::into),
        });
    }
    Ok(routes)
}

fn cors(stored: Option<serde_json::Value>) -> Result<Option<CorsRow>> {
    stored
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| Error::corrupt("CORS setting"))
}

/// The ids of all APIs, by id, after `after`.
pub async fn api_ids(tx: &mut CompileTx, after: Option<ApiId>) -> Result<Vec<ApiId>> {
    let ids = sqlx::query_scalar!(
        "select id from apis where id > $1 order by id limit $2",
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(PAGE)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(ApiId).collect())
}

/// The peppers in force, newest first, sealed for the nodes.
pub async fn peppers(tx: &mut CompileTx) -> Result<Vec<SealedSecret>> {
    sqlx::query_scalar!(
        "select sealed_for_nodes from peppers where retired_at is null order by id desc limit 100"
    )
    .fetch_all(&mut **tx)
    .await?
    .iter()
    .map(|bytes| crate::deployment::read_sealed(bytes))
    .collect()
}
