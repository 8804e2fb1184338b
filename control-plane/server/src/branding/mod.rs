//! How pages look on the way to a tenant's applications: its name, logo, colour and links.

mod json;
mod logo;
mod pages;
mod served;
#[cfg(test)]
mod tests;

use axum::Router;
use domain::branding::{Branding, BrandingTerms};
use domain::id::{ClientId, TenantId};
use domain::permission::Action;
use serde_json::{Value, json};
use store::{Conn, PlatformTx};
use web::brand::{Brand, Scope, stylesheet_url};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;

pub(crate) use json::api;
pub(crate) use logo::UPLOAD_BYTES_MAX;

/// Within the frame of pages.
pub(crate) fn pages() -> Router<App> {
    pages::pages()
}

/// Logos and stylesheets, for anybody.
pub(crate) fn served() -> Router<App> {
    served::router()
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
) -> Result<Branding, ActionError> {
    authority.require_in(Action::ShowBranding, tenant)?;
    Ok(store::branding::find(tx, tenant).await?)
}

/// Changes all but the logo. `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, seen): (TenantId, Option<i32>),
    terms: &BrandingTerms,
    now: Now,
) -> Result<Branding, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateBranding, tenant).await?;
    let before = store::branding::find(tx, tenant).await?;
    let after = store::branding::save(tx, tenant, terms, seen).await?;
    note(authority, tx, (tenant, &before, &after), now).await?;
    Ok(after)
}

/// Replaces the logo by a PNG that we encoded, or takes it away.
async fn update_logo(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, png): (TenantId, Option<&[u8]>),
    now: Now,
) -> Result<Branding, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateBranding, tenant).await?;
    let before = store::branding::find(tx, tenant).await?;
    let hash = png.map(logo::hash);
    let logo = hash.as_deref().zip(png);
    let after = store::branding::save_logo(tx, tenant, logo).await?;
    note(authority, tx, (tenant, &before, &after), now).await?;
    Ok(after)
}

async fn note(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, before, after): (TenantId, &Branding, &Branding),
    now: Now,
) -> Result<(), ActionError> {
    let subject = Subject {
        tenant: Some(tenant),
        noun: "branding",
        id: tenant.0,
        label: after.terms.name.as_deref().unwrap_or_default(),
    };
    let change = (subject, Change::updated(&shown(before), &shown(after)));
    action::audit(tx, authority, Action::UpdateBranding, change, now).await
}

fn shown(branding: &Branding) -> Value {
    let terms = &branding.terms;
    json!({
        "name": terms.name,
        "accent": terms.accent.map(|accent| accent.to_string()),
        "support_url": terms.support_url,
        "privacy_url": terms.privacy_url,
        "terms_url": terms.terms_url,
        "logo": branding.logo_hash,
    })
}

/// Of the tenant whose application this is; `None`: it says nothing of how pages look.
pub(crate) async fn of_client(
    tx: &mut PlatformTx,
    client: ClientId,
) -> store::Result<Option<Brand>> {
    match store::branding::all_tenants_find_of_client(tx, client).await? {
        None => Ok(None),
        Some((tenant, branding)) => brand(tx, tenant, &branding).await,
    }
}

/// Of a tenant, such as one that invites.
pub(crate) async fn of_tenant(tx: &mut Conn, tenant: TenantId) -> store::Result<Option<Brand>> {
    let branding = store::branding::find(tx, tenant).await?;
    brand(tx, tenant, &branding).await
}

async fn brand(
    tx: &mut Conn,
    tenant: TenantId,
    branding: &Branding,
) -> store::Result<Option<Brand>> {
    let terms = &branding.terms;
    if *terms == BrandingTerms::default() && branding.logo_hash.is_none() {
        return Ok(None);
    }
    let name = match &terms.name {
        Some(name) => name.clone(),
        None => store::tenants::get(tx, tenant).await?.name,
    };
    Ok(Some(Brand {
        name,
        logo: logo_url(tenant, branding),
        stylesheet: terms
            .accent
            .map(|accent| stylesheet_url(accent, Scope::Page)),
        support_url: terms.support_url.clone(),
        privacy_url: terms.privacy_url.clone(),
        terms_url: terms.terms_url.clone(),
    }))
}

fn logo_url(tenant: TenantId, branding: &Branding) -> Option<String> {
    let hash = branding.logo_hash.as_ref()?;
    Some(format!("/branding/{tenant}/logo-{hash}.png"))
}
