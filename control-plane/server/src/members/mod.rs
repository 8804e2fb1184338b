//! People in a tenant.

mod detail;
mod json;
mod pages;
#[cfg(test)]
mod tests;

use domain::id::{MemberId, TenantId};
use domain::member::{Attributes, Member, Standing};
use domain::permission::Action;
use domain::role::Role;
use serde_json::{Value, json};
use store::Conn;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use pages::{member_row, pages, role_text};

/// People that a page shows.
pub(crate) const MEMBERS_SHOWN: u32 = 200;

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

/// What can be changed of a member.
#[derive(Debug, Clone)]
pub(crate) struct MemberEdit {
    pub standing: Standing,
    pub attributes: Attributes,
}

/// Changes role, status and attributes. `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, MemberId),
    (edit, seen): (MemberEdit, Option<i32>),
    now: Now,
) -> Result<Member, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateMember, tenant).await?;
    let before = store::members::get(tx, tenant, id).await?;
    action::check_seen(before.edition, seen)?;
    if before.standing.role == Role::Owner || edit.standing.role == Role::Owner {
        authority.require_in(Action::ManageOwners, tenant)?;
    }
    // What was judged is what is changed.
    let (to, seen) = (Some(edit.standing), Some(before.edition));
    let held = store::members::hold(tx, (tenant, id), to, seen, now.0).await?;
    let now = now.max(Now::read());
    let after = store::members::update(tx, held, &edit.attributes, now.0).await?;
    let change = (
        subject(&after),
        Change::updated(&shown(&before), &shown(&after)),
    );
    action::audit(tx, authority, Action::UpdateMember, change, now).await?;
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
    if member.standing.role == Role::Owner {
        authority.require_in(Action::ManageOwners, tenant)?;
    }
    let seen = Some(member.edition);
    let held = store::members::hold(tx, (tenant, id), None, seen, now.0).await?;
    let now = now.max(Now::read());
    store::members::delete(tx, held, now.0).await?;
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

/// Attributes by name only: they may be anybody's private facts, and events are kept for ever.
fn shown(member: &Member) -> Value {
    json!({
        "email": member.email,
        "role": member.standing.role,
        "status": member.standing.status,
        "attributes": member.attributes.as_map().keys().collect::<Vec<_>>(),
    })
}
