//! The one publisher: gathers dirty marks, reads one consistent state, rebuilds the leaves and
//! paths that it touches, and stores chunks and manifest under a unique (epoch, revision).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use prost::Message;
use snapshot::chunk::{self, Address, ChunkRef, Kind, Sealed};
use snapshot::manifest::{Manifest, Version, manifest_hash};
use snapshot::sign::Domain;
use snapshot::trie::{Change, UpdateError};
use store::chunks::StoredChunk;
use store::manifests::StoredManifest;
use store::{Db, PlatformTx};

use super::maps::{Map, Roots};
use super::reading::{self, Reading, Work};
use crate::clock::Now;
use crate::keyring::{Trust, TrustError};
use crate::problem::Problem;
use crate::secret_box::SecretBox;
use crate::telemetry::Metrics;

/// Chunks kept in memory between revisions; past this much they are read again.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// Why no revision came about. The marks stay, and the next cycle tries again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("a stored chunk is not what its address says")]
    Chunk(#[from] snapshot::DecodeError),
    #[error("chunk {0} is named by the latest manifest and is not stored")]
    ChunkMissing(Address),
    #[error(transparent)]
    Unreadable(#[from] crate::published::Unreadable),
    #[error("publishing is stopped: {0}; after a restore from backup run `control-plane recover`")]
    Alarm(String),
}

impl From<PublishError> for Problem {
    fn from(cause: PublishError) -> Self {
        match cause {
            PublishError::Store(cause) => cause.into(),
            cause => Problem::internal(&cause),
        }
    }
}

/// What one cycle did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub version: Version,
    pub chunks_written: usize,
    /// Round trips to the database for reading chunks.
    pub chunk_reads: usize,
}

pub struct Publisher {
    db: Db,
    secrets: SecretBox,
    metrics: Arc<Metrics>,
    cache: HashMap<Address, Vec<u8>>,
    cache_bytes: usize,
}

/// A revision in the making.
#[derive(Default)]
struct Draft {
    base: Option<StoredManifest>,
    written: Vec<Sealed>,
    replaced: Vec<Address>,
    is_everything: bool,
    chunk_reads: usize,
}

impl Publisher {
    pub fn new(db: Db, secrets: SecretBox, metrics: Arc<Metrics>) -> Self {
        Self {
            db,
            secrets,
            metrics,
            cache: HashMap::new(),
            cache_bytes: 0,
        }
    }

    /// One cycle. `None`: nothing had changed.
    pub async fn publish(&mut self, now: Now) -> Result<Option<Outcome>, PublishError> {
        let started = Instant::now();
        let Some(reading) = self.read().await? else {
            return Ok(None);
        };
        let Reading {
            marks,
            work,
            peppers,
            issuer,
            base,
        } = reading;
        let mut draft = Draft {
            base,
            ..Draft::default()
        };
        let old = self.open_roots(&mut draft).await?;
        let mut roots = old.clone();
        self.apply(&mut roots, work, &mut draft).await?;
        roots.state.peppers = peppers;
        roots.state.issuer = issuer;
        let mut tx = self.db.platform_tx().await?;
        if draft.base.is_some() && roots == old && !draft.is_everything {
            store::dirty::delete(&mut tx, &marks).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let version = self.write(&mut tx, &roots, &mut draft, now).await?;
        store::dirty::delete(&mut tx, &marks).await?;
        tx.commit().await?;
        let outcome = Outcome {
            version,
            chunks_written: draft.written.len(),
            chunk_reads: draft.chunk_reads,
        };
        self.remember(draft.written);
        self.metrics
            .publish_seconds
            .observe(started.elapsed().as_secs_f64());
        self.metrics
            .chunks_written
            .inc_by(outcome.chunks_written as u64);
        Ok(Some(outcome))
    }

    async fn read(&self) -> Result<Option<Reading>, PublishError> {
        let mut tx = self.db.compile_tx().await?;
        if let Some(reason) = store::witness::find_alarm(&mut tx).await? {
            return Err(PublishError::Alarm(reason));
        }
        Ok(reading::read(&mut tx).await?)
    }

    async fn open_roots(&mut self, draft: &mut Draft) -> Result<Roots, PublishError> {
        let Some(base) = draft.base.clone() else {
            return Ok(Roots::default());
        };
        let references = [base.config.clone(), base.state.clone()];
        self.fetch(&references, draft).await?;
        Ok(Roots {
            config: chunk::open(Kind::ConfigRoot, self.cached(&base.config)?)?,
            state: chunk::open(Kind::StateRoot, self.cached(&base.state)?)?,
        })
    }

    async fn apply(
        &mut self,
        roots: &mut Roots,
        work: Work,
        draft: &mut Draft,
    ) -> Result<(), PublishError> {
        match work {
            Work::Everything(maps) => {
                draft.is_everything = true;
                for (map, compiled) in maps {
                    draft.written.extend(roots.build(map, compiled));
                }
            }
            Work::Changes(maps) => {
                for (map, changes) in maps {
                    self.update(roots, map, changes.changes, draft).await?;
                    draft.written.extend(changes.chunks);
                }
            }
        }
        Ok(())
    }

    /// Updates one map, reading what it needs a level at a time.
    async fn update(
        &mut self,
        roots: &mut Roots,
        map: Map,
        changes: Vec<Change>,
        draft: &mut Draft,
    ) -> Result<(), PublishError> {
        loop {
            match roots.update(map, changes.clone(), &self.cache) {
                Ok(built) => {
                    draft.written.extend(built.chunks);
                    draft.replaced.extend(built.replaced);
                    return Ok(());
                }
                Err(UpdateError::Missing(missing)) => self.fetch(&missing, draft).await?,
                Err(UpdateError::Decode(cause)) => return Err(cause.into()),
            }
        }
    }

    /// Brings chunks into the cache, verified.
    async fn fetch(&mut self, wanted: &[ChunkRef], draft: &mut Draft) -> Result<(), PublishError> {
        let mut missing = HashMap::new();
        for reference in wanted {
            let address = reference.address()?;
            if !self.cache.contains_key(&address) {
                missing.insert(address, reference);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        draft.chunk_reads += 1;
        let addresses: Vec<Address> = missing.keys().copied().collect();
        let mut tx = self.db.compile_tx().await?;
        for stored in store::chunks::list(&mut tx, &addresses).await? {
            if let Some(reference) = missing.remove(&stored.address) {
                let bytes = chunk::inflate(reference, &stored.zstd)?;
                self.cache_bytes += bytes.len();
                self.cache.insert(stored.address, bytes);
            }
        }
        match missing.into_keys().next() {
            None => Ok(()),
            Some(address) => Err(PublishError::ChunkMissing(address)),
        }
    }

    fn cached(&self, reference: &ChunkRef) -> Result<&[u8], PublishError> {
        let address = reference.address()?;
        let bytes = self.cache.get(&address).map(Vec::as_slice);
        bytes.ok_or(PublishError::ChunkMissing(address))
    }

    fn remember(&mut self, chunks: Vec<Sealed>) {
        if self.cache_bytes > CACHE_BYTES_MAX {
            self.cache.clear();
            self.cache_bytes = 0;
        }
        for sealed in chunks {
            self.cache_bytes += sealed.bytes.len();
            self.cache.insert(sealed.address, sealed.bytes);
        }
    }

    /// Stores the revision. The unique (epoch, revision) makes the second of two publishers fail.
    async fn write(
        &self,
        tx: &mut PlatformTx,
        roots: &Roots,
        draft: &mut Draft,
        now: Now,
    ) -> Result<Version, PublishError> {
        let (config, state) = roots.seal();
        let trust = load_trust(tx, &self.secrets).await?;
        let manifest = Manifest {
            deployment_id: trust.statement.deployment_id.clone(),
            epoch: trust.statement.epoch,
            revision: draft
                .base
                .as_ref()
                .map_or(1, |base| base.version.revision + 1),
            config: Some(config.reference()),
            state: Some(state.reference()),
            created_at_ms: now.unix_ms(),
            min_reader: 1,
        };
        let signed = trust
            .online
            .sign(Domain::Manifest, manifest.encode_to_vec());
        let stored = StoredManifest {
            version: manifest.version(),
            hash: manifest_hash(&signed),
            signed: signed.encode_to_vec(),
            config: config.reference(),
            state: state.reference(),
            created_at: now.0,
        };
        let old = draft.base.take().map(|base| [base.config, base.state]);
        for (index, root) in [config, state].into_iter().enumerate() {
            match old.as_ref().map(|old| &old[index]) {
                Some(old) if old.address()? == root.address => continue,
                Some(old) => draft.replaced.push(old.address()?),
                None => {}
            }
            draft.written.push(root);
        }
        store_chunks(tx, draft).await?;
        store::manifests::insert(tx, &stored).await?;
        Ok(stored.version)
    }
}

async fn store_chunks(tx: &mut PlatformTx, draft: &Draft) -> Result<(), PublishError> {
    let mut compressed = Vec::with_capacity(draft.written.len());
    for sealed in &draft.written {
        compressed.push(StoredChunk {
            address: sealed.address,
            length: sealed.reference().length,
            zstd: chunk::compress(&sealed.bytes)?,
        });
    }
    compressed.sort_by_key(|stored| stored.address);
    compressed.dedup_by_key(|stored| stored.address);
    store::chunks::insert(tx, &compressed).await?;
    let written: Vec<Address> = compressed.iter().map(|stored| stored.address).collect();
    if draft.is_everything {
        store::chunks::supersede_all_but(tx, &written).await?;
        return Ok(());
    }
    let is_gone = |address: &&Address| written.binary_search(address).is_err();
    let gone: Vec<Address> = draft.replaced.iter().filter(is_gone).copied().collect();
    store::chunks::supersede(tx, &gone).await?;
    Ok(())
}

/// The trust that revisions are signed under, as it stands in the database.
pub async fn load_trust(tx: &mut PlatformTx, secrets: &SecretBox) -> Result<Trust, PublishError> {
    let statements = store::deployment::list_root_statements(tx).await?;
    let online = store::deployment::list_signing_keys(tx, store::deployment::KeyPurpose::Online)
        .await?
        .into_iter()
        .filter_map(|key| key.sealed_private)
        .collect::<Vec<_>>();
    Ok(Trust::load(&statements, &online, secrets)?)
}
