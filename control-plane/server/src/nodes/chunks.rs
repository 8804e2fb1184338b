//! `POST /node/v1/chunks`: many chunks in one call, as they are stored.

use std::collections::HashMap;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use snapshot::chunk::{
    Address, CHUNKS_ANSWER_BYTES, CHUNKS_PER_CALL_MAX, ChunkRequest, ChunkResponse, CompressedChunk,
};
use snapshot::poll::CHUNKS_PATH;

use super::call::{NodeCall, malformed};
use super::protobuf;
use crate::app::App;
use crate::problem::Problem;

/// Read from the database at a time, so that an answer's bound is kept without reading all.
const BATCH: usize = 64;

pub fn router() -> Router<App> {
    Router::new().route(CHUNKS_PATH, post(list))
}

async fn list(State(app): State<App>, call: NodeCall) -> Result<Response, Problem> {
    let request: ChunkRequest = call.read("chunk request")?;
    if request.addresses.len() > CHUNKS_PER_CALL_MAX {
        return Err(Problem::new(
            http::StatusCode::UNPROCESSABLE_ENTITY,
            "too_many_chunks",
            format!("ask for at most {CHUNKS_PER_CALL_MAX} chunks at a time"),
        ));
    }
    let addresses: Vec<Address> = request
        .addresses
        .iter()
        .map(|bytes| Address::from_slice(bytes))
        .collect::<Result<_, _>>()
        .map_err(|cause| malformed(&cause))?;
    let answer = read(&app, &addresses).await?;
    Ok(protobuf(&answer))
}

async fn read(app: &App, addresses: &[Address]) -> store::Result<ChunkResponse> {
    let mut answer = ChunkResponse::default();
    let mut bytes = 0;
    let mut tx = app.db.compile_tx().await?;
    for batch in addresses.chunks(BATCH) {
        let mut found: HashMap<Address, Vec<u8>> = store::chunks::list(&mut tx, batch)
            .await?
            .into_iter()
            .map(|stored| (stored.address, stored.zstd))
            .collect();
        for address in batch {
            let Some(zstd) = found.remove(address) else {
                continue;
            };
            bytes += zstd.len();
            answer.chunks.push(CompressedChunk {
                address: address.0.to_vec(),
                zstd,
            });
            if bytes >= CHUNKS_ANSWER_BYTES {
                return Ok(answer);
            }
        }
    }
    Ok(answer)
}
