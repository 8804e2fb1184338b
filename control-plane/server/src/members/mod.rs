//! People in a tenant.

mod json;
mod pages;

use domain::id::{MemberId, TenantId};
use domain::member::Member;
use domain::permission::Action;
use domain::role::Role;
use serde_json::{Value, json};
use store::Conn;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use pages::{pages, role_text};

/// Oldest first, after `after`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    after: Option<MemberId>,
    limit: u32,
) -> Result<Vec<Member>, ActionError> {
    authority.require_in(Action::ListMembers, tenant)?;
    Ok(store::members::list(tx, tenant, after, limit).await?)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    id: MemberId,
) -> Result<Member, ActionError> {
    authority.require_in(Action::ListMembers, tenant)?;
    Ok(store::members::get(tx, tenant, id).await?)
}

/// Gives a member another role. `seen`: the edition that the caller knows.
pub(crate) async fn change_role(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    (role, seen): (Role, Option<i32>),
    now: Now,
) -> Result<Member, ActionError> {
    action::require_change_in(authority, tx, Action::ChangeMemberRole, tenant).await?;
    let before = store::members::get(tx, tenant, id).await?;
    if before.role == Role::Owner || role == Role::Owner {
        authority.require_in(Action::ManageOwners, tenant)?;
    }
    let after = store::members::update_role(tx, tenant, id, role, seen).await?;
    let change = (
        subject(&after),
        Change::updated(&shown(&before), &shown(&after)),
    );
    action::audit(tx, authority, Action::ChangeMemberRole, change, now).await?;
    Ok(after)
}

/// Takes a person out of a tenant; the account stays.
pub(crate) async fn remove(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::RemoveMember, tenant).await?;
    let member = store::members::get(tx, tenant, id).await?;
    if member.role == Role::Owner {
        authority.require_in(Action::ManageOwners, tenant)?;
    }
    store::members::delete(tx, tenant, id).await?;
    let change = (subject(&member), Change::removed(&shown(&member)));
    action::audit(tx, authority, Action::RemoveMember, change, now).await
}

fn subject(member: &Member) -> Subject<'_> {
    Subject {
        tenant: Some(member.tenant_id),
        noun: "member",
        id: member.id.0,
        label: &member.email,
    }
}

fn shown(member: &Member) -> Value {
    json!({ "email": member.email, "role": member.role })
}
