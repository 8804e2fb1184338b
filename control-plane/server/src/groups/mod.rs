//! Groups of a tenant's people. Tokens name them; those given out before a change say what was true
//! then until they expire or are refreshed.

mod json;
mod pages;
#[cfg(test)]
mod tests;

use domain::group::{Group, GroupName};
use domain::id::{GroupId, MemberId, TenantId};
use domain::permission::Action;
use serde_json::json;
use store::Conn;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// Oldest first, after `after`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<GroupId>,
    limit: u32,
) -> Result<Vec<Group>, ActionError> {
    authority.require_in(Action::ListGroups, tenant)?;
    Ok(store::groups::list(tx, tenant, after, limit).await?)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    id: GroupId,
) -> Result<Group, ActionError> {
    authority.require_in(Action::ListGroups, tenant)?;
    Ok(store::groups::get(tx, tenant, id).await?)
}

/// Those that somebody is in, by name.
pub(crate) async fn list_of_member(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    member: MemberId,
) -> Result<Vec<Group>, ActionError> {
    authority.require_in(Action::ListGroups, tenant)?;
    Ok(store::groups::list_of_member(tx, tenant, member).await?)
}

/// Members by id and address, oldest first, after `after`.
pub(crate) async fn list_members(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<(MemberId, String)>, ActionError> {
    authority.require_in(Action::ListGroups, tenant)?;
    store::groups::get(tx, tenant, id).await?;
    Ok(store::groups::list_members(tx, (tenant, id), after, limit).await?)
}

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    name: GroupName,
    now: Now,
) -> Result<Group, ActionError> {
    action::require_change_in(authority, tx, Action::CreateGroup, tenant).await?;
    let group = store::groups::insert(tx, tenant, GroupId(Uuid::now_v7()), &name).await?;
    let after = json!({ "name": group.name });
    let change = (subject(&group), Change::created(&after));
    action::audit(tx, authority, Action::CreateGroup, change, now).await?;
    Ok(group)
}

/// `seen`: the edition that the caller knows.
pub(crate) async fn rename(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    (name, seen): (GroupName, Option<i32>),
    now: Now,
) -> Result<Group, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateGroup, tenant).await?;
    let before = store::groups::get(tx, tenant, id).await?;
    let group = store::groups::rename(tx, (tenant, id), &name, seen).await?;
    let names = (
        json!({ "name": before.name }),
        json!({ "name": group.name }),
    );
    let change = (subject(&group), Change::updated(&names.0, &names.1));
    action::audit(tx, authority, Action::UpdateGroup, change, now).await?;
    Ok(group)
}

pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::DeleteGroup, tenant).await?;
    let group = store::groups::get(tx, tenant, id).await?;
    store::groups::delete(tx, tenant, id).await?;
    let before = json!({ "name": group.name, "members": group.members });
    let change = (subject(&group), Change::removed(&before));
    action::audit(tx, authority, Action::DeleteGroup, change, now).await
}

/// Puts a member into a group; nothing happens where they are in it.
pub(crate) async fn add_member(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    member: MemberId,
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::UpdateGroup, tenant).await?;
    let group = store::groups::get(tx, tenant, id).await?;
    let person = store::members::get(tx, tenant, member).await?;
    if !store::groups::add_member(tx, tenant, id, member).await? {
        return Ok(());
    }
    let change = Change::created(&json!({ "member": person.email }));
    action::audit(
        tx,
        authority,
        Action::UpdateGroup,
        (subject(&group), change),
        now,
    )
    .await
}

/// Takes a member out of a group.
pub(crate) async fn remove_member(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, GroupId),
    member: MemberId,
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::UpdateGroup, tenant).await?;
    let group = store::groups::get(tx, tenant, id).await?;
    let person = store::members::get(tx, tenant, member).await?;
    store::groups::remove_member(tx, tenant, id, member).await?;
    let change = Change::removed(&json!({ "member": person.email }));
    action::audit(
        tx,
        authority,
        Action::UpdateGroup,
        (subject(&group), change),
        now,
    )
    .await
}

fn subject(group: &Group) -> Subject<'_> {
    Subject {
        tenant: Some(group.tenant_id),
        noun: "group",
        id: group.id.0,
        label: &group.name,
    }
}
