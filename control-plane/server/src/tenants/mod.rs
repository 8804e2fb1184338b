//! Customers, as the platform sees them.

pub(crate) mod export;
mod json;
mod pages;
pub(crate) mod plan_change;
mod steps;

use domain::id::TenantId;
use domain::permission::Action;
use domain::tenant::{Tenant, TenantName, TenantStatus};
use serde::Serialize;
use store::{Conn, PlatformTx};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use pages::{pages, plan_names};

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    name: TenantName,
    now: Now,
) -> Result<Tenant, ActionError> {
    authority.require(Action::CreateTenant)?;
    let id = TenantId(Uuid::now_v7());
    let tenant = store::tenants::insert(tx, id, &name).await?;
    let event = (subject(&tenant), Change::created(&TenantView::of(&tenant)));
    action::audit(tx, authority, Action::CreateTenant, event, now).await?;
    Ok(tenant)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    id: TenantId,
) -> Result<Tenant, ActionError> {
    authority.require_in(Action::ShowTenant, id)?;
    Ok(store::tenants::get(tx, id).await?)
}

/// The newest first, before `before`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    search: &store::tenants::Search,
    before: Option<TenantId>,
    limit: u32,
) -> Result<Vec<Tenant>, ActionError> {
    authority.require(Action::ListTenants)?;
    Ok(store::tenants::all_tenants_search(tx, search, before, limit).await?)
}

/// `seen`: the edition that the caller knows.
pub(crate) async fn rename(
    authority: &Authority,
    tx: &mut Conn,
    (id, seen): (TenantId, Option<i32>),
    name: TenantName,
    now: Now,
) -> Result<Tenant, ActionError> {
    action::require_change_in(authority, tx, Action::RenameTenant, id).await?;
    let before = store::tenants::get(tx, id).await?;
    let after = store::tenants::rename(tx, id, &name, seen).await?;
    let change = Change::updated(&TenantView::of(&before), &TenantView::of(&after));
    let event = (subject(&after), change);
    action::audit(tx, authority, Action::RenameTenant, event, now).await?;
    Ok(after)
}

/// Its requests are refused within about a second; its people may look but not change anything.
pub(crate) async fn suspend(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (TenantId, Option<i32>),
    now: Now,
) -> Result<Tenant, ActionError> {
    let to = (Action::SuspendTenant, TenantStatus::Suspended);
    set_status(authority, tx, (id, seen), to, now).await
}

pub(crate) async fn resume(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (TenantId, Option<i32>),
    now: Now,
) -> Result<Tenant, ActionError> {
    let to = (Action::ResumeTenant, TenantStatus::Active);
    set_status(authority, tx, (id, seen), to, now).await
}

/// Changes nothing where the tenant is in that state already.
async fn set_status(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (TenantId, Option<i32>),
    (action, status): (Action, TenantStatus),
    now: Now,
) -> Result<Tenant, ActionError> {
    authority.require(action)?;
    let before = store::tenants::get(tx, id).await?;
    action::check_seen(before.edition, seen)?;
    if before.status == status {
        return Ok(before);
    }
    let after = store::tenants::all_tenants_set_status(tx, id, status, seen).await?;
    let change = Change::updated(&TenantView::of(&before), &TenantView::of(&after));
    action::audit(tx, authority, action, (subject(&after), change), now).await?;
    Ok(after)
}

/// Deletes the tenant with everything that is its own; what the audit log says of it stays.
pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (TenantId, Option<i32>),
    now: Now,
) -> Result<(), ActionError> {
    authority.require(Action::DeleteTenant)?;
    let before = store::tenants::get(tx, id).await?;
    store::tenants::all_tenants_delete(tx, id, seen).await?;
    let event = (subject(&before), Change::removed(&TenantView::of(&before)));
    action::audit(tx, authority, Action::DeleteTenant, event, now).await
}

/// A tenant.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Tenant)]
pub(crate) struct TenantView {
    #[schema(value_type = String)]
    pub id: TenantId,
    pub name: String,
    #[schema(value_type = String, pattern = "^(active|suspended)$")]
    pub status: TenantStatus,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl TenantView {
    pub(crate) fn of(tenant: &Tenant) -> Self {
        Self {
            id: tenant.id,
            name: tenant.name.clone(),
            status: tenant.status,
            created_at: tenant.created_at,
        }
    }
}

pub(crate) fn subject(tenant: &Tenant) -> Subject<'_> {
    Subject {
        tenant: Some(tenant.id),
        noun: "tenant",
        id: tenant.id.0,
        label: &tenant.name,
    }
}
