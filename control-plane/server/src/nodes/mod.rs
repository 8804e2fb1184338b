//! The endpoints that gateway nodes call, `/node/v1/…`.

pub mod call;
pub mod chunks;
pub mod data_keys;
pub mod directory;
pub mod enroll;
pub mod incarnations;
pub mod leases;
pub mod observations;
pub mod rate_shares;
pub mod replays;
pub mod snapshot;
pub mod usage;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::header;
use prost::Message;

use crate::app::App;
use crate::deadline::{self, ANSWER_NODES_WITHIN};

pub fn router() -> Router<App> {
    Router::new()
        .merge(enroll::router())
        .merge(snapshot::router())
        .merge(chunks::router())
        .merge(data_keys::router())
        .merge(incarnations::router())
        .merge(leases::router())
        .merge(rate_shares::router())
        .merge(usage::router())
        .layer(from_fn_with_state(ANSWER_NODES_WITHIN, deadline::limit))
}

/// An answer that is a protobuf message.
fn protobuf<M: Message>(message: &M) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/x-protobuf"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, message.encode_to_vec()).into_response()
}
