//! OpenID providers of others, through which people sign in: a Cognito pool, Google, Keycloak,
//! another Tollgate. What they say is verified in `id_token.rs`; whose account somebody gets is
//! decided in `domain::identity_provider`. `None` as tenant: a provider of the platform.

mod connections;
mod discovery;
mod exchange;
mod flow;
mod id_token;
mod json;
mod pages;
mod sign_in;
#[cfg(test)]
mod tests;
mod ways;

use axum::Router;
use domain::FieldError;
use domain::id::{ProviderId, TenantId};
use domain::identity_provider::{IdentityProvider, Issuer, ProviderTerms};
use domain::permission::Action;
use store::Conn;
use store::identity_providers::{NewProvider, SecretEdit};
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::outbound::NamedBy;
use crate::secret_box::Purpose;
use json::ProviderInput;

pub(crate) use connections::connections;
pub(crate) use discovery::Directory;
pub(crate) use json::api;
pub(crate) use pages::operator_pages;
pub(crate) use ways::{Ways, ways};

pub(crate) fn pages() -> Router<App> {
    pages::tenant_pages()
        .merge(flow::pages())
        .merge(connections::pages())
}

/// A client secret is no book.
const SECRET_BYTES_MAX: usize = 1_000;

/// A provider as it was typed in, parsed.
pub(crate) struct New {
    pub issuer: Issuer,
    pub terms: ProviderTerms,
    /// Empty: we are a public client there. `None`, of one that exists: as before.
    pub client_secret: Option<String>,
}

/// Whose addresses are called.
fn named_by(tenant: Option<TenantId>) -> NamedBy {
    match tenant {
        None => NamedBy::Operators,
        Some(_) => NamedBy::Tenants,
    }
}

/// The action on a provider of a tenant, and on one of the platform.
type Pair = (Action, Action);

const LIST: Pair = (Action::ListProviders, Action::ListPlatformProviders);
const CREATE: Pair = (Action::CreateProvider, Action::CreatePlatformProvider);
const UPDATE: Pair = (Action::UpdateProvider, Action::UpdatePlatformProvider);
const DELETE: Pair = (Action::DeleteProvider, Action::DeletePlatformProvider);

fn require(
    authority: &Authority,
    tenant: Option<TenantId>,
    (of_tenant, of_platform): Pair,
) -> Result<(), ActionError> {
    match tenant {
        Some(tenant) => authority.require_in(of_tenant, tenant),
        None => authority.require(of_platform),
    }
}

async fn require_change(
    authority: &Authority,
    tx: &mut Conn,
    tenant: Option<TenantId>,
    (of_tenant, of_platform): Pair,
) -> Result<Action, ActionError> {
    match tenant {
        Some(tenant) => {
            action::require_change_in(authority, tx, of_tenant, tenant).await?;
            Ok(of_tenant)
        }
        None => {
            authority.require(of_platform)?;
            Ok(of_platform)
        }
    }
}

/// Oldest first, after `after`.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: Option<TenantId>,
    (after, limit): (Option<ProviderId>, u32),
) -> Result<Vec<IdentityProvider>, ActionError> {
    require(authority, tenant, LIST)?;
    Ok(store::identity_providers::list(tx, tenant, after, limit).await?)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut Conn,
    tenant: Option<TenantId>,
    id: ProviderId,
) -> Result<IdentityProvider, ActionError> {
    require(authority, tenant, LIST)?;
    Ok(store::identity_providers::get(tx, tenant, id).await?)
}

/// Reads the provider's description, and says in words what is wrong with it. Before any
/// transaction: nothing of ours waits for somebody else.
async fn check(
    app: &App,
    tenant: Option<TenantId>,
    new: &New,
    now: Now,
) -> Result<(), ActionError> {
    new.terms.check(tenant).map_err(ActionError::Invalid)?;
    if new
        .client_secret
        .as_ref()
        .is_some_and(|text| text.len() > SECRET_BYTES_MAX)
    {
        let message = format!("A secret has at most {SECRET_BYTES_MAX} characters.");
        return Err(FieldError::new("client_secret", "too_long", message).into());
    }
    if !new.terms.is_enabled {
        return Ok(());
    }
    match app.providers.read(&new.issuer, named_by(tenant), now).await {
        Ok(_) => Ok(()),
        Err(cause) => Err(FieldError::new("issuer", "unusable", cause.to_string()).into()),
    }
}

fn seal(app: &App, secret: &str) -> Result<Option<Vec<u8>>, ActionError> {
    match secret {
        "" => Ok(None),
        secret => Ok(Some(
            app.secrets
                .seal(Purpose::ProviderSecret, secret.as_bytes())?,
        )),
    }
}

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut Conn,
    (app, tenant): (&App, Option<TenantId>),
    new: &New,
    now: Now,
) -> Result<IdentityProvider, ActionError> {
    let action = require_change(authority, tx, tenant, CREATE).await?;
    let sealed = seal(app, new.client_secret.as_deref().unwrap_or_default())?;
    let row = NewProvider {
        id: ProviderId(Uuid::now_v7()),
        issuer: &new.issuer,
        terms: &new.terms,
        sealed_client_secret: sealed.as_deref(),
    };
    let provider = store::identity_providers::insert(tx, tenant, &row).await?;
    let change = Change::created(&ProviderInput::of(&provider));
    action::audit(tx, authority, action, (subject(&provider), change), now).await?;
    Ok(provider)
}

/// `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut Conn,
    (app, tenant, id): (&App, Option<TenantId>, ProviderId),
    (new, seen): (&New, Option<i32>),
    now: Now,
) -> Result<IdentityProvider, ActionError> {
    let action = require_change(authority, tx, tenant, UPDATE).await?;
    let before = store::identity_providers::get(tx, tenant, id).await?;
    if before.issuer != new.issuer {
        let message =
            "The issuer cannot be changed: people are linked to it. Add another provider.";
        return Err(FieldError::new("issuer", "fixed", message).into());
    }
    let sealed = match &new.client_secret {
        Some(secret) => seal(app, secret)?,
        None => None,
    };
    let secret = match (&new.client_secret, &sealed) {
        (None, _) => SecretEdit::Keep,
        (Some(_), Some(sealed)) => SecretEdit::Set(sealed),
        (Some(_), None) => SecretEdit::Remove,
    };
    let edit = (&new.terms, secret);
    let after = store::identity_providers::update(tx, (tenant, id), edit, seen).await?;
    let change = Change::updated(&ProviderInput::of(&before), &ProviderInput::of(&after));
    action::audit(tx, authority, action, (subject(&after), change), now).await?;
    Ok(after)
}

/// Nobody comes in through it any more; accounts stay.
pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (Option<TenantId>, ProviderId),
    seen: Option<i32>,
    now: Now,
) -> Result<(), ActionError> {
    let action = require_change(authority, tx, tenant, DELETE).await?;
    let before = store::identity_providers::get(tx, tenant, id).await?;
    action::check_seen(before.edition, seen)?;
    store::identity_providers::delete(tx, tenant, id).await?;
    let change = Change::removed(&ProviderInput::of(&before));
    action::audit(tx, authority, action, (subject(&before), change), now).await
}

fn subject(provider: &IdentityProvider) -> Subject<'_> {
    Subject {
        tenant: provider.tenant_id,
        noun: "identity_provider",
        id: provider.id.0,
        label: provider.terms.name.as_str(),
    }
}
