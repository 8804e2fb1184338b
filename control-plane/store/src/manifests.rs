//! Published revisions.

use snapshot::chunk::{Address, ChunkRef};
use snapshot::manifest::Version;
use time::OffsetDateTime;

use crate::rows::{signed, signed_small, small, unsigned};
use crate::{Conn, Error, PlatformTx, Result};

/// A manifest as it is stored and served.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredManifest {
    pub version: Version,
    /// Of the payload.
    pub hash: Address,
    /// An encoded [`snapshot::sign::Signed`].
    pub signed: Vec<u8>,
    pub config: ChunkRef,
    pub state: ChunkRef,
    pub created_at: OffsetDateTime,
}

/// Publishes a revision; fails with `Conflict::RevisionTaken` where another publisher did.
/// Everybody who listens is woken when the transaction commits.
pub async fn insert(tx: &mut PlatformTx, manifest: &StoredManifest) -> Result<()> {
    sqlx::query!(
        "insert into manifests (epoch, revision, hash, signed, config_address, config_length,
            state_address, state_length, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        signed(manifest.version.epoch),
        signed(manifest.version.revision),
        &manifest.hash.0[..],
        manifest.signed,
        manifest.config.address,
        signed_small(manifest.config.length),
        manifest.state.address,
        signed_small(manifest.state.length),
        manifest.created_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest revision of the highest epoch. Served by the primary key.
pub async fn find_latest(tx: &mut Conn) -> Result<Option<StoredManifest>> {
    Ok(list(tx, 1).await?.pop())
}

/// The newest revisions first. Served by the primary key.
pub async fn list(tx: &mut Conn, limit: u32) -> Result<Vec<StoredManifest>> {
    sqlx::query!(
        "select epoch, revision, hash, signed, config_address, config_length, state_address,
            state_length, created_at
        from manifests order by epoch desc, revision desc limit $1",
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(StoredManifest {
            version: Version {
                epoch: unsigned(row.epoch),
                revision: unsigned(row.revision),
            },
            hash: Address::from_slice(&row.hash).map_err(|_| Error::corrupt("manifest"))?,
            signed: row.signed,
            config: ChunkRef {
                address: row.config_address,
                length: small(row.config_length),
            },
            state: ChunkRef {
                address: row.state_address,
                length: small(row.state_length),
            },
            created_at: row.created_at,
        })
    })
    .collect()
}

/// Forgets all but the newest `kept` revisions; returns how many went.
pub async fn delete_old(tx: &mut PlatformTx, kept: u32) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from manifests where (epoch, revision) <= (
            select epoch, revision from manifests order by epoch desc, revision desc
            offset $1 limit 1
        )",
        i64::from(kept)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}
