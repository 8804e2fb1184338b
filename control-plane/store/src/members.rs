//! People in tenants.

use domain::conflict::Conflict;
use domain::email::Email;
use domain::id::{MemberId, TenantId, UserId};
use domain::member::{Attributes, Member, Standing, change_standing};
use domain::role::Role;
use domain::tenant::Tenant;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::revocations::{self, Revocation};
use crate::rows::{unsigned, word};
use crate::{Conn, Error, PlatformTx, Result, edition, tenants};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    user_id: Uuid,
    email: String,
    name: String,
    role: String,
    status: String,
    attributes: Value,
    edition: i32,
    created_at: OffsetDateTime,
    last_signed_in_at: Option<OffsetDateTime>,
}

impl Raw {
    fn read(self) -> Result<Member> {
        Ok(Member {
            id: self.id.into(),
            tenant_id: self.tenant_id.into(),
            user_id: self.user_id.into(),
            email: self.email,
            name: self.name,
            standing: Standing {
                role: word("role", &self.role)?,
                status: word("member status", &self.status)?,
            },
            attributes: attributes(self.attributes)?,
            edition: self.edition,
            created_at: self.created_at,
            last_signed_in_at: self.last_signed_in_at,
        })
    }
}

pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    id: MemberId,
    user: UserId,
    role: Role,
) -> Result<Member> {
    sqlx::query!(
        "insert into members (id, tenant_id, user_id, role) values ($1, $2, $3, $4)",
        id.0,
        tenant.0,
        user.0,
        role.as_str()
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// As [`insert`], with attributes; `None`: they are a member already, who stays as they are.
pub async fn insert_unless_member(
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    user: UserId,
    (role, attributes): (Role, &Attributes),
) -> Result<Option<Member>> {
    let inserted = sqlx::query!(
        "insert into members (id, tenant_id, user_id, role, attributes)
        values ($1, $2, $3, $4, $5) on conflict (tenant_id, user_id) do nothing",
        id.0,
        tenant.0,
        user.0,
        role.as_str(),
        json!(attributes.as_map())
    )
    .execute(&mut *tx)
    .await?;
    match inserted.rows_affected() {
        0 => Ok(None),
        _ => get(tx, tenant, id).await.map(Some),
    }
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: MemberId) -> Result<Member> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.status, m.attributes,
            m.edition, m.created_at, u.last_signed_in_at
        from members m join users u on u.id = m.user_id
        where m.tenant_id = $1 and m.id = $2",
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?
    .ok_or(Error::NotFound { what: "member" })?
    .read()
}

/// Somebody disabled too: ask their status. Served by `members_user_key`.
pub async fn find_by_user(tx: &mut Conn, tenant: TenantId, user: UserId) -> Result<Option<Member>> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.status, m.attributes,
            m.edition, m.created_at, u.last_signed_in_at
        from members m join users u on u.id = m.user_id
        where m.tenant_id = $1 and m.user_id = $2",
        tenant.0,
        user.0
    )
    .fetch_optional(tx)
    .await?
    .map(Raw::read)
    .transpose()
}

/// Somebody disabled too. Served by `users_email_key` and `members_user_key`.
pub async fn find_by_email(
    tx: &mut Conn,
    tenant: TenantId,
    email: &Email,
) -> Result<Option<Member>> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.status, m.attributes,
            m.edition, m.created_at, u.last_signed_in_at
        from members m join users u on u.id = m.user_id
        where m.tenant_id = $1 and u.email = $2",
        tenant.0,
        email.as_str()
    )
    .fetch_optional(tx)
    .await?
    .map(Raw::read)
    .transpose()
}

/// Oldest first, after `after`. Served by the unique index over tenant and id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<Member>> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.status, m.attributes,
            m.edition, m.created_at, u.last_signed_in_at
        from members m join users u on u.id = m.user_id
        where m.tenant_id = $1 and m.id > $2 order by m.id limit $3",
        tenant.0,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?
    .into_iter()
    .map(Raw::read)
    .collect()
}

/// A member whom nobody else changes until the transaction ends, and to whom what is to come may
/// happen.
#[derive(Debug)]
pub struct Held {
    member: Member,
    /// `None`: they are to be taken out.
    to: Option<Standing>,
}

/// Holds a member for a change, unless that would leave the tenant without an owner who can come
/// in. Who loses something is refused refresh tokens from here on.
///
/// The instant of the change is to be read after this: whoever got a token that says the old role
/// had it issued before, and a later one says the new role.
pub async fn hold(
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    to: Option<Standing>,
    seen: Option<i32>,
    now: OffsetDateTime,
) -> Result<Held> {
    // Two owners that step down at once are counted one after the other.
    tenants::take_turn(tx, tenant).await?;
    let member = get(tx, tenant, id).await?;
    edition::check("member", Some(member.edition), seen)?;
    let owners = sqlx::query_scalar!(
        r#"select count(*) as "count!" from members
        where tenant_id = $1 and role = 'owner' and status = 'active'"#,
        tenant.0
    )
    .fetch_one(&mut *tx)
    .await?;
    change_standing(member.standing, to, unsigned(owners)).map_err(|_| Conflict::LastOwner)?;
    if member.standing.loses(to) {
        // Before the member, as who issues tokens goes about it.
        end_grants(tx, tenant, member.user_id, now).await?;
    }
    sqlx::query!(
        "select from members where tenant_id = $1 and id = $2 for update",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    Ok(Held { member, to })
}

/// Changes a member as they were held for; who loses something is cut off at `now`.
pub async fn update(
    tx: &mut Conn,
    held: Held,
    attributes: &Attributes,
    now: OffsetDateTime,
) -> Result<Member> {
    let Member {
        id,
        tenant_id,
        user_id,
        standing: before,
        ..
    } = held.member;
    let after = held.to.unwrap_or(before);
    sqlx::query!(
        "update members set role = $3, status = $4, attributes = $5, edition = edition + 1
        where tenant_id = $1 and id = $2",
        tenant_id.0,
        id.0,
        after.role.as_str(),
        after.status.as_str(),
        json!(attributes.as_map())
    )
    .execute(&mut *tx)
    .await?;
    if before.loses(Some(after)) {
        revocations::insert(tx, &Revocation::member(tenant_id, user_id, now)).await?;
    }
    get(tx, tenant_id, id).await
}

/// Takes a person out who is held for it.
pub async fn delete(tx: &mut Conn, held: Held, now: OffsetDateTime) -> Result<()> {
    let member = held.member;
    sqlx::query!(
        "delete from members where tenant_id = $1 and id = $2",
        member.tenant_id.0,
        member.id.0
    )
    .execute(&mut *tx)
    .await?;
    let cut_off = Revocation::member(member.tenant_id, member.user_id, now);
    revocations::insert(tx, &cut_off).await
}

/// Refresh tokens that a person gave to applications for this tenant work no more. Served by
/// `oauth_grants_user`.
async fn end_grants(
    tx: &mut Conn,
    tenant: TenantId,
    user: UserId,
    now: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "update oauth_grants set revoked_at = $3
        where tenant_id = $1 and user_id = $2 and revoked_at is null",
        tenant.0,
        user.0,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is stored of a person's attributes.
pub(crate) fn attributes(stored: Value) -> Result<Attributes> {
    let map = serde_json::from_value(stored).map_err(|_| Error::corrupt("attributes"))?;
    Ok(Attributes::of_stored(map))
}

/// The tenants that a person belongs to, with what they are in each, by name, also where they are
/// disabled. Served by `members_user`.
pub async fn all_tenants_standings_of_user(
    tx: &mut PlatformTx,
    user: UserId,
    limit: u32,
) -> Result<Vec<(Tenant, Standing)>> {
    sqlx::query!(
        "select t.id, t.name, t.status, t.edition, t.created_at, m.role, m.status as standing
        from members m join tenants t on t.id = m.tenant_id
        where m.user_id = $1 order by lower(t.name), t.id limit $2",
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        let tenant = Tenant {
            id: row.id.into(),
            name: row.name,
            status: word("tenant status", &row.status)?,
            edition: row.edition,
            created_at: row.created_at,
        };
        let standing = Standing {
            role: word("role", &row.role)?,
            status: word("member status", &row.standing)?,
        };
        Ok((tenant, standing))
    })
    .collect()
}

/// The tenants that a person can come into, with the role in each, by name. Served by
/// `members_user`.
pub async fn all_tenants_list_of_user(
    tx: &mut PlatformTx,
    user: UserId,
    limit: u32,
) -> Result<Vec<(Tenant, Role)>> {
    sqlx::query!(
        "select t.id, t.name, t.status, t.edition, t.created_at, m.role
        from members m join tenants t on t.id = m.tenant_id join users u on u.id = m.user_id
        where m.user_id = $1 and m.status = 'active' and u.disabled_at is null order by lower(t.name), t.id limit $2",
        user.0,
        i64::from(limit)
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| {
        let tenant = Tenant {
            id: row.id.into(),
            name: row.name,
            status: word("tenant status", &row.status)?,
            edition: row.edition,
            created_at: row.created_at,
        };
        Ok((tenant, word("role", &row.role)?))
    })
    .collect()
}

/// Whether a person is in another tenant than this one, also where they may not come in. Served by
/// `members_user`.
pub async fn all_tenants_is_elsewhere(
    tx: &mut PlatformTx,
    tenant: TenantId,
    user: UserId,
) -> Result<bool> {
    let found = sqlx::query_scalar!(
        r#"select exists (
            select from members where user_id = $2 and tenant_id <> $1
        ) as "found!""#,
        tenant.0,
        user.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(found)
}
