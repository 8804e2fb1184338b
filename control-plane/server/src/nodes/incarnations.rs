//! `POST /node/v1/incarnations`: a new process of a node takes over and fences the one before it.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use snapshot::lease::{INCARNATION_PATH, IncarnationRequest, IncarnationResponse};

use store::nodes::FenceError;

use super::call::NodeCall;
use super::protobuf;
use crate::app::App;
use crate::clock::Now;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(INCARNATION_PATH, post(create))
}

async fn create(State(app): State<App>, now: Now, call: NodeCall) -> Result<Response, Problem> {
    let request: IncarnationRequest = call.read("incarnation")?;
    let mut tx = app.db.platform_tx().await?;
    let incarnation = store::nodes::register_incarnation(&mut tx, call.node, request.process)
        .await
        .map_err(|cause| match cause {
            FenceError::Fenced => fenced(),
            FenceError::Store(cause) => cause.into(),
        })?;
    tx.commit().await?;
    Ok(protobuf(&IncarnationResponse {
        incarnation,
        now_ms: now.unix_ms(),
    }))
}

/// A process that another one of the same node has replaced.
pub fn fenced() -> Problem {
    Problem::new(
        http::StatusCode::CONFLICT,
        "incarnation_fenced",
        "a newer process of this node has taken over",
    )
}
