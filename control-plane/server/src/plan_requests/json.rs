//! `/api/v1/plan-requests`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::permission::Action;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::PlanRequest;
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Listed, Nothing, PageQuery, Search, Stop};
use crate::subscriptions::Conflicting;
use crate::subscriptions::view::SubscriptionView;

pub const REASON_CHARS_MAX: usize = 2_000;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListPlanRequests, routes!(list)))
        .routes(json::route(Action::ApprovePlanRequest, routes!(approve)))
        .routes(json::route(Action::DeclinePlanRequest, routes!(decline)))
}

/// A request for a plan that is given by approval.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlanRequest)]
struct PlanRequestView {
    /// Of the subscription that it becomes.
    #[schema(value_type = String)]
    id: SubscriptionId,
    #[schema(value_type = String)]
    tenant_id: TenantId,
    tenant_name: String,
    #[schema(value_type = String)]
    plan_id: PlanId,
    plan_name: String,
    /// Email address of who asked, as far as the person is there still.
    asked_by: Option<String>,
    /// What the tenant wrote.
    message: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl PlanRequestView {
    fn of(request: PlanRequest) -> Self {
        let asked = request.subscription;
        Self {
            id: asked.id,
            tenant_id: asked.tenant_id,
            tenant_name: request.tenant_name,
            plan_id: asked.plan_id,
            plan_name: asked.plan_name,
            asked_by: request.asked_by,
            message: asked.message,
            created_at: asked.created_at,
        }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct DeclineInput {
    /// Goes to who asked; up to 2000 characters.
    reason: Option<String>,
}

/// Lists requests that wait for an answer, oldest first.
#[utoipa::path(get, path = "/plan-requests", tag = "plan requests", params(PageQuery),
    responses((status = 200, body = Listed<PlanRequestView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<PlanRequestView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    let id = |one: &PlanRequest| one.subscription.id.0;
    Ok(Listed::new(found, paging, id, PlanRequestView::of))
}

/// Gives the plan that was asked for. Subscriptions that cannot stand beside it end.
#[utoipa::path(post, path = "/plan-requests/{request}/approve", tag = "plan requests",
    params(("request" = String, Path)), responses((status = 200, body = SubscriptionView)))]
async fn approve(
    State(app): State<App>,
    At(id): At<SubscriptionId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let order = (id, &Conflicting::End);
    let active = super::approve(&caller.authority, work.platform()?, order, now).await?;
    let answer = work
        .done(active.edition, &SubscriptionView::of(&active))
        .await;
    app.mailer.wake();
    answer
}

/// Turns a request down; the tenant keeps what it has.
#[utoipa::path(post, path = "/plan-requests/{request}/decline", tag = "plan requests",
    params(("request" = String, Path)), request_body = DeclineInput,
    responses((status = 200, body = SubscriptionView)))]
async fn decline(
    State(app): State<App>,
    At(id): At<SubscriptionId>,
    now: Now,
    creation: Creation<DeclineInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let reason = reason(input.reason)?;
    let reason = reason.as_deref();
    let declined = super::decline(&caller.authority, work.platform()?, id, reason, now).await?;
    let view = SubscriptionView::of(&declined);
    let answer = work.done(declined.edition, &view).await;
    app.mailer.wake();
    answer
}

/// Trimmed; nothing where nothing was written.
pub fn reason(raw: Option<String>) -> Result<Option<String>, ActionError> {
    let text = raw.unwrap_or_default().trim().to_owned();
    if text.chars().count() > REASON_CHARS_MAX {
        let message = format!("Use at most {REASON_CHARS_MAX} characters.");
        return Err(FieldError::new("reason", "too_long", message).into());
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}
