//! `/api/v1/plans`.

use axum::extract::State;
use axum::response::Response;
use domain::id::PlanId;
use domain::permission::Action;
use domain::plan::ApplyTo;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::input::{PlanInput, PlanView};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, Search, Stop,
};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListPlans, routes!(list)))
        .routes(json::route(Action::CreatePlan, routes!(create)))
        .routes(json::route(Action::ListPlans, routes!(show)))
        .routes(json::route(Action::UpdatePlan, routes!(update)))
        .routes(json::route(Action::RetirePlan, routes!(retire)))
}

/// Lists plans, oldest first; retired ones too.
#[utoipa::path(get, path = "/plans", tag = "plans", params(PageQuery),
    responses((status = 200, body = Listed<PlanView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<PlanView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| PlanView::of(&one),
    ))
}

/// Creates a plan.
#[utoipa::path(post, path = "/plans", tag = "plans", request_body = PlanInput,
    responses((status = 201, body = PlanView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<PlanInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let new = input.parse().map_err(ActionError::Invalid)?;
    let made = super::create(&caller.authority, work.platform()?, new, now).await?;
    let place = Made {
        path: format!("/plans/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &PlanView::of(&made)).await
}

/// Shows a plan with the terms that new subscriptions get.
#[utoipa::path(get, path = "/plans/{plan}", tag = "plans", params(("plan" = String, Path)),
    responses((status = 200, body = PlanView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<PlanId>,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(json::show(found.edition, &PlanView::of(&found)))
}

/// Changes a plan. Besides the plan's fields it takes `apply_to`: `all` (when left out) changes
/// the limits of every tenant on the plan within about a second; `new` leaves them what they have,
/// and who subscribes from now on gets the new terms.
#[utoipa::path(patch, path = "/plans/{plan}", tag = "plans", params(("plan" = String, Path)),
    request_body = PlanInput, responses((status = 200, body = PlanView)))]
async fn update(
    State(app): State<App>,
    At(id): At<PlanId>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        mut patch,
    } = edit;
    let apply_to: ApplyTo = patch.take("apply_to")?.unwrap_or(ApplyTo::All);
    let mut tx = app.db.platform_tx().await?;
    let present = super::get(&caller.authority, &mut tx, id).await?;
    seen.check(present.edition)?;
    let input = patch.apply(&PlanInput::of(&present))?;
    let new = input.parse().map_err(ActionError::Invalid)?;
    let at = (id, Some(present.edition));
    let after = super::update(&caller.authority, &mut tx, at, (new, apply_to), now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &PlanView::of(&after)))
}

/// Retires a plan: it takes no new subscriptions, and tenants on it stay.
#[utoipa::path(delete, path = "/plans/{plan}", tag = "plans", params(("plan" = String, Path)),
    responses((status = 204)))]
async fn retire(
    State(app): State<App>,
    caller: Caller,
    At(id): At<PlanId>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::retire(&caller.authority, &mut tx, (id, seen.edition()?), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
