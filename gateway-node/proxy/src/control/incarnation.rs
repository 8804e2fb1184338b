//! Registers this process as the node's current one, which fences whatever ran before.

use std::sync::Arc;
use std::time::Duration;

use snapshot::lease::{INCARNATION_PATH, IncarnationRequest, IncarnationResponse};
use tokio::sync::watch;

use super::backoff::Backoff;
use super::client::{Bounds, SignedCalls};
use super::identity::random;

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(10),
    answer_bytes_max: 16 << 10,
};

/// Asks until it is answered. The process names itself by a random number, so that an answer that
/// was lost does not make a second incarnation.
pub(crate) async fn register(calls: Arc<SignedCalls>, registered: watch::Sender<Option<u64>>) {
    let request = IncarnationRequest {
        process: u64::from_be_bytes(random()),
    };
    let mut backoff = Backoff::default();
    loop {
        let answer: Result<IncarnationResponse, _> =
            calls.post(INCARNATION_PATH, &request, BOUNDS).await;
        match answer {
            Ok(answer) => {
                tracing::info!(incarnation = answer.incarnation, "registered");
                // Nobody listens any more only when the node stops.
                let _ = registered.send(Some(answer.incarnation));
                return;
            }
            Err(cause) => {
                tracing::debug!(%cause, "this process could not be registered yet");
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
}
