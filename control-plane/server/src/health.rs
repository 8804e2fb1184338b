//! `/healthz`, `/readyz` and `/metrics`.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};

use crate::app::App;
use crate::problem::Problem;

/// Shorter than those who ask wait for an answer.
const PING_WITHIN: Duration = Duration::from_secs(2);

pub fn router() -> Router<App> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn alive() -> Response {
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

/// Ready: the database answers and a revision is served.
async fn ready(State(app): State<App>) -> Response {
    let revision = app
        .current
        .borrow()
        .as_ref()
        .map(|published| published.version.to_string());
    let ping = tokio::time::timeout(PING_WITHIN, app.db.ping()).await;
    let has_database = matches!(ping, Ok(Ok(())));
    let is_ready = has_database && revision.is_some();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "database": has_database,
        "revision": revision,
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let text = app
        .metrics
        .render()
        .map_err(|cause| Problem::internal(&cause))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
