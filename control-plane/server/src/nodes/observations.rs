//! What nodes said of themselves when they polled, written down in batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::id::NodeId;
use domain::node::Rejected;
use snapshot::poll::PollQuery;
use store::nodes::Seen;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::Now;
use crate::problem::Chain;

/// How often observations are written.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// The last poll of each node that polled since they were last written.
#[derive(Debug, Default)]
pub struct Observations(Mutex<HashMap<NodeId, Seen>>);

impl Observations {
    pub fn record(&self, node: NodeId, poll: &PollQuery, now: Now) {
        let seen = Seen {
            id: node,
            at: now.0,
            applied: poll.applied,
            rejected: poll.rejected.as_ref().map(|rejected| Rejected {
                version: rejected.version,
                code: rejected.code.clone(),
                detail: rejected.detail.clone(),
            }),
        };
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(node, seen);
    }

    fn take(&self) -> Vec<Seen> {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.drain().map(|(_, seen)| seen).collect()
    }
}

/// Writes observations down until `shutdown`, and once more then.
pub async fn write_down(app: App, shutdown: CancellationToken) {
    let mut is_last = false;
    while !is_last {
        tokio::select! {
            () = tokio::time::sleep(WRITE_EVERY) => {}
            () = shutdown.cancelled() => is_last = true,
        }
        let pending = app.observations.take();
        // What is lost here the next poll says again.
        if let Err(cause) = write(&app, &pending).await {
            tracing::warn!(error = %Chain(&cause), "what nodes reported was not written down");
        }
    }
}

async fn write(app: &App, pending: &[Seen]) -> store::Result<()> {
    if pending.is_empty() {
        return Ok(());
    }
    let mut tx = app.db.platform_tx().await?;
    store::nodes::note_seen(&mut tx, pending).await?;
    tx.commit().await
}
