//! `/api/v1/tenants`.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::permission::Action;
use domain::tenant::{TenantName, TenantStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::tenants::Search as TenantSearch;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::TenantView;
use crate::action::{ActionError, Tx};
use crate::app::App;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, Nothing, PageQuery, Search, Stop,
};
use crate::subscriptions::view::SubscriptionView;
use crate::subscriptions::{self, Conflicting, Order};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListTenants, routes!(list)))
        .routes(json::route(Action::CreateTenant, routes!(create)))
        .routes(json::route(Action::ShowTenant, routes!(show)))
        .routes(json::route(Action::RenameTenant, routes!(update)))
        .routes(json::route(Action::DeleteTenant, routes!(delete)))
        .routes(json::route(Action::SuspendTenant, routes!(suspend)))
        .routes(json::route(Action::ResumeTenant, routes!(resume)))
        .routes(json::route(Action::ExportTenant, routes!(export)))
        .routes(json::route(
            Action::ChangeSubscription,
            routes!(change_plan),
        ))
}

/// What a list of tenants is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct TenantsQuery {
    /// Part of a name, or an id.
    search: Option<String>,
    #[param(value_type = Option<String>, pattern = "^(active|suspended)$")]
    status: Option<TenantStatus>,
    /// `next_cursor` of the page before; none: the first page.
    cursor: Option<String>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What can be said of a tenant when it is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTenantInput {
    #[schema(example = "Northwind Freight")]
    name: String,
    /// The first subscription, in force at once.
    #[schema(value_type = Option<String>)]
    plan_id: Option<PlanId>,
}

/// What can be changed of a tenant. The status is for operators.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantInput {
    name: String,
    #[schema(value_type = String, pattern = "^(active|suspended)$")]
    status: TenantStatus,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlanChangeInput {
    /// The plan that takes the place of the present one.
    #[schema(value_type = String)]
    plan_id: PlanId,
}

fn name(raw: &str) -> Result<TenantName, ActionError> {
    TenantName::parse(raw).map_err(|error: FieldError| error.into())
}

/// Lists tenants, the newest first.
#[utoipa::path(get, path = "/tenants", tag = "tenants", params(TenantsQuery),
    responses((status = 200, body = Listed<TenantView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<TenantsQuery>,
) -> Result<Listed<TenantView>, Stop> {
    let paging = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    }
    .parse()?;
    let search = TenantSearch {
        text: query.search,
        status: query.status,
    };
    let mut tx = app.db.platform_tx().await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, &search, before, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| TenantView::of(&one),
    ))
}

/// Creates a tenant, without members.
#[utoipa::path(post, path = "/tenants", tag = "tenants", request_body = NewTenantInput,
    responses((status = 201, body = TenantView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<NewTenantInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let tx = work.platform()?;
    let made = super::create(&caller.authority, tx, name(&input.name)?, now).await?;
    if let Some(plan) = input.plan_id {
        let order = Order {
            plan,
            conflicting: Conflicting::Refuse,
        };
        subscriptions::subscribe(&caller.authority, tx, made.id, order, now).await?;
    }
    let place = Made {
        path: format!("/tenants/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &TenantView::of(&made)).await
}

/// Shows a tenant.
#[utoipa::path(get, path = "/tenants/{tenant}", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 200, body = TenantView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<TenantId>,
) -> Result<Response, Stop> {
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(json::show(found.edition, &TenantView::of(&found)))
}

/// Renames a tenant; operators also suspend and resume it by its status.
#[utoipa::path(patch, path = "/tenants/{tenant}", tag = "tenants",
    params(("tenant" = String, Path)), request_body = TenantInput,
    responses((status = 200, body = TenantView)))]
async fn update(
    State(app): State<App>,
    At(id): At<TenantId>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let mut tx = Tx::open(&app, &caller.authority).await?;
    let mut tenant = super::get(&caller.authority, &mut tx, id).await?;
    seen.check(tenant.edition)?;
    let input: TenantInput = patch.apply(&TenantInput {
        name: tenant.name.clone(),
        status: tenant.status,
    })?;
    let authority = &caller.authority;
    if input.status != tenant.status {
        let action = match input.status {
            TenantStatus::Suspended => Action::SuspendTenant,
            TenantStatus::Active => Action::ResumeTenant,
        };
        authority.require(action)?;
        let at = (id, Some(tenant.edition));
        tenant = match input.status {
            TenantStatus::Suspended => super::suspend(authority, tx.platform()?, at, now).await?,
            TenantStatus::Active => super::resume(authority, tx.platform()?, at, now).await?,
        };
    }
    if input.name != tenant.name {
        let at = (id, Some(tenant.edition));
        tenant = super::rename(authority, &mut tx, at, name(&input.name)?, now).await?;
    }
    tx.commit().await?;
    Ok(json::show(tenant.edition, &TenantView::of(&tenant)))
}

/// Deletes a tenant with everything that is its own; the audit log stays.
#[utoipa::path(delete, path = "/tenants/{tenant}", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At(id): At<TenantId>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    super::delete(&caller.authority, &mut tx, (id, seen.edition()?), now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}

/// Suspends a tenant: its requests are refused within about a second.
#[utoipa::path(post, path = "/tenants/{tenant}/suspend", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 200, body = TenantView)))]
async fn suspend(
    State(app): State<App>,
    At(id): At<TenantId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let after = super::suspend(&caller.authority, work.platform()?, (id, None), now).await?;
    work.done(after.edition, &TenantView::of(&after)).await
}

/// Resumes a suspended tenant.
#[utoipa::path(post, path = "/tenants/{tenant}/resume", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 200, body = TenantView)))]
async fn resume(
    State(app): State<App>,
    At(id): At<TenantId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let after = super::resume(&caller.authority, work.platform()?, (id, None), now).await?;
    work.done(after.edition, &TenantView::of(&after)).await
}

/// Exports everything that is kept of a tenant: members, subscriptions, keys without their values,
/// usage by day and key.
#[utoipa::path(get, path = "/tenants/{tenant}/export", tag = "tenants",
    params(("tenant" = String, Path)), responses((status = 200, body = Object)))]
async fn export(
    State(app): State<App>,
    caller: Caller,
    At(id): At<TenantId>,
    now: Now,
) -> Result<Json<Value>, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let document = super::export::export(&caller.authority, &mut tx, id, now).await?;
    Ok(Json(document))
}

/// Moves a tenant from the plan of a subscription to another, in one step. The subscription ends
/// and the answer is the one that takes its place.
#[utoipa::path(patch, path = "/tenants/{tenant}/subscriptions/{subscription}",
    tag = "subscriptions", params(("tenant" = String, Path), ("subscription" = String, Path)),
    request_body = PlanChangeInput, responses((status = 200, body = SubscriptionView)))]
async fn change_plan(
    State(app): State<App>,
    At((tenant, id)): At<(TenantId, SubscriptionId)>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let authority = &caller.authority;
    let mut tx = app.db.platform_tx().await?;
    let present = store::subscriptions::get(&mut tx, tenant, id).await?;
    seen.check(present.edition)?;
    let plan_id = present.plan_id;
    let PlanChangeInput { plan_id } = patch.apply(&PlanChangeInput { plan_id })?;
    let at = (tenant, id, Some(present.edition));
    let after = super::plan_change::change(authority, &mut tx, at, plan_id, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &SubscriptionView::of(&after)))
}
