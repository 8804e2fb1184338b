//! Who changed what.

pub(crate) mod ids;
mod json;
mod pages;

use domain::audit::Event;
use domain::id::{EventId, TenantId};
use domain::permission::Action;
use store::audit::Filter;
use store::{Conn, PlatformTx};

use crate::action::ActionError;
use crate::authority::Authority;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// Of everybody, the newest first, before `before`.
pub(crate) async fn list_all(
    authority: &Authority,
    tx: &mut PlatformTx,
    filter: &Filter,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>, ActionError> {
    authority.require(Action::ListAllEvents)?;
    Ok(store::audit::all_tenants_list(tx, filter, before, limit).await?)
}

/// Of a tenant, the newest first, before `before`.
pub(crate) async fn list_of_tenant(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, filter): (TenantId, &Filter),
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>, ActionError> {
    authority.require_in(Action::ListTenantEvents, tenant)?;
    Ok(store::audit::list(tx, tenant, filter, before, limit).await?)
}
