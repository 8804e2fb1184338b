//! The polling loop: asks for the snapshot, waits with the control plane for the next one, and
//! tries again when it is away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use http::{HeaderMap, StatusCode};
use snapshot::poll::{FRESHNESS_HEADER, SNAPSHOT_PATH, SnapshotResponse, WAIT_SECONDS_MAX};
use snapshot::sign::Signed;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::{Bounds, CallError, SignedCalls};
use super::health::Health;
use super::keeper::{Keeper, OfferError};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(WAIT_SECONDS_MAX + 10),
    answer_bytes_max: 32 << 20,
};
const FRESHNESS_BYTES_MAX: usize = 64 << 10;
/// A control plane that answers "nothing new" sooner than this did not wait: it is stopping, or
/// there is a proxy between. Then the node does the waiting.
const ANSWER_EXPECTED_AFTER: Duration = Duration::from_millis(200);

pub(crate) struct Poller {
    pub(crate) calls: Arc<SignedCalls>,
    pub(crate) keeper: Keeper,
    pub(crate) health: Arc<Health>,
}

impl Poller {
    /// Polls until `shutdown`, or until the node is revoked. A poll that is cut off leaves nothing
    /// half-made.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        while !self.keeper.is_revoked() {
            let pause = tokio::select! {
                () = shutdown.cancelled() => return,
                polled = self.poll() => match polled {
                    Ok(pause) => {
                        backoff.reset();
                        pause
                    }
                    Err(OfferError::Call(cause)) if cause.is_revocation() => {
                        self.keeper.revoke().await;
                        return;
                    }
                    Err(cause) => {
                        let pause = backoff.pause();
                        self.note_failure(&cause, pause);
                        pause
                    }
                },
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One poll; says how long to wait before the next.
    async fn poll(&mut self) -> Result<Duration, OfferError> {
        let started = Instant::now();
        let target = format!("{SNAPSHOT_PATH}?{}", self.keeper.query().to_query());
        let answer = self.calls.get(&target, BOUNDS).await?;
        if answer.status == StatusCode::NOT_MODIFIED {
            let is_confirmed = self
                .keeper
                .confirm(freshness(&answer.headers).as_ref())
                .await;
            self.health.note_poll(is_confirmed);
            return Ok(ANSWER_EXPECTED_AFTER.saturating_sub(started.elapsed()));
        }
        let offer: SnapshotResponse =
            snapshot::decode("snapshot", &answer.body, BOUNDS.answer_bytes_max)
                .map_err(CallError::from)?;
        let version = self.keeper.offer(&self.calls, offer).await?;
        tracing::info!(%version, "snapshot applied");
        self.health.note_applied();
        Ok(Duration::ZERO)
    }

    fn note_failure(&self, cause: &OfferError, pause: Duration) {
        let is_first = match cause {
            OfferError::Call(call) => self.health.note_poll_failure(call),
            OfferError::Rejected(report) => self.health.note_rejection(report),
        };
        let retry_ms = pause.as_millis();
        match cause {
            OfferError::Rejected(_) if is_first => {
                tracing::error!(%cause, retry_ms, "the snapshot in force stays");
            }
            _ if is_first => tracing::warn!(%cause, retry_ms, "poll failed"),
            _ => tracing::debug!(%cause, retry_ms, "poll failed again"),
        }
    }
}

fn freshness(headers: &HeaderMap) -> Option<Signed> {
    let value = headers.get(FRESHNESS_HEADER)?.as_bytes();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(value)
        .ok()?;
    snapshot::decode("freshness", &bytes, FRESHNESS_BYTES_MAX).ok()
}
