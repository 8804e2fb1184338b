//! Chunks on disk, one file each, compressed as they arrived. A chunk is verified against the
//! reference that names it every time it is read, so that no other trust is put in these files.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use snapshot::DecodeError;
use snapshot::chunk::{self, Address, ChunkRef};
use snapshot::manifest::Manifest;
use snapshot::trie;

use super::state_dir::{StateDir, create_owner_only, sync_dir, temporary_name};

const DIR: &str = "chunks";
/// Above this many new files one flush of the whole file system is cheaper than one of each.
const FLUSHES_MAX: usize = 64;

/// The chunk files of a state directory.
#[derive(Clone, Debug)]
pub(crate) struct ChunkStore {
    dir: Arc<StateDir>,
}

/// Which chunks a verified snapshot consists of, and what each names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph(HashMap<Address, Box<[ChunkRef]>>);

impl Graph {
    pub(crate) fn contains(&self, address: &Address) -> bool {
        self.0.contains_key(address)
    }

    /// Notes a verified chunk and returns what it names.
    pub(crate) fn note(
        &mut self,
        address: Address,
        bytes: &[u8],
    ) -> Result<&[ChunkRef], DecodeError> {
        let references = trie::references(bytes)?.into_boxed_slice();
        Ok(self.0.entry(address).insert_entry(references).into_mut())
    }

    /// Adds the part of `other` below `reference`, which both snapshots share.
    pub(crate) fn share(&mut self, other: &Graph, reference: &ChunkRef) -> Result<(), DecodeError> {
        let mut open = vec![reference.address()?];
        while let Some(address) = open.pop() {
            if self.contains(&address) {
                continue;
            }
            if let Some(references) = other.0.get(&address) {
                for below in references {
                    open.push(below.address()?);
                }
                self.0.insert(address, references.clone());
            }
        }
        Ok(())
    }

    fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.0.keys()
    }
}

/// Where a manifest's chunks begin.
pub(crate) fn roots(manifest: &Manifest) -> Vec<ChunkRef> {
    [&manifest.config, &manifest.state]
        .into_iter()
        .filter_map(Clone::clone)
        .collect()
}

impl ChunkStore {
    pub(crate) fn open(dir: Arc<StateDir>) -> io::Result<Self> {
        dir.create_dir(DIR)?;
        Ok(Self { dir })
    }

    /// The verified bytes of a chunk.
    pub(crate) fn read(&self, reference: &ChunkRef) -> Result<Vec<u8>, DecodeError> {
        let path = self.path(&reference.address()?);
        let compressed = fs::read(&path).map_err(|cause| DecodeError::Invalid {
            what: "stored chunk",
            detail: format!("{}: {cause}", path.display()),
        })?;
        chunk::inflate(reference, &compressed)
    }

    /// Writes a chunk that was verified. Not flushed: see [`Self::flush`].
    pub(crate) fn write(&self, address: &Address, compressed: &[u8]) -> io::Result<()> {
        let path = self.path(address);
        let temporary = temporary_name(&path);
        let written = create_owner_only(&temporary)
            .and_then(|mut file| file.write_all(compressed))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    /// Makes written chunks durable.
    pub(crate) fn flush(&self, written: &[Address]) -> io::Result<()> {
        if written.is_empty() {
            return Ok(());
        }
        let dir = self.dir.path(DIR);
        #[cfg(target_os = "linux")]
        if written.len() > FLUSHES_MAX {
            return nix::unistd::syncfs(File::open(&dir)?).map_err(io::Error::from);
        }
        for address in written {
            File::open(self.path(address))?.sync_all()?;
        }
        sync_dir(&dir)
    }

    /// Removes the chunks of a superseded snapshot that the new one does not share.
    pub(crate) fn remove_superseded(&self, old: &Graph, new: &Graph) {
        for address in old.addresses().filter(|address| !new.contains(address)) {
            let _ = fs::remove_file(self.path(address));
        }
    }

    /// Removes every chunk that is not of this snapshot: what interrupted downloads left.
    pub(crate) fn sweep(&self, keep: &Graph) -> io::Result<()> {
        let names: HashSet<String> = keep.addresses().map(Address::to_string).collect();
        for (name, _) in self.dir.list(DIR)? {
            if !names.contains(&name) {
                self.dir.remove(&format!("{DIR}/{name}"))?;
            }
        }
        Ok(())
    }

    fn path(&self, address: &Address) -> PathBuf {
        self.dir.path(DIR).join(address.to_string())
    }
}
