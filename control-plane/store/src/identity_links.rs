//! Whose account an account at a provider is. All of it crosses tenants: a person belongs to none.

use domain::email::Email;
use domain::id::{ProviderId, UserId};
use domain::identity_provider::{IdentityLink, LinkedBy};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Error, PlatformTx, Result};

struct Raw {
    provider_id: Uuid,
    subject: String,
    user_id: Uuid,
    email: String,
    is_by_person: bool,
    created_at: OffsetDateTime,
    last_signed_in_at: Option<OffsetDateTime>,
}

impl From<Raw> for IdentityLink {
    fn from(raw: Raw) -> Self {
        IdentityLink {
            provider_id: raw.provider_id.into(),
            subject: raw.subject,
            user_id: raw.user_id.into(),
            email: raw.email,
            is_by_person: raw.is_by_person,
            created_at: raw.created_at,
            last_signed_in_at: raw.last_signed_in_at,
        }
    }
}

/// Somebody who has that many providers looks for none.
const LINKS_MAX: i64 = 100;

/// Served by the primary key.
pub async fn find(
    tx: &mut PlatformTx,
    provider: ProviderId,
    subject: &str,
) -> Result<Option<IdentityLink>> {
    let found = sqlx::query_as!(
        Raw,
        "select provider_id, subject, user_id, email, is_by_person, created_at, last_signed_in_at
        from identity_links where provider_id = $1 and subject = $2",
        provider.0,
        subject
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(Into::into))
}

pub async fn insert(
    tx: &mut PlatformTx,
    (provider, subject): (ProviderId, &str),
    (user, by): (UserId, LinkedBy),
    email: Option<&Email>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "insert into identity_links (provider_id, subject, user_id, email, is_by_person,
            created_at)
        values ($1, $2, $3, $4, $5, $6)",
        provider.0,
        subject,
        user.0,
        email.map_or("", Email::as_str),
        by == LinkedBy::Person,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes a sign-in, and what the provider said of the address.
pub async fn note_sign_in(
    tx: &mut PlatformTx,
    (provider, subject): (ProviderId, &str),
    email: Option<&Email>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update identity_links set last_signed_in_at = $3, email = coalesce($4, email)
        where provider_id = $1 and subject = $2",
        provider.0,
        subject,
        now,
        email.map(Email::as_str)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A person's, with the providers' names, by name. Served by `identity_links_user_key`.
pub async fn list_of_user(
    tx: &mut PlatformTx,
    user: UserId,
) -> Result<Vec<(IdentityLink, String)>> {
    let rows = sqlx::query!(
        "select l.provider_id, l.subject, l.user_id, l.email, l.is_by_person, l.created_at,
            l.last_signed_in_at,
            p.name
        from identity_links l join identity_providers p on p.id = l.provider_id
        where l.user_id = $1 order by lower(p.name), p.id limit $2",
        user.0,
        LINKS_MAX
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let link = Raw {
                provider_id: row.provider_id,
                subject: row.subject,
                user_id: row.user_id,
                email: row.email,
                is_by_person: row.is_by_person,
                created_at: row.created_at,
                last_signed_in_at: row.last_signed_in_at,
            };
            (link.into(), row.name)
        })
        .collect())
}

/// How many of a person's providers sign them in now. Served by `identity_links_user_key`.
pub async fn count(tx: &mut PlatformTx, user: UserId) -> Result<u32> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
        from identity_links l join identity_providers p on p.id = l.provider_id
        where l.user_id = $1 and p.is_enabled"#,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The link as it was.
pub async fn delete(
    tx: &mut PlatformTx,
    provider: ProviderId,
    user: UserId,
) -> Result<IdentityLink> {
    let gone = sqlx::query_as!(
        Raw,
        "delete from identity_links where provider_id = $1 and user_id = $2
        returning provider_id, subject, user_id, email, is_by_person, created_at, last_signed_in_at",
        provider.0,
        user.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    gone.map(Into::into).ok_or(Error::NotFound {
        what: "connected provider",
    })
}
