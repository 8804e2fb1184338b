//! What people allowed clients of other tenants to do, and what scopes are for.

use domain::id::{ClientId, TenantId, UserId};

use crate::{PlatformTx, Result};

const SCOPES_MAX: i64 = 500;

/// Scopes that were allowed; none where nothing was. Served by the primary key.
pub async fn find(
    tx: &mut PlatformTx,
    user: UserId,
    tenant: TenantId,
    client: ClientId,
) -> Result<Vec<String>> {
    let found = sqlx::query_scalar!(
        "select scopes from oauth_consents
        where user_id = $1 and tenant_id = $2 and client_id = $3",
        user.0,
        tenant.0,
        client.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.unwrap_or_default())
}

/// Adds scopes to those that were allowed before.
pub async fn allow(
    tx: &mut PlatformTx,
    (user, tenant): (UserId, TenantId),
    client: ClientId,
    scopes: &[String],
) -> Result<()> {
    sqlx::query!(
        "insert into oauth_consents (user_id, tenant_id, client_id, scopes) values ($1, $2, $3, $4)
        on conflict (user_id, tenant_id, client_id) do update set scopes = (
            select array_agg(distinct scope order by scope)
            from unnest(oauth_consents.scopes || excluded.scopes) scope
        )",
        user.0,
        tenant.0,
        client.0,
        scopes
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the scopes are for, as the operators of APIs say.
pub async fn describe(tx: &mut PlatformTx, scopes: &[String]) -> Result<Vec<(String, String)>> {
    let rows = sqlx::query!(
        "select name, description from api_scopes where name = any($1) order by name, api_id limit $2",
        scopes,
        SCOPES_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.name, row.description))
        .collect())
}
