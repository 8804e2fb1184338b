//! API keys: created, changed, rotated, revoked.

mod example;
mod json;
mod pages;
#[cfg(test)]
mod tests;

use domain::FieldError;
use domain::api_key::{ApiKey, KeyTerms, Pepper, PlainKey};
use domain::id::{ApiId, ApiKeyId, TenantId};
use domain::permission::Action;
use serde_json::{Value, json};
use store::api_keys::NewValue;
use store::deployment::PepperId;
use store::{Conn, PlatformTx};
use time::Duration;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::random;
use crate::secret_box::{Purpose, SecretBox};

pub(crate) use example::example;
pub(crate) use json::api;
pub(crate) use pages::{pages, row};

/// The longest that a rotated value may live on.
pub(crate) const GRACE_MAX: Duration = Duration::days(30);
/// More APIs than this are not open to one tenant.
const APIS_MAX: u32 = 1_000;

/// What new values are hashed under.
pub(crate) struct CurrentPepper {
    id: PepperId,
    pepper: Pepper,
}

impl CurrentPepper {
    pub(crate) async fn load(app: &App) -> Result<Self, ActionError> {
        let mut tx = app.db.platform_tx().await?;
        let current = Self::read(&mut tx, &app.secrets).await?;
        tx.commit().await?;
        Ok(current)
    }

    /// The newest one.
    pub(crate) async fn read(
        tx: &mut PlatformTx,
        secrets: &SecretBox,
    ) -> Result<Self, ActionError> {
        let newest = store::deployment::list_peppers(tx)
            .await?
            .into_iter()
            .next();
        let stored = newest.ok_or(ActionError::NotFound("pepper"))?;
        let bytes = secrets.open(Purpose::Pepper, &stored.sealed)?;
        Ok(Self {
            id: stored.id,
            pepper: Pepper::new(&bytes),
        })
    }
}

/// A key that is to be made.
pub(crate) struct NewKey {
    pub terms: KeyTerms,
    /// A value that another system made; none: a new one.
    pub imported: Option<PlainKey>,
    pub pepper: CurrentPepper,
}

/// Another value for a key.
pub(crate) struct Rotation {
    pub imported: Option<PlainKey>,
    pub pepper: CurrentPepper,
    /// How long the value before works on; zero: not at all.
    pub grace: Duration,
}

/// What a person says of a key, and the edition that they had seen.
pub(crate) struct KeyEdit {
    pub terms: KeyTerms,
    pub seen: Option<i32>,
}

/// A key with its value, for the one answer that shows it.
#[derive(Debug)]
pub(crate) struct Minted {
    pub key: ApiKey,
    pub value: PlainKey,
}

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    new: NewKey,
    now: Now,
) -> Result<Minted, ActionError> {
    action::require_change_in(authority, tx, Action::CreateApiKey, tenant).await?;
    check_expiry(&new.terms, None, now)?;
    check_apis(tx, tenant, &new.terms, &[]).await?;
    let value = new.imported.unwrap_or_else(mint);
    let stored = stored(&value, &new.pepper);
    let id = ApiKeyId(Uuid::now_v7());
    let row = (&new.terms, &stored);
    let key = store::api_keys::insert(tx, tenant, id, row, authority.user()).await?;
    let change = (subject(&key), Change::created(&shown(&key)));
    action::audit(tx, authority, Action::CreateApiKey, change, now).await?;
    Ok(Minted { key, value })
}

/// Changes name and restrictions, or switches the key off and on.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ApiKeyId),
    edit: KeyEdit,
    now: Now,
) -> Result<ApiKey, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateApiKey, tenant).await?;
    let before = store::api_keys::get(tx, tenant, id).await?;
    check_expiry(&edit.terms, Some(&before), now)?;
    check_apis(tx, tenant, &edit.terms, &before.api_ids).await?;
    let key = store::api_keys::update(tx, tenant, id, &edit.terms, edit.seen).await?;
    let change = (
        subject(&key),
        Change::updated(&shown(&before), &shown(&key)),
    );
    action::audit(tx, authority, Action::UpdateApiKey, change, now).await?;
    Ok(key)
}

/// Gives the key another value; id, name and restrictions stay.
pub(crate) async fn rotate(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ApiKeyId),
    rotation: Rotation,
    now: Now,
) -> Result<Minted, ActionError> {
    action::require_change_in(authority, tx, Action::RotateApiKey, tenant).await?;
    if rotation.grace.is_negative() || rotation.grace > GRACE_MAX {
        let message = "Choose at most 30 days.";
        return Err(FieldError::new("grace_seconds", "out_of_range", message).into());
    }
    let before = store::api_keys::get(tx, tenant, id).await?;
    let value = rotation.imported.unwrap_or_else(mint);
    let stored = stored(&value, &rotation.pepper);
    let until = (!rotation.grace.is_zero()).then(|| now.0 + rotation.grace);
    let key = store::api_keys::rotate(tx, tenant, id, &stored, until).await?;
    let change = (
        subject(&key),
        Change::updated(&shown(&before), &shown(&key)),
    );
    action::audit(tx, authority, Action::RotateApiKey, change, now).await?;
    Ok(Minted { key, value })
}

/// For good: nodes refuse its values from the next snapshot on.
pub(crate) async fn revoke(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ApiKeyId),
    seen: Option<i32>,
    now: Now,
) -> Result<ApiKey, ActionError> {
    action::require_change_in(authority, tx, Action::RevokeApiKey, tenant).await?;
    let before = store::api_keys::get(tx, tenant, id).await?;
    let key = store::api_keys::revoke(tx, tenant, id, now.0, seen).await?;
    let change = (
        subject(&key),
        Change::updated(&shown(&before), &shown(&key)),
    );
    action::audit(tx, authority, Action::RevokeApiKey, change, now).await?;
    Ok(key)
}

/// The newest first, before `before`; revoked ones too.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    before: Option<ApiKeyId>,
    limit: u32,
) -> Result<Vec<ApiKey>, ActionError> {
    authority.require_in(Action::ListApiKeys, tenant)?;
    let listed = store::api_keys::Listed::All;
    Ok(store::api_keys::list(tx, tenant, listed, before, limit).await?)
}

pub(crate) async fn show(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    id: ApiKeyId,
) -> Result<ApiKey, ActionError> {
    authority.require_in(Action::ListApiKeys, tenant)?;
    Ok(store::api_keys::get(tx, tenant, id).await?)
}

fn mint() -> PlainKey {
    PlainKey::mint(true, &random::bytes())
}

fn stored(value: &PlainKey, pepper: &CurrentPepper) -> NewValue {
    NewValue {
        hash: value.hash(&pepper.pepper),
        pepper: pepper.id,
        prefix: value.prefix().to_owned(),
        is_imported: value.is_imported(),
    }
}

/// An expiry that is set now lies in the future; one that was set before may have passed.
fn check_expiry(terms: &KeyTerms, before: Option<&ApiKey>, now: Now) -> Result<(), ActionError> {
    let is_unchanged = before.is_some_and(|key| key.expires_at == terms.expires_at);
    if is_unchanged || terms.expires_at.is_none_or(|end| end > now.0) {
        return Ok(());
    }
    let message = "Choose a time in the future, or leave it empty.";
    Err(FieldError::new("expires_at", "out_of_range", message).into())
}

/// A restriction names APIs that the tenant can call, or that the key names already.
async fn check_apis(
    tx: &mut Conn,
    tenant: TenantId,
    terms: &KeyTerms,
    before: &[ApiId],
) -> Result<(), ActionError> {
    if terms.api_ids.is_empty() {
        return Ok(());
    }
    let opened = store::apis::list_open_to(tx, tenant, APIS_MAX).await?;
    let is_known = |id: &ApiId| opened.iter().any(|api| api.id == *id) || before.contains(id);
    if terms.api_ids.iter().all(is_known) {
        return Ok(());
    }
    let message = "Choose APIs that the tenant's plans open.";
    Err(FieldError::new("api_ids", "unknown_api", message).into())
}

fn subject(key: &ApiKey) -> Subject<'_> {
    Subject {
        tenant: Some(key.tenant_id),
        noun: "api_key",
        id: key.id.0,
        label: &key.name,
    }
}

/// What the audit log keeps: never a value or its hash.
fn shown(key: &ApiKey) -> Value {
    json!({
        "name": key.name,
        "prefix": key.prefix,
        "is_enabled": key.is_enabled,
        "expires_at": key.expires_at.map(web::format::rfc3339),
        "scopes": key.scopes,
        "api_ids": key.api_ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "allowed_ips": key.allowed_ips,
        "revoked_at": key.revoked_at.map(web::format::rfc3339),
        "previous_value_expires_at": key.previous_value_expires_at.map(web::format::rfc3339),
    })
}
