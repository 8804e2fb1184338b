//! `POST /node/v1/usage`: what a node counted, applied once.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use snapshot::usage::{COUNTS_MAX, PATH, UsageAck, UsageBatch};
use store::usage::ApplyError;

use super::call::{NodeCall, malformed};
use super::protobuf;
use crate::app::App;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(PATH, post(apply))
}

async fn apply(State(app): State<App>, call: NodeCall) -> Result<Response, Problem> {
    let batch: UsageBatch = call.read("usage batch")?;
    if batch.counts.len() > COUNTS_MAX {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_counts",
            format!("a batch has at most {COUNTS_MAX} counts"),
        ));
    }
    let applied_sequence = store::usage::apply(&app.db, call.node, &batch)
        .await
        .map_err(refused)?;
    app.metrics.usage_batches.inc();
    Ok(protobuf(&UsageAck { applied_sequence }))
}

fn refused(cause: ApplyError) -> Problem {
    match cause {
        ApplyError::Gap { applied } => Problem::new(
            StatusCode::CONFLICT,
            "usage_gap",
            format!("the batch after {applied} is missing; send it first"),
        ),
        ApplyError::Malformed(cause) => malformed(&cause),
        ApplyError::Store(cause) => Problem::internal(&cause),
    }
}
