//! Keeps the revision that this process serves equal to the latest in the database, and its
//! freshness statement renewed while the database confirms it.

use std::sync::Arc;

use snapshot::sign::SigningKey;
use store::Db;
use tokio::sync::watch;

use super::publisher::{PublishError, load_trust};
use crate::clock::Now;
use crate::published::Published;
use crate::secret_box::SecretBox;
use crate::telemetry::Metrics;

/// The revision in force, as request handlers see it.
pub type Current = watch::Receiver<Option<Published>>;

pub struct Follower {
    db: Db,
    secrets: SecretBox,
    metrics: Arc<Metrics>,
    published: watch::Sender<Option<Published>>,
    online: Option<SigningKey>,
}

impl Follower {
    pub fn new(db: Db, secrets: SecretBox, metrics: Arc<Metrics>) -> (Self, Current) {
        let (published, current) = watch::channel(None);
        let follower = Self {
            db,
            secrets,
            metrics,
            published,
            online: None,
        };
        (follower, current)
    }

    /// Looks at the database once.
    pub async fn refresh(&mut self, now: Now) -> Result<(), PublishError> {
        let mut tx = self.db.platform_tx().await?;
        let Some(latest) = store::manifests::find_latest(&mut tx).await? else {
            return Ok(());
        };
        let served = self.published.borrow().clone();
        match (served, &self.online) {
            (Some(served), Some(key)) if served.hash == latest.hash => {
                if served.needs_renewal(now.unix_ms()) {
                    self.published
                        .send_replace(Some(served.renewed(key, now.unix_ms())?));
                }
            }
            _ => {
                let trust = load_trust(&mut tx, &self.secrets).await?;
                let manifest = snapshot::decode("manifest", &latest.signed, latest.signed.len())?;
                let published =
                    Published::new(trust.root_chain, manifest, &trust.online, now.unix_ms())?;
                self.metrics
                    .published_revision
                    .set(latest.version.revision as i64);
                self.online = Some(trust.online);
                self.published.send_replace(Some(published));
            }
        }
        Ok(())
    }
}
