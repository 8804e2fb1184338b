//! Tokens of people's programs, by hash.

use domain::id::{ApiKeyId, UserId};
use domain::personal_token::{PersonalToken, TokenName};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, PlatformTx, Result};

struct Raw {
    id: Uuid,
    user_id: Uuid,
    name: String,
    scopes: Vec<String>,
    expires_at: OffsetDateTime,
    last_used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl From<Raw> for PersonalToken {
    fn from(raw: Raw) -> Self {
        PersonalToken {
            id: raw.id.into(),
            user_id: raw.user_id.into(),
            name: raw.name,
            scopes: raw.scopes,
            expires_at: raw.expires_at,
            last_used_at: raw.last_used_at,
            revoked_at: raw.revoked_at,
            created_at: raw.created_at,
        }
    }
}

#[derive(Debug)]
pub struct NewPersonalToken<'a> {
    pub id: ApiKeyId,
    pub user_id: UserId,
    pub name: &'a TokenName,
    pub hash: [u8; 32],
    pub scopes: &'a [String],
    pub expires_at: OffsetDateTime,
}

pub async fn insert(tx: &mut PlatformTx, token: &NewPersonalToken<'_>) -> Result<()> {
    sqlx::query!(
        "insert into personal_tokens (id, user_id, name, hash, scopes, expires_at)
        values ($1, $2, $3, $4, $5, $6)",
        token.id.0,
        token.user_id.0,
        token.name.as_str(),
        &token.hash[..],
        token.scopes,
        token.expires_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The token of this hash, if it works now and its person is not disabled; notes its use, to the
/// minute. Served by `personal_tokens_hash_key`.
pub async fn find_working(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<PersonalToken>> {
    let found: Option<PersonalToken> = sqlx::query_as!(
        Raw,
        "select id, user_id, name, scopes, expires_at, last_used_at, revoked_at, created_at
        from personal_tokens where hash = $1 and revoked_at is null and expires_at > $2
            and exists (select from users u where u.id = user_id and u.disabled_at is null)",
        &hash[..],
        now
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(Into::into);
    if let Some(token) = &found {
        sqlx::query!(
            "update personal_tokens set last_used_at = $2
            where id = $1 and (last_used_at is null or last_used_at < $2::timestamptz - interval '1 minute')",
            token.id.0,
            now
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(found)
}

/// A person's tokens that are not revoked, the newest first.
pub async fn list(tx: &mut PlatformTx, user: UserId, limit: u32) -> Result<Vec<PersonalToken>> {
    let rows = sqlx::query_as!(
        Raw,
        "select id, user_id, name, scopes, expires_at, last_used_at, revoked_at, created_at
        from personal_tokens where user_id = $1 and revoked_at is null
        order by id desc limit $2",
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

pub async fn revoke(
    tx: &mut PlatformTx,
    user: UserId,
    id: ApiKeyId,
    now: OffsetDateTime,
) -> Result<()> {
    let revoked = sqlx::query!(
        "update personal_tokens set revoked_at = coalesce(revoked_at, $3)
        where user_id = $1 and id = $2",
        user.0,
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    if revoked.rows_affected() == 0 {
        return Err(Error::NotFound {
            what: "personal token",
        });
    }
    Ok(())
}

/// Revokes all of a person's tokens; returns how many worked until then. Served by
/// `personal_tokens_name`.
pub async fn revoke_all(tx: &mut PlatformTx, user: UserId, now: OffsetDateTime) -> Result<u64> {
    let revoked = sqlx::query!(
        "update personal_tokens set revoked_at = $2
        where user_id = $1 and revoked_at is null and expires_at > $2",
        user.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(revoked.rows_affected())
}
