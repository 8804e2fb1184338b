//! Mails: written by the transaction that causes them, sent after it, at least once.

use domain::id::TenantId;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::rows::small;
use crate::{Conn, PlatformTx, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMail<'a> {
    pub id: Uuid,
    pub tenant_id: Option<TenantId>,
    pub recipient: &'a str,
    pub subject: &'a str,
    /// Plain text.
    pub body: &'a str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub id: Uuid,
    pub tenant_id: Option<TenantId>,
    pub recipient: String,
    pub subject: String,
    pub body: String,
    pub attempts: u32,
    pub sent_at: Option<OffsetDateTime>,
    pub last_error: Option<String>,
    pub created_at: OffsetDateTime,
}

pub async fn insert(tx: &mut Conn, mail: &NewMail<'_>) -> Result<()> {
    sqlx::query!(
        "insert into outbox (id, tenant_id, recipient, subject, body) values ($1, $2, $3, $4, $5)",
        mail.id,
        mail.tenant_id.map(|id| id.0),
        mail.recipient,
        mail.subject,
        mail.body
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Takes mails that are due, for `lease`: where the sender dies, another takes them after that.
/// Served by `outbox_due`.
pub async fn all_tenants_take_due(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    lease: Duration,
    limit: u32,
) -> Result<Vec<Mail>> {
    let rows = sqlx::query!(
        "update outbox set attempts = attempts + 1, next_attempt_at = $2
        where id in (
            select id from outbox where sent_at is null and next_attempt_at <= $1
            order by next_attempt_at limit $3 for update skip locked
        )
        returning id, tenant_id, recipient, subject, body, attempts, sent_at, last_error, created_at",
        now,
        now + lease,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Mail {
            id: row.id,
            tenant_id: row.tenant_id.map(Into::into),
            recipient: row.recipient,
            subject: row.subject,
            body: row.body,
            attempts: small(row.attempts),
            sent_at: row.sent_at,
            last_error: row.last_error,
            created_at: row.created_at,
        })
        .collect())
}

pub async fn all_tenants_note_sent(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update outbox set sent_at = $2, last_error = null where id = $1",
        id,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn all_tenants_note_failed(
    tx: &mut PlatformTx,
    id: Uuid,
    error: &str,
    next_attempt_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update outbox set last_error = $2, next_attempt_at = $3 where id = $1",
        id,
        error,
        next_attempt_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The newest first, before `before`. Served by the primary key.
pub async fn all_tenants_list(
    tx: &mut PlatformTx,
    before: Option<Uuid>,
    limit: u32,
) -> Result<Vec<Mail>> {
    let rows = sqlx::query!(
        "select id, tenant_id, recipient, subject, body, attempts, sent_at, last_error, created_at
        from outbox where $1::uuid is null or id < $1 order by id desc limit $2",
        before,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Mail {
            id: row.id,
            tenant_id: row.tenant_id.map(Into::into),
            recipient: row.recipient,
            subject: row.subject,
            body: row.body,
            attempts: small(row.attempts),
            sent_at: row.sent_at,
            last_error: row.last_error,
            created_at: row.created_at,
        })
        .collect())
}

/// Deletes mails older than that, sent or not; returns how many.
pub async fn all_tenants_delete_before(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    limit: u32,
) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from outbox where id in (
            select id from outbox where created_at < $1 limit $2
        )",
        before,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}
