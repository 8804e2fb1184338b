//! Domains of a tenant: added, proven by a record in the DNS or confirmed by an operator, removed.
//! Identity providers of the tenant count for addresses in proven ones.

mod json;
mod pages;
#[cfg(test)]
mod tests;

use domain::FieldError;
use domain::id::{DomainId, TenantId};
use domain::permission::Action;
use domain::tenant_domain::{DomainName, TenantDomain};
use domain::token::base64url;
use serde_json::json;
use store::Conn;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject, Tx};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::random;

pub(crate) use json::api;
pub(crate) use pages::{operator_pages, pages};

/// Oldest first, after `after`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    (after, limit): (Option<DomainId>, u32),
) -> Result<Vec<TenantDomain>, ActionError> {
    authority.require_in(Action::ListDomains, tenant)?;
    Ok(store::tenant_domains::list(tx, tenant, after, limit).await?)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, DomainId),
) -> Result<TenantDomain, ActionError> {
    authority.require_in(Action::ListDomains, tenant)?;
    Ok(store::tenant_domains::get(tx, tenant, id).await?)
}

/// Nothing is proven yet.
pub(crate) async fn add(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    name: &DomainName,
    now: Now,
) -> Result<TenantDomain, ActionError> {
    action::require_change_in(authority, tx, Action::AddDomain, tenant).await?;
    let token = base64url(&random::bytes::<24>());
    let id = DomainId(Uuid::now_v7());
    let added = store::tenant_domains::insert(tx, tenant, (id, name), &token).await?;
    let change = Change::created(&json!({ "domain": name.as_str() }));
    action::audit(
        tx,
        authority,
        Action::AddDomain,
        (subject(&added), change),
        now,
    )
    .await?;
    Ok(added)
}

/// Looks for the proof in the DNS, outside of any transaction.
pub(crate) async fn prove(
    authority: &Authority,
    app: &App,
    (tenant, id): (TenantId, DomainId),
    now: Now,
) -> Result<TenantDomain, ActionError> {
    let mut tx = Tx::open(app, authority).await?;
    action::require_change_in(authority, &mut tx, Action::ProveDomain, tenant).await?;
    let before = store::tenant_domains::get(&mut tx, tenant, id).await?;
    tx.commit().await?;
    if before.proven_at.is_some() {
        return Ok(before);
    }
    let name = before.domain.challenge_name();
    let message = match app.dns.texts(&name).await {
        Ok(texts) if before.is_proven_by(&texts) => {
            let mut tx = Tx::open(app, authority).await?;
            let after = set_proven(authority, &mut tx, Action::ProveDomain, &before, now).await?;
            tx.commit().await?;
            return Ok(after);
        }
        Ok(texts) if texts.is_empty() => format!(
            "There is no TXT record at {name} yet. A new record can take a while to be seen."
        ),
        Ok(_) => format!("The TXT record at {name} holds another text than the one below."),
        Err(cause) => {
            tracing::warn!(error = %cause, domain = before.domain.as_str(), "a domain cannot be looked up");
            "The DNS does not answer. Try again in a moment.".to_owned()
        }
    };
    Err(FieldError::new("domain", "not_proven", message).into())
}

/// On an operator's word.
pub(crate) async fn confirm(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, DomainId),
    now: Now,
) -> Result<TenantDomain, ActionError> {
    authority.require(Action::ConfirmDomain)?;
    let before = store::tenant_domains::get(tx, tenant, id).await?;
    set_proven(authority, tx, Action::ConfirmDomain, &before, now).await
}

async fn set_proven(
    authority: &Authority,
    tx: &mut Conn,
    action: Action,
    before: &TenantDomain,
    now: Now,
) -> Result<TenantDomain, ActionError> {
    let (tenant, id) = (before.tenant_id, before.id);
    let after = store::tenant_domains::prove(tx, tenant, id, now.0).await?;
    if before.proven_at.is_none() {
        let change = Change::created(&json!({ "proven": after.domain.as_str() }));
        action::audit(tx, authority, action, (subject(&after), change), now).await?;
    }
    Ok(after)
}

/// Providers count no more for its addresses.
pub(crate) async fn remove(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, DomainId),
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::RemoveDomain, tenant).await?;
    let before = store::tenant_domains::get(tx, tenant, id).await?;
    store::tenant_domains::delete(tx, tenant, id).await?;
    let change = Change::removed(&json!({ "domain": before.domain.as_str() }));
    action::audit(
        tx,
        authority,
        Action::RemoveDomain,
        (subject(&before), change),
        now,
    )
    .await
}

fn subject(domain: &TenantDomain) -> Subject<'_> {
    Subject {
        tenant: Some(domain.tenant_id),
        noun: "domain",
        id: domain.id.0,
        label: domain.domain.as_str(),
    }
}
