//! OAuth clients of a tenant: the applications that sign its people in, or work for themselves.

mod json;
mod pages;
#[cfg(test)]
mod tests;

use domain::FieldError;
use domain::id::{ClientId, TenantId};
use domain::oauth_client::{
    ClientKind, ClientSecret, ClientTerms, OauthClient, PlainClientSecret, SECRETS_MAX,
};
use domain::permission::Action;
use serde_json::json;
use store::Conn;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::random;
use json::ClientInput;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// A secret that was just made, with the one showing of its value.
#[derive(Debug)]
pub(crate) struct MintedSecret {
    pub secret: ClientSecret,
    pub value: PlainClientSecret,
}

/// A client that was just made. A confidential one has its first secret.
#[derive(Debug)]
pub(crate) struct Made {
    pub client: OauthClient,
    pub secret: Option<MintedSecret>,
}

/// Registers a client.
pub(crate) async fn create(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    (kind, terms): (ClientKind, ClientTerms),
    now: Now,
) -> Result<Made, ActionError> {
    action::require_change_in(authority, tx, Action::CreateClient, tenant).await?;
    check(tx, kind, &terms, &[]).await?;
    let id = ClientId(Uuid::now_v7());
    let client = store::oauth_clients::insert(tx, tenant, (id, kind), &terms).await?;
    let change = Change::created(&ClientInput::of(&client));
    action::audit(
        tx,
        authority,
        Action::CreateClient,
        (subject(&client), change),
        now,
    )
    .await?;
    let secret = match kind {
        ClientKind::Public => None,
        ClientKind::Confidential => Some(mint(tx, &client).await?),
    };
    Ok(Made { client, secret })
}

/// Changes what is said of a client. One that is switched off loses all that it was given.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ClientId),
    (terms, seen): (ClientTerms, Option<i32>),
    now: Now,
) -> Result<OauthClient, ActionError> {
    action::require_change_in(authority, tx, Action::UpdateClient, tenant).await?;
    let before = store::oauth_clients::get(tx, tenant, id).await?;
    check(tx, before.kind, &terms, &before.scopes).await?;
    let after = store::oauth_clients::update(tx, tenant, id, &terms, seen).await?;
    if before.is_enabled && !after.is_enabled {
        store::oauth_clients::cut_off(tx, tenant, id, now.0).await?;
    }
    let change = Change::updated(&ClientInput::of(&before), &ClientInput::of(&after));
    action::audit(
        tx,
        authority,
        Action::UpdateClient,
        (subject(&after), change),
        now,
    )
    .await?;
    Ok(after)
}

/// Ends a client and all that it was given.
pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ClientId),
    seen: Option<i32>,
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::DeleteClient, tenant).await?;
    let before = store::oauth_clients::get(tx, tenant, id).await?;
    action::check_seen(before.edition, seen)?;
    store::oauth_clients::cut_off(tx, tenant, id, now.0).await?;
    store::oauth_clients::delete(tx, tenant, id).await?;
    let change = Change::removed(&ClientInput::of(&before));
    action::audit(
        tx,
        authority,
        Action::DeleteClient,
        (subject(&before), change),
        now,
    )
    .await
}

/// Another secret beside the one in use, to change over to.
pub(crate) async fn add_secret(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ClientId),
    now: Now,
) -> Result<(OauthClient, MintedSecret), ActionError> {
    action::require_change_in(authority, tx, Action::AddClientSecret, tenant).await?;
    let client = store::oauth_clients::get(tx, tenant, id).await?;
    let invalid = |message: &str| FieldError::new("secrets", "invalid", message);
    if client.kind == ClientKind::Public {
        return Err(invalid("A public client has no secret: it could not keep one.").into());
    }
    let live = store::oauth_clients::lock_secrets(tx, tenant, id, now.0).await?;
    if live.len() >= SECRETS_MAX {
        return Err(invalid("Two secrets work already. Take one back first.").into());
    }
    let minted = mint(tx, &client).await?;
    let change = Change::created(&json!({ "secret": minted.secret.prefix }));
    let event = (subject(&client), change);
    action::audit(tx, authority, Action::AddClientSecret, event, now).await?;
    Ok((client, minted))
}

/// Takes a secret back: from now on it proves nothing.
pub(crate) async fn revoke_secret(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ClientId),
    secret: Uuid,
    now: Now,
) -> Result<(), ActionError> {
    action::require_change_in(authority, tx, Action::RevokeClientSecret, tenant).await?;
    let client = store::oauth_clients::get(tx, tenant, id).await?;
    if !store::oauth_clients::delete_secret(tx, tenant, id, secret).await? {
        return Err(ActionError::NotFound("client secret"));
    }
    let change = Change::removed(&json!({ "secret": secret }));
    let event = (subject(&client), change);
    action::audit(tx, authority, Action::RevokeClientSecret, event, now).await
}

pub(crate) async fn list(
    authority: &Authority,
    tx: &mut Conn,
    tenant: TenantId,
    (before, limit): (Option<ClientId>, u32),
) -> Result<Vec<OauthClient>, ActionError> {
    authority.require_in(Action::ListClients, tenant)?;
    Ok(store::oauth_clients::list(tx, tenant, before, limit).await?)
}

/// A client and its live secrets.
pub(crate) async fn show(
    authority: &Authority,
    tx: &mut Conn,
    (tenant, id): (TenantId, ClientId),
    now: Now,
) -> Result<(OauthClient, Vec<ClientSecret>), ActionError> {
    authority.require_in(Action::ListClients, tenant)?;
    let client = store::oauth_clients::get(tx, tenant, id).await?;
    let secrets = store::oauth_clients::list_secrets(tx, tenant, id, now.0).await?;
    Ok((client, secrets))
}

async fn mint(tx: &mut Conn, client: &OauthClient) -> Result<MintedSecret, ActionError> {
    let value = PlainClientSecret::mint(&random::bytes());
    let secret =
        store::oauth_clients::insert_secret(tx, client.tenant_id, client.id, &value).await?;
    Ok(MintedSecret { secret, value })
}

/// Refuses terms that contradict themselves, or name scopes that no API defines. Those that the
/// client `had` it may keep.
async fn check(
    tx: &mut Conn,
    kind: ClientKind,
    terms: &ClientTerms,
    had: &[String],
) -> Result<(), ActionError> {
    terms.check(kind).map_err(ActionError::Invalid)?;
    let new: Vec<String> = terms
        .scopes
        .iter()
        .filter(|scope| !had.contains(scope))
        .cloned()
        .collect();
    let unknown = store::api_scopes::unknown(tx, &new).await?;
    match unknown.first() {
        None => Ok(()),
        Some(name) => {
            let message = format!("No API defines the scope {name}.");
            Err(FieldError::new("scopes", "unknown", message).into())
        }
    }
}

fn subject(client: &OauthClient) -> Subject<'_> {
    Subject {
        tenant: Some(client.tenant_id),
        noun: "oauth_client",
        id: client.id.0,
        label: &client.name,
    }
}
