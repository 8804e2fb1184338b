//! Where requests go.

use domain::conflict::Conflict;
use domain::id::UpstreamId;
use domain::upstream::{NewTarget, Target, Upstream, UpstreamName};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::{signed_small, small};
use crate::{Conn, Error, PlatformTx, Result, edition};

struct Raw {
    id: Uuid,
    name: String,
    edition: i32,
    created_at: OffsetDateTime,
    urls: Vec<String>,
    weights: Vec<i32>,
}

impl From<Raw> for Upstream {
    fn from(raw: Raw) -> Self {
        let targets = raw.urls.into_iter().zip(raw.weights);
        Upstream {
            id: raw.id.into(),
            name: raw.name,
            targets: targets
                .map(|(url, weight)| Target {
                    url,
                    weight: small(weight),
                })
                .collect(),
            edition: raw.edition,
            created_at: raw.created_at,
        }
    }
}

pub async fn insert(
    tx: &mut PlatformTx,
    id: UpstreamId,
    name: &UpstreamName,
    targets: &[NewTarget],
) -> Result<Upstream> {
    sqlx::query!(
        "insert into upstreams (id, name) values ($1, $2)",
        id.0,
        name.as_str()
    )
    .execute(&mut **tx)
    .await?;
    insert_targets(tx, id, targets).await?;
    dirty::mark(tx, &[Mark::Upstream(id)]).await?;
    get(tx, id).await
}

/// Replaces name and targets.
pub async fn update(
    tx: &mut PlatformTx,
    id: UpstreamId,
    name: &UpstreamName,
    targets: &[NewTarget],
    seen: Option<i32>,
) -> Result<Upstream> {
    let found = sqlx::query_scalar!(
        "select edition from upstreams where id = $1 for update",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    edition::check("upstream", found, seen)?;
    sqlx::query!(
        "update upstreams set name = $2, edition = edition + 1 where id = $1",
        id.0,
        name.as_str()
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!("delete from upstream_targets where upstream_id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    insert_targets(tx, id, targets).await?;
    dirty::mark(tx, &[Mark::Upstream(id)]).await?;
    get(tx, id).await
}

/// Of targets with one address the last counts.
async fn insert_targets(tx: &mut PlatformTx, id: UpstreamId, targets: &[NewTarget]) -> Result<()> {
    for target in targets {
        sqlx::query!(
            "insert into upstream_targets (upstream_id, url, weight) values ($1, $2, $3)
            on conflict (upstream_id, url) do update set weight = excluded.weight",
            id.0,
            target.url.as_str(),
            signed_small(target.weight)
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Fails with `Conflict::UpstreamInUse` while anything points there.
pub async fn delete(tx: &mut PlatformTx, id: UpstreamId) -> Result<()> {
    let deleted = sqlx::query!("delete from upstreams where id = $1", id.0)
        .execute(&mut **tx)
        .await
        .map_err(|cause| match Error::from(cause) {
            Error::Conflict(Conflict::UnknownUpstream) => Conflict::UpstreamInUse.into(),
            other => other,
        })?;
    if deleted.rows_affected() == 0 {
        return Err(Error::NotFound { what: "upstream" });
    }
    dirty::mark(tx, &[Mark::Upstream(id)]).await
}

/// Served by primary keys.
pub async fn get(tx: &mut Conn, id: UpstreamId) -> Result<Upstream> {
    let found = sqlx::query_as!(
        Raw,
        r#"select u.id, u.name, u.edition, u.created_at,
            array(select t.url from upstream_targets t where t.upstream_id = u.id order by t.url) as "urls!",
            array(select t.weight from upstream_targets t where t.upstream_id = u.id order by t.url) as "weights!"
        from upstreams u where u.id = $1"#,
        id.0
    )
    .fetch_optional(tx)
    .await?;
    found
        .map(Into::into)
        .ok_or(Error::NotFound { what: "upstream" })
}

/// Oldest first, after `after`. Served by the primary key.
pub async fn list(tx: &mut Conn, after: Option<UpstreamId>, limit: u32) -> Result<Vec<Upstream>> {
    let rows = sqlx::query_as!(
        Raw,
        r#"select u.id, u.name, u.edition, u.created_at,
            array(select t.url from upstream_targets t where t.upstream_id = u.id order by t.url) as "urls!",
            array(select t.weight from upstream_targets t where t.upstream_id = u.id order by t.url) as "weights!"
        from upstreams u where u.id > $1 order by u.id limit $2"#,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Which APIs send requests to each upstream, by themselves or by one of their routes, by name.
pub async fn list_users(tx: &mut PlatformTx, limit: u32) -> Result<Vec<(UpstreamId, String)>> {
    let rows = sqlx::query!(
        r#"select upstream_id as "upstream_id!", name as "name!" from (
            select a.upstream_id, a.name from apis a
            union
            select r.upstream_id, a.name from routes r join apis a on a.id = r.api_id
            where r.upstream_id is not null
        ) as used
        order by name, upstream_id limit $1"#,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.upstream_id.into(), row.name))
        .collect())
}
