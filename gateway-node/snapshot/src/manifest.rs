//! The signed statements above the chunks: root statements, the manifest, freshness; and the rules
//! by which a node believes them.

use crate::DecodeError;
use crate::chunk::{Address, ChunkRef, sha256};
use crate::sign::{BadSignature, Domain, Signed, fingerprint, verify};

const STATEMENT_BYTES_MAX: usize = 64 << 10;
/// A chain of root statements is never longer.
pub const ROOT_CHAIN_MAX: usize = 256;

/// Signed by the root key: which online keys may sign manifests, and from which epoch on.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RootStatement {
    #[prost(bytes = "vec", tag = "1")]
    pub deployment_id: Vec<u8>,
    /// Counts statements of this deployment; a lower one is never accepted again.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// Only a root statement raises it (after a restore from backup).
    #[prost(uint64, tag = "3")]
    pub epoch: u64,
    /// The root key from this statement on. It differs from the signer only when the root rotates.
    #[prost(bytes = "vec", tag = "4")]
    pub root_key: Vec<u8>,
    /// Sorted.
    #[prost(bytes = "vec", repeated, tag = "5")]
    pub online_keys: Vec<Vec<u8>>,
}

/// What all nodes enforce, as of one revision.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Manifest {
    #[prost(bytes = "vec", tag = "1")]
    pub deployment_id: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    #[prost(uint64, tag = "3")]
    pub revision: u64,
    /// A [`crate::document::ConfigRoot`]: can be rolled out in stages and rolled back.
    #[prost(message, optional, tag = "4")]
    pub config: Option<ChunkRef>,
    /// A [`crate::document::StateRoot`]: always the latest.
    #[prost(message, optional, tag = "5")]
    pub state: Option<ChunkRef>,
    /// Unix milliseconds, for people and metrics; no rule reads it.
    #[prost(int64, tag = "6")]
    pub created_at_ms: i64,
    #[prost(uint32, tag = "7")]
    pub min_reader: u32,
}

/// Says until when a manifest may be taken as new, without making a revision.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Freshness {
    #[prost(bytes = "vec", tag = "1")]
    pub manifest_hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub epoch: u64,
    #[prost(uint64, tag = "3")]
    pub revision: u64,
    /// Unix milliseconds.
    #[prost(int64, tag = "4")]
    pub not_after_ms: i64,
}

/// A revision's place in time: a later epoch is newer whatever its revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Version {
    pub epoch: u64,
    pub revision: u64,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.revision)
    }
}

impl Manifest {
    pub fn version(&self) -> Version {
        Version {
            epoch: self.epoch,
            revision: self.revision,
        }
    }
}

/// Why a node does not take what it was offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("a statement is not signed by a key that the pinned root certifies")]
    Signature,
    #[error("it belongs to another deployment")]
    OtherDeployment,
    #[error("version {offered} is not newer than {accepted}, the highest ever accepted")]
    NotNewer { offered: Version, accepted: Version },
    #[error("epoch {offered} is not the epoch {certified} of the root statement")]
    Epoch { offered: u64, certified: u64 },
    #[error("its freshness statement has run out or is for another manifest")]
    Stale,
    #[error("root statement {offered} is older than {accepted}")]
    RootRolledBack { offered: u64, accepted: u64 },
    #[error("the chain of root statements is broken or too long")]
    RootChain,
}

impl Rejection {
    /// Stable: nodes report it, the console shows it.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::Decode(cause) => cause.code(),
            Rejection::Signature => "bad_signature",
            Rejection::OtherDeployment => "other_deployment",
            Rejection::NotNewer { .. } => "not_newer",
            Rejection::Epoch { .. } => "wrong_epoch",
            Rejection::Stale => "stale",
            Rejection::RootRolledBack { .. } => "root_rolled_back",
            Rejection::RootChain => "root_chain",
        }
    }
}

impl From<BadSignature> for Rejection {
    fn from(_: BadSignature) -> Self {
        Rejection::Signature
    }
}

/// Hash of a manifest's exact payload bytes, which freshness and polls name.
pub fn manifest_hash(signed: &Signed) -> Address {
    Address(sha256(&signed.payload))
}

/// Follows a chain of root statements from a pinned fingerprint to the one in force.
///
/// The first statement is signed by the pinned key; each further one by the root key that the
/// statement before it names.
pub fn follow_root_chain(chain: &[Signed], pinned: &[u8; 32]) -> Result<RootStatement, Rejection> {
    if chain.is_empty()
        || chain.len() > ROOT_CHAIN_MAX
        || fingerprint(&chain[0].public_key) != *pinned
    {
        return Err(Rejection::RootChain);
    }
    let mut signer = chain[0].public_key.clone();
    let mut last: Option<RootStatement> = None;
    for signed in chain {
        let payload = verify(signed, Domain::Root, std::slice::from_ref(&signer))?;
        let next: RootStatement = crate::decode("root statement", payload, STATEMENT_BYTES_MAX)?;
        if let Some(last) = &last {
            let goes_on = next.sequence > last.sequence && next.epoch >= last.epoch;
            if !goes_on || next.deployment_id != last.deployment_id {
                return Err(Rejection::RootChain);
            }
        }
        signer = next.root_key.clone();
        last = Some(next);
    }
    last.ok_or(Rejection::RootChain)
}

/// What a node has accepted so far and holds new offers against.
#[derive(Clone, Copy, Debug, Default)]
pub struct HighWater {
    pub version: Version,
    pub root_sequence: u64,
}

/// Checks an offered manifest by every rule that needs no chunk. `now_ms` is `None` where the
/// caller already served an older revision without a gap: then freshness need not be shown.
pub fn accept(
    root: &RootStatement,
    offered: &Signed,
    freshness: &Signed,
    high_water: HighWater,
    now_ms: Option<i64>,
) -> Result<Manifest, Rejection> {
    if root.sequence < high_water.root_sequence {
        return Err(Rejection::RootRolledBack {
            offered: root.sequence,
            accepted: high_water.root_sequence,
        });
    }
    let manifest = open_manifest(root, offered)?;
    if manifest.version() <= high_water.version {
        return Err(Rejection::NotNewer {
            offered: manifest.version(),
            accepted: high_water.version,
        });
    }
    if let Some(now_ms) = now_ms
        && fresh_until(root, offered, freshness)? < now_ms
    {
        return Err(Rejection::Stale);
    }
    Ok(manifest)
}

/// Opens a manifest signed under `root`, without asking whether it is newer: for the stored copy.
pub fn open_manifest(root: &RootStatement, offered: &Signed) -> Result<Manifest, Rejection> {
    let payload = verify(offered, Domain::Manifest, &root.online_keys)?;
    let manifest: Manifest = crate::decode("manifest", payload, STATEMENT_BYTES_MAX)?;
    if manifest.min_reader > crate::READER_VERSION {
        return Err(DecodeError::ReaderTooOld {
            needed: manifest.min_reader,
        }
        .into());
    }
    if manifest.deployment_id != root.deployment_id {
        return Err(Rejection::OtherDeployment);
    }
    if manifest.epoch != root.epoch {
        return Err(Rejection::Epoch {
            offered: manifest.epoch,
            certified: root.epoch,
        });
    }
    Ok(manifest)
}

/// Until when the freshness statement vouches for this manifest, in Unix milliseconds.
pub fn fresh_until(
    root: &RootStatement,
    offered: &Signed,
    freshness: &Signed,
) -> Result<i64, Rejection> {
    let payload = verify(freshness, Domain::Freshness, &root.online_keys)?;
    let statement: Freshness = crate::decode("freshness", payload, STATEMENT_BYTES_MAX)?;
    if statement.manifest_hash != manifest_hash(offered).0 {
        return Err(Rejection::Stale);
    }
    Ok(statement.not_after_ms)
}
