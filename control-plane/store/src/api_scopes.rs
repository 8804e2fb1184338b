//! What tokens can be for, as the operators of APIs define it.

use domain::id::ApiId;
use domain::scope::ApiScope;

use crate::{Conn, PlatformTx, Result};

/// APIs and their scopes are few; the list is never cut off.
const SCOPES_MAX: i64 = 1_000;

/// All that any API defines, by name.
pub async fn list_all(tx: &mut Conn) -> Result<Vec<ApiScope>> {
    let found = sqlx::query_as!(
        ApiScope,
        r#"select name, max(description) as "description!" from api_scopes
        group by name order by name limit $1"#,
        SCOPES_MAX
    )
    .fetch_all(tx)
    .await?;
    Ok(found)
}

/// Replaces the scopes of an API.
pub(crate) async fn replace(tx: &mut PlatformTx, api: ApiId, scopes: &[ApiScope]) -> Result<()> {
    sqlx::query!("delete from api_scopes where api_id = $1", api.0)
        .execute(&mut **tx)
        .await?;
    let names: Vec<String> = scopes.iter().map(|scope| scope.name.clone()).collect();
    let texts: Vec<String> = scopes
        .iter()
        .map(|scope| scope.description.clone())
        .collect();
    sqlx::query!(
        "insert into api_scopes (api_id, name, description)
        select $1, name, description from unnest($2::text[], $3::text[]) as new (name, description)",
        api.0,
        &names,
        &texts
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Those of the names that no API defines.
pub async fn unknown(tx: &mut Conn, names: &[String]) -> Result<Vec<String>> {
    let found = sqlx::query_scalar!(
        r#"select wanted as "wanted!" from unnest($1::text[]) as wanted
        where not exists (select from api_scopes where name = wanted) order by wanted"#,
        names
    )
    .fetch_all(tx)
    .await?;
    Ok(found)
}
