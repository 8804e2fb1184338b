//! `/api/v1/apis/{api}/routes`.

use axum::extract::State;
use axum::response::Response;
use domain::FieldError;
use domain::field::each;
use domain::id::{ApiId, AuthorizerId, RouteId, UpstreamId};
use domain::permission::Action;
use domain::plan::Rate;
use domain::route::{Method, PathTemplate, Route, RouteTerms, Timeouts};
use domain::scope::Scope;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::action::ActionError;
use crate::apis::cors::CorsInput;
use crate::app::App;
use crate::checks::Checks;
use crate::clock::Now;
use crate::json::{
    self, At, Caller, Creation, Edit, IfMatch, Listed, Made, PageQuery, PerSecond, Search, Stop,
};

/// Ten minutes: what is slower is not answered over a request that waits.
const TIMEOUT_MS_MAX: u32 = 600_000;
const LEASE_WAIT_MS_MAX: u32 = 10_000;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListRoutes, routes!(list)))
        .routes(json::route(Action::CreateRoute, routes!(create)))
        .routes(json::route(Action::ListRoutes, routes!(show)))
        .routes(json::route(Action::UpdateRoute, routes!(update)))
        .routes(json::route(Action::DeleteRoute, routes!(delete)))
}

/// What can be said of a route.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteInput {
    /// Below the API's base path, with parameters; a greedy one takes the rest.
    #[schema(example = "/v1/orders/{id}")]
    pub path: String,
    /// None: any method.
    #[serde(default)]
    #[schema(example = json!(["GET"]))]
    pub methods: Vec<String>,
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub api_key_required: bool,
    /// The caller needs every one of them.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Null: the API's.
    #[schema(value_type = Option<String>)]
    pub upstream_id: Option<UpstreamId>,
    /// Requests per second over all callers, on top of their own limits; up to three decimals.
    #[schema(value_type = Option<f64>)]
    pub rate_limit: Option<PerSecond>,
    /// Requests that may come at once; goes with `rate_limit`.
    pub burst_limit: Option<u64>,
    /// Forward the credential that authenticated the call instead of dropping it.
    #[serde(default)]
    pub forward_credentials: bool,
    #[serde(default)]
    pub timeouts: TimeoutsInput,
    /// Instead of the API's.
    pub cors: Option<CorsInput>,
    /// Null: the node's own limit.
    pub body_bytes_max: Option<u64>,
    /// How long a request may wait for a quota lease, in milliseconds; null: 50, or 1,000 where the
    /// plan refuses without one, and 2,000 for a share of the rate.
    pub lease_wait_ms: Option<u32>,
    /// Who calls is found out by it, beside the API key where one is required. Null: by the key
    /// alone.
    #[schema(value_type = Option<String>)]
    pub authorizer_id: Option<AuthorizerId>,
}

fn yes() -> bool {
    true
}

/// In milliseconds; null: the node's own.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = Timeouts)]
pub(crate) struct TimeoutsInput {
    pub connect_ms: Option<u32>,
    /// From the request's last byte to the response's head.
    pub first_byte_ms: Option<u32>,
    /// Longest silence while a body moves, either way.
    pub idle_ms: Option<u32>,
}

impl RouteInput {
    pub(crate) fn parse(self) -> Result<RouteTerms, Vec<FieldError>> {
        let mut checks = Checks::default();
        self.check_times(&mut checks);
        let path = checks.take(PathTemplate::parse(&self.path));
        let methods = checks.take_all(each("methods", &self.methods, Method::parse));
        let scopes = checks.take_all(Scope::parse_all("scopes", &self.scopes));
        let milli = self.rate_limit.map(|rate| rate.thousandths);
        let rate = checks.take(Rate::parse(milli, self.burst_limit));
        let cors = checks.take(self.cors.map(CorsInput::parse).transpose());
        let terms = (|| {
            Some(RouteTerms {
                path: path?,
                methods: methods?,
                api_key_required: self.api_key_required,
                scopes: scopes?,
                upstream_id: self.upstream_id,
                rate: rate?,
                forward_credentials: self.forward_credentials,
                timeouts: Timeouts {
                    connect_ms: self.timeouts.connect_ms,
                    first_byte_ms: self.timeouts.first_byte_ms,
                    idle_ms: self.timeouts.idle_ms,
                },
                cors: cors?,
                body_bytes_max: self.body_bytes_max,
                lease_wait_ms: self.lease_wait_ms,
                authorizer_id: self.authorizer_id,
            })
        })();
        checks.finish(terms)
    }

    fn check_times(&self, checks: &mut Checks) {
        for (field, time) in [
            ("timeouts.connect_ms", self.timeouts.connect_ms),
            ("timeouts.first_byte_ms", self.timeouts.first_byte_ms),
            ("timeouts.idle_ms", self.timeouts.idle_ms),
        ] {
            if time.is_some_and(|time| !(1..=TIMEOUT_MS_MAX).contains(&time)) {
                let message = format!("Allow 1 to {TIMEOUT_MS_MAX} ms, or leave it empty.");
                checks.refuse(field, "out_of_range", message);
            }
        }
        if self
            .lease_wait_ms
            .is_some_and(|wait| wait > LEASE_WAIT_MS_MAX)
        {
            let message = format!("Wait at most {LEASE_WAIT_MS_MAX} ms.");
            checks.refuse("lease_wait_ms", "out_of_range", message);
        }
    }

    pub(crate) fn of(route: &Route) -> Self {
        Self {
            path: route.path.clone(),
            methods: route.methods.clone(),
            api_key_required: route.api_key_required,
            scopes: route.scopes.clone(),
            upstream_id: route.upstream_id,
            rate_limit: route.rate.map(|rate| PerSecond {
                thousandths: rate.per_second_milli,
            }),
            burst_limit: route.rate.map(|rate| rate.burst),
            forward_credentials: route.forward_credentials,
            timeouts: TimeoutsInput {
                connect_ms: route.timeouts.connect_ms,
                first_byte_ms: route.timeouts.first_byte_ms,
                idle_ms: route.timeouts.idle_ms,
            },
            cors: route.cors.as_ref().map(CorsInput::of),
            body_bytes_max: route.body_bytes_max,
            lease_wait_ms: route.lease_wait_ms,
            authorizer_id: route.authorizer_id,
        }
    }
}

/// A route.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Route)]
pub(crate) struct RouteView {
    #[schema(value_type = String)]
    pub id: RouteId,
    #[schema(value_type = String)]
    pub api_id: ApiId,
    #[serde(flatten)]
    pub terms: RouteInput,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl RouteView {
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            id: route.id,
            api_id: route.api_id,
            terms: RouteInput::of(route),
            created_at: route.created_at,
        }
    }
}

/// Lists the routes of an API, by path.
#[utoipa::path(get, path = "/apis/{api}/routes", tag = "routes",
    params(("api" = String, Path), PageQuery), responses((status = 200, body = Listed<RouteView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    At(api): At<ApiId>,
    Search(query): Search<PageQuery>,
) -> Result<Listed<RouteView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let mut found = super::list(&caller.authority, &mut tx, api).await?;
    // All of them are few, and their order is by path.
    if let Some(after) = paging.after {
        let seen = found.iter().position(|route| route.id.0 == after);
        found.drain(..seen.map_or(0, |place| place + 1));
    }
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| RouteView::of(&one),
    ))
}

/// Creates a route.
#[utoipa::path(post, path = "/apis/{api}/routes", tag = "routes", params(("api" = String, Path)),
    request_body = RouteInput, responses((status = 201, body = RouteView)))]
async fn create(
    State(app): State<App>,
    At(api): At<ApiId>,
    now: Now,
    creation: Creation<RouteInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let made = super::create(&caller.authority, work.platform()?, api, terms, now).await?;
    let place = Made {
        path: format!("/apis/{api}/routes/{}", made.id),
        edition: made.edition,
    };
    work.created(place, &RouteView::of(&made)).await
}

/// Shows a route.
#[utoipa::path(get, path = "/apis/{api}/routes/{route}", tag = "routes",
    params(("api" = String, Path), ("route" = String, Path)),
    responses((status = 200, body = RouteView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(place): At<(ApiId, RouteId)>,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, place).await?;
    Ok(json::show(found.edition, &RouteView::of(&found)))
}

/// Changes a route.
#[utoipa::path(patch, path = "/apis/{api}/routes/{route}", tag = "routes",
    params(("api" = String, Path), ("route" = String, Path)), request_body = RouteInput,
    responses((status = 200, body = RouteView)))]
async fn update(
    State(app): State<App>,
    At((api, id)): At<(ApiId, RouteId)>,
    now: Now,
    edit: Edit,
) -> Result<Response, Stop> {
    let Edit {
        caller,
        seen,
        patch,
    } = edit;
    let mut tx = app.db.platform_tx().await?;
    let present = super::get(&caller.authority, &mut tx, (api, id)).await?;
    seen.check(present.edition)?;
    let input = patch.apply(&RouteInput::of(&present))?;
    let terms = input.parse().map_err(ActionError::Invalid)?;
    let at = (api, id, Some(present.edition));
    let after = super::update(&caller.authority, &mut tx, at, terms, now).await?;
    tx.commit().await?;
    Ok(json::show(after.edition, &RouteView::of(&after)))
}

/// Deletes a route.
#[utoipa::path(delete, path = "/apis/{api}/routes/{route}", tag = "routes",
    params(("api" = String, Path), ("route" = String, Path)), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    caller: Caller,
    At((api, id)): At<(ApiId, RouteId)>,
    seen: IfMatch,
    now: Now,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let at = (api, id, seen.edition()?);
    super::delete(&caller.authority, &mut tx, at, now).await?;
    tx.commit().await?;
    Ok(json::no_content())
}
