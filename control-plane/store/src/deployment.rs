//! What this installation is, and its keys. Private halves and secrets are sealed before they come
//! here.

use snapshot::seal::SealedSecret;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::dirty::{self, Mark};
use crate::rows::{bytes32, signed, signed_small, small, unsigned};
use crate::{PlatformTx, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub id: Uuid,
    pub epoch: u64,
    pub created_at: OffsetDateTime,
}

/// Makes the deployment if there is none, and returns the one that is there: of several first
/// starts at once, one wins.
pub async fn ensure(tx: &mut PlatformTx, id: Uuid) -> Result<Deployment> {
    sqlx::query!(
        "insert into deployment (id) values ($1) on conflict (is_only) do nothing",
        id
    )
    .execute(&mut **tx)
    .await?;
    // Whoever comes second waits here until the first has stored its keys too.
    let row = sqlx::query!("select id, epoch, created_at from deployment for update")
        .fetch_one(&mut **tx)
        .await?;
    Ok(Deployment {
        id: row.id,
        epoch: unsigned(row.epoch),
        created_at: row.created_at,
    })
}

/// Notes who issues tokens. Another issuer than before is told to nodes, in every API too.
pub async fn set_issuer(tx: &mut PlatformTx, issuer: &str) -> Result<()> {
    let changed = sqlx::query!(
        "update deployment set issuer = $1 where issuer is distinct from $1",
        issuer
    )
    .execute(&mut **tx)
    .await?;
    match changed.rows_affected() {
        0 => Ok(()),
        _ => dirty::mark(tx, &[Mark::All]).await,
    }
}

/// Raises the epoch after a restore; the caller signs the root statement for it.
pub async fn raise_epoch(tx: &mut PlatformTx, epoch: u64) -> Result<()> {
    sqlx::query!(
        "update deployment set epoch = greatest(epoch, $1)",
        signed(epoch)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPurpose {
    Root,
    Online,
}

impl KeyPurpose {
    fn as_str(self) -> &'static str {
        match self {
            KeyPurpose::Root => "root",
            KeyPurpose::Online => "online",
        }
    }
}

/// A signing key. `sealed_private` is `None` where the private half is kept offline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSigningKey {
    pub public_key: [u8; 32],
    pub sealed_private: Option<Vec<u8>>,
    pub created_at: OffsetDateTime,
}

pub async fn insert_signing_key(
    tx: &mut PlatformTx,
    purpose: KeyPurpose,
    public_key: &[u8; 32],
    sealed_private: Option<&[u8]>,
) -> Result<()> {
    sqlx::query!(
        "insert into signing_keys (public_key, purpose, sealed_private) values ($1, $2, $3)",
        &public_key[..],
        purpose.as_str(),
        sealed_private
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The keys of a purpose that are in force, newest first.
pub async fn list_signing_keys(
    tx: &mut PlatformTx,
    purpose: KeyPurpose,
) -> Result<Vec<StoredSigningKey>> {
    sqlx::query!(
        "select public_key, sealed_private, created_at from signing_keys
        where purpose = $1 and retired_at is null order by created_at desc, public_key limit 100",
        purpose.as_str()
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        Ok(StoredSigningKey {
            public_key: bytes32("signing key", &row.public_key)?,
            sealed_private: row.sealed_private,
            created_at: row.created_at,
        })
    })
    .collect()
}

pub async fn retire_signing_key(tx: &mut PlatformTx, public_key: &[u8; 32]) -> Result<()> {
    sqlx::query!(
        "update signing_keys set retired_at = now() where public_key = $1 and retired_at is null",
        &public_key[..]
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Appends a statement to the chain. `signed_statement` is an encoded [`snapshot::sign::Signed`].
pub async fn insert_root_statement(
    tx: &mut PlatformTx,
    sequence: u64,
    epoch: u64,
    signed_statement: &[u8],
) -> Result<()> {
    sqlx::query!(
        "insert into root_statements (sequence, epoch, signed) values ($1, $2, $3)",
        signed(sequence),
        signed(epoch),
        signed_statement
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The chain of root statements, oldest first: encoded [`snapshot::sign::Signed`]s.
pub async fn list_root_statements(tx: &mut PlatformTx) -> Result<Vec<Vec<u8>>> {
    Ok(
        sqlx::query_scalar!("select signed from root_statements order by sequence limit 1000")
            .fetch_all(&mut **tx)
            .await?,
    )
}

/// A generation of the fleet's data key, under SECRET_KEY.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDataKey {
    pub generation: u32,
    pub sealed: Vec<u8>,
}

pub async fn insert_data_key(tx: &mut PlatformTx, key: &StoredDataKey) -> Result<()> {
    sqlx::query!(
        "insert into data_keys (generation, sealed) values ($1, $2)",
        signed_small(key.generation),
        key.sealed
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The generations in force, newest first.
pub async fn list_data_keys(tx: &mut PlatformTx) -> Result<Vec<StoredDataKey>> {
    let rows = sqlx::query!(
        "select generation, sealed from data_keys where retired_at is null
        order by generation desc limit 100"
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredDataKey {
            generation: small(row.generation),
            sealed: row.sealed,
        })
        .collect())
}

pub async fn retire_data_key(tx: &mut PlatformTx, generation: u32) -> Result<()> {
    sqlx::query!(
        "update data_keys set retired_at = now() where generation = $1 and retired_at is null",
        signed_small(generation)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Which pepper a key's value was hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PepperId(pub i32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPepper {
    pub id: PepperId,
    /// Under SECRET_KEY.
    pub sealed: Vec<u8>,
}

/// Adds a pepper. `sealed_for_nodes` is an encoded [`SealedSecret`].
pub async fn insert_pepper(
    tx: &mut PlatformTx,
    sealed: &[u8],
    sealed_for_nodes: &[u8],
) -> Result<PepperId> {
    let id = sqlx::query_scalar!(
        "insert into peppers (sealed, sealed_for_nodes) values ($1, $2) returning id",
        sealed,
        sealed_for_nodes
    )
    .fetch_one(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Peppers]).await?;
    Ok(PepperId(id))
}

/// Seals a pepper anew for the nodes, under another data key.
pub async fn update_pepper_for_nodes(
    tx: &mut PlatformTx,
    id: PepperId,
    sealed_for_nodes: &[u8],
) -> Result<()> {
    sqlx::query!(
        "update peppers set sealed_for_nodes = $2 where id = $1",
        id.0,
        sealed_for_nodes
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Peppers]).await
}

/// The peppers in force, newest first.
pub async fn list_peppers(tx: &mut PlatformTx) -> Result<Vec<StoredPepper>> {
    let rows = sqlx::query!(
        "select id, sealed from peppers where retired_at is null order by id desc limit 100"
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredPepper {
            id: PepperId(row.id),
            sealed: row.sealed,
        })
        .collect())
}

pub async fn retire_pepper(tx: &mut PlatformTx, id: PepperId) -> Result<()> {
    sqlx::query!(
        "update peppers set retired_at = now() where id = $1 and retired_at is null",
        id.0
    )
    .execute(&mut **tx)
    .await?;
    dirty::mark(tx, &[Mark::Peppers]).await
}

pub(crate) fn read_sealed(bytes: &[u8]) -> Result<SealedSecret> {
    snapshot::decode("sealed secret", bytes, 4096)
        .map_err(|_| crate::Error::corrupt("secret for nodes"))
}
