//! Maps as hash-prefix tries whose shape is a pure function of their content.
//!
//! An entry's path is 64 nibbles: its key where that is a hash already (API keys), else the key's
//! SHA-256. A subtree of up to [`LEAF_ENTRIES_MAX`] entries is one leaf; above, it is an interior
//! node with a child per nibble that occurs. So one change rewrites one leaf and its path, however
//! it came about, and equal maps have equal roots.

use std::collections::{BTreeMap, HashMap, HashSet};

mod tree;

pub use tree::Tree;

use crate::DecodeError;
use crate::chunk::{self, Address, Chunk, ChunkRef, Kind, Sealed, sha256};

pub const LEAF_ENTRIES_MAX: usize = 512;
/// Honest tries are a few levels deep; a path has no more nibbles than this.
const DEPTH_MAX: usize = 64;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Leaf {
    /// Sorted by path, which is unique.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Entry {
    #[prost(bytes = "vec", tag = "1")]
    pub key: Vec<u8>,
    /// An encoded document of the map's type.
    #[prost(bytes = "vec", tag = "2")]
    pub value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Interior {
    /// Sorted by nibble.
    #[prost(message, repeated, tag = "1")]
    pub children: Vec<Child>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Child {
    #[prost(uint32, tag = "1")]
    pub nibble: u32,
    #[prost(message, optional, tag = "2")]
    pub chunk: Option<ChunkRef>,
    /// Entries in the subtree.
    #[prost(uint64, tag = "3")]
    pub count: u64,
}

type Path = [u8; 32];

/// Where an entry stands in the map whose leaves are of `kind`.
pub fn path_of(kind: Kind, key: &[u8]) -> Path {
    match <&Path>::try_from(key) {
        Ok(hash) if kind == Kind::KeyLeaf => *hash,
        _ => sha256(key),
    }
}

fn nibble(path: &Path, level: usize) -> usize {
    let byte = path[level / 2];
    usize::from(if level.is_multiple_of(2) {
        byte >> 4
    } else {
        byte & 15
    })
}

/// A map's new root and the chunks that were not there before.
#[derive(Debug, Default, PartialEq)]
pub struct Built {
    /// None: the map is empty.
    pub root: Option<ChunkRef>,
    pub chunks: Vec<Sealed>,
    /// Chunks that the map named before and does not name any more.
    pub replaced: Vec<Address>,
}

/// What is to become of an entry: its new value, or `None` to remove it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// Why an update could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UpdateError {
    /// Chunks that must be at hand first; add them to the store and call again.
    #[error("{} chunks are needed first", .0.len())]
    Missing(Vec<ChunkRef>),
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Builds a map from nothing. Of several entries with one key the last stays.
pub fn build(kind: Kind, entries: impl IntoIterator<Item = Entry>) -> Built {
    let entries: BTreeMap<Path, Entry> = entries
        .into_iter()
        .map(|entry| (path_of(kind, &entry.key), entry))
        .collect();
    let mut chunks = Vec::new();
    let root =
        plant(kind, entries.into_iter().collect(), 0, &mut chunks).map(|subtree| subtree.chunk);
    Built {
        root,
        chunks,
        replaced: Vec::new(),
    }
}

struct Subtree {
    chunk: ChunkRef,
    count: u64,
}

/// Writes the subtree of `entries` (sorted by path, which agree in their first `level` nibbles).
fn plant(
    kind: Kind,
    entries: Vec<(Path, Entry)>,
    level: usize,
    chunks: &mut Vec<Sealed>,
) -> Option<Subtree> {
    let count = entries.len() as u64;
    if count == 0 {
        return None;
    }
    if entries.len() <= LEAF_ENTRIES_MAX {
        let leaf = Leaf {
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        };
        return Some(Subtree {
            chunk: write(kind, &leaf, chunks),
            count,
        });
    }
    let mut groups: BTreeMap<usize, Vec<(Path, Entry)>> = BTreeMap::new();
    for (path, entry) in entries {
        groups
            .entry(nibble(&path, level))
            .or_default()
            .push((path, entry));
    }
    let children = groups
        .into_iter()
        .filter_map(|(nibble, group)| child(nibble, plant(kind, group, level + 1, chunks)))
        .collect();
    Some(Subtree {
        chunk: write(Kind::Interior, &Interior { children }, chunks),
        count,
    })
}

fn child(nibble: usize, subtree: Option<Subtree>) -> Option<Child> {
    subtree.map(|subtree| Child {
        nibble: nibble as u32,
        chunk: Some(subtree.chunk),
        count: subtree.count,
    })
}

fn write<M: prost::Message>(kind: Kind, document: &M, chunks: &mut Vec<Sealed>) -> ChunkRef {
    let sealed = chunk::encode(kind, document);
    let reference = sealed.reference();
    chunks.push(sealed);
    reference
}

/// Applies changes to the map at `root`. `have` holds verified chunks by address; what else is
/// needed comes back as [`UpdateError::Missing`], a level at a time.
pub fn update(
    kind: Kind,
    root: Option<&ChunkRef>,
    changes: Vec<Change>,
    have: &HashMap<Address, Vec<u8>>,
) -> Result<Built, UpdateError> {
    let changes: BTreeMap<Path, Change> = changes
        .into_iter()
        .map(|change| (path_of(kind, &change.key), change))
        .collect();
    let mut work = Update {
        kind,
        have,
        chunks: Vec::new(),
        missing: Vec::new(),
        replaced: Vec::new(),
    };
    let changed = work.node(root, 0, changes.into_iter().collect())?;
    if !work.missing.is_empty() {
        return Err(UpdateError::Missing(work.missing));
    }
    let written: HashSet<Address> = work.chunks.iter().map(|sealed| sealed.address).collect();
    work.replaced.retain(|address| !written.contains(address));
    Ok(Built {
        root: changed.map(|subtree| subtree.chunk),
        chunks: work.chunks,
        replaced: work.replaced,
    })
}

struct Update<'a> {
    kind: Kind,
    have: &'a HashMap<Address, Vec<u8>>,
    chunks: Vec<Sealed>,
    missing: Vec<ChunkRef>,
    replaced: Vec<Address>,
}

impl Update<'_> {
    fn node(
        &mut self,
        reference: Option<&ChunkRef>,
        level: usize,
        changes: Vec<(Path, Change)>,
    ) -> Result<Option<Subtree>, UpdateError> {
        let Some(reference) = reference else {
            return Ok(self.leaf(Vec::new(), level, changes));
        };
        match self.read(reference)? {
            None => Ok(None),
            Some(Node::Leaf(leaf)) => Ok(self.leaf(leaf.entries, level, changes)),
            Some(Node::Interior(interior)) => self.interior(interior, level, changes),
        }
    }

    fn leaf(
        &mut self,
        old: Vec<Entry>,
        level: usize,
        changes: Vec<(Path, Change)>,
    ) -> Option<Subtree> {
        let mut entries: BTreeMap<Path, Entry> = old
            .into_iter()
            .map(|entry| (path_of(self.kind, &entry.key), entry))
            .collect();
        for (path, Change { key, value }) in changes {
            let new = value.as_ref().and_then(|value| self.named_chunk(value));
            let old = match value {
                Some(value) => entries.insert(path, Entry { key, value }),
                None => entries.remove(&path),
            };
            let old = old.and_then(|old| self.named_chunk(&old.value));
            self.replaced.extend(old.filter(|old| Some(*old) != new));
        }
        plant(
            self.kind,
            entries.into_iter().collect(),
            level,
            &mut self.chunks,
        )
    }

    /// The chunk that an entry of a directory names.
    fn named_chunk(&self, value: &[u8]) -> Option<Address> {
        if self.kind != Kind::DirectoryLeaf {
            return None;
        }
        let reference: ChunkRef = crate::decode("chunk reference", value, 256).ok()?;
        reference.address().ok()
    }

    fn interior(
        &mut self,
        interior: Interior,
        level: usize,
        changes: Vec<(Path, Change)>,
    ) -> Result<Option<Subtree>, UpdateError> {
        let mut groups: BTreeMap<usize, Vec<(Path, Change)>> = BTreeMap::new();
        for (path, change) in changes {
            groups
                .entry(nibble(&path, level))
                .or_default()
                .push((path, change));
        }
        let mut children: BTreeMap<usize, Child> = interior
            .children
            .into_iter()
            .map(|child| (child.nibble as usize, child))
            .collect();
        let before = self.chunks.len();
        for (nibble, group) in groups {
            let old = children.remove(&nibble).and_then(|child| child.chunk);
            let new = self.node(old.as_ref(), level + 1, group)?;
            if let Some(child) = child(nibble, new) {
                children.insert(nibble, child);
            }
        }
        if !self.missing.is_empty() {
            return Ok(None);
        }
        let count: u64 = children.values().map(|child| child.count).sum();
        if count > LEAF_ENTRIES_MAX as u64 {
            let children = children.into_values().collect();
            return Ok(Some(Subtree {
                chunk: write(Kind::Interior, &Interior { children }, &mut self.chunks),
                count,
            }));
        }
        let children: Vec<Child> = children.into_values().collect();
        self.collapse(&children, level, before)
    }

    /// An interior node that no longer holds enough becomes one leaf of all that is below it.
    fn collapse(
        &mut self,
        children: &[Child],
        level: usize,
        before: usize,
    ) -> Result<Option<Subtree>, UpdateError> {
        let written: Vec<Sealed> = self.chunks.drain(before..).collect();
        let mut entries = Vec::new();
        for reference in children.iter().filter_map(|child| child.chunk.as_ref()) {
            let address = reference.address()?;
            let node = match written.iter().find(|sealed| sealed.address == address) {
                Some(sealed) => Some(parse(self.kind, &sealed.bytes)?),
                None => self.read(reference)?,
            };
            match node {
                Some(Node::Leaf(leaf)) => entries.extend(leaf.entries),
                Some(Node::Interior(_)) => {
                    return Err(DecodeError::NotCanonical { what: "trie" }.into());
                }
                None => {}
            }
        }
        if !self.missing.is_empty() {
            return Ok(None);
        }
        Ok(self.leaf(entries, level, Vec::new()))
    }

    fn read(&mut self, reference: &ChunkRef) -> Result<Option<Node>, UpdateError> {
        match self.have.get(&reference.address()?) {
            Some(bytes) => {
                self.replaced.push(reference.address()?);
                Ok(Some(parse(self.kind, bytes)?))
            }
            None => {
                self.missing.push(reference.clone());
                Ok(None)
            }
        }
    }
}

enum Node {
    Interior(Interior),
    Leaf(Leaf),
}

/// Opens a node of a map whose leaves are of `kind`.
fn parse(kind: Kind, bytes: &[u8]) -> Result<Node, DecodeError> {
    let Chunk {
        kind: found, body, ..
    } = chunk::open_any(bytes)?;
    if found == Kind::Interior as i32 {
        return crate::decode("interior node", &body, chunk::CHUNK_BYTES_MAX).map(Node::Interior);
    }
    if found != kind as i32 {
        return Err(DecodeError::WrongKind {
            expected: kind as u32,
            found: found as u32,
        });
    }
    crate::decode("leaf", &body, chunk::CHUNK_BYTES_MAX).map(Node::Leaf)
}

/// The chunks that a chunk names, so that a snapshot can be fetched breadth first.
pub fn references(bytes: &[u8]) -> Result<Vec<ChunkRef>, DecodeError> {
    let Chunk { kind, body, .. } = chunk::open_any(bytes)?;
    let max = chunk::CHUNK_BYTES_MAX;
    match Kind::try_from(kind).unwrap_or(Kind::Unknown) {
        Kind::ConfigRoot => {
            let root: crate::document::ConfigRoot = crate::decode("config root", &body, max)?;
            let maps = [root.apis, root.upstreams, root.plans, root.authorizers];
            Ok(maps.into_iter().flatten().collect())
        }
        Kind::StateRoot => {
            let root: crate::document::StateRoot = crate::decode("state root", &body, max)?;
            let maps = [root.keys, root.tenants, root.revocations];
            Ok(maps.into_iter().flatten().collect())
        }
        Kind::Interior => {
            let interior: Interior = crate::decode("interior node", &body, max)?;
            Ok(interior
                .children
                .into_iter()
                .filter_map(|child| child.chunk)
                .collect())
        }
        Kind::DirectoryLeaf => {
            let leaf: Leaf = crate::decode("leaf", &body, max)?;
            leaf.entries
                .iter()
                .map(|entry| crate::decode("chunk reference", &entry.value, 256))
                .collect()
        }
        Kind::KeyLeaf
        | Kind::TenantLeaf
        | Kind::RevocationLeaf
        | Kind::Api
        | Kind::Upstream
        | Kind::Plan
        | Kind::Authorizer => Ok(Vec::new()),
        Kind::Unknown => Err(DecodeError::Invalid {
            what: "chunk kind",
            detail: kind.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
