//! Keys that access tokens are encrypted to, and when. Whoever makes one holds
//! [`crate::token_keys::lock`].

use domain::encryption_key::EncryptionKey;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::{PlatformTx, Result};

/// More keys are never live at once.
const KEYS_MAX: i64 = 100;

/// Keeps a key, and ends those that it replaces at `replaced_until`. `sealed_for_nodes` is an encoded
/// [`snapshot::seal::SealedSecret`].
pub async fn insert(
    tx: &mut PlatformTx,
    key: &EncryptionKey,
    sealed_for_nodes: &[u8],
    replaced_until: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update token_encryption_keys set opens_until = $1
        where opens_until is null or opens_until > $1",
        replaced_until
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into token_encryption_keys
            (id, kid, public_key, sealed_private_key, sealed_for_nodes, encrypts_from)
        values ($1, $2, $3, $4, $5, $6)",
        key.id,
        key.kid,
        key.public_key,
        key.sealed_private_key,
        sealed_for_nodes,
        key.encrypts_from
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::TokenKeys]).await
}

/// Keys that open tokens at this instant, oldest first.
pub async fn list_live(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<Vec<EncryptionKey>> {
    let found = sqlx::query_as!(
        EncryptionKey,
        "select id, kid, public_key, sealed_private_key, encrypts_from, opens_until, created_at
        from token_encryption_keys where opens_until is null or opens_until > $1
        order by encrypts_from, id limit $2",
        now,
        KEYS_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(found)
}

/// Seals a key anew for the nodes, under another data key.
pub async fn update_for_nodes(
    tx: &mut PlatformTx,
    id: Uuid,
    sealed_for_nodes: &[u8],
) -> Result<()> {
    sqlx::query!(
        "update token_encryption_keys set sealed_for_nodes = $2 where id = $1",
        id,
        sealed_for_nodes
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::TokenKeys]).await
}

/// Forgets keys that open nothing any more.
pub async fn delete_expired(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from token_encryption_keys where opens_until < $1",
        now
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if deleted > 0 {
        dirty::mark(tx, &[Mark::TokenKeys]).await?;
    }
    Ok(deleted)
}
