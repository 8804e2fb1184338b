//! What people gave to clients: grants, the codes that start them and the refresh tokens that keep
//! them going. Grants are found by their id across tenants: who holds a code or token has proven
//! which.

use domain::group::GROUPS_OF_MEMBER_MAX;
use domain::id::{ApiId, ClientId, TenantId, UserId};
use domain::member::Attributes;
use domain::role::Role;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::revocations::{self, SINGLES_MAX, Single};
use crate::rows::word;
use crate::{PlatformTx, Result, members};

/// How many audiences are read for a token; one more than a token may name.
const APIS_MAX: i64 = domain::token::AUDIENCES_MAX as i64 + 1;

/// The family of tokens that came of one code.
#[derive(Debug, Clone, PartialEq)]
pub struct OauthGrant {
    /// `origin_jti` of its tokens.
    pub id: Uuid,
    pub tenant_id: TenantId,
    pub client_id: ClientId,
    pub user_id: UserId,
    /// The sign-in that it came of.
    pub login_id: Option<Uuid>,
    pub scopes: Vec<String>,
    /// Audiences that were asked for (RFC 8707); empty: those that the tenant can call.
    pub resources: Vec<String>,
    pub nonce: Option<String>,
    pub auth_time: OffsetDateTime,
    pub amr: Vec<String>,
    pub expires_at: OffsetDateTime,
}

impl OauthGrant {
    /// As its id (UUID v7) says.
    pub fn given_at(&self) -> OffsetDateTime {
        let (seconds, nanos) = self
            .id
            .get_timestamp()
            .map_or((0, 0), |timestamp| timestamp.to_unix());
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_or(OffsetDateTime::UNIX_EPOCH, |at| {
            at + Duration::nanoseconds(nanos.into())
        })
    }
}

#[derive(Debug)]
pub struct NewCode<'a> {
    pub hash: [u8; 32],
    pub redirect_uri: &'a str,
    pub challenge: Option<&'a str>,
    pub expires_at: OffsetDateTime,
}

/// Keeps a grant and the code that opens it. One statement each.
pub async fn insert(tx: &mut PlatformTx, grant: &OauthGrant, code: &NewCode<'_>) -> Result<()> {
    sqlx::query!(
        "insert into oauth_grants (id, tenant_id, client_id, user_id, login_id, scopes,
            resources, nonce, auth_time, amr, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        grant.id,
        grant.tenant_id.0,
        grant.client_id.0,
        grant.user_id.0,
        grant.login_id,
        &grant.scopes,
        &grant.resources,
        grant.nonce,
        grant.auth_time,
        &grant.amr,
        grant.expires_at
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into oauth_codes (hash, grant_id, redirect_uri, challenge, expires_at)
        values ($1, $2, $3, $4, $5)",
        &code.hash[..],
        grant.id,
        code.redirect_uri,
        code.challenge,
        code.expires_at
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A code as it was before it was used just now.
#[derive(Debug)]
pub struct UsedCode {
    pub redirect_uri: String,
    pub challenge: Option<String>,
    pub expires_at: OffsetDateTime,
    pub was_used: bool,
    pub is_revoked: bool,
    pub grant: OauthGrant,
}

/// Marks a code as used and says what it was. Two at once: one of them sees `was_used`. Rolling
/// the transaction back leaves it unused. Served by primary keys.
pub async fn use_code(
    tx: &mut PlatformTx,
    hash: &[u8; 32],
    now: OffsetDateTime,
) -> Result<Option<UsedCode>> {
    let found = sqlx::query!(
        r#"with old as (
            select hash, used_at from oauth_codes where hash = $1 for update
        )
        update oauth_codes c set used_at = coalesce(c.used_at, $2)
        from old, oauth_grants g
        where c.hash = old.hash and g.id = c.grant_id
        returning old.used_at is not null as "was_used!", c.redirect_uri, c.challenge,
            c.expires_at as code_expires_at, g.revoked_at is not null as "is_revoked!",
            g.id, g.tenant_id, g.client_id, g.user_id, g.login_id, g.scopes, g.resources,
            g.nonce, g.auth_time, g.amr, g.expires_at"#,
        &hash[..],
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    found
        .map(|row| {
            Ok(UsedCode {
                redirect_uri: row.redirect_uri,
                challenge: row.challenge,
                expires_at: row.code_expires_at,
                was_used: row.was_used,
                is_revoked: row.is_revoked,
                grant: OauthGrant {
                    id: row.id,
                    tenant_id: row.tenant_id.into(),
                    client_id: row.client_id.into(),
                    user_id: row.user_id.into(),
                    login_id: row.login_id,
                    scopes: row.scopes,
                    resources: row.resources,
                    nonce: row.nonce,
                    auth_time: row.auth_time,
                    amr: row.amr,
                    expires_at: row.expires_at,
                },
            })
        })
        .transpose()
}

/// A grant as it was before its refresh token was turned just now.
#[derive(Debug)]
pub struct Turned {
    pub sequence: u32,
    pub rotated_at: Option<OffsetDateTime>,
    pub is_revoked: bool,
    pub grant: OauthGrant,
}

/// Moves a grant on to its next refresh token, if `sequence` is the number of the one in force, and
/// says where it was. Of several at once one moves it on. Served by the primary key.
pub async fn turn(
    tx: &mut PlatformTx,
    id: Uuid,
    sequence: u32,
    now: OffsetDateTime,
) -> Result<Option<Turned>> {
    let found = sqlx::query!(
        r#"with old as (
            select id, sequence, rotated_at from oauth_grants where id = $1 for update
        )
        update oauth_grants g set
            sequence = g.sequence + (old.sequence = $2)::int,
            rotated_at = case when old.sequence = $2 then $3 else g.rotated_at end
        from old where g.id = old.id
        returning old.sequence as "was!", old.rotated_at as was_rotated_at,
            g.revoked_at is not null as "is_revoked!",
            g.id, g.tenant_id, g.client_id, g.user_id, g.login_id, g.scopes, g.resources,
            g.nonce, g.auth_time, g.amr, g.expires_at"#,
        id,
        i32::try_from(sequence).unwrap_or(-1),
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    found
        .map(|row| {
            Ok(Turned {
                sequence: crate::rows::small(row.was),
                rotated_at: row.was_rotated_at,
                is_revoked: row.is_revoked,
                grant: OauthGrant {
                    id: row.id,
                    tenant_id: row.tenant_id.into(),
                    client_id: row.client_id.into(),
                    user_id: row.user_id.into(),
                    login_id: row.login_id,
                    scopes: row.scopes,
                    resources: row.resources,
                    nonce: row.nonce,
                    auth_time: row.auth_time,
                    amr: row.amr,
                    expires_at: row.expires_at,
                },
            })
        })
        .transpose()
}

/// Whether a grant is in force and its person not disabled, and where its refresh token stands.
pub async fn find_live(
    tx: &mut PlatformTx,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<Option<(OauthGrant, u32)>> {
    let found = sqlx::query!(
        "select id, tenant_id, client_id, user_id, login_id, scopes, resources, nonce,
            auth_time, amr, expires_at, sequence
        from oauth_grants where id = $1 and revoked_at is null and expires_at > $2
            and exists (select from users u where u.id = user_id and u.disabled_at is null)",
        id,
        now
    )
    .fetch_optional(&mut **tx)
    .await?;
    found
        .map(|row| {
            let grant = OauthGrant {
                id: row.id,
                tenant_id: row.tenant_id.into(),
                client_id: row.client_id.into(),
                user_id: row.user_id.into(),
                login_id: row.login_id,
                scopes: row.scopes,
                resources: row.resources,
                nonce: row.nonce,
                auth_time: row.auth_time,
                amr: row.amr,
                expires_at: row.expires_at,
            };
            Ok((grant, crate::rows::small(row.sequence)))
        })
        .transpose()
}

/// Whether a person has signed in to a client with what is in force. Served by `oauth_grants_user`.
pub async fn has_given(tx: &mut PlatformTx, user: UserId, client: ClientId) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from oauth_grants
            where user_id = $1 and client_id = $2 and revoked_at is null
        ) as "has!""#,
        user.0,
        client.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}

/// For whom tokens of a grant are, as of now.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    pub email: String,
    pub is_email_confirmed: bool,
    pub name: String,
    pub role: Role,
    /// Names of the person's groups, in order.
    pub groups: Vec<String>,
    pub attributes: Attributes,
    /// Of APIs that the tenant's subscriptions open; the audience where one is set.
    pub apis: Vec<(ApiId, Option<String>)>,
}

/// `None`: the person is no member any more or disabled, here or everywhere, or the tenant is
/// suspended. The member stays as they are until the transaction ends: who takes something from them
/// waits for tokens that still say it, and cuts these off. Served by `members_user_key`,
/// `group_members_member` and the primary key of `subscription_apis`.
pub async fn find_holder(
    tx: &mut PlatformTx,
    tenant: TenantId,
    user: UserId,
) -> Result<Option<Holder>> {
    let found = sqlx::query!(
        r#"select u.email, u.email_confirmed_at is not null as "is_confirmed!", u.name, m.role,
            m.attributes,
            array(
                select g.name from group_members i join groups g
                    on g.tenant_id = i.tenant_id and g.id = i.group_id
                where i.tenant_id = $1 and i.member_id = m.id order by lower(g.name) limit $4
            ) as "groups!",
            a.ids as "ids!", a.audiences as "audiences!"
        from members m
        join users u on u.id = m.user_id
        join tenants t on t.id = m.tenant_id
        cross join lateral (
            select coalesce(array_agg(o.id order by o.id), '{}') as ids,
                coalesce(array_agg(coalesce(o.audience, '') order by o.id), '{}') as audiences
            from (
                select a.id, a.audience from subscription_apis s
                join subscriptions b on b.tenant_id = s.tenant_id and b.id = s.subscription_id
                join apis a on a.id = s.api_id
                where s.tenant_id = t.id and b.status = 'active' order by a.id limit $3
            ) o
        ) a
        where m.tenant_id = $1 and m.user_id = $2 and m.status = 'active' and t.status = 'active'
            and u.disabled_at is null
        for share of m"#,
        tenant.0,
        user.0,
        APIS_MAX,
        i64::from(GROUPS_OF_MEMBER_MAX)
    )
    .fetch_optional(&mut **tx)
    .await?;
    found
        .map(|row| {
            Ok(Holder {
                email: row.email,
                is_email_confirmed: row.is_confirmed,
                name: row.name,
                role: word("role", &row.role)?,
                groups: row.groups,
                attributes: members::attributes(row.attributes)?,
                apis: with_audiences(row.ids, row.audiences),
            })
        })
        .transpose()
}

/// The APIs that an active tenant's subscriptions open; `None`: it is suspended.
pub async fn find_apis(
    tx: &mut PlatformTx,
    tenant: TenantId,
) -> Result<Option<Vec<(ApiId, Option<String>)>>> {
    let found = sqlx::query!(
        r#"select a.ids as "ids!", a.audiences as "audiences!"
        from tenants t
        cross join lateral (
            select coalesce(array_agg(o.id order by o.id), '{}') as ids,
                coalesce(array_agg(coalesce(o.audience, '') order by o.id), '{}') as audiences
            from (
                select a.id, a.audience from subscription_apis s
                join subscriptions b on b.tenant_id = s.tenant_id and b.id = s.subscription_id
                join apis a on a.id = s.api_id
                where s.tenant_id = t.id and b.status = 'active' order by a.id limit $2
            ) o
        ) a
        where t.id = $1 and t.status = 'active'"#,
        tenant.0,
        APIS_MAX
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(found.map(|row| with_audiences(row.ids, row.audiences)))
}

fn with_audiences(ids: Vec<Uuid>, audiences: Vec<String>) -> Vec<(ApiId, Option<String>)> {
    ids.into_iter()
        .map(Into::into)
        .zip(
            audiences
                .into_iter()
                .map(|text| Some(text).filter(|text| !text.is_empty())),
        )
        .collect()
}

/// Ends a grant: its refresh token works no more, and nodes refuse its access tokens.
pub async fn revoke(tx: &mut PlatformTx, grant: Uuid, now: OffsetDateTime) -> Result<()> {
    let ended = sqlx::query!(
        "update oauth_grants set revoked_at = $2 where id = $1 and revoked_at is null
        returning id, tenant_id, user_id",
        grant,
        now
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in ended {
        cut_off(tx, row.id, (row.tenant_id.into(), row.user_id.into()), now).await?;
    }
    Ok(())
}

/// Ends the grants that came of a sign-in, but for those that were to outlive it. Served by
/// `oauth_grants_login`.
pub(crate) async fn revoke_of_login(
    tx: &mut PlatformTx,
    login: Uuid,
    now: OffsetDateTime,
) -> Result<()> {
    let ended = sqlx::query!(
        "update oauth_grants set revoked_at = $2
        where login_id = $1 and revoked_at is null and not 'offline_access' = any(scopes)
        returning id, tenant_id, user_id",
        login,
        now
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in ended {
        cut_off(tx, row.id, (row.tenant_id.into(), row.user_id.into()), now).await?;
    }
    Ok(())
}

/// Ends all that a person gave to applications. Served by `oauth_grants_user`.
pub(crate) async fn revoke_of_user(
    tx: &mut PlatformTx,
    user: UserId,
    now: OffsetDateTime,
) -> Result<()> {
    let ended = sqlx::query!(
        "update oauth_grants set revoked_at = $2 where user_id = $1 and revoked_at is null
        returning id, tenant_id, user_id",
        user.0,
        now
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in ended {
        cut_off(tx, row.id, (row.tenant_id.into(), row.user_id.into()), now).await?;
    }
    Ok(())
}

async fn cut_off(
    tx: &mut PlatformTx,
    grant: Uuid,
    (tenant, user): (TenantId, UserId),
    now: OffsetDateTime,
) -> Result<()> {
    let single = Single::grant(grant, tenant, user, now);
    revocations::insert_single(tx, &single, SINGLES_MAX).await
}

/// Deletes grants and codes that ran out, at most `limit` of each. Served by their indexes on
/// `expires_at`.
pub async fn delete_expired(tx: &mut PlatformTx, now: OffsetDateTime, limit: u32) -> Result<()> {
    sqlx::query!(
        "delete from oauth_codes where hash in (
            select hash from oauth_codes where expires_at < $1 limit $2
        )",
        now,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "delete from oauth_grants where id in (
            select id from oauth_grants where expires_at < $1 limit $2
        )",
        now,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
