//! Browser sessions for tower-sessions. The id is a bearer secret: what is stored is its hash.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::id::UserId;
use snapshot::chunk::sha256;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error as StoreError, Result as StoreResult};

use crate::{Db, PlatformTx, Result};

/// The entry of a session that holds its person's id, so that all of a person's sessions can be
/// ended.
pub const USER_KEY: &str = "user_id";

#[derive(Debug, Clone)]
pub struct Sessions {
    db: Db,
}

impl Sessions {
    pub fn new(db: Db) -> Self {
        Self { db }
    }

    /// Deletes sessions that ran out, at most `limit`; returns how many. Served by
    /// `sessions_expires`.
    pub async fn delete_expired(&self, limit: u32) -> Result<u64> {
        let mut tx = self.db.platform_tx().await?;
        let deleted = sqlx::query!(
            "delete from sessions where hash in (
                select hash from sessions where expires_at < now() limit $1
            )",
            i64::from(limit)
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(deleted.rows_affected())
    }

    async fn write(&self, record: &Record) -> Result<()> {
        let user: Option<UserId> = record
            .data
            .get(USER_KEY)
            .and_then(|id| id.as_str())
            .and_then(|id| id.parse().ok());
        let data =
            serde_json::to_value(&record.data).map_err(|_| crate::Error::corrupt("session"))?;
        let mut tx = self.db.platform_tx().await?;
        sqlx::query!(
            "insert into sessions (hash, user_id, data, expires_at) values ($1, $2, $3, $4)
            on conflict (hash) do update set user_id = excluded.user_id, data = excluded.data,
                expires_at = excluded.expires_at",
            &hash(&record.id)[..],
            user.map(|id| id.0),
            data,
            record.expiry_date
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await
    }

    async fn read(&self, id: &Id) -> Result<Option<Record>> {
        let mut tx = self.db.platform_tx().await?;
        let row = sqlx::query!(
            "select data, expires_at from sessions where hash = $1 and expires_at > now()",
            &hash(id)[..]
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        row.map(|row| {
            let data: HashMap<String, serde_json::Value> =
                serde_json::from_value(row.data).map_err(|_| crate::Error::corrupt("session"))?;
            Ok(Record {
                id: *id,
                data,
                expiry_date: row.expires_at,
            })
        })
        .transpose()
    }

    async fn remove(&self, id: &Id) -> Result<()> {
        let mut tx = self.db.platform_tx().await?;
        sqlx::query!("delete from sessions where hash = $1", &hash(id)[..])
            .execute(&mut *tx)
            .await?;
        tx.commit().await
    }
}

/// Ends every session of a person. Served by `sessions_user`.
pub async fn delete_of_user(tx: &mut PlatformTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from sessions where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What identifies a session in the database.
pub fn hash(id: &Id) -> [u8; 32] {
    sha256(&id.0.to_be_bytes())
}

/// tower-sessions takes a text: the cause goes into it, for the log.
fn backend(cause: &crate::Error) -> StoreError {
    use std::error::Error;
    match cause.source() {
        Some(source) => StoreError::Backend(format!("{cause}: {source}")),
        None => StoreError::Backend(cause.to_string()),
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> StoreResult<()> {
        // 128 random bits: the id is not taken.
        self.write(record).await.map_err(|cause| backend(&cause))
    }

    async fn save(&self, record: &Record) -> StoreResult<()> {
        self.write(record).await.map_err(|cause| backend(&cause))
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        self.read(id).await.map_err(|cause| backend(&cause))
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        self.remove(id).await.map_err(|cause| backend(&cause))
    }
}
