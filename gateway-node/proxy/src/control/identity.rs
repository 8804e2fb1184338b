//! Who this node is: the keys that it made for itself, and what enrolling gave it.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use prost::Message;
use snapshot::id::NodeId;
use snapshot::node_call::CallKey;
use snapshot::seal::NodeSealKey;

use super::ControlError;
use super::state_dir::{ReadError, StateDir};

const KEYS: &str = "node-keys";
const ENROLMENT: &str = "enrolment";

/// As stored; the private halves leave the process only into this file.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredKeys {
    #[prost(bytes = "vec", tag = "1")]
    signing_pkcs8: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    seal_public: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    seal_private: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredEnrolment {
    #[prost(bytes = "vec", tag = "1")]
    node_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    deployment_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    root_fingerprint: Vec<u8>,
}

pub(crate) struct NodeKeys {
    signing: Ed25519KeyPair,
    pub(crate) call: CallKey,
    pub(crate) seal: NodeSealKey,
}

/// What a node is from its enrolment on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolment {
    pub(crate) node_id: NodeId,
    pub(crate) deployment_id: Vec<u8>,
    /// Of the root key that the enrolment token pinned.
    pub(crate) root_fingerprint: [u8; 32],
}

impl NodeKeys {
    /// The stored keys, or new ones, stored before anyone hears of them: enrolling again after a
    /// crash is then answered with the same node.
    pub(crate) fn load_or_generate(dir: &StateDir) -> Result<Self, ControlError> {
        if let Some(bytes) = dir.read(KEYS)? {
            let unusable = || {
                ControlError::State(ReadError::Corrupt {
                    path: dir.path(KEYS),
                })
            };
            let stored = StoredKeys::decode(bytes.as_slice()).map_err(|_| unusable())?;
            return Self::from_stored(stored).map_err(|_| unusable());
        }
        let signing = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| ControlError::Random)?;
        let seal = NodeSealKey::generate().map_err(|_| ControlError::Random)?;
        let stored = StoredKeys {
            signing_pkcs8: signing.as_ref().to_vec(),
            seal_public: seal.public_key().to_vec(),
            seal_private: seal.secret_bytes().to_vec(),
        };
        dir.write(KEYS, &stored.encode_to_vec())
            .map_err(|source| ControlError::Write { what: KEYS, source })?;
        Self::from_stored(stored).map_err(|_| ControlError::Random)
    }

    fn from_stored(stored: StoredKeys) -> Result<Self, aws_lc_rs::error::KeyRejected> {
        Ok(Self {
            signing: Ed25519KeyPair::from_pkcs8(&stored.signing_pkcs8)?,
            call: CallKey::from_pkcs8(&stored.signing_pkcs8),
            seal: NodeSealKey::from_parts(stored.seal_public, stored.seal_private),
        })
    }

    pub(crate) fn signing_public_key(&self) -> &[u8] {
        self.signing.public_key().as_ref()
    }

    /// Shows that this node holds the key that it enrols.
    pub(crate) fn prove(&self, token: &str) -> Vec<u8> {
        self.signing.sign(token.as_bytes()).as_ref().to_vec()
    }
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeKeys(…)")
    }
}

impl Enrolment {
    pub(crate) fn load(dir: &StateDir) -> Result<Option<Self>, ControlError> {
        let Some(bytes) = dir.read(ENROLMENT)? else {
            return Ok(None);
        };
        let unusable = || {
            ControlError::State(ReadError::Corrupt {
                path: dir.path(ENROLMENT),
            })
        };
        let stored = StoredEnrolment::decode(bytes.as_slice()).map_err(|_| unusable())?;
        Ok(Some(Self {
            node_id: NodeId::from_bytes(&stored.node_id).map_err(|_| unusable())?,
            deployment_id: stored.deployment_id,
            root_fingerprint: stored.root_fingerprint.try_into().map_err(|_| unusable())?,
        }))
    }

    pub(crate) fn store(&self, dir: &StateDir) -> std::io::Result<()> {
        let stored = StoredEnrolment {
            node_id: self.node_id.to_bytes(),
            deployment_id: self.deployment_id.clone(),
            root_fingerprint: self.root_fingerprint.to_vec(),
        };
        dir.write(ENROLMENT, &stored.encode_to_vec())
    }
}

/// Whether a state directory holds an enrolment, for who is about to mint a token. Reads nothing.
pub fn is_enrolled(state_dir: &std::path::Path) -> bool {
    state_dir.join(ENROLMENT).exists()
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system's random source works, or no key could have been made");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::testing::TempDir;

    #[test]
    fn keys_are_made_once_and_kept() {
        let temp = TempDir::new();
        let dir = StateDir::open(temp.path()).expect("opens");
        let made = NodeKeys::load_or_generate(&dir).expect("makes");
        let kept = NodeKeys::load_or_generate(&dir).expect("loads");
        assert_eq!(made.signing_public_key(), kept.signing_public_key());
        assert_eq!(made.seal.public_key(), kept.seal.public_key());
    }
}
