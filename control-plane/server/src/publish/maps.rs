//! The two roots and the maps below them: how changed rows become new chunks.

use std::collections::HashMap;

use domain::compile::{
    ApiRow, AuthorizerRow, KeyRow, PlanRow, RevocationRow, TenantRow, UpstreamRow,
};
use snapshot::chunk::{self, Address, ChunkRef, Kind, Sealed};
use snapshot::document::{ConfigRoot, StateRoot};
use snapshot::trie::{self, Built, Change, Entry, UpdateError};

/// The maps that a snapshot is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Map {
    Keys,
    Tenants,
    Apis,
    Upstreams,
    Plans,
    Authorizers,
    Revocations,
}

impl Map {
    pub fn leaf_kind(self) -> Kind {
        match self {
            Map::Keys => Kind::KeyLeaf,
            Map::Tenants => Kind::TenantLeaf,
            Map::Revocations => Kind::RevocationLeaf,
            Map::Apis | Map::Upstreams | Map::Plans | Map::Authorizers => Kind::DirectoryLeaf,
        }
    }
}

/// Entries of one map, with the chunks that directory entries name.
#[derive(Debug, Default)]
pub struct Compiled {
    pub entries: Vec<Entry>,
    pub chunks: Vec<Sealed>,
}

impl Compiled {
    pub fn keys(rows: &[KeyRow]) -> Self {
        Self::plain(rows.iter().map(domain::compile::key))
    }

    pub fn tenants(rows: &[TenantRow]) -> Self {
        Self::plain(rows.iter().map(domain::compile::tenant))
    }

    pub fn apis(rows: &[ApiRow]) -> Self {
        Self::directory(rows.iter().map(domain::compile::api))
    }

    pub fn upstreams(rows: &[UpstreamRow]) -> Self {
        Self::directory(rows.iter().map(domain::compile::upstream))
    }

    pub fn plans(rows: &[PlanRow]) -> Self {
        Self::directory(rows.iter().map(domain::compile::plan))
    }

    pub fn authorizers(rows: &[AuthorizerRow]) -> Self {
        Self::directory(rows.iter().map(domain::compile::authorizer))
    }

    pub fn revocations(rows: &[RevocationRow]) -> Self {
        Self::plain(rows.iter().map(domain::compile::revocation))
    }

    pub fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
        self.chunks.append(&mut other.chunks);
    }

    fn plain(entries: impl Iterator<Item = Entry>) -> Self {
        Self {
            entries: entries.collect(),
            chunks: Vec::new(),
        }
    }

    fn directory(entries: impl Iterator<Item = (Entry, Sealed)>) -> Self {
        let (entries, chunks) = entries.unzip();
        Self { entries, chunks }
    }
}

/// Both roots of a revision, decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roots {
    pub config: ConfigRoot,
    pub state: StateRoot,
}

impl Roots {
    fn map(&self, map: Map) -> Option<&ChunkRef> {
        match map {
            Map::Keys => self.state.keys.as_ref(),
            Map::Tenants => self.state.tenants.as_ref(),
            Map::Apis => self.config.apis.as_ref(),
            Map::Upstreams => self.config.upstreams.as_ref(),
            Map::Plans => self.config.plans.as_ref(),
            Map::Authorizers => self.config.authorizers.as_ref(),
            Map::Revocations => self.state.revocations.as_ref(),
        }
    }

    fn set_map(&mut self, map: Map, root: Option<ChunkRef>) {
        *match map {
            Map::Keys => &mut self.state.keys,
            Map::Tenants => &mut self.state.tenants,
            Map::Apis => &mut self.config.apis,
            Map::Upstreams => &mut self.config.upstreams,
            Map::Plans => &mut self.config.plans,
            Map::Authorizers => &mut self.config.authorizers,
            Map::Revocations => &mut self.state.revocations,
        } = root;
    }

    /// Builds a map from nothing.
    pub fn build(&mut self, map: Map, compiled: Compiled) -> Vec<Sealed> {
        let built = trie::build(map.leaf_kind(), compiled.entries);
        self.set_map(map, built.root);
        built.chunks.into_iter().chain(compiled.chunks).collect()
    }

    /// Applies changes to a map, or says which chunks are needed first.
    pub fn update(
        &mut self,
        map: Map,
        changes: Vec<Change>,
        have: &HashMap<Address, Vec<u8>>,
    ) -> Result<Built, UpdateError> {
        let built = trie::update(map.leaf_kind(), self.map(map), changes, have)?;
        self.set_map(map, built.root.clone());
        Ok(built)
    }

    /// The chunks of the roots themselves.
    pub fn seal(&self) -> (Sealed, Sealed) {
        (
            chunk::encode(Kind::ConfigRoot, &self.config),
            chunk::encode(Kind::StateRoot, &self.state),
        )
    }
}
