//! APIs that the nodes serve.

pub(crate) mod cors;
pub(crate) mod json;
pub(crate) mod pages;
mod refusals;
#[cfg(test)]
mod tests;

use domain::FieldError;
use domain::api::{Api, ApiTerms};
use domain::id::ApiId;
use domain::permission::Action;
use domain::scope::ApiScope;
use store::PlatformTx;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use crate::routes::ROUTES_MAX;
use json::ApiView;

pub(crate) use json::api;
pub(crate) use pages::pages;

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    terms: ApiTerms,
    now: Now,
) -> Result<Api, ActionError> {
    authority.require(Action::CreateApi)?;
    let id = ApiId(Uuid::now_v7());
    let api = store::apis::insert(tx, id, &terms).await?;
    let event = (subject(&api), Change::created(&ApiView::of(&api)));
    action::audit(tx, authority, Action::CreateApi, event, now).await?;
    Ok(api)
}

/// Replaces all that is said of it; its routes stay. `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (ApiId, Option<i32>),
    terms: ApiTerms,
    now: Now,
) -> Result<Api, ActionError> {
    authority.require(Action::UpdateApi)?;
    let before = store::apis::get(tx, id).await?;
    check_scopes(tx, &before, &terms).await?;
    let after = store::apis::update(tx, id, &terms, seen).await?;
    let change = Change::updated(&ApiView::of(&before), &ApiView::of(&after));
    action::audit(
        tx,
        authority,
        Action::UpdateApi,
        (subject(&after), change),
        now,
    )
    .await?;
    Ok(after)
}

/// Deletes it with its routes; plans and subscriptions lose it.
pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut PlatformTx,
    (id, seen): (ApiId, Option<i32>),
    now: Now,
) -> Result<(), ActionError> {
    authority.require(Action::DeleteApi)?;
    let before = store::apis::get(tx, id).await?;
    store::apis::delete(tx, id, seen).await?;
    let event = (subject(&before), Change::removed(&ApiView::of(&before)));
    action::audit(tx, authority, Action::DeleteApi, event, now).await
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: ApiId,
) -> Result<Api, ActionError> {
    authority.require(Action::ListApis)?;
    Ok(store::apis::get(tx, id).await?)
}

/// Oldest first.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    after: Option<ApiId>,
    limit: u32,
) -> Result<Vec<Api>, ActionError> {
    authority.require(Action::ListApis)?;
    Ok(store::apis::list(tx, after, limit).await?)
}

/// A scope that a route needs cannot go: nobody could get a token for that route any more.
async fn check_scopes(
    tx: &mut PlatformTx,
    before: &Api,
    terms: &ApiTerms,
) -> Result<(), ActionError> {
    let goes = |scope: &str| {
        let is_in = |scopes: &[ApiScope]| scopes.iter().any(|one| one.name == scope);
        is_in(&before.scopes) && !is_in(&terms.scopes)
    };
    if !before.scopes.iter().any(|scope| goes(&scope.name)) {
        return Ok(());
    }
    let needed: Vec<String> = store::routes::list(tx, before.id, ROUTES_MAX)
        .await?
        .iter()
        .filter_map(|route| {
            let scope = route.scopes.iter().find(|scope| goes(scope))?;
            Some(format!("{} (by {})", scope, route.path))
        })
        .collect();
    if needed.is_empty() {
        return Ok(());
    }
    let message = format!("Routes still need: {}.", needed.join(", "));
    Err(FieldError::new("scopes", "in_use", message).into())
}

fn subject(api: &Api) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "api",
        id: api.id.0,
        label: &api.name,
    }
}
