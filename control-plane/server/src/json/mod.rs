//! The frame of the JSON API at `/api/v1`: who calls, what they send, how they are answered, and
//! the description of it all.
//!
//! A noun's routes are registered with [`route`], which ties each to the action that it is for:
//! [`Caller`] asks for that permission before anything is read, the description names it, and the
//! sweep over all routes finds it there.

mod answer;
mod caller;
mod creation;
mod input;
mod list;
mod numbers;
mod openapi;
#[cfg(test)]
mod tests;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use domain::permission::Action;
use http::{StatusCode, header};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::deadline::{self, ANSWER_WITHIN};
use crate::problem::Problem;
use crate::telemetry::RequestId;

pub(crate) use answer::{Stop, no_content, show};
pub(crate) use caller::Caller;
pub(crate) use creation::{Creation, Made, Nothing};
pub(crate) use input::{At, Edit, IfMatch, Search, expect_json, from_value, parse};
pub(crate) use list::{Listed, PageQuery, Paging};
pub(crate) use numbers::PerSecond;

/// Where the API lives.
pub(crate) const PREFIX: &str = "/api/v1";

/// Ties routes (what `utoipa_axum::routes!` makes of a handler) to the action they are for.
pub(crate) fn route(
    action: Action,
    (schemas, mut paths, methods): UtoipaMethodRouter<App>,
) -> UtoipaMethodRouter<App> {
    openapi::describe(&mut paths, action);
    (schemas, paths, methods.route_layer(Extension(action)))
}

/// The routes of every noun, below the prefix.
fn nouns() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(crate::api_keys::api())
        .merge(crate::apis::api())
        .merge(crate::audit_events::api())
        .merge(crate::authorizers::api())
        .merge(crate::branding::api())
        .merge(crate::fleet::api())
        .merge(crate::groups::api())
        .merge(crate::invitations::api())
        .merge(crate::identity_providers::api())
        .merge(crate::members::api())
        .merge(crate::tenant_domains::api())
        .merge(crate::people::api())
        .merge(crate::oauth_clients::api())
        .merge(crate::plan_requests::api())
        .merge(crate::plans::api())
        .merge(crate::routes::api())
        .merge(crate::snapshots::api())
        .merge(crate::subscriptions::api())
        .merge(crate::tenants::api())
        .merge(crate::token_keys::api())
        .merge(crate::upstreams::api())
        .merge(crate::usage::api())
        .merge(crate::users::api())
}

/// All of the API with its description.
pub(crate) fn router() -> Router<App> {
    let (router, description) = openapi::documented().split_for_parts();
    let description = axum::body::Bytes::from(description.to_json().unwrap_or_default());
    let document =
        get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description) });
    // What is not there is not there for strangers either.
    let missing = || async { Problem::not_found("endpoint") };
    router
        .route(&format!("{PREFIX}/openapi.json"), document)
        .route(PREFIX, axum::routing::any(missing))
        .route(&format!("{PREFIX}/{{*rest}}"), axum::routing::any(missing))
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this endpoint has no such method; the Allow header lists those it has",
            )
        })
        .layer(axum::middleware::from_fn_with_state(
            ANSWER_WITHIN,
            deadline::limit,
        ))
        .layer(axum::middleware::from_fn(name_request))
}

/// Puts the request's id into problems, so that their readers find the log's lines about them.
async fn name_request(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    match (response.extensions_mut().remove::<Problem>(), id) {
        (Some(problem), Some(id)) if problem.request_id.is_none() => {
            let mut named = problem.with_request_id(id.0).into_response();
            for (name, value) in response.headers() {
                if !named.headers().contains_key(name) {
                    named.headers_mut().insert(name, value.clone());
                }
            }
            named
        }
        _ => response,
    }
}
