//! The public keys of live nodes, so that a poll that finds nothing new asks the database nothing.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use domain::id::NodeId;
use store::Db;

#[derive(Debug, Default)]
pub struct NodeDirectory(RwLock<HashMap<NodeId, [u8; 32]>>);

/// A node that was enrolled here.
#[derive(Debug, Clone, Copy)]
pub struct KnownNode {
    /// Ed25519.
    pub key: [u8; 32],
    pub is_revoked: bool,
}

impl NodeDirectory {
    /// Only live nodes are remembered; revoked ones are looked up each time.
    pub async fn find(&self, db: &Db, node: NodeId) -> store::Result<Option<KnownNode>> {
        if let Some(key) = self.read().get(&node) {
            return Ok(Some(KnownNode {
                key: *key,
                is_revoked: false,
            }));
        }
        let mut tx = db.platform_tx().await?;
        let Some(found) = store::nodes::find(&mut tx, node).await? else {
            return Ok(None);
        };
        let known = KnownNode {
            key: found.signing_key,
            is_revoked: found.revoked_at.is_some(),
        };
        if !known.is_revoked {
            let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
            keys.insert(node, known.key);
        }
        Ok(Some(known))
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
