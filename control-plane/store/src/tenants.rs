//! Customers.

use domain::id::TenantId;
use domain::tenant::{Tenant, TenantName, TenantStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::{escape_like, word};
use crate::{Conn, Error, PlatformTx, Result, edition};

struct Raw {
    id: Uuid,
    name: String,
    status: String,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Tenant> {
        Ok(Tenant {
            id: self.id.into(),
            name: self.name,
            status: word("tenant status", &self.status)?,
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

pub async fn insert(tx: &mut PlatformTx, id: TenantId, name: &TenantName) -> Result<Tenant> {
    sqlx::query!(
        "insert into tenants (id, name) values ($1, $2)",
        id.0,
        name.as_str()
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Tenant(id)]).await?;
    get(tx, id).await
}

/// Served by the primary key.
pub async fn get(tx: &mut Conn, tenant: TenantId) -> Result<Tenant> {
    sqlx::query_as!(
        Raw,
        "select id, name, status, edition, created_at from tenants where id = $1",
        tenant.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "tenant" })?
    .read()
}

pub async fn rename(
    tx: &mut Conn,
    tenant: TenantId,
    name: &TenantName,
    seen: Option<i32>,
) -> Result<Tenant> {
    lock(tx, tenant, seen).await?;
    sqlx::query!(
        "update tenants set name = $2, edition = edition + 1 where id = $1",
        tenant.0,
        name.as_str()
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant).await
}

/// Suspends or resumes.
pub async fn all_tenants_set_status(
    tx: &mut PlatformTx,
    tenant: TenantId,
    status: TenantStatus,
    seen: Option<i32>,
) -> Result<Tenant> {
    lock(tx, tenant, seen).await?;
    sqlx::query!(
        "update tenants set status = $2, edition = edition + 1 where id = $1",
        tenant.0,
        status.as_str()
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Tenant(tenant)]).await?;
    get(tx, tenant).await
}

/// Deletes the tenant with everything that is its own, but for the audit log.
pub async fn all_tenants_delete(
    tx: &mut PlatformTx,
    tenant: TenantId,
    seen: Option<i32>,
) -> Result<()> {
    lock(tx, tenant, seen).await?;
    sqlx::query!(
        "insert into dirty_marks (map, key)
        select 'key', hash from api_key_values where tenant_id = $1",
        tenant.0
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Tenant(tenant)]).await?;
    sqlx::query!("delete from usage_minutes where tenant_id = $1", tenant.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from usage_hours where tenant_id = $1", tenant.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from outbox where tenant_id = $1", tenant.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from tenants where id = $1", tenant.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The newest first, before `before`; with a search, those whose name starts so or whose id it is.
/// Served by the primary key or `tenants_name`.
pub async fn all_tenants_list(
    tx: &mut PlatformTx,
    search: Option<&str>,
    before: Option<TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>> {
    let id = search.and_then(|text| text.parse::<TenantId>().ok());
    let start = search.map(|text| format!("{}%", escape_like(&text.to_lowercase())));
    sqlx::query_as!(
        Raw,
        "select id, name, status, edition, created_at from tenants
        where ($1::text is null or lower(name) like $1 or id = $2) and ($3::uuid is null or id < $3)
        order by id desc limit $4",
        start,
        id.map(|id| id.0),
        before.map(|id| id.0),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// What a list of tenants is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Part of a name, or an id.
    pub text: Option<String>,
    pub status: Option<TenantStatus>,
}

/// The newest first, before `before`: those that the search fits. Walks the primary key.
pub async fn all_tenants_search(
    tx: &mut PlatformTx,
    search: &Search,
    before: Option<TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>> {
    let text = search.text.as_deref();
    let id = text.and_then(|text| text.parse::<TenantId>().ok());
    let start = text.map(|text| format!("%{}%", escape_like(&text.to_lowercase())));
    sqlx::query_as!(
        Raw,
        "select id, name, status, edition, created_at from tenants
        where ($1::text is null or lower(name) like $1 or id = $2) and ($3::uuid is null or id < $3)
            and ($4::text is null or status = $4)
        order by id desc limit $5",
        start,
        id.map(|id| id.0),
        before.map(|id| id.0),
        search.status.map(TenantStatus::as_str),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

pub async fn all_tenants_count(tx: &mut PlatformTx) -> Result<u64> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from tenants"#)
        .fetch_one(&mut **tx)
        .await?;
    Ok(crate::rows::unsigned(count))
}

/// Holds the row until the transaction ends: whoever else changes the tenant waits.
pub(crate) async fn lock(tx: &mut Conn, tenant: TenantId, seen: Option<i32>) -> Result<()> {
    let found = sqlx::query_scalar!(
        "select edition from tenants where id = $1 for update",
        tenant.0
    )
    .fetch_optional(tx)
    .await?;
    edition::check("tenant", found, seen)
}

/// Lets those who change who belongs to the tenant go one after the other. Who only refers to the
/// tenant does not wait: one of them may hold what its turn needs.
pub(crate) async fn take_turn(tx: &mut Conn, tenant: TenantId) -> Result<()> {
    let found = sqlx::query_scalar!(
        "select edition from tenants where id = $1 for no key update",
        tenant.0
    )
    .fetch_optional(tx)
    .await?;
    edition::check("tenant", found, None)
}
