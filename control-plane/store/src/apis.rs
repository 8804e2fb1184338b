//! APIs that the nodes serve.

use domain::api::{Api, ApiTerms};
use domain::id::{ApiId, TenantId};
use domain::scope::ApiScope;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::{signed, unsigned};
use crate::{Conn, Error, PlatformTx, Result, api_scopes, edition};

struct Raw {
    id: Uuid,
    name: String,
    hosts: Vec<String>,
    base_path: String,
    upstream_id: Uuid,
    api_key_header: String,
    audience: Option<String>,
    cors: Option<serde_json::Value>,
    max_stale_ms: Option<i64>,
    scope_names: Vec<String>,
    scope_descriptions: Vec<String>,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Api> {
        let scopes = self.scope_names.into_iter().zip(self.scope_descriptions);
        Ok(Api {
            scopes: scopes
                .map(|(name, description)| ApiScope { name, description })
                .collect(),
            id: self.id.into(),
            name: self.name,
            hosts: self.hosts,
            base_path: self.base_path,
            upstream_id: self.upstream_id.into(),
            api_key_header: self.api_key_header,
            audience: self.audience,
            cors: read_cors(self.cors)?,
            max_stale_ms: self.max_stale_ms.map(unsigned),
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

pub(crate) fn read_cors(stored: Option<serde_json::Value>) -> Result<Option<domain::api::Cors>> {
    stored
        .map(serde_json::from_value)
        .transpose()
        .map_err(|_| Error::corrupt("CORS setting"))
}

pub(crate) fn write_cors(cors: Option<&domain::api::Cors>) -> Result<Option<serde_json::Value>> {
    cors.map(serde_json::to_value)
        .transpose()
        .map_err(|_| Error::corrupt("CORS setting"))
}

pub async fn insert(tx: &mut PlatformTx, id: ApiId, terms: &ApiTerms) -> Result<Api> {
    sqlx::query!(
        "insert into apis (id, name, base_path, upstream_id, api_key_header, audience, cors,
            max_stale_ms)
        values ($1, $2, $3, $4, $5, $6, $7, $8)",
        id.0,
        terms.name.as_str(),
        terms.base_path.as_str(),
        terms.upstream_id.0,
        terms.api_key_header.as_str(),
        terms.audience,
        write_cors(terms.cors.as_ref())?,
        terms.max_stale_ms.map(signed)
    )
    .execute(&mut **tx)
    .await?;
    insert_hosts(tx, id, terms).await?;
    api_scopes::replace(tx, id, &terms.scopes).await?;
    dirty::mark(tx, &[Mark::Api(id)]).await?;
    get(tx, id).await
}

pub async fn update(
    tx: &mut PlatformTx,
    id: ApiId,
    terms: &ApiTerms,
    seen: Option<i32>,
) -> Result<Api> {
    lock(tx, id, seen).await?;
    sqlx::query!("delete from api_hosts where api_id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "update apis set name = $2, base_path = $3, upstream_id = $4, api_key_header = $5,
            audience = $6, cors = $7, max_stale_ms = $8, edition = edition + 1
        where id = $1",
        id.0,
        terms.name.as_str(),
        terms.base_path.as_str(),
        terms.upstream_id.0,
        terms.api_key_header.as_str(),
        terms.audience,
        write_cors(terms.cors.as_ref())?,
        terms.max_stale_ms.map(signed)
    )
    .execute(&mut **tx)
    .await?;
    insert_hosts(tx, id, terms).await?;
    api_scopes::replace(tx, id, &terms.scopes).await?;
    dirty::mark(tx, &[Mark::Api(id)]).await?;
    get(tx, id).await
}

/// One row for any host where none is named, so that two such APIs need different base paths.
async fn insert_hosts(tx: &mut PlatformTx, id: ApiId, terms: &ApiTerms) -> Result<()> {
    let mut hosts: Vec<String> = terms
        .hosts
        .iter()
        .map(|host| host.as_str().to_owned())
        .collect();
    hosts.sort();
    hosts.dedup();
    if hosts.is_empty() {
        hosts.push(String::new());
    }
    sqlx::query!(
        "insert into api_hosts (host, base_path, api_id)
        select host, $2, $3 from unnest($1::text[]) as given (host)",
        &hosts,
        terms.base_path.as_str(),
        id.0
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes the API and its routes; plans and subscriptions lose it.
pub async fn delete(tx: &mut PlatformTx, id: ApiId, seen: Option<i32>) -> Result<()> {
    lock(tx, id, seen).await?;
    // Served by `subscription_apis_api`.
    sqlx::query!(
        "insert into dirty_marks (map, key)
        select 'tenant', uuid_send(tenant_id) from subscription_apis where api_id = $1",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from apis where id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    dirty::mark(tx, &[Mark::Api(id)]).await
}

/// Holds the row until the transaction ends: whoever else changes the API or its routes waits.
pub(crate) async fn lock(tx: &mut PlatformTx, id: ApiId, seen: Option<i32>) -> Result<()> {
    let found = sqlx::query_scalar!("select edition from apis where id = $1 for update", id.0)
        .fetch_optional(&mut **tx)
        .await?;
    edition::check("API", found, seen)
}

/// Served by primary keys and `api_hosts_api`.
pub async fn get(tx: &mut Conn, id: ApiId) -> Result<Api> {
    sqlx::query_as!(
        Raw,
        r#"select a.id, a.name, a.base_path, a.upstream_id, a.api_key_header, a.audience, a.cors,
            a.max_stale_ms, a.edition, a.created_at,
            array(select h.host from api_hosts h where h.api_id = a.id and h.host <> '' order by h.host) as "hosts!",
            array(select s.name from api_scopes s where s.api_id = a.id order by s.name) as "scope_names!",
            array(select s.description from api_scopes s where s.api_id = a.id order by s.name) as "scope_descriptions!"
        from apis a where a.id = $1"#,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "API" })?
    .read()
}

/// Oldest first, after `after`. Served by the primary key.
pub async fn list(tx: &mut Conn, after: Option<ApiId>, limit: u32) -> Result<Vec<Api>> {
    sqlx::query_as!(
        Raw,
        r#"select a.id, a.name, a.base_path, a.upstream_id, a.api_key_header, a.audience, a.cors,
            a.max_stale_ms, a.edition, a.created_at,
            array(select h.host from api_hosts h where h.api_id = a.id and h.host <> '' order by h.host) as "hosts!",
            array(select s.name from api_scopes s where s.api_id = a.id order by s.name) as "scope_names!",
            array(select s.description from api_scopes s where s.api_id = a.id order by s.name) as "scope_descriptions!"
        from apis a where a.id > $1 order by a.id limit $2"#,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// The APIs that a tenant's active subscriptions open, oldest first. Served by the primary key of
/// `subscription_apis`.
pub async fn list_open_to(tx: &mut Conn, tenant: TenantId, limit: u32) -> Result<Vec<Api>> {
    sqlx::query_as!(
        Raw,
        r#"select a.id, a.name, a.base_path, a.upstream_id, a.api_key_header, a.audience, a.cors,
            a.max_stale_ms, a.edition, a.created_at,
            array(select h.host from api_hosts h where h.api_id = a.id and h.host <> '' order by h.host) as "hosts!",
            array(select s.name from api_scopes s where s.api_id = a.id order by s.name) as "scope_names!",
            array(select s.description from api_scopes s where s.api_id = a.id order by s.name) as "scope_descriptions!"
        from subscription_apis o join apis a on a.id = o.api_id
        where o.tenant_id = $1 order by a.id limit $2"#,
        tenant.0,
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}
