//! `/api/v1/tenants/{tenant}/subscriptions`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::permission::Action;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::view::SubscriptionView;
use super::{Conflicting, Order};
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, IfMatch, Listed, Made, PageQuery, Search, Stop};
use crate::plans::input::PlanView;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListOfferedPlans, routes!(plans)))
        .routes(json::route(Action::ListSubscriptions, routes!(list)))
        .routes(json::route(Action::Subscribe, routes!(create)))
        .routes(json::route(Action::ListSubscriptions, routes!(show)))
        .routes(json::route(Action::EndSubscription, routes!(end)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OrderInput {
    #[schema(value_type = String)]
    plan_id: PlanId,
    /// For whoever approves, where the plan is given by approval.
    message: Option<String>,
    /// End subscriptions that open the same APIs or count in the same quota group; without it the
    /// call is refused where there are such.
    #[serde(default)]
    replaces_conflicting: bool,
}

/// Lists the plans that the tenant may take, or ask for where they are no self-service, oldest
/// first.
#[utoipa::path(get, path = "/tenants/{tenant}/offered-plans", tag = "subscriptions",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<PlanView>)))]
async fn plans(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<PlanView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::offered_plans(&caller.authority, &mut tx, tenant, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| PlanView::of(&one),
    ))
}

/// Lists a tenant's subscriptions, oldest first; ended ones too.
#[utoipa::path(get, path = "/tenants/{tenant}/subscriptions", tag = "subscriptions",
    params(("tenant" = String, Path), PageQuery),
    responses((status = 200, body = Listed<SubscriptionView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(tenant): At<TenantId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<SubscriptionView>, Stop> {
    let paging = query.parse()?;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::history(&caller.authority, &mut tx, tenant, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| SubscriptionView::of(&one),
    ))
}

/// Takes a plan: in force at once where it is self-service or an operator orders, otherwise
/// `pending` until an operator approves.
#[utoipa::path(post, path = "/tenants/{tenant}/subscriptions", tag = "subscriptions",
    params(("tenant" = String, Path)), request_body = OrderInput,
    responses((status = 201, body = SubscriptionView)))]
async fn create(
    State(app): State<App>,
    At(tenant): At<TenantId>,
    now: Now,
    creation: Creation<OrderInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let authority = &caller.authority;
    let made = match (input.message, input.replaces_conflicting) {
        (Some(_), true) => {
            let text = "Send a message or replace subscriptions, not both.";
            let error = FieldError::new("message", "invalid", text);
            return Err(ActionError::from(error).into());
        }
        (Some(message), false) => {
            let asked = (input.plan_id, message.trim());
            super::request(authority, &mut work.tx, tenant, asked, now).await?
        }
        (None, replaces) => {
            let order = Order {
                plan: input.plan_id,
                conflicting: if replaces {
                    Conflicting::End
                } else {
                    Conflicting::Refuse
                },
            };
            super::subscribe(authority, &mut work.tx, tenant, order, now).await?
        }
    };
    let place = Made {
        path: format!("/tenants/{tenant}/subscriptions/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &SubscriptionView::of(&made)).await
}

/// Shows a subscription.
#[utoipa::path(get, path = "/tenants/{tenant}/subscriptions/{subscription}",
    tag = "subscriptions", params(("tenant" = String, Path), ("subscription" = String, Path)),
    responses((status = 200, body = SubscriptionView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::show(&caller.authority, &mut tx, tenant, id).await?;
    Ok(json::show(found.edition, &SubscriptionView::of(&found)))
}

/// Ends a subscription, or takes back a request: the APIs that it opens are refused with 403
/// within about a second.
#[utoipa::path(delete, path = "/tenants/{tenant}/subscriptions/{subscription}",
    tag = "subscriptions", params(("tenant" = String, Path), ("subscription" = String, Path)),
    responses((status = 204)))]
async fn end(
    State(app): State<App>,
    caller: Caller,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let at = (tenant, id);
    super::end(&caller.authority, &mut tx, at, seen.edition()?, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
