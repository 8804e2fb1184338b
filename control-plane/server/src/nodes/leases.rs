//! `POST /node/v1/leases`: draws units of quotas, batched.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::StatusCode;
use snapshot::lease::{ITEMS_MAX, LeaseRequest, PATH};
use store::leases::DrawError;

use super::call::NodeCall;
use super::incarnations::fenced;
use super::protobuf;
use crate::app::App;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(PATH, post(draw))
}

async fn draw(State(app): State<App>, call: NodeCall) -> Result<Response, Problem> {
    let request: LeaseRequest = call.read("lease request")?;
    if request.items.len() > ITEMS_MAX {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_items",
            format!("ask for at most {ITEMS_MAX} leases at a time"),
        ));
    }
    let held: u64 = request
        .items
        .iter()
        .map(|item| item.granted_total)
        .fold(0, u64::saturating_add);
    let answer = store::leases::draw(&app.db, call.node, &request)
        .await
        .map_err(refused)?;
    let granted: u64 = answer
        .leases
        .iter()
        .map(|lease| lease.granted_total)
        .fold(0, u64::saturating_add);
    app.metrics
        .leases_granted
        .inc_by(granted.saturating_sub(held));
    Ok(protobuf(&answer))
}

fn refused(cause: DrawError) -> Problem {
    match cause {
        DrawError::Fenced => fenced(),
        DrawError::Malformed(what) => {
            Problem::new(StatusCode::BAD_REQUEST, "malformed_message", what)
        }
        DrawError::Store(cause) => cause.into(),
    }
}
