//! API keys. What opens one is its values: one that lasts, and after a rotation the one before for
//! a while. Every function marks the values that nodes must learn about.

use domain::api_key::{ApiKey, KeyHash, KeyTerms};
use domain::conflict::Conflict;
use domain::id::{ApiKeyId, TenantId, UserId};
use domain::scope;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::deployment::PepperId;
use crate::dirty::{self, Mark};
use crate::routes::read_rate;
use crate::rows::signed;
use crate::{Conn, Error, PlatformTx, Result, edition};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    prefix: String,
    is_imported: bool,
    is_enabled: bool,
    expires_at: Option<OffsetDateTime>,
    scopes: Option<Vec<String>>,
    api_ids: Vec<Uuid>,
    allowed_ips: Vec<String>,
    rate_milli: Option<i64>,
    burst: Option<i64>,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    previous_value_expires_at: Option<OffsetDateTime>,
    edition: i32,
    created_by: Option<Uuid>,
    created_at: OffsetDateTime,
}

impl From<Raw> for ApiKey {
    fn from(raw: Raw) -> Self {
        ApiKey {
            id: raw.id.into(),
            tenant_id: raw.tenant_id.into(),
            name: raw.name,
            prefix: raw.prefix,
            is_imported: raw.is_imported,
            is_enabled: raw.is_enabled,
            expires_at: raw.expires_at,
            scopes: raw.scopes,
            api_ids: raw.api_ids.into_iter().map(Into::into).collect(),
            allowed_ips: raw.allowed_ips,
            rate: read_rate(raw.rate_milli, raw.burst),
            last_used_at: raw.last_used_at,
            revoked_at: raw.revoked_at,
            previous_value_expires_at: raw.previous_value_expires_at,
            edition: raw.edition,
            created_by: raw.created_by.map(Into::into),
            created_at: raw.created_at,
        }
    }
}

/// A value as it is stored.
#[derive(Debug, Clone)]
pub struct NewValue {
    pub hash: KeyHash,
    pub pepper: PepperId,
    /// What is shown of it.
    pub prefix: String,
    pub is_imported: bool,
}

/// Fails with `KeyNameTaken` or `KeyValueTaken`.
pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
    (terms, value): (&KeyTerms, &NewValue),
    created_by: Option<UserId>,
) -> Result<ApiKey> {
    let (api_ids, allowed_ips) = lists(terms);
    let scopes = terms.scopes.as_deref().map(scope::texts);
    sqlx::query!(
        "insert into api_keys (id, tenant_id, name, prefix, is_imported, is_enabled, expires_at,
            scopes, api_ids, allowed_ips, rate_milli, burst, created_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text[]::cidr[], $11, $12, $13)",
        id.0,
        tenant.0,
        terms.name.as_str(),
        value.prefix,
        value.is_imported,
        terms.is_enabled,
        terms.expires_at,
        scopes.as_deref(),
        &api_ids,
        &allowed_ips,
        terms.rate.map(|rate| signed(rate.per_second_milli)),
        terms.rate.map(|rate| signed(rate.burst)),
        created_by.map(|user| user.0)
    )
    .execute(&mut *tx)
    .await?;
    insert_value(tx, tenant, id, value).await?;
    get(tx, tenant, id).await
}

/// Sets name and restrictions; the value stays.
pub async fn update(
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
    terms: &KeyTerms,
    seen: Option<i32>,
) -> Result<ApiKey> {
    lock(tx, tenant, id, seen).await?;
    let (api_ids, allowed_ips) = lists(terms);
    let scopes = terms.scopes.as_deref().map(scope::texts);
    sqlx::query!(
        "update api_keys set name = $3, is_enabled = $4, expires_at = $5, scopes = $6,
            api_ids = $7, allowed_ips = $8::text[]::cidr[], rate_milli = $9, burst = $10,
            edition = edition + 1
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        terms.name.as_str(),
        terms.is_enabled,
        terms.expires_at,
        scopes.as_deref(),
        &api_ids,
        &allowed_ips,
        terms.rate.map(|rate| signed(rate.per_second_milli)),
        terms.rate.map(|rate| signed(rate.burst))
    )
    .execute(&mut *tx)
    .await?;
    mark_values(tx, tenant, id).await?;
    get(tx, tenant, id).await
}

/// Gives the key another value; the one before works until then, or not at all.
pub async fn rotate(
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
    value: &NewValue,
    old_works_until: Option<OffsetDateTime>,
) -> Result<ApiKey> {
    lock(tx, tenant, id, None).await?;
    mark_values(tx, tenant, id).await?;
    match old_works_until {
        Some(until) => {
            sqlx::query!(
                "update api_key_values set expires_at = $3
                where tenant_id = $1 and key_id = $2 and expires_at is null",
                tenant.0,
                id.0,
                until
            )
            .execute(&mut *tx)
            .await?;
        }
        None => delete_values(tx, tenant, id).await?,
    }
    insert_value(tx, tenant, id, value).await?;
    sqlx::query!(
        "update api_keys set prefix = $3, is_imported = $4, edition = edition + 1
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        value.prefix,
        value.is_imported
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// For good: its values open nothing any more. Its name is free again.
pub async fn revoke(
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
    now: OffsetDateTime,
    seen: Option<i32>,
) -> Result<ApiKey> {
    lock(tx, tenant, id, seen).await?;
    mark_values(tx, tenant, id).await?;
    // The values stay, so that a revoked one is never imported again.
    sqlx::query!(
        "update api_keys set revoked_at = $3, edition = edition + 1
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

fn lists(terms: &KeyTerms) -> (Vec<Uuid>, Vec<String>) {
    let mut api_ids: Vec<Uuid> = terms.api_ids.iter().map(|id| id.0).collect();
    api_ids.sort();
    api_ids.dedup();
    let mut allowed_ips: Vec<String> = terms.allowed_ips.iter().map(ToString::to_string).collect();
    allowed_ips.sort();
    allowed_ips.dedup();
    (api_ids, allowed_ips)
}

async fn insert_value(
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
    value: &NewValue,
) -> Result<()> {
    sqlx::query!(
        "insert into api_key_values (hash, tenant_id, key_id, pepper_id) values ($1, $2, $3, $4)",
        &value.hash.0[..],
        tenant.0,
        id.0,
        value.pepper.0
    )
    .execute(&mut *tx)
    .await?;
    dirty::mark(tx, &[Mark::Key(value.hash)]).await
}

async fn delete_values(tx: &mut Conn, tenant: TenantId, id: ApiKeyId) -> Result<()> {
    sqlx::query!(
        "delete from api_key_values where tenant_id = $1 and key_id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Served by `api_key_values_key`.
async fn mark_values(tx: &mut Conn, tenant: TenantId, id: ApiKeyId) -> Result<()> {
    sqlx::query!(
        "insert into dirty_marks (map, key)
        select 'key', hash from api_key_values where tenant_id = $1 and key_id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Holds a key that is not revoked until the transaction ends.
async fn lock(tx: &mut Conn, tenant: TenantId, id: ApiKeyId, seen: Option<i32>) -> Result<()> {
    let found = sqlx::query!(
        "select edition, revoked_at from api_keys where tenant_id = $1 and id = $2 for update",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "API key" })?;
    if found.revoked_at.is_some() {
        return Err(Conflict::KeyRevoked.into());
    }
    edition::check("API key", Some(found.edition), seen)
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: ApiKeyId) -> Result<ApiKey> {
    let found = sqlx::query_as!(
        Raw,
        r#"select id, tenant_id, name, prefix, is_imported, is_enabled, expires_at, scopes, api_ids,
            allowed_ips::text[] as "allowed_ips!", rate_milli, burst, last_used_at, revoked_at,
            (select max(v.expires_at) from api_key_values v where v.tenant_id = api_keys.tenant_id and v.key_id = api_keys.id) as previous_value_expires_at,
            edition, created_by, created_at
        from api_keys where tenant_id = $1 and id = $2"#,
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?;
    found
        .map(Into::into)
        .ok_or(Error::NotFound { what: "API key" })
}

/// Which keys a list shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    All,
    NotRevoked,
}

/// The newest first, before `before`. Served by the unique index over tenant and id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    listed: Listed,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>> {
    let rows = sqlx::query_as!(
        Raw,
        r#"select id, tenant_id, name, prefix, is_imported, is_enabled, expires_at, scopes, api_ids,
            allowed_ips::text[] as "allowed_ips!", rate_milli, burst, last_used_at, revoked_at,
            (select max(v.expires_at) from api_key_values v where v.tenant_id = api_keys.tenant_id and v.key_id = api_keys.id) as previous_value_expires_at,
            edition, created_by, created_at
        from api_keys
        where tenant_id = $1 and ($2::uuid is null or id < $2) and (revoked_at is null or not $3)
        order by id desc limit $4"#,
        tenant.0,
        before.map(|id| id.0),
        listed == Listed::NotRevoked,
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Keys that are not revoked.
pub async fn count(tx: &mut Conn, tenant: TenantId) -> Result<u64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from api_keys where tenant_id = $1 and revoked_at is null"#,
        tenant.0
    )
    .fetch_one(tx)
    .await?;
    Ok(crate::rows::unsigned(count))
}

/// Deletes values whose grace period is over, at most `limit`; returns how many. Served by
/// `api_key_values_expires`.
pub async fn all_tenants_delete_expired_values(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    limit: u32,
) -> Result<u64> {
    let done = sqlx::query!(
        "with gone as (
            delete from api_key_values where hash in (
                select hash from api_key_values where expires_at < $1
                limit $2 for update skip locked
            )
            returning hash
        )
        insert into dirty_marks (map, key) select 'key', hash from gone",
        now,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}
