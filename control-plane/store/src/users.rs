//! People. All of it crosses tenants: a person belongs to none.

use domain::conflict::Conflict;
use domain::email::Email;
use domain::id::UserId;
use domain::user::{PersonName, User};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::revocations::{self, Revocation};
use crate::rows::{small, unsigned};
use crate::{Error, PlatformTx, Result, personal_tokens, sessions};

struct Raw {
    id: Uuid,
    email: String,
    name: String,
    password_hash: Option<String>,
    email_confirmed_at: Option<OffsetDateTime>,
    failed_sign_ins: i32,
    locked_until: Option<OffsetDateTime>,
    last_signed_in_at: Option<OffsetDateTime>,
    disabled_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl From<Raw> for User {
    fn from(raw: Raw) -> Self {
        User {
            id: raw.id.into(),
            email: raw.email,
            name: raw.name,
            password_hash: raw.password_hash,
            email_confirmed_at: raw.email_confirmed_at,
            failed_sign_ins: small(raw.failed_sign_ins),
            locked_until: raw.locked_until,
            last_signed_in_at: raw.last_signed_in_at,
            disabled_at: raw.disabled_at,
            created_at: raw.created_at,
        }
    }
}

#[derive(Debug)]
pub struct NewUser<'a> {
    pub id: UserId,
    pub email: &'a Email,
    pub name: &'a PersonName,
    /// argon2id in PHC form, or another system's hash.
    pub password_hash: Option<&'a str>,
    pub email_confirmed_at: Option<OffsetDateTime>,
}

pub async fn insert(tx: &mut PlatformTx, user: &NewUser<'_>) -> Result<User> {
    sqlx::query!(
        "insert into users (id, email, name, password_hash, email_confirmed_at)
        values ($1, $2, $3, $4, $5)",
        user.id.0,
        user.email.as_str(),
        user.name.as_str(),
        user.password_hash,
        user.email_confirmed_at
    )
    .execute(&mut **tx)
    .await?;
    get(tx, user.id).await
}

/// As [`insert`], unless somebody has the address already, who stays as they are; whether it was
/// inserted. Of two at once, one is. Served by `users_email_key`.
pub async fn insert_unless_taken(tx: &mut PlatformTx, user: &NewUser<'_>) -> Result<(User, bool)> {
    let inserted = sqlx::query!(
        "insert into users (id, email, name, password_hash, email_confirmed_at)
        values ($1, $2, $3, $4, $5) on conflict (email) do nothing",
        user.id.0,
        user.email.as_str(),
        user.name.as_str(),
        user.password_hash,
        user.email_confirmed_at
    )
    .execute(&mut **tx)
    .await?;
    let found = find_by_email(tx, user.email).await?;
    let found = found.ok_or(Error::NotFound { what: "user" })?;
    Ok((found, inserted.rows_affected() > 0))
}

/// Served by `users_email_key`.
pub async fn find_by_email(tx: &mut PlatformTx, email: &Email) -> Result<Option<User>> {
    let found = sqlx::query_as!(
        Raw,
        "select id, email, name, password_hash, email_confirmed_at, failed_sign_ins, locked_until,
            last_signed_in_at, disabled_at, created_at
        from users where email = $1",
        email.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(Into::into))
}

/// Served by the primary key.
pub async fn get(tx: &mut PlatformTx, id: UserId) -> Result<User> {
    let found = sqlx::query_as!(
        Raw,
        "select id, email, name, password_hash, email_confirmed_at, failed_sign_ins, locked_until,
            last_signed_in_at, disabled_at, created_at
        from users where id = $1",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    found
        .map(Into::into)
        .ok_or(Error::NotFound { what: "user" })
}

/// Sets a password, or takes it away: the lock is lifted, and every sign-in of the person and all
/// that came of it ends.
pub async fn set_password(
    tx: &mut PlatformTx,
    id: UserId,
    password_hash: Option<&str>,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $2, failed_sign_ins = 0, locked_until = null
        where id = $1",
        id.0,
        password_hash
    )
    .execute(&mut **tx)
    .await?;
    sessions::end_of_user(tx, id, now).await
}

/// Somebody in the list of people.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedUser {
    pub user: User,
    /// Of how many tenants they are a member.
    pub tenants: u64,
}

/// The newest first, before `before`; with a search, those whose address or name starts so or whose
/// id it is. Served by the primary key, `users_email_start` and `users_name`; the counts by
/// `members_user`.
pub async fn search(
    tx: &mut PlatformTx,
    search: Option<&str>,
    before: Option<UserId>,
    limit: u32,
) -> Result<Vec<ListedUser>> {
    let id = search.and_then(|text| text.parse::<UserId>().ok());
    let start = search.map(|text| format!("{}%", crate::rows::escape_like(&text.to_lowercase())));
    let rows = sqlx::query!(
        r#"select id, email, name, password_hash, email_confirmed_at, failed_sign_ins,
            locked_until, last_signed_in_at, disabled_at, created_at,
            (select count(*) from members m where m.user_id = u.id) as "tenants!"
        from users u
        where ($1::text is null or email like $1 or lower(name) like $1 or id = $2)
            and ($3::uuid is null or id < $3)
        order by id desc limit $4"#,
        start,
        id.map(|id| id.0),
        before.map(|id| id.0),
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    let listed = rows.into_iter().map(|row| ListedUser {
        tenants: unsigned(row.tenants),
        user: Raw {
            id: row.id,
            email: row.email,
            name: row.name,
            password_hash: row.password_hash,
            email_confirmed_at: row.email_confirmed_at,
            failed_sign_ins: row.failed_sign_ins,
            locked_until: row.locked_until,
            last_signed_in_at: row.last_signed_in_at,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        }
        .into(),
    });
    Ok(listed.collect())
}

/// Has a person come in nowhere: sessions and grants end, tokens of their programs are revoked, and
/// nodes refuse the access tokens that were issued until now. The platform keeps an operator who
/// can come in, also if two of them are disabled at once.
pub async fn disable(tx: &mut PlatformTx, id: UserId, now: OffsetDateTime) -> Result<()> {
    // Holds the rows, always in the same order.
    let operators = sqlx::query_scalar!(
        "select user_id from platform_members where role = 'operator' order by user_id for update"
    )
    .fetch_all(&mut **tx)
    .await?;
    if operators.contains(&id.0) {
        let others = sqlx::query_scalar!(
            r#"select count(*) as "count!" from users
            where id = any($1) and id <> $2 and disabled_at is null"#,
            &operators,
            id.0
        )
        .fetch_one(&mut **tx)
        .await?;
        if others == 0 {
            return Err(Conflict::LastOperator.into());
        }
    }
    sqlx::query!(
        "update users set disabled_at = coalesce(disabled_at, $2) where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    sessions::end_of_user(tx, id, now).await?;
    personal_tokens::revoke_all(tx, id, now).await?;
    revocations::insert(tx, &Revocation::user(id, now)).await
}

/// Lets a person in again. What was ended stays ended.
pub async fn enable(tx: &mut PlatformTx, id: UserId) -> Result<()> {
    sqlx::query!("update users set disabled_at = null where id = $1", id.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Replaces the hash of the same password by a better one, unless another was set meanwhile.
pub async fn replace_hash(tx: &mut PlatformTx, id: UserId, from: &str, to: &str) -> Result<()> {
    sqlx::query!(
        "update users set password_hash = $3 where id = $1 and password_hash = $2",
        id.0,
        from,
        to
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn rename(tx: &mut PlatformTx, id: UserId, name: &PersonName) -> Result<()> {
    sqlx::query!(
        "update users set name = $2 where id = $1",
        id.0,
        name.as_str()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn confirm_email(tx: &mut PlatformTx, id: UserId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "update users set email_confirmed_at = coalesce(email_confirmed_at, $2) where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes a sign-in that worked.
pub async fn note_sign_in(tx: &mut PlatformTx, id: UserId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "update users set last_signed_in_at = $2, failed_sign_ins = 0, locked_until = null
        where id = $1",
        id.0,
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes a wrong password; returns how many there were in a row, each counted once however many
/// come at the same moment.
pub async fn note_failed_sign_in(tx: &mut PlatformTx, id: UserId) -> Result<u32> {
    let failed = sqlx::query_scalar!(
        "update users set failed_sign_ins = least(failed_sign_ins, 1000000) + 1
        where id = $1 returning failed_sign_ins",
        id.0
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(small(failed.unwrap_or(0)))
}

/// Takes a counted attempt back that was right, though it was not enough: with the pause that it
/// would have brought.
pub async fn take_back_failed_sign_in(
    tx: &mut PlatformTx,
    id: UserId,
    pause: Option<OffsetDateTime>,
) -> Result<()> {
    sqlx::query!(
        "update users set failed_sign_ins = greatest(failed_sign_ins - 1, 0),
            locked_until = case when locked_until = $2 then null else locked_until end
        where id = $1",
        id.0,
        pause
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives the account another address, which its owner has confirmed, in its sessions too. Taken: a
/// conflict.
pub async fn set_email(
    tx: &mut PlatformTx,
    id: UserId,
    email: &Email,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update users set email = $2, email_confirmed_at = $3 where id = $1",
        id.0,
        email.as_str(),
        now
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update sessions set data = jsonb_set(data, '{email}', to_jsonb($2::text))
        where user_id = $1",
        id.0,
        email.as_str()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Pauses sign-in until then; `None` lifts the pause and forgets the wrong passwords.
pub async fn set_lock(
    tx: &mut PlatformTx,
    id: UserId,
    until: Option<OffsetDateTime>,
) -> Result<()> {
    sqlx::query!(
        "update users set locked_until = $2,
            failed_sign_ins = case when $2::timestamptz is null then 0 else failed_sign_ins end
        where id = $1",
        id.0,
        until
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A code that was mailed. Only its hash is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MailedCode {
    pub hash: [u8; 32],
    pub attempts: u32,
    pub expires_at: OffsetDateTime,
    /// What the confirmed step needs.
    pub details: serde_json::Value,
    pub created_at: OffsetDateTime,
}

/// What identifies the one code that an address has for a purpose.
#[derive(Debug, Clone, Copy)]
pub struct CodeFor<'a> {
    pub email: &'a Email,
    pub purpose: domain::email::CodePurpose,
}

/// Keeps a code in place of the one before.
pub async fn replace_code(
    tx: &mut PlatformTx,
    code: CodeFor<'_>,
    hash: &[u8; 32],
    details: &serde_json::Value,
    expires_at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "insert into email_codes (id, email, purpose, hash, details, expires_at)
        values (gen_random_uuid(), $1, $2, $3, $4, $5)
        on conflict (email, purpose) do update set hash = excluded.hash,
            details = excluded.details, expires_at = excluded.expires_at, attempts = 0,
            created_at = now()",
        code.email.as_str(),
        code.purpose.as_str(),
        &hash[..],
        details,
        expires_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The code with this attempt counted: commit before comparing, so that guesses cost something.
pub async fn try_code(tx: &mut PlatformTx, code: CodeFor<'_>) -> Result<Option<MailedCode>> {
    sqlx::query!(
        "update email_codes set attempts = least(attempts, 1000) + 1
        where email = $1 and purpose = $2
        returning hash, attempts, expires_at, details, created_at",
        code.email.as_str(),
        code.purpose.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| {
        Ok(MailedCode {
            hash: crate::rows::bytes32("mailed code", &row.hash)?,
            attempts: small(row.attempts),
            expires_at: row.expires_at,
            details: row.details,
            created_at: row.created_at,
        })
    })
    .transpose()
}

/// The code as it is, without counting an attempt.
pub async fn find_code(tx: &mut PlatformTx, code: CodeFor<'_>) -> Result<Option<MailedCode>> {
    sqlx::query!(
        "select hash, attempts, expires_at, details, created_at from email_codes
        where email = $1 and purpose = $2",
        code.email.as_str(),
        code.purpose.as_str()
    )
    .fetch_optional(&mut **tx)
    .await?
    .map(|row| {
        Ok(MailedCode {
            hash: crate::rows::bytes32("mailed code", &row.hash)?,
            attempts: small(row.attempts),
            expires_at: row.expires_at,
            details: row.details,
            created_at: row.created_at,
        })
    })
    .transpose()
}

/// Uses a code up.
pub async fn delete_code(tx: &mut PlatformTx, code: CodeFor<'_>) -> Result<()> {
    sqlx::query!(
        "delete from email_codes where email = $1 and purpose = $2",
        code.email.as_str(),
        code.purpose.as_str()
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Forgets codes that ran out; returns how many.
pub async fn delete_expired_codes(
    tx: &mut PlatformTx,
    now: OffsetDateTime,
    limit: u32,
) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from email_codes where id in (
            select id from email_codes where expires_at < $1 limit $2
        )",
        now,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}

/// The person's role on the platform, if any.
pub async fn find_platform_role(
    tx: &mut PlatformTx,
    id: UserId,
) -> Result<Option<domain::role::PlatformRole>> {
    sqlx::query_scalar!("select role from platform_members where user_id = $1", id.0)
        .fetch_optional(&mut **tx)
        .await?
        .map(|role| crate::rows::word("platform role", &role))
        .transpose()
}

/// Gives or takes a role on the platform.
pub async fn set_platform_role(
    tx: &mut PlatformTx,
    id: UserId,
    role: Option<domain::role::PlatformRole>,
) -> Result<()> {
    match role {
        Some(role) => {
            sqlx::query!(
                "insert into platform_members (user_id, role) values ($1, $2)
                on conflict (user_id) do update set role = excluded.role",
                id.0,
                role.as_str()
            )
            .execute(&mut **tx)
            .await?;
        }
        None => {
            sqlx::query!("delete from platform_members where user_id = $1", id.0)
                .execute(&mut **tx)
                .await?;
        }
    }
    Ok(())
}

/// People with a role on the platform, who are few.
pub async fn list_platform_members(
    tx: &mut PlatformTx,
    limit: u32,
) -> Result<Vec<(User, domain::role::PlatformRole)>> {
    let rows = sqlx::query!(
        "select user_id, role from platform_members order by user_id limit $1",
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in rows {
        let role = crate::rows::word("platform role", &row.role)?;
        members.push((get(tx, row.user_id.into()).await?, role));
    }
    Ok(members)
}
