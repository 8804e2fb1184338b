//! API keys in memory: a million of them on a node, so 88 bytes each and no pointer for the plain
//! ones.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use snapshot::api_key::KeyHash;
use snapshot::chunk::Kind;
use snapshot::document;
use snapshot::id::{ApiId, ApiKeyId, TenantId};
use snapshot::trie::{Entry, Tree, path_of};
use snapshot::{DecodeError, decode};

use crate::api::rate_limit;
use crate::compile::CompileError;
use crate::gcra::{Gcra, RateLimit};
use crate::registry::Registry;

const DOCUMENT_BYTES_MAX: usize = 64 << 10;

/// One leaf of the map of keys, sorted by hash.
#[derive(Debug)]
pub(crate) struct KeyLeaf {
    hashes: Box<[[u8; 32]]>,
    keys: Box<[Key]>,
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) id: ApiKeyId,
    pub(crate) tenant_id: TenantId,
    /// First bytes of the tenant's path in the map of tenants: saves a hash per request.
    tenant_path: [u8; 8],
    /// Unix milliseconds; `i64::MAX`: never.
    pub(crate) expires_at_ms: i64,
    /// `None` for a key without restrictions.
    pub(crate) restrictions: Option<Box<Restrictions>>,
}

#[derive(Debug)]
pub(crate) struct Restrictions {
    /// `None`: whatever the subscription allows.
    pub(crate) scopes: Option<Box<[String]>>,
    /// Empty: every API.
    pub(crate) api_ids: Box<[ApiId]>,
    /// Empty: any address.
    pub(crate) allowed_ips: Box<[IpNet]>,
    pub(crate) rate: Option<(RateLimit, Arc<Gcra>)>,
}

impl KeyLeaf {
    pub(crate) fn compile(entries: &[Entry], registry: &Registry) -> Result<Self, CompileError> {
        let mut hashes = Vec::with_capacity(entries.len());
        let mut keys = Vec::with_capacity(entries.len());
        for entry in entries {
            let hash =
                <[u8; 32]>::try_from(entry.key.as_slice()).map_err(|_| DecodeError::Length {
                    what: "key hash",
                    expected: 32,
                    found: entry.key.len(),
                })?;
            let key: document::Key = decode("key", &entry.value, DOCUMENT_BYTES_MAX)?;
            hashes.push(hash);
            keys.push(Key::compile(key, registry)?);
        }
        Ok(Self {
            hashes: hashes.into(),
            keys: keys.into(),
        })
    }

    /// The comparison may take a time that depends on the hashes: whoever sends keys does not know
    /// the pepper, so learning about hashes teaches nothing about keys.
    fn find(&self, hash: &KeyHash) -> Option<&Key> {
        self.hashes
            .binary_search(&hash.0)
            .ok()
            .and_then(|place| self.keys.get(place))
    }
}

/// Finds a key by its hash.
pub(crate) fn find<'t>(tree: &'t Tree<KeyLeaf>, hash: &KeyHash) -> Option<&'t Key> {
    tree.leaf(&hash.0)?.find(hash)
}

impl Key {
    fn compile(document: document::Key, registry: &Registry) -> Result<Self, CompileError> {
        let id = ApiKeyId::from_bytes(&document.id)?;
        let path = path_of(Kind::TenantLeaf, &document.tenant_id);
        let mut tenant_path = [0; 8];
        tenant_path.copy_from_slice(&path[..8]);
        Ok(Self {
            id,
            tenant_id: TenantId::from_bytes(&document.tenant_id)?,
            tenant_path,
            expires_at_ms: document.expires_at_ms.unwrap_or(i64::MAX),
            restrictions: Restrictions::compile(id, document, registry)?.map(Box::new),
        })
    }

    /// The tenant's path, as far as any trie is deep.
    pub(crate) fn tenant_path(&self) -> [u8; 32] {
        let mut path = [0; 32];
        path[..8].copy_from_slice(&self.tenant_path);
        path
    }

    pub(crate) fn may_be_used_from(&self, address: IpAddr) -> bool {
        let allowed = self
            .restrictions
            .as_ref()
            .map_or(&[][..], |limits| &limits.allowed_ips);
        let address = address.to_canonical();
        allowed.is_empty() || allowed.iter().any(|net| net.contains(&address))
    }

    pub(crate) fn may_be_used_for(&self, api: ApiId) -> bool {
        let allowed = self
            .restrictions
            .as_ref()
            .map_or(&[][..], |limits| &limits.api_ids);
        allowed.is_empty() || allowed.contains(&api)
    }

    /// `None`: not restricted.
    pub(crate) fn scopes(&self) -> Option<&[String]> {
        self.restrictions.as_ref()?.scopes.as_deref()
    }

    pub(crate) fn rate(&self) -> Option<&(RateLimit, Arc<Gcra>)> {
        self.restrictions.as_ref()?.rate.as_ref()
    }
}

impl Restrictions {
    fn compile(
        id: ApiKeyId,
        document: document::Key,
        registry: &Registry,
    ) -> Result<Option<Self>, CompileError> {
        let is_plain = document.scopes.is_none()
            && document.api_ids.is_empty()
            && document.allowed_ips.is_empty()
            && document.rate.is_none();
        if is_plain {
            return Ok(None);
        }
        let invalid = |what: &'static str, detail: String| DecodeError::Invalid { what, detail };
        let api_ids: Result<Vec<ApiId>, _> = document
            .api_ids
            .iter()
            .map(|id| ApiId::from_bytes(id))
            .collect();
        let allowed_ips: Result<Vec<IpNet>, _> = document
            .allowed_ips
            .iter()
            .map(|text| {
                text.parse()
                    .map_err(|_| invalid("allowed address", text.clone()))
            })
            .collect();
        let rate = match &document.rate {
            None => None,
            Some(rate) => {
                let limit =
                    rate_limit(rate).ok_or_else(|| invalid("rate of a key", id.to_string()))?;
                Some((limit, registry.key(id)))
            }
        };
        Ok(Some(Self {
            scopes: document.scopes.map(|scopes| scopes.items.into()),
            api_ids: api_ids?.into(),
            allowed_ips: allowed_ips?.into(),
            rate,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_plain_keys_take_88_megabytes() {
        assert_eq!(size_of::<Key>() + size_of::<[u8; 32]>(), 88);
    }
}
