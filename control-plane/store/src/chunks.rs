//! The parts of snapshots, by content address.

use snapshot::chunk::Address;
use time::Duration;

use crate::rows::signed_small;
use crate::{Conn, Error, PlatformTx, Result};

/// How long a superseded chunk stays for nodes that are still fetching it.
pub const KEPT_FOR: Duration = Duration::days(1);
const BATCH: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChunk {
    pub address: Address,
    /// Of the uncompressed bytes.
    pub length: u32,
    pub zstd: Vec<u8>,
}

/// Stores chunks; one that is there already is in use again. Served by the primary key.
pub async fn insert(tx: &mut PlatformTx, chunks: &[StoredChunk]) -> Result<()> {
    for batch in chunks.chunks(BATCH) {
        let addresses: Vec<Vec<u8>> = batch.iter().map(|one| one.address.0.to_vec()).collect();
        let lengths: Vec<i32> = batch.iter().map(|one| signed_small(one.length)).collect();
        let bytes: Vec<Vec<u8>> = batch.iter().map(|one| one.zstd.clone()).collect();
        sqlx::query!(
            "insert into chunks (address, length, zstd)
            select * from unnest($1::bytea[], $2::int[], $3::bytea[])
            on conflict (address) do update set superseded_at = null
                where chunks.superseded_at is not null",
            &addresses,
            &lengths,
            &bytes
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// Those of the addresses that are stored, in no order. Served by the primary key.
pub async fn list(tx: &mut Conn, addresses: &[Address]) -> Result<Vec<StoredChunk>> {
    let addresses: Vec<Vec<u8>> = addresses.iter().map(|one| one.0.to_vec()).collect();
    sqlx::query!(
        "select address, length, zstd from chunks where address = any($1)",
        &addresses
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(StoredChunk {
            address: Address::from_slice(&row.address).map_err(|_| Error::corrupt("chunk"))?,
            length: crate::rows::small(row.length),
            zstd: row.zstd,
        })
    })
    .collect()
}

/// Notes that the newest manifest does not name these any more.
pub async fn supersede(tx: &mut PlatformTx, addresses: &[Address]) -> Result<()> {
    let addresses: Vec<Vec<u8>> = addresses.iter().map(|one| one.0.to_vec()).collect();
    sqlx::query!(
        "update chunks set superseded_at = now() where address = any($1) and superseded_at is null",
        &addresses
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Deletes chunks that were superseded longer than [`KEPT_FOR`] ago, at most `limit`; returns how
/// many. Served by `chunks_superseded`.
pub async fn delete_superseded(tx: &mut PlatformTx, limit: u32) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from chunks where address in (
            select address from chunks where superseded_at < now() - make_interval(secs => $1)
            limit $2 for update skip locked
        )",
        KEPT_FOR.as_seconds_f64(),
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}

/// Supersedes every chunk that is not among `kept`: after a build from nothing. Returns how many.
pub async fn supersede_all_but(tx: &mut PlatformTx, kept: &[Address]) -> Result<u64> {
    let kept: Vec<Vec<u8>> = kept.iter().map(|one| one.0.to_vec()).collect();
    let superseded = sqlx::query!(
        "update chunks set superseded_at = now()
        where superseded_at is null
            and not exists (select from unnest($1::bytea[]) as kept (address) where kept.address = chunks.address)",
        &kept
    )
    .execute(&mut **tx)
    .await?;
    Ok(superseded.rows_affected())
}
