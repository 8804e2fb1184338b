//! Second factors of people: authenticator applications, and codes for whoever loses theirs.

use domain::id::UserId;
use time::OffsetDateTime;

use crate::{Error, PlatformTx, Result};

#[derive(Debug, Clone, PartialEq)]
pub struct StoredAuthenticator {
    pub sealed_secret: Vec<u8>,
    /// The time step whose code was used last.
    pub last_step: Option<u64>,
    /// None: set up, but no code of it was seen yet. It asks for nothing.
    pub confirmed_at: Option<OffsetDateTime>,
}

/// Keeps an unconfirmed one in place of another unconfirmed one; one that is confirmed stays.
pub async fn begin(tx: &mut PlatformTx, user: UserId, sealed_secret: &[u8]) -> Result<()> {
    sqlx::query!(
        "insert into authenticators (user_id, sealed_secret) values ($1, $2)
        on conflict (user_id) do update set sealed_secret = excluded.sealed_secret,
            created_at = now()
            where authenticators.confirmed_at is null",
        user.0,
        sealed_secret
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Holds the row until the transaction ends, so that of two uses of one code one finds it used.
/// Served by the primary key.
pub async fn find(tx: &mut PlatformTx, user: UserId) -> Result<Option<StoredAuthenticator>> {
    let found = sqlx::query!(
        "select sealed_secret, last_step, confirmed_at from authenticators where user_id = $1
        for update",
        user.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(|row| StoredAuthenticator {
        sealed_secret: row.sealed_secret,
        last_step: row.last_step.and_then(|step| u64::try_from(step).ok()),
        confirmed_at: row.confirmed_at,
    }))
}

/// Whether sign-in with a password asks the person for a code.
pub async fn is_confirmed(tx: &mut PlatformTx, user: UserId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from authenticators where user_id = $1 and confirmed_at is not null
        ) as "is_confirmed!""#,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// Notes that a step's code was used; the first use confirms the authenticator.
pub async fn use_step(
    tx: &mut PlatformTx,
    user: UserId,
    step: u64,
    now: OffsetDateTime,
) -> Result<()> {
    let step = i64::try_from(step).map_err(|_| Error::corrupt("time step"))?;
    sqlx::query!(
        "update authenticators set last_step = $2, confirmed_at = coalesce(confirmed_at, $3)
        where user_id = $1",
        user.0,
        step,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Takes the second factor and its recovery codes away.
pub async fn delete(tx: &mut PlatformTx, user: UserId) -> Result<()> {
    sqlx::query!("delete from authenticators where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!("delete from recovery_codes where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Keeps recovery codes in place of all before.
pub async fn replace_recovery_codes(
    tx: &mut PlatformTx,
    user: UserId,
    hashes: &[Vec<u8>],
) -> Result<()> {
    sqlx::query!("delete from recovery_codes where user_id = $1", user.0)
        .execute(&mut **tx)
        .await?;
    sqlx::query!(
        "insert into recovery_codes (user_id, hash) select $1, hash from unnest($2::bytea[]) hash",
        user.0,
        hashes
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Uses a recovery code up; of two at once one succeeds. Served by the primary key.
pub async fn use_recovery_code(tx: &mut PlatformTx, user: UserId, hash: &[u8]) -> Result<bool> {
    let used = sqlx::query!(
        "delete from recovery_codes where user_id = $1 and hash = $2",
        user.0,
        hash
    )
    .execute(&mut **tx)
    .await?;
    Ok(used.rows_affected() > 0)
}

/// How many recovery codes are left. Served by the primary key.
pub async fn count_recovery_codes(tx: &mut PlatformTx, user: UserId) -> Result<u32> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from recovery_codes where user_id = $1"#,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}
