//! Token buckets in the database, so that several control planes count together. A row holds the
//! instant at which its bucket is full again; a missing row is a full bucket.

use time::{Duration, OffsetDateTime};

use crate::{PlatformTx, Result};

/// How much may happen: `burst` at once, then one per `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub burst: i32,
    pub every: Duration,
}

impl Pace {
    /// How long until one more may happen, where the bucket is full again at `full_at`.
    fn wait(self, full_at: OffsetDateTime, now: OffsetDateTime) -> Option<Duration> {
        let wait = full_at.max(now) + self.every - now - self.every * self.burst;
        wait.is_positive().then_some(wait)
    }
}

/// How long to wait before one more may happen; takes nothing. Served by the primary key.
pub async fn look(
    tx: &mut PlatformTx,
    bucket: &[u8; 32],
    pace: Pace,
    now: OffsetDateTime,
) -> Result<Option<Duration>> {
    let full_at = sqlx::query_scalar!(
        "select full_at from throttles where bucket = $1",
        &bucket[..]
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(full_at.and_then(|full_at| pace.wait(full_at, now)))
}

/// Counts one that happens now, unless the bucket is empty; then it says how long to wait. Any
/// number at once are counted one after the other. Served by the primary key.
pub async fn take(
    tx: &mut PlatformTx,
    bucket: &[u8; 32],
    pace: Pace,
    now: OffsetDateTime,
) -> Result<Option<Duration>> {
    let every = pace.every.as_seconds_f64();
    let room = (pace.every * (pace.burst - 1)).as_seconds_f64();
    let taken = sqlx::query_scalar!(
        "insert into throttles (bucket, full_at)
        values ($1, $2::timestamptz + make_interval(secs => $3))
        on conflict (bucket) do update
            set full_at = greatest(throttles.full_at, $2) + make_interval(secs => $3)
            where throttles.full_at <= $2::timestamptz + make_interval(secs => $4)
        returning full_at",
        &bucket[..],
        now,
        every,
        room
    )
    .fetch_optional(&mut **tx)
    .await?;
    match taken {
        Some(_) => Ok(None),
        None => look(tx, bucket, pace, now).await,
    }
}

/// Takes back what turned out not to count.
pub async fn give_back(tx: &mut PlatformTx, bucket: &[u8; 32], pace: Pace) -> Result<()> {
    sqlx::query!(
        "update throttles set full_at = full_at - make_interval(secs => $2) where bucket = $1",
        &bucket[..],
        pace.every.as_seconds_f64()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets buckets that are full, at most `limit`. Served by `throttles_full`.
pub async fn delete_full(tx: &mut PlatformTx, now: OffsetDateTime, limit: u32) -> Result<()> {
    sqlx::query!(
        "delete from throttles where bucket in (
            select bucket from throttles where full_at < $1 limit $2
        )",
        now,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
