//! Routes of an API.

pub(crate) mod json;
pub(crate) mod pages;

use domain::FieldError;
use domain::id::{ApiId, RouteId};
use domain::permission::Action;
use domain::route::{Route, RouteTerms};
use store::PlatformTx;
use uuid::Uuid;

use crate::action::{self, ActionError, Change, Subject};
use crate::authority::Authority;
use crate::clock::Now;
use json::RouteView;

pub(crate) use json::api;
pub(crate) use pages::pages;

/// Of one API; lists are never cut off.
pub(crate) const ROUTES_MAX: u32 = 1_000;

pub(crate) async fn create(
    authority: &Authority,
    tx: &mut PlatformTx,
    api: ApiId,
    terms: RouteTerms,
    now: Now,
) -> Result<Route, ActionError> {
    authority.require(Action::CreateRoute)?;
    let there = store::routes::list(tx, api, ROUTES_MAX).await?;
    if there.len() >= ROUTES_MAX as usize {
        let message = format!("An API has at most {ROUTES_MAX} routes.");
        return Err(FieldError::new("path", "too_many", message).into());
    }
    let id = RouteId(Uuid::now_v7());
    let route = store::routes::insert(tx, api, id, &terms).await?;
    let event = (subject(&route), Change::created(&RouteView::of(&route)));
    action::audit(tx, authority, Action::CreateRoute, event, now).await?;
    Ok(route)
}

/// Replaces all that is said of it. `seen`: the edition that the caller knows.
pub(crate) async fn update(
    authority: &Authority,
    tx: &mut PlatformTx,
    (api, id, seen): (ApiId, RouteId, Option<i32>),
    terms: RouteTerms,
    now: Now,
) -> Result<Route, ActionError> {
    authority.require(Action::UpdateRoute)?;
    let before = store::routes::get(tx, api, id).await?;
    let after = store::routes::update(tx, api, id, &terms, seen).await?;
    let change = Change::updated(&RouteView::of(&before), &RouteView::of(&after));
    let event = (subject(&after), change);
    action::audit(tx, authority, Action::UpdateRoute, event, now).await?;
    Ok(after)
}

pub(crate) async fn delete(
    authority: &Authority,
    tx: &mut PlatformTx,
    (api, id, seen): (ApiId, RouteId, Option<i32>),
    now: Now,
) -> Result<(), ActionError> {
    authority.require(Action::DeleteRoute)?;
    let before = store::routes::get(tx, api, id).await?;
    store::routes::delete(tx, api, id, seen).await?;
    let event = (subject(&before), Change::removed(&RouteView::of(&before)));
    action::audit(tx, authority, Action::DeleteRoute, event, now).await
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    (api, id): (ApiId, RouteId),
) -> Result<Route, ActionError> {
    authority.require(Action::ListRoutes)?;
    Ok(store::routes::get(tx, api, id).await?)
}

/// All of an API, by path.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    api: ApiId,
) -> Result<Vec<Route>, ActionError> {
    authority.require(Action::ListRoutes)?;
    // Says so where the API is not there.
    store::apis::get(tx, api).await?;
    Ok(store::routes::list(tx, api, ROUTES_MAX).await?)
}

fn subject(route: &Route) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "route",
        id: route.id.0,
        label: &route.path,
    }
}
