//! How routes find out who calls, beside API keys.

mod json;

use domain::authorizer::Authorizer;
use domain::id::AuthorizerId;
use domain::permission::Action;
use store::PlatformTx;

use crate::action::ActionError;
use crate::authority::Authority;

pub(crate) use json::api;

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: AuthorizerId,
) -> Result<Authorizer, ActionError> {
    authority.require(Action::ListAuthorizers)?;
    Ok(store::authorizers::get(tx, id).await?)
}

/// Oldest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<AuthorizerId>,
    limit: u32,
) -> Result<Vec<Authorizer>, ActionError> {
    authority.require(Action::ListAuthorizers)?;
    Ok(store::authorizers::list(tx, after, limit).await?)
}
