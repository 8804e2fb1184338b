//! The revision that this process serves to nodes, held in memory as the bytes of its answers.

use std::sync::Arc;

use axum::body::Bytes;
use base64::Engine;
use http::HeaderValue;
use prost::Message;
use snapshot::chunk::Address;
use snapshot::manifest::{Freshness, Version, manifest_hash};
use snapshot::poll::SnapshotResponse;
use snapshot::sign::{Domain, Signed, SigningKey};

/// A manifest renewed this often may be taken as new for [`FRESH_FOR_MS`].
pub const RENEW_AFTER_MS: i64 = 3 * 60 * 1000;
const FRESH_FOR_MS: i64 = 10 * 60 * 1000;

/// One revision, ready to be sent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Published {
    pub version: Version,
    pub hash: Address,
    pub created_at_ms: i64,
    /// Body of a 200.
    pub body: Bytes,
    /// The freshness statement as a header value.
    pub freshness: HeaderValue,
    signed_at_ms: i64,
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    root_chain: Vec<Signed>,
    manifest: Signed,
}

/// The stored parts do not make an answer.
#[derive(Debug, thiserror::Error)]
#[error("the stored manifest of revision {0} is not readable")]
pub struct Unreadable(Version);

impl Published {
    pub fn new(
        root_chain: Vec<Signed>,
        manifest: Signed,
        key: &SigningKey,
        now_ms: i64,
    ) -> Result<Self, Unreadable> {
        let document: snapshot::manifest::Manifest =
            snapshot::decode("manifest", &manifest.payload, manifest.payload.len())
                .map_err(|_| Unreadable(Version::default()))?;
        let version = document.version();
        let parts = Arc::new(Parts {
            root_chain,
            manifest,
        });
        Self::sign(parts, version, document.created_at_ms, key, now_ms)
    }

    /// The same revision with a new freshness statement. Only for a revision that the database
    /// has just confirmed to be the latest.
    pub fn renewed(&self, key: &SigningKey, now_ms: i64) -> Result<Self, Unreadable> {
        Self::sign(
            self.parts.clone(),
            self.version,
            self.created_at_ms,
            key,
            now_ms,
        )
    }

    pub fn needs_renewal(&self, now_ms: i64) -> bool {
        now_ms - self.signed_at_ms >= RENEW_AFTER_MS
    }

    fn sign(
        parts: Arc<Parts>,
        version: Version,
        created_at_ms: i64,
        key: &SigningKey,
        now_ms: i64,
    ) -> Result<Self, Unreadable> {
        let hash = manifest_hash(&parts.manifest);
        let statement = Freshness {
            manifest_hash: hash.0.to_vec(),
            epoch: version.epoch,
            revision: version.revision,
            not_after_ms: now_ms + FRESH_FOR_MS,
        };
        let freshness = key.sign(Domain::Freshness, statement.encode_to_vec());
        let text =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(freshness.encode_to_vec());
        let response = SnapshotResponse {
            root_chain: parts.root_chain.clone(),
            manifest: Some(parts.manifest.clone()),
            freshness: Some(freshness),
        };
        Ok(Self {
            version,
            hash,
            created_at_ms,
            body: response.encode_to_vec().into(),
            freshness: HeaderValue::from_str(&text).map_err(|_| Unreadable(version))?,
            signed_at_ms: now_ms,
            parts,
        })
    }
}
