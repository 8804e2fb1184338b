//! Routes of an API.

use domain::conflict::Conflict;
use domain::id::{ApiId, RouteId};
use domain::plan::Rate;
use domain::route::{Route, RouteTerms, Timeouts};
use domain::scope;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::apis::{read_cors, write_cors};
use crate::dirty::{self, Mark};
use crate::rows::{signed, signed_small, small, unsigned};
use crate::{Conn, Error, PlatformTx, Result, apis, edition};

struct Raw {
    id: Uuid,
    api_id: Uuid,
    path: String,
    methods: Vec<String>,
    api_key_required: bool,
    scopes: Vec<String>,
    upstream_id: Option<Uuid>,
    rate_milli: Option<i64>,
    burst: Option<i64>,
    forward_credentials: bool,
    connect_timeout_ms: Option<i32>,
    first_byte_timeout_ms: Option<i32>,
    idle_timeout_ms: Option<i32>,
    cors: Option<serde_json::Value>,
    body_bytes_max: Option<i64>,
    lease_wait_ms: Option<i32>,
    authorizer_id: Option<Uuid>,
    edition: i32,
    created_at: OffsetDateTime,
}

impl Raw {
    fn read(self) -> Result<Route> {
        Ok(Route {
            id: self.id.into(),
            api_id: self.api_id.into(),
            path: self.path,
            methods: self.methods,
            api_key_required: self.api_key_required,
            scopes: self.scopes,
            upstream_id: self.upstream_id.map(Into::into),
            rate: read_rate(self.rate_milli, self.burst),
            forward_credentials: self.forward_credentials,
            timeouts: Timeouts {
                connect_ms: self.connect_timeout_ms.map(small),
                first_byte_ms: self.first_byte_timeout_ms.map(small),
                idle_ms: self.idle_timeout_ms.map(small),
            },
            cors: read_cors(self.cors)?,
            body_bytes_max: self.body_bytes_max.map(unsigned),
            lease_wait_ms: self.lease_wait_ms.map(small),
            authorizer_id: self.authorizer_id.map(Into::into),
            edition: self.edition,
            created_at: self.created_at,
        })
    }
}

pub(crate) fn read_rate(per_second_milli: Option<i64>, burst: Option<i64>) -> Option<Rate> {
    Some(Rate {
        per_second_milli: unsigned(per_second_milli?),
        burst: unsigned(burst?),
    })
}

pub async fn insert(
    tx: &mut PlatformTx,
    api: ApiId,
    id: RouteId,
    terms: &RouteTerms,
) -> Result<Route> {
    apis::lock(tx, api, None).await?;
    sqlx::query!(
        "insert into routes (id, api_id, path, path_shape) values ($1, $2, $3, $4)",
        id.0,
        api.0,
        terms.path.as_str(),
        terms.path.shape()
    )
    .execute(&mut **tx)
    .await?;
    write(tx, api, id, terms).await
}

pub async fn update(
    tx: &mut PlatformTx,
    api: ApiId,
    id: RouteId,
    terms: &RouteTerms,
    seen: Option<i32>,
) -> Result<Route> {
    apis::lock(tx, api, None).await?;
    let found = sqlx::query_scalar!(
        "select edition from routes where api_id = $1 and id = $2 for update",
        api.0,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    edition::check("route", found, seen)?;
    sqlx::query!("delete from route_methods where route_id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "update routes set edition = edition + 1 where id = $1",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    write(tx, api, id, terms).await
}

/// Writes everything of a route whose row is there and whose methods are not.
async fn write(tx: &mut PlatformTx, api: ApiId, id: RouteId, terms: &RouteTerms) -> Result<Route> {
    sqlx::query!(
        "update routes set path = $2, path_shape = $3, api_key_required = $4, scopes = $5,
            upstream_id = $6, rate_milli = $7, burst = $8, forward_credentials = $9,
            connect_timeout_ms = $10, first_byte_timeout_ms = $11, idle_timeout_ms = $12,
            cors = $13, body_bytes_max = $14, lease_wait_ms = $15,
            authorizer_id = $16
        where id = $1",
        id.0,
        terms.path.as_str(),
        terms.path.shape(),
        terms.api_key_required,
        &scope::texts(&terms.scopes),
        terms.upstream_id.map(|id| id.0),
        terms.rate.map(|rate| signed(rate.per_second_milli)),
        terms.rate.map(|rate| signed(rate.burst)),
        terms.forward_credentials,
        terms.timeouts.connect_ms.map(signed_small),
        terms.timeouts.first_byte_ms.map(signed_small),
        terms.timeouts.idle_ms.map(signed_small),
        write_cors(terms.cors.as_ref())?,
        terms.body_bytes_max.map(signed),
        terms.lease_wait_ms.map(signed_small),
        terms.authorizer_id.map(|id| id.0)
    )
    .execute(&mut **tx)
    .await?;
    insert_methods(tx, api, id, terms).await?;
    dirty::mark(tx, &[Mark::Api(api)]).await?;
    get(tx, api, id).await
}

/// A route for any method shares its path with no other; the API's row is locked meanwhile.
async fn insert_methods(
    tx: &mut PlatformTx,
    api: ApiId,
    id: RouteId,
    terms: &RouteTerms,
) -> Result<()> {
    let mut methods: Vec<String> = terms
        .methods
        .iter()
        .map(|method| method.as_str().to_owned())
        .collect();
    methods.sort();
    methods.dedup();
    let takes_any = methods.is_empty();
    if takes_any {
        methods.push(String::new());
    }
    let is_taken = sqlx::query_scalar!(
        r#"select exists (
            select from route_methods
            where api_id = $1 and path_shape = $2 and (method = '' or $3)
        ) as "is_taken!""#,
        api.0,
        terms.path.shape(),
        takes_any
    )
    .fetch_one(&mut **tx)
    .await?;
    if is_taken {
        return Err(Conflict::RouteTaken.into());
    }
    sqlx::query!(
        "insert into route_methods (route_id, api_id, path_shape, method)
        select $1, $2, $3, method from unnest($4::text[]) as given (method)",
        id.0,
        api.0,
        terms.path.shape(),
        &methods
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn delete(tx: &mut PlatformTx, api: ApiId, id: RouteId, seen: Option<i32>) -> Result<()> {
    let found = sqlx::query_scalar!(
        "select edition from routes where api_id = $1 and id = $2 for update",
        api.0,
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    edition::check("route", found, seen)?;
    sqlx::query!("delete from routes where id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    dirty::mark(tx, &[Mark::Api(api)]).await
}

/// Served by the primary key.
pub async fn get(tx: &mut Conn, api: ApiId, id: RouteId) -> Result<Route> {
    sqlx::query_as!(
        Raw,
        r#"select r.id, r.api_id, r.path, r.api_key_required, r.scopes, r.upstream_id,
            r.rate_milli, r.burst, r.forward_credentials, r.connect_timeout_ms,
            r.first_byte_timeout_ms, r.idle_timeout_ms, r.cors, r.body_bytes_max, r.lease_wait_ms,
            r.authorizer_id, r.edition, r.created_at,
            array(select m.method from route_methods m where m.route_id = r.id and m.method <> '' order by m.method) as "methods!"
        from routes r where r.api_id = $1 and r.id = $2"#,
        api.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "route" })?
    .read()
}

/// Of one API, by path. Served by `routes_api`.
pub async fn list(tx: &mut Conn, api: ApiId, limit: u32) -> Result<Vec<Route>> {
    sqlx::query_as!(
        Raw,
        r#"select r.id, r.api_id, r.path, r.api_key_required, r.scopes, r.upstream_id,
            r.rate_milli, r.burst, r.forward_credentials, r.connect_timeout_ms,
            r.first_byte_timeout_ms, r.idle_timeout_ms, r.cors, r.body_bytes_max, r.lease_wait_ms,
            r.authorizer_id, r.edition, r.created_at,
            array(select m.method from route_methods m where m.route_id = r.id and m.method <> '' order by m.method) as "methods!"
        from routes r where r.api_id = $1 order by r.path, r.id limit $2"#,
        api.0,
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// How many routes each API has; APIs without routes are left out. Served by `routes_api`.
pub async fn count_by_api(tx: &mut Conn) -> Result<Vec<(ApiId, u64)>> {
    let rows = sqlx::query!(
        r#"select api_id, count(*) as "count!" from routes group by api_id order by api_id"#
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.api_id.into(), unsigned(row.count)))
        .collect())
}

/// Which API a route belongs to, with its path, for labels of usage.
pub async fn labels(tx: &mut Conn, ids: &[RouteId]) -> Result<Vec<(RouteId, String)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select r.id, a.base_path || r.path as "path!" from routes r join apis a on a.id = r.api_id
        where r.id = any($1)"#,
        &ids
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id.into(), row.path))
        .collect())
}
