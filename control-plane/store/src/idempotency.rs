//! Creations that must happen once however often they are asked for.

use domain::id::TenantId;
use time::OffsetDateTime;

use crate::rows::signed_small;
use crate::{Conn, Error, PlatformTx, Result};

/// A key is one principal's own.
#[derive(Debug, Clone, Copy)]
pub struct KeyOf<'a> {
    /// Who calls: the id of a person, token or client.
    pub principal: &'a str,
    /// Where the creation takes place; `None`: on the platform.
    pub tenant_id: Option<TenantId>,
    pub key: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody used the key before: do it, and [`finish`] in the same transaction.
    New,
    /// The first call was for something else.
    OtherRequest,
    /// What the first call answered.
    Done { status: u16, body: Vec<u8> },
}

/// Claims a key for a request. A second call waits here until the first one's transaction ends:
/// if that failed, the second one does the work.
pub async fn claim(tx: &mut Conn, key: KeyOf<'_>, fingerprint: &[u8; 32]) -> Result<Claim> {
    let claimed = sqlx::query!(
        "insert into idempotency_keys (principal, key, fingerprint, tenant_id) values ($1, $2, $3, $4)
        on conflict (principal, key) do nothing",
        key.principal,
        key.key,
        &fingerprint[..],
        key.tenant_id.map(|id| id.0)
    )
    .execute(&mut *tx)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(Claim::New);
    }
    // Not seen: it was used in another tenant.
    let Some(first) = sqlx::query!(
        "select fingerprint, status, body from idempotency_keys
        where principal = $1 and key = $2",
        key.principal,
        key.key
    )
    .fetch_optional(tx)
    .await?
    else {
        return Ok(Claim::OtherRequest);
    };
    if first.fingerprint != fingerprint {
        return Ok(Claim::OtherRequest);
    }
    match (first.status, first.body) {
        (Some(status), Some(body)) => Ok(Claim::Done {
            status: u16::try_from(status).map_err(|_| Error::corrupt("idempotency key"))?,
            body,
        }),
        _ => Ok(Claim::New),
    }
}

/// Keeps the answer for those who ask again.
pub async fn finish(tx: &mut Conn, key: KeyOf<'_>, status: u16, body: &[u8]) -> Result<()> {
    sqlx::query!(
        "update idempotency_keys set status = $3, body = $4 where principal = $1 and key = $2",
        key.principal,
        key.key,
        signed_small(u32::from(status)),
        body
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets keys that were first used before then; returns how many. Served by
/// `idempotency_keys_created`.
pub async fn delete_before(tx: &mut PlatformTx, before: OffsetDateTime, limit: u32) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from idempotency_keys where (principal, key) in (
            select principal, key from idempotency_keys where created_at < $1 limit $2
        )",
        before,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}
