//! Keeps the snapshot in force: takes offers by the rules of trust, makes them durable, compiles
//! them and swaps them in; serves the stored one again after a restart.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use policy::{CompileError, CompileInputs, Snapshot};
use prost::Message;
use snapshot::DecodeError;
use snapshot::manifest::{Manifest, Rejection, Version, accept, fresh_until};
use snapshot::poll::{PollQuery, RejectedReport, SnapshotResponse, WAIT_SECONDS_MAX};
use snapshot::sign::Signed;

use super::chunks::{ChunkStore, Graph};
use super::client::{CallError, SignedCalls};
use super::data_keys::{self, KeyRing};
use super::download::{DownloadError, download};
use super::identity::Enrolment;
use super::state_dir::StateDir;
use super::stored::{self, Highest, StoredManifest, Trusted};
use crate::shared::Shared;

/// After this long without a confirmation a node asks for freshness anew before it takes a
/// manifest: whoever cut it off may be offering it an old one.
const GAP: Duration = Duration::from_secs(600);
/// How often the time of the last confirmation is written down.
const CONFIRMATION_STORED_EVERY: Duration = Duration::from_secs(60);

/// Why an offer did not become the snapshot in force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfferError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("snapshot {} is refused with {}: {}", .0.version, .0.code, .0.detail)]
    Rejected(RejectedReport),
}

pub(crate) struct Keeper {
    dir: Arc<StateDir>,
    chunks: ChunkStore,
    keys: KeyRing,
    enrolment: Enrolment,
    shared: Arc<Shared>,
    highest: Highest,
    active: Option<Active>,
    /// What is told with every poll until something is taken again.
    rejected: Option<RejectedReport>,
    /// On the monotonic clock of `shared`.
    confirmed_at: Option<Duration>,
    confirmation_stored_at: Option<Duration>,
    is_swept: bool,
}

struct Active {
    trusted: Trusted,
    graph: Arc<Graph>,
}

/// Why an offer was not taken, before it is known which version it was.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Rejection(#[from] Rejection),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error("the state directory could not be written: {0}")]
    StateDir(#[from] std::io::Error),
    #[error("compiling it was cut short")]
    CutShort,
}

impl Fault {
    fn code(&self) -> &str {
        match self {
            Fault::Call(cause) => cause.code(),
            Fault::Rejection(cause) => cause.code(),
            Fault::Download(DownloadError::Call(cause)) => cause.code(),
            Fault::Download(DownloadError::Decode(cause)) => cause.code(),
            Fault::Download(DownloadError::Missing(_)) => "chunk_missing",
            Fault::Download(DownloadError::Write(_)) | Fault::StateDir(_) => "state_dir",
            Fault::Download(DownloadError::Stopping) | Fault::CutShort => "cut_short",
            Fault::Compile(cause) => cause.code(),
        }
    }
}

impl Keeper {
    pub(crate) fn open(
        dir: Arc<StateDir>,
        enrolment: Enrolment,
        keys: KeyRing,
        shared: Arc<Shared>,
    ) -> std::io::Result<Self> {
        Ok(Self {
            chunks: ChunkStore::open(dir.clone())?,
            highest: stored::load_highest(&dir, None),
            dir,
            keys,
            enrolment,
            shared,
            active: None,
            rejected: None,
            confirmed_at: None,
            confirmation_stored_at: None,
            is_swept: false,
        })
    }

    /// Serves the snapshot of the last run again, if all of it is there and unchanged. Needs
    /// neither the control plane nor freshness.
    pub(crate) async fn load_stored(&mut self) {
        if stored::is_revoked(&self.dir) {
            tracing::error!("this node was revoked: it serves nothing; enrol a new one");
            self.shared.is_revoked.store(true, Ordering::Relaxed);
            return;
        }
        let Some(trusted) = stored::load_manifest(&self.dir, &self.enrolment) else {
            return;
        };
        self.highest = stored::load_highest(&self.dir, Some(&trusted));
        match self.compile(&trusted.manifest).await {
            Ok((compiled, graph)) => {
                if let Some(at) = stored::load_confirmed(&self.dir) {
                    let now = self.shared.clock.now();
                    let age = u64::try_from(now.unix_ms - at).unwrap_or(0);
                    self.shared.confirm(Duration::from_millis(age), now);
                }
                tracing::info!(version = %trusted.version(), "serving the stored snapshot");
                self.activate(trusted, compiled, graph).await;
            }
            Err(cause) => {
                tracing::error!(
                    version = %trusted.version(), code = cause.code(), %cause,
                    "the stored snapshot is not used",
                );
            }
        }
    }

    /// Takes the snapshot out of force, for good, also for later starts.
    pub(crate) async fn revoke(&mut self) {
        tracing::error!("this node was revoked: it serves nothing from now on");
        self.shared.is_revoked.store(true, Ordering::Relaxed);
        self.shared.snapshot.store(None);
        self.active = None;
        let dir = self.dir.clone();
        let stored = tokio::task::spawn_blocking(move || stored::store_revoked(&dir)).await;
        if let Ok(Err(cause)) = stored {
            tracing::error!(%cause, "that this node was revoked could not be stored");
        }
    }

    pub(crate) fn is_revoked(&self) -> bool {
        self.shared.is_revoked.load(Ordering::Relaxed)
    }

    /// What the next poll says.
    pub(crate) fn query(&self) -> PollQuery {
        let active = self.active.as_ref().map(|active| &active.trusted);
        let query = PollQuery {
            applied: self.active_version(),
            manifest: active.map(|trusted| trusted.hash()),
            wait_seconds: WAIT_SECONDS_MAX,
            rejected: self.rejected.clone(),
            evidence: None,
        };
        match active {
            Some(trusted) => query.with_evidence(&trusted.signed),
            None => query,
        }
    }

    /// Takes an offer in: verified, fetched, compiled, durable, and only then in force.
    pub(crate) async fn offer(
        &mut self,
        calls: &SignedCalls,
        offer: SnapshotResponse,
    ) -> Result<Version, OfferError> {
        let claimed = claimed_version(offer.manifest.as_ref());
        match self.take(calls, offer).await {
            Ok(version) => {
                self.rejected = None;
                Ok(version)
            }
            Err(Fault::Call(cause) | Fault::Download(DownloadError::Call(cause))) => {
                Err(OfferError::Call(cause))
            }
            Err(fault) => {
                let report = RejectedReport {
                    version: claimed,
                    code: fault.code().to_owned(),
                    detail: fault.to_string(),
                };
                self.rejected = Some(report.clone());
                Err(OfferError::Rejected(report))
            }
        }
    }

    /// Notes a freshness statement for the snapshot in force; `false` if it does not vouch for it.
    pub(crate) async fn confirm(&mut self, freshness: Option<&Signed>) -> bool {
        let Some((active, freshness)) = self.active.as_ref().zip(freshness) else {
            return false;
        };
        let now = self.shared.clock.now();
        let until = fresh_until(&active.trusted.root, &active.trusted.signed, freshness);
        if until.is_ok_and(|until_ms| until_ms >= now.unix_ms) {
            self.shared.confirm(Duration::ZERO, now);
            let at = Duration::from_nanos(now.mono_ns);
            self.confirmed_at = Some(at);
            self.store_confirmation(at, now.unix_ms).await;
            return true;
        }
        false
    }

    async fn take(
        &mut self,
        calls: &SignedCalls,
        offer: SnapshotResponse,
    ) -> Result<Version, Fault> {
        let root = stored::follow_pinned(&offer.root_chain, &self.enrolment)?;
        let signed = offer.manifest.unwrap_or_default();
        let freshness = offer.freshness.unwrap_or_default();
        let has_lost_it = self.active_version() < self.highest.mark.version;
        let mark = self.highest.mark_for(&signed, has_lost_it);
        let manifest = accept(&root, &signed, &freshness, mark, self.freshness_needed_at())?;
        let trusted = Trusted {
            root,
            signed,
            manifest,
        };
        let in_force = self.active.as_ref().map(|active| active.graph.clone());
        let in_force = in_force.unwrap_or_default();
        let downloaded = download(calls, &self.chunks, &in_force, &trusted.manifest).await?;
        let compiled = self.compile_with_keys(calls, &trusted.manifest).await?;
        self.make_durable(&trusted, offer.root_chain, downloaded.written)
            .await?;
        let version = trusted.version();
        self.activate(trusted, compiled, downloaded.graph).await;
        self.confirm(Some(&freshness)).await;
        if let Err(cause) = self.keys.prune(&self.dir) {
            tracing::warn!(%cause, "data keys that are no longer in force could not be removed");
        }
        Ok(version)
    }

    /// The instant to hold freshness against: for the first offer of a process and after a gap.
    fn freshness_needed_at(&self) -> Option<i64> {
        let now = self.shared.clock.now();
        let mono = Duration::from_nanos(now.mono_ns);
        let has_gap = self
            .confirmed_at
            .is_none_or(|confirmed| mono.saturating_sub(confirmed) > GAP);
        has_gap.then_some(now.unix_ms)
    }

    /// Compiles; where the snapshot needs a generation of the data key that is not at hand, fetches
    /// the keys and compiles once more.
    async fn compile_with_keys(
        &mut self,
        calls: &SignedCalls,
        manifest: &Manifest,
    ) -> Result<Snapshot, Fault> {
        match self.compile(manifest).await {
            Err(Fault::Compile(CompileError::MissingDataKey { generation })) => {
                tracing::info!(generation, "fetching data keys");
                let answer = data_keys::fetch(calls).await?;
                self.keys.take_in(&self.dir, answer)?;
                Ok(self.compile(manifest).await?.0)
            }
            compiled => Ok(compiled?.0),
        }
    }

    /// Compiles from verified chunks on disk, beside the control thread. The graph is of the
    /// chunks that were read.
    async fn compile(&self, manifest: &Manifest) -> Result<(Snapshot, Graph), Fault> {
        let manifest = manifest.clone();
        let chunks = self.chunks.clone();
        let data_keys = self.keys.open();
        let shared = self.shared.clone();
        let work = move || {
            let previous = shared.snapshot.load_full();
            let mut graph = Graph::default();
            let compiled = Snapshot::compile(CompileInputs {
                manifest: &manifest,
                previous: previous.as_deref(),
                data_keys: &data_keys,
                registry: &shared.registry,
                fetch: &mut |reference| {
                    let bytes = chunks.read(reference)?;
                    graph.note(reference.address()?, &bytes)?;
                    Ok::<_, DecodeError>(bytes)
                },
            })?;
            Ok((compiled, graph))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Fault::CutShort)?
    }

    /// Chunks, then the manifest, then the high-water mark: after a crash between any two, what is
    /// on disk is a whole snapshot and nothing older than it is taken again.
    async fn make_durable(
        &mut self,
        trusted: &Trusted,
        root_chain: Vec<Signed>,
        written: Vec<snapshot::chunk::Address>,
    ) -> Result<(), Fault> {
        let mut highest = self.highest;
        highest.mark.version = trusted.version();
        highest.manifest = Some(trusted.hash());
        highest.raise_root(&trusted.root);
        let stored = StoredManifest {
            root_chain,
            manifest: Some(trusted.signed.clone()),
        };
        let (dir, chunks) = (self.dir.clone(), self.chunks.clone());
        let work = move || {
            chunks.flush(&written)?;
            stored::store_manifest(&dir, &stored)?;
            highest.store(&dir)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Fault::CutShort)??;
        self.highest = highest;
        Ok(())
    }

    /// Swaps the snapshot in, then clears away what it superseded, before anything else is fetched.
    async fn activate(&mut self, trusted: Trusted, compiled: Snapshot, graph: Graph) {
        let graph = Arc::new(graph);
        let before = self.shared.snapshot.swap(Some(Arc::new(compiled)));
        let superseded = self.active.replace(Active {
            trusted,
            graph: graph.clone(),
        });
        // The first sweep waits until the control plane was heard: an interrupted download may
        // still be of use.
        let sweeps = !self.is_swept && self.confirmed_at.is_some();
        self.is_swept |= sweeps;
        let chunks = self.chunks.clone();
        let work = move || {
            drop(before);
            if let Some(superseded) = superseded {
                chunks.remove_superseded(&superseded.graph, &graph);
            }
            if sweeps && let Err(cause) = chunks.sweep(&graph) {
                tracing::warn!(%cause, "superseded chunks could not be removed");
            }
        };
        if tokio::task::spawn_blocking(work).await.is_err() {
            tracing::warn!("superseded chunks were not removed");
        }
    }

    async fn store_confirmation(&mut self, at: Duration, unix_ms: i64) {
        let is_due = self
            .confirmation_stored_at
            .is_none_or(|stored| at.saturating_sub(stored) >= CONFIRMATION_STORED_EVERY);
        if !is_due {
            return;
        }
        self.confirmation_stored_at = Some(at);
        let dir = self.dir.clone();
        let work = move || stored::store_confirmed(&dir, unix_ms);
        if let Ok(Err(cause)) = tokio::task::spawn_blocking(work).await {
            tracing::warn!(%cause, "the time of the last confirmation could not be stored");
        }
    }

    fn active_version(&self) -> Version {
        self.active
            .as_ref()
            .map(|active| active.trusted.version())
            .unwrap_or_default()
    }
}

/// Which version an offer says it is, unverified: for reports.
fn claimed_version(offered: Option<&Signed>) -> Version {
    offered
        .and_then(|signed| Manifest::decode(signed.payload.as_slice()).ok())
        .map(|manifest| manifest.version())
        .unwrap_or_default()
}
