//! Revoked tokens in memory, by what they have in common.

use snapshot::chunk::Kind;
use snapshot::document::Revocation;
use snapshot::revocation::{RevocationKey, RevocationKind};
use snapshot::trie::{Entry, Tree, path_of};

use crate::compile::CompileError;

const DOCUMENT_BYTES_MAX: usize = 1 << 10;

/// One leaf of the map of revocations, sorted by key.
#[derive(Debug)]
pub(crate) struct RevocationLeaf(Box<[(RevocationKey, i64)]>);

impl RevocationLeaf {
    pub(crate) fn compile(entries: &[Entry]) -> Result<Self, CompileError> {
        let mut revocations = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = RevocationKey::from_bytes(&entry.key)?;
            let document: Revocation =
                snapshot::decode("revocation", &entry.value, DOCUMENT_BYTES_MAX)?;
            revocations.push((key, document.issued_before_ms));
        }
        revocations.sort_by_key(|(key, _)| *key);
        Ok(Self(revocations.into()))
    }

    fn find(&self, key: &RevocationKey) -> Option<i64> {
        let place = self.0.binary_search_by_key(key, |(key, _)| *key).ok()?;
        self.0
            .get(place)
            .map(|(_, issued_before_ms)| *issued_before_ms)
    }
}

/// Something that may be revoked, and where it would stand in the map: saves a hash per request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Revocable {
    key: RevocationKey,
    /// First bytes of the path.
    path: [u8; 8],
}

impl From<RevocationKey> for Revocable {
    fn from(key: RevocationKey) -> Self {
        let whole = path_of(Kind::RevocationLeaf, key.as_bytes());
        let mut path = [0; 8];
        path.copy_from_slice(&whole[..8]);
        Self { key, path }
    }
}

impl Revocable {
    /// Whether a token of this that was issued at the instant is refused.
    pub(crate) fn is_revoked(&self, tree: &Tree<RevocationLeaf>, issued_at_ms: i64) -> bool {
        let mut path = [0; 32];
        path[..8].copy_from_slice(&self.path);
        let found = tree.leaf(&path).and_then(|leaf| leaf.find(&self.key));
        found.is_some_and(|issued_before_ms| {
            self.key.kind() == RevocationKind::Token || issued_at_ms <= issued_before_ms
        })
    }
}
