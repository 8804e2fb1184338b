//! `POST /node/v1/usage`: what a node counted, applied once.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use snapshot::usage::{PATH, UsageAck, UsageBatch};
use store::usage::BatchError;

use super::call::NodeCall;
use super::protobuf;
use crate::app::App;
use crate::clock::Now;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(PATH, post(apply))
}

async fn apply(State(app): State<App>, now: Now, call: NodeCall) -> Result<Response, Problem> {
    let batch: UsageBatch = call.read("usage batch")?;
    let mut tx = app.db.platform_tx().await?;
    let applied_sequence = store::usage::apply(&mut tx, call.node, &batch, now.0)
        .await
        .map_err(refused)?;
    tx.commit().await?;
    app.metrics.usage_batches.inc();
    Ok(protobuf(&UsageAck { applied_sequence }))
}

fn refused(cause: BatchError) -> Problem {
    match cause {
        BatchError::Malformed(what) => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed_message", what)
        }
        BatchError::Store(cause) => cause.into(),
    }
}
