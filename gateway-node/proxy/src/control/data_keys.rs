//! The fleet's data keys, sealed to this node: fetched when a snapshot needs a generation that is
//! not at hand, stored as received, opened in memory only.

use std::time::Duration;

use prost::Message;
use snapshot::poll::DATA_KEYS_PATH;
use snapshot::seal::{DataKey, DataKeys, NodeSealKey, SealedDataKey};

use super::client::{Bounds, CallError, SignedCalls};
use super::state_dir::StateDir;

const FILE: &str = "data-keys";
const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(10),
    answer_bytes_max: 1 << 20,
};

#[derive(Debug)]
pub(crate) struct KeyRing {
    seal: NodeSealKey,
    /// By generation; the last answer first, then what an earlier answer held besides.
    sealed: Vec<SealedDataKey>,
    /// How many at the front are of the last answer.
    in_force: usize,
}

impl KeyRing {
    /// The stored ring. One that cannot be read is empty: keys are fetched when they are needed.
    pub(crate) fn load(dir: &StateDir, seal: NodeSealKey) -> Self {
        let sealed = match dir.read(FILE) {
            Ok(Some(bytes)) => DataKeys::decode(bytes.as_slice()).unwrap_or_default().keys,
            Ok(None) => Vec::new(),
            Err(cause) => {
                tracing::warn!(%cause, "the stored data keys are not used");
                Vec::new()
            }
        };
        Self {
            seal,
            in_force: sealed.len(),
            sealed,
        }
    }

    /// The keys in force, ready for use.
    pub(crate) fn open(&self) -> Vec<DataKey> {
        let in_force = &self.sealed[..self.in_force];
        in_force
            .iter()
            .filter_map(|sealed| match self.seal.open(sealed) {
                Ok(key) => Some(key),
                Err(_) => {
                    let generation = sealed.generation;
                    tracing::error!(generation, "a data key is not sealed to this node");
                    None
                }
            })
            .collect()
    }

    /// Takes in what the control plane gave. What was there before stays until [`Self::prune`]:
    /// the snapshot in force was made with it.
    pub(crate) fn take_in(&mut self, dir: &StateDir, answer: DataKeys) -> std::io::Result<()> {
        let mut sealed = answer.keys;
        let in_force = sealed.len();
        for old in &self.sealed {
            if sealed.iter().all(|new| new.generation != old.generation) {
                sealed.push(old.clone());
            }
        }
        store(dir, &sealed)?;
        self.sealed = sealed;
        self.in_force = in_force;
        Ok(())
    }

    /// Forgets generations that are no longer in force, once the snapshot that is active and
    /// stored was compiled without them.
    pub(crate) fn prune(&mut self, dir: &StateDir) -> std::io::Result<()> {
        if self.sealed.len() > self.in_force {
            self.sealed.truncate(self.in_force);
            store(dir, &self.sealed)?;
        }
        Ok(())
    }
}

pub(crate) fn store(dir: &StateDir, sealed: &[SealedDataKey]) -> std::io::Result<()> {
    let keys = DataKeys {
        keys: sealed.to_vec(),
    };
    dir.write(FILE, &keys.encode_to_vec())
}

/// Every generation in force, sealed to this node.
pub(crate) async fn fetch(calls: &SignedCalls) -> Result<DataKeys, CallError> {
    let answer = calls.get(DATA_KEYS_PATH, BOUNDS).await?;
    Ok(snapshot::decode(
        "data keys",
        &answer.body,
        BOUNDS.answer_bytes_max,
    )?)
}
