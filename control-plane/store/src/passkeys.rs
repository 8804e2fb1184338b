//! Public keys that people sign in with.

use domain::id::UserId;
use domain::passkey::{Passkey, PasskeyName};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, PlatformTx, Result};

#[derive(Debug)]
pub struct NewPasskey<'a> {
    pub id: Uuid,
    pub user: UserId,
    pub credential_id: &'a [u8],
    pub name: &'a PasskeyName,
    pub credential: &'a Value,
}

/// A credential that is here already is a conflict.
pub async fn insert(tx: &mut PlatformTx, new: &NewPasskey<'_>) -> Result<()> {
    sqlx::query!(
        "insert into passkeys (id, user_id, credential_id, name, credential)
        values ($1, $2, $3, $4, $5)",
        new.id,
        new.user.0,
        new.credential_id,
        new.name.as_str(),
        new.credential
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A person's, oldest first. Served by `passkeys_user`.
pub async fn list(tx: &mut PlatformTx, user: UserId, limit: u32) -> Result<Vec<Passkey>> {
    let found = sqlx::query_as!(
        Passkey,
        "select id, name, last_used_at, created_at from passkeys
        where user_id = $1 order by created_at, id limit $2",
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(found)
}

/// The credentials of a person's passkeys, to exclude them when another is made.
pub async fn list_credential_ids(
    tx: &mut PlatformTx,
    user: UserId,
    limit: u32,
) -> Result<Vec<Vec<u8>>> {
    let found = sqlx::query_scalar!(
        "select credential_id from passkeys where user_id = $1 order by created_at, id limit $2",
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(found)
}

/// What a credential's answer is checked against, if it is that person's. Holds the row until the
/// transaction ends: its counter moves on. Served by `passkeys_credential_key`.
pub async fn find_credential(
    tx: &mut PlatformTx,
    user: UserId,
    credential_id: &[u8],
) -> Result<Option<(Uuid, Value)>> {
    let found = sqlx::query!(
        "select id, credential from passkeys where credential_id = $2 and user_id = $1 for update",
        user.0,
        credential_id
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(|row| (row.id, row.credential)))
}

/// Notes a sign-in, and what changed about the credential by it.
pub async fn note_use(
    tx: &mut PlatformTx,
    id: Uuid,
    credential: &Value,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update passkeys set credential = $2, last_used_at = $3 where id = $1",
        id,
        credential,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// One of a person's own. Served by the primary key.
pub async fn get(tx: &mut PlatformTx, user: UserId, id: Uuid) -> Result<Passkey> {
    sqlx::query_as!(
        Passkey,
        "select id, name, last_used_at, created_at from passkeys where id = $1 and user_id = $2",
        id,
        user.0
    )
    .fetch_optional(&mut **tx)
    .await?
    .ok_or(Error::NotFound { what: "passkey" })
}

pub async fn delete(tx: &mut PlatformTx, user: UserId, id: Uuid) -> Result<()> {
    sqlx::query!(
        "delete from passkeys where id = $1 and user_id = $2",
        id,
        user.0
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// How many a person has.
pub async fn count(tx: &mut PlatformTx, user: UserId) -> Result<u32> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from passkeys where user_id = $1"#,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
