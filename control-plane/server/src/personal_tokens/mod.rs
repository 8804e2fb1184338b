//! Tokens with which a person's programs call the JSON API.

mod pages;

use domain::FieldError;
use domain::id::{ApiKeyId, UserId};
use domain::permission::Action;
use domain::personal_token::{PersonalToken, PlainToken, TokenName};
use serde_json::json;
use store::PlatformTx;
use store::personal_tokens::NewPersonalToken;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::random;

pub(crate) use pages::{pages, row};

/// No token lives longer than this: who forgets one is not reachable through it for good.
pub(crate) const LIFETIME_MAX: Duration = Duration::days(366);
pub(crate) const TOKENS_MAX: u32 = 100;

/// What a person says of a token.
#[derive(Debug)]
pub(crate) struct NewToken {
    pub name: TokenName,
    /// Names of actions; empty: all that its person may.
    pub scopes: Vec<String>,
    pub expires_at: OffsetDateTime,
}

/// Mints a token. Its value is in the answer and nowhere else.
pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
    new: NewToken,
    now: Now,
) -> Result<(ApiKeyId, PlainToken), ActionError> {
    authority.require_own(Action::CreatePersonalToken, owner)?;
    check(&new, now)?;
    let plain = PlainToken::mint(&random::bytes());
    let id = ApiKeyId(Uuid::now_v7());
    let stored = NewPersonalToken {
        id,
        user_id: owner,
        name: &new.name,
        hash: plain.hash(),
        scopes: &new.scopes,
        expires_at: new.expires_at,
    };
    store::personal_tokens::insert(tx, &stored).await?;
    let after = json!({
        "name": new.name.as_str(),
        "scopes": new.scopes,
        "expires_at": web::format::rfc3339(new.expires_at),
    });
    let change = (subject(id, new.name.as_str()), Change::created(&after));
    action::audit(tx, authority, Action::CreatePersonalToken, change, now).await?;
    Ok((id, plain))
}

/// The tokens that are not revoked, the newest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
) -> Result<Vec<PersonalToken>, ActionError> {
    authority.require_own(Action::ListPersonalTokens, owner)?;
    Ok(store::personal_tokens::list(tx, owner, TOKENS_MAX).await?)
}

pub(crate) async fn revoke(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
    id: ApiKeyId,
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::RevokePersonalToken, owner)?;
    let tokens = store::personal_tokens::list(tx, owner, TOKENS_MAX).await?;
    let token = tokens
        .iter()
        .find(|token| token.id == id)
        .ok_or(ActionError::NotFound("personal token"))?;
    store::personal_tokens::revoke(tx, owner, id, now.0).await?;
    let before = json!({ "name": token.name });
    let change = (subject(id, &token.name), Change::removed(&before));
    action::audit(tx, authority, Action::RevokePersonalToken, change, now).await
}

fn check(new: &NewToken, now: Now) -> Result<(), ActionError> {
    let mut errors = Vec::new();
    if new.expires_at <= now.0 || new.expires_at > now.0 + LIFETIME_MAX {
        errors.push(FieldError::new(
            "expires_at",
            "out_of_range",
            "Choose a time in the future, at most a year away.",
        ));
    }
    if new.scopes.iter().any(|name| Action::find(name).is_none()) {
        errors.push(FieldError::new(
            "scopes",
            "unknown",
            "Scopes are names of actions, such as api_keys.create.",
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ActionError::Invalid(errors))
}

fn subject(id: ApiKeyId, label: &str) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "personal_token",
        id: id.0,
        label,
    }
}
