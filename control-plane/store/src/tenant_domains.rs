//! Domains that tenants say are their own.

use domain::conflict::Conflict;
use domain::id::{DomainId, TenantId};
use domain::tenant_domain::{DOMAINS_OF_TENANT_MAX, DomainName, TenantDomain};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Conn, Error, Result, tenants};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    domain: String,
    token: String,
    proven_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<TenantDomain> {
        Ok(TenantDomain {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            domain: DomainName::parse(&self.domain).map_err(|_| Error::corrupt("domain"))?,
            token: self.token,
            proven_at: self.proven_at,
            created_at: self.created_at,
        })
    }
}

/// Not proven yet.
pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    (id, domain): (DomainId, &DomainName),
    token: &str,
) -> Result<TenantDomain> {
    // Two at once are counted one after the other.
    tenants::lock(tx, tenant, None).await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from tenant_domains where tenant_id = $1"#,
        tenant.0
    )
    .fetch_one(&mut *tx)
    .await?;
    if usize::try_from(count).is_ok_and(|count| count >= DOMAINS_OF_TENANT_MAX) {
        return Err(Conflict::TooManyDomains.into());
    }
    sqlx::query!(
        "insert into tenant_domains (id, tenant_id, domain, token) values ($1, $2, $3, $4)",
        id.0,
        tenant.0,
        domain.as_str(),
        token
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: DomainId) -> Result<TenantDomain> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, domain, token, proven_at, created_at
        from tenant_domains where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "domain" })?
    .read()
}

/// Oldest first, after `after`. Served by the unique index over tenant and id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<DomainId>,
    limit: u32,
) -> Result<Vec<TenantDomain>> {
    sqlx::query_as!(
        Raw,
        "select id, tenant_id, domain, token, proven_at, created_at
        from tenant_domains where tenant_id = $1 and id > $2 order by id limit $3",
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

/// Those that the tenant has proven. Served by `tenant_domains_domain_key`.
pub async fn list_proven(tx: &mut Conn, tenant: TenantId) -> Result<Vec<DomainName>> {
    let found = sqlx::query_scalar!(
        "select domain from tenant_domains
        where tenant_id = $1 and proven_at is not null order by domain limit $2",
        tenant.0,
        DOMAINS_OF_TENANT_MAX as i64
    )
    .fetch_all(tx)
    .await?;
    found
        .iter()
        .map(|text| DomainName::parse(text).map_err(|_| Error::corrupt("domain")))
        .collect()
}

/// From now on it is the tenant's, unless it is another's already.
pub async fn prove(
    tx: &mut Conn,
    tenant: TenantId,
    id: DomainId,
    now: OffsetDateTime,
) -> Result<TenantDomain> {
    sqlx::query!(
        "update tenant_domains set proven_at = coalesce(proven_at, $3)
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

pub async fn delete(tx: &mut Conn, tenant: TenantId, id: DomainId) -> Result<()> {
    let gone = sqlx::query!(
        "delete from tenant_domains where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    match gone.rows_affected() {
        0 => Err(Error::NotFound { what: "domain" }),
        _ => Ok(()),
    }
}
