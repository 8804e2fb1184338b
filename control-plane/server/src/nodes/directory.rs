//! The public keys of live nodes, so that a poll that finds nothing new asks the database nothing.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use domain::id::NodeId;
use store::Db;

#[derive(Debug, Default)]
pub struct NodeDirectory(RwLock<HashMap<NodeId, [u8; 32]>>);

impl NodeDirectory {
    /// The Ed25519 key of a live node; `None` for an unknown or revoked one.
    pub async fn find_key(&self, db: &Db, node: NodeId) -> store::Result<Option<[u8; 32]>> {
        if let Some(key) = self.read().get(&node) {
            return Ok(Some(*key));
        }
        let mut tx = db.platform_tx().await?;
        let found = store::nodes::find(&mut tx, node).await?;
        let Some(found) = found.filter(|found| found.revoked_at.is_none()) else {
            return Ok(None);
        };
        let key = found.signing_key;
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.insert(node, key);
        Ok(Some(key))
    }

    pub fn is_known(&self, node: NodeId) -> bool {
        self.read().contains_key(&node)
    }

    /// Called when nodes were enrolled or revoked.
    pub fn forget_all(&self) {
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        keys.clear();
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<NodeId, [u8; 32]>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
