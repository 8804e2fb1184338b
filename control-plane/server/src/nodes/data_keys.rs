//! `GET /node/v1/data-keys`: the data keys in force, sealed to the asking node.

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use snapshot::poll::DATA_KEYS_PATH;
use snapshot::seal::DataKeys;

use super::call::NodeCall;
use super::enroll::sealed_data_keys;
use super::protobuf;
use crate::app::App;
use crate::problem::Problem;

pub fn router() -> Router<App> {
    Router::new().route(DATA_KEYS_PATH, get(list))
}

async fn list(State(app): State<App>, call: NodeCall) -> Result<Response, Problem> {
    let mut tx = app.db.platform_tx().await?;
    let node = store::nodes::get(&mut tx, call.node).await?;
    let keys = sealed_data_keys(&mut tx, &app.secrets, &node.seal_key).await?;
    Ok(protobuf(&DataKeys { keys }))
}
