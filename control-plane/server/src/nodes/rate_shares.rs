//! `POST /node/v1/rate-shares`: divides rates among nodes, batched.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use snapshot::rate_share::{PATH, ShareRequest};
use store::rate_shares::ShareError;

use super::call::NodeCall;
use super::incarnations::fenced;
use super::protobuf;
use crate::app::App;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(PATH, post(ask))
}

async fn ask(State(app): State<App>, call: NodeCall) -> Result<Response, Problem> {
    let request: ShareRequest = call.read("share request")?;
    let answer = store::rate_shares::ask(&app.db, call.node, &request)
        .await
        .map_err(refused)?;
    Ok(protobuf(&answer))
}

fn refused(cause: ShareError) -> Problem {
    match cause {
        ShareError::Fenced => fenced(),
        ShareError::Malformed(what) => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed_message", what)
        }
        ShareError::Store(cause) => Problem::internal(&cause),
    }
}
