//! The last good snapshot's statements on disk, and the highest version ever accepted.

use prost::Message;
use snapshot::chunk::Address;
use snapshot::manifest::{
    HighWater, Manifest, Rejection, RootStatement, Version, follow_root_chain, manifest_hash,
    open_manifest,
};
use snapshot::sign::Signed;

use super::identity::Enrolment;
use super::state_dir::StateDir;

/// A chain of root statements of the greatest length stays below.
const STORED_BYTES_MAX: usize = 32 << 20;
const MANIFEST: &str = "manifest";
const HIGH_WATER: &str = "high-water";
const CONFIRMED: &str = "confirmed";
const REVOKED: &str = "revoked";

/// A manifest with the chain of root statements under which it was accepted. A later chain may no
/// longer certify its signer, which does not unmake what was accepted.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StoredManifest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) root_chain: Vec<Signed>,
    #[prost(message, optional, tag = "2")]
    pub(crate) manifest: Option<Signed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StoredHighWater {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(uint64, tag = "2")]
    revision: u64,
    #[prost(bytes = "vec", tag = "3")]
    manifest_hash: Vec<u8>,
    #[prost(uint64, tag = "4")]
    root_sequence: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct StoredConfirmation {
    #[prost(int64, tag = "1")]
    unix_ms: i64,
}

/// The highest that was ever accepted, and which manifest that was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Highest {
    pub(crate) mark: HighWater,
    pub(crate) manifest: Option<Address>,
}

/// A manifest whose signature and deployment are right.
#[derive(Clone, Debug)]
pub(crate) struct Trusted {
    pub(crate) root: RootStatement,
    pub(crate) signed: Signed,
    pub(crate) manifest: Manifest,
}

impl Trusted {
    pub(crate) fn hash(&self) -> Address {
        manifest_hash(&self.signed)
    }

    pub(crate) fn version(&self) -> Version {
        self.manifest.version()
    }
}

/// The stored manifest, verified from the pinned root on; `None` where there is none to be used.
pub(crate) fn load_manifest(dir: &StateDir, enrolment: &Enrolment) -> Option<Trusted> {
    let bytes = match dir.read(MANIFEST) {
        Ok(bytes) => bytes?,
        Err(cause) => {
            tracing::error!(%cause, "the stored snapshot is not used");
            return None;
        }
    };
    match open_stored(&bytes, enrolment) {
        Ok(trusted) => Some(trusted),
        Err(cause) => {
            tracing::error!(code = cause.code(), %cause, "the stored snapshot is not used");
            None
        }
    }
}

fn open_stored(bytes: &[u8], enrolment: &Enrolment) -> Result<Trusted, Rejection> {
    let stored: StoredManifest = snapshot::decode("stored manifest", bytes, STORED_BYTES_MAX)?;
    let root = follow_pinned(&stored.root_chain, enrolment)?;
    let signed = stored.manifest.unwrap_or_default();
    let manifest = open_manifest(&root, &signed)?;
    Ok(Trusted {
        root,
        signed,
        manifest,
    })
}

/// Follows a chain from the root that was pinned at enrolment, within the same deployment.
pub(crate) fn follow_pinned(
    chain: &[Signed],
    enrolment: &Enrolment,
) -> Result<RootStatement, Rejection> {
    let root = follow_root_chain(chain, &enrolment.root_fingerprint)?;
    if root.deployment_id != enrolment.deployment_id {
        return Err(Rejection::OtherDeployment);
    }
    Ok(root)
}

pub(crate) fn store_manifest(dir: &StateDir, stored: &StoredManifest) -> std::io::Result<()> {
    dir.write(MANIFEST, &stored.encode_to_vec())
}

/// The stored mark, or what the stored manifest shows where that is higher: a crash may have come
/// between the two.
pub(crate) fn load_highest(dir: &StateDir, stored: Option<&Trusted>) -> Highest {
    let bytes = dir.read(HIGH_WATER).unwrap_or_else(|cause| {
        tracing::error!(%cause, "the stored high-water mark is not used");
        None
    });
    let marked = bytes
        .and_then(|bytes| StoredHighWater::decode(bytes.as_slice()).ok())
        .unwrap_or_default();
    let mut highest = Highest {
        mark: HighWater {
            version: Version {
                epoch: marked.epoch,
                revision: marked.revision,
            },
            root_sequence: marked.root_sequence,
        },
        manifest: Address::from_slice(&marked.manifest_hash).ok(),
    };
    if let Some(stored) = stored {
        highest.raise_root(&stored.root);
        if stored.version() > highest.mark.version {
            highest.mark.version = stored.version();
            highest.manifest = Some(stored.hash());
        }
    }
    highest
}

impl Highest {
    pub(crate) fn raise_root(&mut self, root: &RootStatement) {
        self.mark.root_sequence = self.mark.root_sequence.max(root.sequence);
    }

    /// The mark to hold `offered` against. A node that lost its copy of the very manifest that it
    /// accepted last may take it again.
    pub(crate) fn mark_for(&self, offered: &Signed, has_lost_it: bool) -> HighWater {
        let mut mark = self.mark;
        if has_lost_it && self.manifest == Some(manifest_hash(offered)) {
            mark.version.revision = mark.version.revision.saturating_sub(1);
        }
        mark
    }

    pub(crate) fn store(&self, dir: &StateDir) -> std::io::Result<()> {
        let stored = StoredHighWater {
            epoch: self.mark.version.epoch,
            revision: self.mark.version.revision,
            manifest_hash: self
                .manifest
                .map(|hash| hash.0.to_vec())
                .unwrap_or_default(),
            root_sequence: self.mark.root_sequence,
        };
        dir.write(HIGH_WATER, &stored.encode_to_vec())
    }
}

/// When the control plane last confirmed the stored snapshot, Unix milliseconds: what staleness
/// counts from after a restart.
/// Whether this node was told that it is revoked.
pub(crate) fn is_revoked(dir: &StateDir) -> bool {
    // A mark that cannot be read is one.
    !matches!(dir.read(REVOKED), Ok(None))
}

pub(crate) fn store_revoked(dir: &StateDir) -> std::io::Result<()> {
    dir.write(REVOKED, &[])
}

pub(crate) fn load_confirmed(dir: &StateDir) -> Option<i64> {
    let bytes = dir.read(CONFIRMED).ok()??;
    StoredConfirmation::decode(bytes.as_slice())
        .ok()
        .map(|stored| stored.unix_ms)
}

pub(crate) fn store_confirmed(dir: &StateDir, unix_ms: i64) -> std::io::Result<()> {
    dir.write(CONFIRMED, &StoredConfirmation { unix_ms }.encode_to_vec())
}
