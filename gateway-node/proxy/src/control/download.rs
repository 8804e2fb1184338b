//! Fetches the chunks of a manifest that are not at hand, breadth first and many per call. Each is
//! verified and written as it arrives, so that an interrupted download goes on where it was.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use snapshot::DecodeError;
use snapshot::chunk::{
    Address, CHUNK_BYTES_MAX, CHUNKS_ANSWER_BYTES, CHUNKS_PER_CALL_MAX, ChunkRef, ChunkRequest,
    ChunkResponse, inflate,
};
use snapshot::manifest::Manifest;
use snapshot::poll::CHUNKS_PATH;

use super::chunks::{ChunkStore, Graph, roots};
use super::client::{Bounds, CallError, SignedCalls};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(60),
    // An answer ends with the chunk that crosses its bound.
    answer_bytes_max: CHUNKS_ANSWER_BYTES + CHUNK_BYTES_MAX + (1 << 20),
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the control plane does not have chunk {0}")]
    Missing(Address),
    #[error("could not write a chunk: {0}")]
    Write(#[from] std::io::Error),
    #[error("the node is stopping")]
    Stopping,
}

/// A manifest's chunks, all verified and on disk, though not yet flushed.
#[derive(Debug, Default)]
pub(crate) struct Downloaded {
    pub(crate) graph: Graph,
    pub(crate) written: Vec<Address>,
}

/// Brings every chunk of `manifest` to disk; what `active` holds is there already.
pub(crate) async fn download(
    calls: &SignedCalls,
    store: &ChunkStore,
    active: &Arc<Graph>,
    manifest: &Manifest,
) -> Result<Downloaded, DownloadError> {
    let mut done = Downloaded::default();
    let mut level = roots(manifest);
    while !level.is_empty() {
        let mut walk = Walk {
            store: store.clone(),
            active: active.clone(),
            done,
            next: Vec::new(),
            missing: Vec::new(),
        };
        walk = blocking(move || walk.visit(level)).await?;
        while !walk.missing.is_empty() {
            let answer = ask(calls, &walk.missing).await?;
            walk = blocking(move || walk.take_in(answer)).await?;
        }
        (done, level) = (walk.done, walk.next);
    }
    Ok(done)
}

async fn ask(calls: &SignedCalls, missing: &[ChunkRef]) -> Result<ChunkResponse, DownloadError> {
    let batch = &missing[..missing.len().min(CHUNKS_PER_CALL_MAX)];
    let request = ChunkRequest {
        addresses: batch.iter().map(|wanted| wanted.address.clone()).collect(),
    };
    Ok(calls.post(CHUNKS_PATH, &request, BOUNDS).await?)
}

/// Hashing, inflating and disk access happen beside the control thread, which answers leases.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DownloadError> + Send + 'static,
) -> Result<T, DownloadError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| DownloadError::Stopping)?
}

/// One level of the breadth-first walk.
struct Walk {
    store: ChunkStore,
    active: Arc<Graph>,
    done: Downloaded,
    next: Vec<ChunkRef>,
    missing: Vec<ChunkRef>,
}

impl Walk {
    /// Sorts a level into what is shared, what is on disk, and what has to be asked for.
    fn visit(mut self, level: Vec<ChunkRef>) -> Result<Self, DownloadError> {
        let mut asked = HashSet::new();
        for reference in level {
            let address = reference.address()?;
            if self.done.graph.contains(&address) || !asked.insert(address) {
                continue;
            }
            if self.active.contains(&address) {
                self.done.graph.share(&self.active, &reference)?;
            } else if let Ok(bytes) = self.store.read(&reference) {
                // Left by an interrupted download, perhaps unflushed.
                self.done.written.push(address);
                self.note(address, &bytes)?;
            } else {
                self.missing.push(reference);
            }
        }
        Ok(self)
    }

    fn take_in(mut self, answer: ChunkResponse) -> Result<Self, DownloadError> {
        let mut came: HashMap<Address, Vec<u8>> = HashMap::new();
        for chunk in answer.chunks {
            came.insert(Address::from_slice(&chunk.address)?, chunk.zstd);
        }
        let asked = std::mem::take(&mut self.missing);
        for reference in &asked {
            let address = reference.address()?;
            let Some(compressed) = came.remove(&address) else {
                self.missing.push(reference.clone());
                continue;
            };
            let bytes = inflate(reference, &compressed)?;
            self.store.write(&address, &compressed)?;
            self.done.written.push(address);
            self.note(address, &bytes)?;
        }
        match self.missing.first() {
            Some(first) if self.missing.len() == asked.len() => {
                Err(DownloadError::Missing(first.address()?))
            }
            _ => Ok(self),
        }
    }

    fn note(&mut self, address: Address, bytes: &[u8]) -> Result<(), DecodeError> {
        let references = self.done.graph.note(address, bytes)?;
        self.next.extend_from_slice(references);
        Ok(())
    }
}
