//! People in tenants.

use domain::conflict::Conflict;
use domain::id::{MemberId, TenantId, UserId};
use domain::member::{Member, change_role};
use domain::role::Role;
use domain::tenant::Tenant;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::{unsigned, word};
use crate::{Conn, Error, PlatformTx, Result, edition, tenants};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    user_id: Uuid,
    email: String,
    name: String,
    role: String,
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
            role: word("role", &self.role)?,
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

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: MemberId) -> Result<Member> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.edition, m.created_at,
            u.last_signed_in_at
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

/// Served by `members_user_key`.
pub async fn find_by_user(tx: &mut Conn, tenant: TenantId, user: UserId) -> Result<Option<Member>> {
    sqlx::query_as!(
        Raw,
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.edition, m.created_at,
            u.last_signed_in_at
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
        "select m.id, m.tenant_id, m.user_id, u.email, u.name, m.role, m.edition, m.created_at,
            u.last_signed_in_at
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

/// Gives another role, unless that would leave the tenant without an owner.
pub async fn update_role(
    tx: &mut Conn,
    tenant: TenantId,
    id: MemberId,
    role: Role,
    seen: Option<i32>,
) -> Result<Member> {
    check_change(tx, tenant, id, Some(role), seen).await?;
    sqlx::query!(
        "update members set role = $3, edition = edition + 1 where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        role.as_str()
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Takes a person out, unless that would leave the tenant without an owner.
pub async fn delete(tx: &mut Conn, tenant: TenantId, id: MemberId) -> Result<()> {
    check_change(tx, tenant, id, None, None).await?;
    sqlx::query!(
        "delete from members where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn check_change(
    tx: &mut Conn,
    tenant: TenantId,
    id: MemberId,
    to: Option<Role>,
    seen: Option<i32>,
) -> Result<()> {
    // Two owners that step down at once are counted one after the other.
    tenants::lock(tx, tenant, None).await?;
    let member = get(tx, tenant, id).await?;
    edition::check("member", Some(member.edition), seen)?;
    let owners = sqlx::query_scalar!(
        r#"select count(*) as "count!" from members where tenant_id = $1 and role = 'owner'"#,
        tenant.0
    )
    .fetch_one(tx)
    .await?;
    change_role(member.role, to, unsigned(owners)).map_err(|_| Conflict::LastOwner.into())
}

/// The tenants of a person with the role in each, by name. Served by `members_user`.
pub async fn all_tenants_list_of_user(
    tx: &mut PlatformTx,
    user: UserId,
    limit: u32,
) -> Result<Vec<(Tenant, Role)>> {
    sqlx::query!(
        "select t.id, t.name, t.status, t.edition, t.created_at, m.role
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
        Ok((tenant, word("role", &row.role)?))
    })
    .collect()
}
