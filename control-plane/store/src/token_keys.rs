//! Keys that tokens are signed with, and when.

use domain::token_key::{SigningAlgorithm, TokenKey};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::word;
use crate::{PlatformTx, Result};

/// More keys are never live at once.
const KEYS_MAX: i64 = 100;

/// Keeps a key, and ends those of its algorithm that it replaces at `replaced_until`.
pub async fn insert(
    tx: &mut PlatformTx,
    key: &TokenKey,
    replaced_until: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update token_keys set verifies_until = least(verifies_until, $2)
        where algorithm = $1 and (verifies_until is null or verifies_until > $2)",
        key.algorithm.as_str(),
        replaced_until
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into token_keys (id, kid, algorithm, public_jwk, sealed_private_key, signs_from)
        values ($1, $2, $3, $4, $5, $6)",
        key.id,
        key.kid,
        key.algorithm.as_str(),
        key.public_jwk,
        key.sealed_private_key,
        key.signs_from
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::TokenKeys]).await
}

/// Keys that are shown at this instant, oldest first.
pub async fn list_live(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<Vec<TokenKey>> {
    let rows = sqlx::query!(
        "select id, kid, algorithm, public_jwk, sealed_private_key, signs_from, verifies_until,
            created_at
        from token_keys where verifies_until is null or verifies_until > $1
        order by signs_from, id limit $2",
        now,
        KEYS_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(TokenKey {
                id: row.id,
                kid: row.kid,
                algorithm: word("signing algorithm", &row.algorithm)?,
                public_jwk: row.public_jwk,
                sealed_private_key: row.sealed_private_key,
                signs_from: row.signs_from,
                verifies_until: row.verifies_until,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Holds others off while it is decided whether a key is missing; until the transaction ends.
pub async fn lock(tx: &mut PlatformTx) -> Result<()> {
    sqlx::query!("lock table token_keys in share row exclusive mode")
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Whether an algorithm has a key that was not replaced.
pub async fn has_current(tx: &mut PlatformTx, algorithm: SigningAlgorithm) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from token_keys where algorithm = $1 and verifies_until is null
        ) as "found!""#,
        algorithm.as_str()
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Forgets keys that verify nothing any more.
pub async fn delete_expired(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<u64> {
    let ids: Vec<Uuid> = sqlx::query_scalar!(
        "delete from token_keys where verifies_until < $1 returning id",
        now
    )
    .fetch_all(&mut **tx)
    .await?;
    if !ids.is_empty() {
        dirty::mark(tx, &[Mark::TokenKeys]).await?;
    }
    Ok(ids.len() as u64)
}
