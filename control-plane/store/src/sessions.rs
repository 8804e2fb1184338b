//! Browser sessions for tower-sessions. The id is a bearer secret: what is stored is its hash.

use std::collections::HashMap;

use async_trait::async_trait;
use domain::id::UserId;
use snapshot::chunk::sha256;
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error as StoreError, Result as StoreResult};
use uuid::Uuid;

use crate::{Db, PlatformTx, Result};

/// The entry of a session that holds its person's id, so that all of a person's sessions can be
/// ended.
pub const USER_KEY: &str = "user_id";
/// The entry that holds the id of the sign-in.
pub const LOGIN_KEY: &str = "login_id";
/// The entry that says when somebody signed in, in Unix seconds.
pub const BEGAN_KEY: &str = "began_at";
/// However often it is used, a session ends this long after somebody signed in.
const LIFETIME_MAX: Duration = Duration::days(90);

#[derive(Debug, Clone)]
pub struct Sessions {
    db: Db,
}

/// Whether a record has its row already.
#[derive(Clone, Copy)]
enum Place {
    New,
    Known,
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

    /// Strangers' sessions hold a step between two pages: they end after an hour. A session that was
    /// ended while its record was in somebody's memory stays ended.
    async fn write(&self, record: &Record, place: Place) -> Result<()> {
        let text = |key| record.data.get(key).and_then(serde_json::Value::as_str);
        let user: Option<UserId> = text(USER_KEY).and_then(|id| id.parse().ok());
        let login: Option<Uuid> = text(LOGIN_KEY).and_then(|id| id.parse().ok());
        let data =
            serde_json::to_value(&record.data).map_err(|_| crate::Error::corrupt("session"))?;
        let mut tx = self.db.platform_tx().await?;
        match place {
            Place::New => {
                sqlx::query!(
                    "insert into sessions (hash, user_id, login_id, data, expires_at)
                    values ($1, $2, $3, $4, case
                        when $2::uuid is null then least($5, now() + interval '1 hour') else $5
                    end)",
                    &hash(&record.id)[..],
                    user.map(|id| id.0),
                    login,
                    data,
                    expires_at(record)
                )
                .execute(&mut *tx)
                .await?;
            }
            Place::Known => {
                sqlx::query!(
                    "update sessions set user_id = $2, login_id = $3, data = $4,
                        expires_at = case
                            when $2::uuid is null then least($5, now() + interval '1 hour')
                            else $5
                        end
                    where hash = $1",
                    &hash(&record.id)[..],
                    user.map(|id| id.0),
                    login,
                    data,
                    expires_at(record)
                )
                .execute(&mut *tx)
                .await?;
            }
        }
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

fn expires_at(record: &Record) -> OffsetDateTime {
    let began_at = record.data.get(BEGAN_KEY).and_then(|at| at.as_i64());
    let end = began_at
        .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
        .map(|at| at + LIFETIME_MAX);
    end.map_or(record.expiry_date, |end| end.min(record.expiry_date))
}

/// A browser in which somebody is signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct Browser {
    pub login_id: Uuid,
    /// How it names itself (`User-Agent`).
    pub agent: String,
    pub address: String,
    pub amr: Vec<String>,
    pub signed_in_at: OffsetDateTime,
    /// To the hour.
    pub seen_at: OffsetDateTime,
}

/// Where a person is signed in, the last seen first. Served by `sessions_user`.
pub async fn list_of_user(tx: &mut PlatformTx, user: UserId, limit: u32) -> Result<Vec<Browser>> {
    let rows = sqlx::query!(
        r#"select login_id as "login_id!", data->>'agent' as agent, data->>'address' as address,
            data->'amr' as amr, (data->>'began_at')::bigint as began_at,
            (data->>'seen_at')::bigint as seen_at
        from sessions
        where user_id = $1 and login_id is not null and expires_at > now()
        order by (data->>'seen_at')::bigint desc, login_id limit $2"#,
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    let at = |seconds: Option<i64>| {
        OffsetDateTime::from_unix_timestamp(seconds.unwrap_or(0))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    Ok(rows
        .into_iter()
        .map(|row| Browser {
            login_id: row.login_id,
            agent: row.agent.unwrap_or_default(),
            address: row.address.unwrap_or_default(),
            amr: row
                .amr
                .and_then(|amr| serde_json::from_value(amr).ok())
                .unwrap_or_default(),
            signed_in_at: at(row.began_at),
            seen_at: at(row.seen_at),
        })
        .collect())
}

/// Ends a sign-in: its session, and what applications got in it but for what was to outlive it
/// (`offline_access`). Served by `sessions_login`.
pub async fn end(tx: &mut PlatformTx, login: Uuid, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("delete from sessions where login_id = $1", login)
        .execute(&mut **tx)
        .await?;
    crate::oauth_grants::revoke_of_login(tx, login, now).await
}

/// Ends every sign-in of a person and all that they gave to applications. Served by
/// `sessions_user`.
pub async fn end_of_user(tx: &mut PlatformTx, user: UserId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!("delete from sessions where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    crate::oauth_grants::revoke_of_user(tx, user, now).await
}

/// What identifies a session in the database.
fn hash(id: &Id) -> [u8; 32] {
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
        let written = self.write(record, Place::New).await;
        written.map_err(|cause| backend(&cause))
    }

    async fn save(&self, record: &Record) -> StoreResult<()> {
        let written = self.write(record, Place::Known).await;
        written.map_err(|cause| backend(&cause))
    }

    async fn load(&self, id: &Id) -> StoreResult<Option<Record>> {
        self.read(id).await.map_err(|cause| backend(&cause))
    }

    async fn delete(&self, id: &Id) -> StoreResult<()> {
        self.remove(id).await.map_err(|cause| backend(&cause))
    }
}
