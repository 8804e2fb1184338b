//! The lock that makes one control plane the publisher.

use sqlx::{Connection, PgConnection};

use crate::{Db, Result};

/// Any number that nothing else in the database locks.
const LOCK: i64 = 0x746f_6c6c_0001;

/// Held as long as its connection lives. Losing it unnoticed is harmless: a revision can be
/// inserted once only.
#[derive(Debug)]
pub struct PublisherLock(PgConnection);

impl PublisherLock {
    /// `None`: another control plane holds it.
    pub async fn try_acquire(db: &Db) -> Result<Option<Self>> {
        let mut connection = db.dedicated().await?;
        let is_held = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "is_held!""#, LOCK)
            .fetch_one(&mut connection)
            .await?;
        Ok(is_held.then_some(Self(connection)))
    }

    /// Fails when the connection, and the lock with it, is gone.
    pub async fn check(&mut self) -> Result<()> {
        Ok(self.0.ping().await?)
    }

    /// Lets another control plane take over at once.
    pub async fn release(self) -> Result<()> {
        Ok(self.0.close().await?)
    }
}
