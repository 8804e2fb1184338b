//! People in tenants.

use domain::conflict::Conflict;
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

/// What can be changed of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberEdit {
    pub standing: Standing,
    pub attributes: Attributes,
}

/// Changes a member, unless that would leave the tenant without an owner who can come in. Who
/// loses something is cut off.
pub async fn update(
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    edit: &MemberEdit,
    seen: Option<i32>,
    now: OffsetDateTime,
) -> Result<Member> {
    let before = check_change(tx, (tenant, id), Some(edit.standing), seen).await?;
    sqlx::query!(
        "update members set role = $3, status = $4, attributes = $5, edition = edition + 1
        where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        edit.standing.role.as_str(),
        edit.standing.status.as_str(),
        json!(edit.attributes.as_map())
    )
    .execute(&mut *tx)
    .await?;
    if before.standing.loses(Some(edit.standing)) {
        cut_off(tx, tenant, before.user_id, now).await?;
    }
    get(tx, tenant, id).await
}

/// Takes a person out, unless that would leave the tenant without an owner who can come in.
pub async fn delete(
    tx: &mut Conn,
    tenant: TenantId,
    id: MemberId,
    now: OffsetDateTime,
) -> Result<()> {
    let before = check_change(tx, (tenant, id), None, None).await?;
    sqlx::query!(
        "delete from members where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(&mut *tx)
    .await?;
    cut_off(tx, tenant, before.user_id, now).await
}

/// Ends what applications were given by a person for this tenant: refresh tokens work no more, and
/// nodes refuse access tokens. Served by `oauth_grants_user`.
async fn cut_off(tx: &mut Conn, tenant: TenantId, user: UserId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "update oauth_grants set revoked_at = $3
        where tenant_id = $1 and user_id = $2 and revoked_at is null",
        tenant.0,
        user.0,
        now
    )
    .execute(&mut *tx)
    .await?;
    revocations::insert(tx, &Revocation::member(tenant, user, now)).await
}

/// The member as it was.
async fn check_change(
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    to: Option<Standing>,
    seen: Option<i32>,
) -> Result<Member> {
    // Two owners that step down at once are counted one after the other.
    tenants::lock(tx, tenant, None).await?;
    let member = get(tx, tenant, id).await?;
    edition::check("member", Some(member.edition), seen)?;
    let owners = sqlx::query_scalar!(
        r#"select count(*) as "count!" from members
        where tenant_id = $1 and role = 'owner' and status = 'active'"#,
        tenant.0
    )
    .fetch_one(tx)
    .await?;
    change_standing(member.standing, to, unsigned(owners)).map_err(|_| Conflict::LastOwner)?;
    Ok(member)
}

/// What is stored of a person's attributes.
pub(crate) fn attributes(stored: Value) -> Result<Attributes> {
    let map = serde_json::from_value(stored).map_err(|_| Error::corrupt("attributes"))?;
    Attributes::parse(map).map_err(|_| Error::corrupt("attributes"))
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
