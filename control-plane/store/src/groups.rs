//! Groups of a tenant's people.

use domain::conflict::Conflict;
use domain::group::{GROUPS_OF_MEMBER_MAX, Group, GroupName};
use domain::id::{GroupId, MemberId, TenantId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::rows::unsigned;
use crate::{Conn, Error, Result, edition};

struct Raw {
    id: Uuid,
    tenant_id: Uuid,
    name: String,
    members: i64,
    edition: i32,
    created_at: OffsetDateTime,
}

impl From<Raw> for Group {
    fn from(raw: Raw) -> Self {
        Group {
            id: raw.id.into(),
            tenant_id: raw.tenant_id.into(),
            name: raw.name,
            members: unsigned(raw.members),
            edition: raw.edition,
            created_at: raw.created_at,
        }
    }
}

pub async fn insert(
    tx: &mut Conn,
    tenant: TenantId,
    id: GroupId,
    name: &GroupName,
) -> Result<Group> {
    sqlx::query!(
        "insert into groups (id, tenant_id, name) values ($1, $2, $3)",
        id.0,
        tenant.0,
        name.as_str()
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

/// Served by the unique index over tenant and id.
pub async fn get(tx: &mut Conn, tenant: TenantId, id: GroupId) -> Result<Group> {
    let found = sqlx::query_as!(
        Raw,
        r#"select g.id, g.tenant_id, g.name, g.edition, g.created_at,
            (select count(*) from group_members m where m.group_id = g.id) as "members!"
        from groups g where g.tenant_id = $1 and g.id = $2"#,
        tenant.0,
        id.0
    )
    .fetch_optional(tx)
    .await?;
    found
        .map(Into::into)
        .ok_or(Error::NotFound { what: "group" })
}

/// Oldest first, after `after`. Served by the unique index over tenant and id.
pub async fn list(
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<GroupId>,
    limit: u32,
) -> Result<Vec<Group>> {
    let found = sqlx::query_as!(
        Raw,
        r#"select g.id, g.tenant_id, g.name, g.edition, g.created_at,
            (select count(*) from group_members m where m.group_id = g.id) as "members!"
        from groups g where g.tenant_id = $1 and g.id > $2 order by g.id limit $3"#,
        tenant.0,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

/// Those that a member is in, by name. Served by `group_members_member`.
pub async fn list_of_member(
    tx: &mut Conn,
    tenant: TenantId,
    member: MemberId,
) -> Result<Vec<Group>> {
    let found = sqlx::query_as!(
        Raw,
        r#"select g.id, g.tenant_id, g.name, g.edition, g.created_at,
            (select count(*) from group_members m where m.group_id = g.id) as "members!"
        from group_members i join groups g on g.tenant_id = i.tenant_id and g.id = i.group_id
        where i.tenant_id = $1 and i.member_id = $2 order by lower(g.name) limit $3"#,
        tenant.0,
        member.0,
        i64::from(GROUPS_OF_MEMBER_MAX)
    )
    .fetch_all(tx)
    .await?;
    Ok(found.into_iter().map(Into::into).collect())
}

pub async fn rename(
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    name: &GroupName,
    seen: Option<i32>,
) -> Result<Group> {
    let present = sqlx::query_scalar!(
        "select edition from groups where tenant_id = $1 and id = $2 for update",
        tenant.0,
        id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    edition::check("group", present, seen)?;
    sqlx::query!(
        "update groups set name = $3, edition = edition + 1 where tenant_id = $1 and id = $2",
        tenant.0,
        id.0,
        name.as_str()
    )
    .execute(&mut *tx)
    .await?;
    get(tx, tenant, id).await
}

pub async fn delete(tx: &mut Conn, tenant: TenantId, id: GroupId) -> Result<()> {
    let gone = sqlx::query!(
        "delete from groups where tenant_id = $1 and id = $2",
        tenant.0,
        id.0
    )
    .execute(tx)
    .await?;
    match gone.rows_affected() {
        0 => Err(Error::NotFound { what: "group" }),
        _ => Ok(()),
    }
}

/// Puts a member into a group; whether they were not in it before.
pub async fn add_member(
    tx: &mut Conn,
    tenant: TenantId,
    group: GroupId,
    member: MemberId,
) -> Result<bool> {
    // Two groups at once are counted one after the other.
    let found = sqlx::query_scalar!(
        "select id from members where tenant_id = $1 and id = $2 for update",
        tenant.0,
        member.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    found.ok_or(Error::NotFound { what: "member" })?;
    let added = sqlx::query!(
        "insert into group_members (tenant_id, group_id, member_id) values ($1, $2, $3)
        on conflict do nothing",
        tenant.0,
        group.0,
        member.0
    )
    .execute(&mut *tx)
    .await?;
    let groups = sqlx::query_scalar!(
        r#"select count(*) as "count!" from group_members where tenant_id = $1 and member_id = $2"#,
        tenant.0,
        member.0
    )
    .fetch_one(tx)
    .await?;
    if groups > i64::from(GROUPS_OF_MEMBER_MAX) {
        return Err(Conflict::TooManyGroups.into());
    }
    Ok(added.rows_affected() > 0)
}

/// Takes a member out of a group.
pub async fn remove_member(
    tx: &mut Conn,
    tenant: TenantId,
    group: GroupId,
    member: MemberId,
) -> Result<()> {
    let gone = sqlx::query!(
        "delete from group_members where tenant_id = $1 and group_id = $2 and member_id = $3",
        tenant.0,
        group.0,
        member.0
    )
    .execute(tx)
    .await?;
    match gone.rows_affected() {
        0 => Err(Error::NotFound { what: "member" }),
        _ => Ok(()),
    }
}

/// Puts a member into those of the `managed` groups that `wanted` names, and takes them out of the
/// others of them. Names that are no group's count for nothing.
pub async fn set_managed(
    tx: &mut Conn,
    tenant: TenantId,
    member: MemberId,
    (managed, wanted): (&[String], &[String]),
) -> Result<()> {
    sqlx::query!(
        "delete from group_members m using groups g
        where m.tenant_id = $1 and m.member_id = $2 and g.tenant_id = $1 and g.id = m.group_id
            and g.name = any($3) and not g.name = any($4)",
        tenant.0,
        member.0,
        managed,
        wanted
    )
    .execute(&mut *tx)
    .await?;
    let missing = sqlx::query_scalar!(
        "select g.id from groups g
        where g.tenant_id = $1 and g.name = any($3) and g.name = any($4) and not exists (
            select from group_members m where m.group_id = g.id and m.member_id = $2
        ) order by g.id limit $5",
        tenant.0,
        member.0,
        managed,
        wanted,
        i64::from(GROUPS_OF_MEMBER_MAX)
    )
    .fetch_all(&mut *tx)
    .await?;
    for group in missing {
        add_member(tx, tenant, group.into(), member).await?;
    }
    Ok(())
}

/// Ids of the members of a group, oldest first, after `after`. Served by `group_members_pkey`.
pub async fn list_members(
    tx: &mut Conn,
    (tenant, group): (TenantId, GroupId),
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<(MemberId, String)>> {
    let found = sqlx::query!(
        "select g.member_id, u.email
        from group_members g
        join members m on m.tenant_id = g.tenant_id and m.id = g.member_id
        join users u on u.id = m.user_id
        where g.tenant_id = $1 and g.group_id = $2 and g.member_id > $3
        order by g.member_id limit $4",
        tenant.0,
        group.0,
        after.map_or(Uuid::nil(), |id| id.0),
        i64::from(limit)
    )
    .fetch_all(tx)
    .await?;
    Ok(found
        .into_iter()
        .map(|row| (row.member_id.into(), row.email))
        .collect())
}
