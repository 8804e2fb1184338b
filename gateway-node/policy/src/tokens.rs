//! Tokens of our own issuer (RFC 9068), signed, or signed and then encrypted: cheap checks first,
//! then decryption and the signature, once; what can change is checked on every request.

mod compact;
mod issuer;
mod memory;

use std::rc::Rc;
use std::sync::Arc;

use aws_lc_rs::digest;
use snapshot::chunk::Kind;
use snapshot::id::TenantId;
use snapshot::jwe::{self, ENCRYPTED_BYTES_MAX, Encrypted};
use snapshot::revocation::RevocationKey;
use snapshot::trie::path_of;

use crate::api::Api;
use crate::compile::Snapshot;
use crate::refusal::RefusalCode;
use crate::request::Now;
use crate::revocations::Revocable;
use compact::{Claims, Compact, Subject};
pub(crate) use issuer::Issuer;
use issuer::VerifyingKey;
pub use memory::TokenMemory;

/// How far the issuer's clock may be ahead of the node's.
const LEEWAY_S: i64 = 5;

/// A token whose signature was verified, and what is checked of it on every request.
pub(crate) struct Token {
    pub(crate) tenant_id: TenantId,
    /// First bytes of the tenant's path in the map of tenants: saves a hash per request.
    tenant_path: [u8; 8],
    /// `usr_…` or `cli_…`.
    pub(crate) subject: Arc<str>,
    pub(crate) scopes: Arc<[String]>,
    audience: Box<[String]>,
    issuer: Box<str>,
    key: Arc<VerifyingKey>,
    revocables: Box<[Revocable]>,
    expires_at_s: i64,
    issued_at_s: i64,
    not_before_s: i64,
}

/// Finds out whether a token is good for an API at this instant. Failing tells an attacker nothing
/// but what the token itself says.
pub(crate) fn authenticate(
    snapshot: &Snapshot,
    memory: &TokenMemory,
    api: &Api,
    token: &[u8],
    now: Now,
) -> Result<Rc<Token>, RefusalCode> {
    let issuer = snapshot.issuer.as_ref().ok_or(RefusalCode::TokenInvalid)?;
    if token.len() > ENCRYPTED_BYTES_MAX {
        return Err(RefusalCode::TokenInvalid);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
    let found = match memory.find(&hash) {
        Some(known) => {
            known.check(issuer, api, now)?;
            known
        }
        None => {
            let opened = match jwe::has_five_parts(token) {
                true => Some(open(issuer, memory, token, now)?),
                false => None,
            };
            let signed = opened.as_deref().unwrap_or(token);
            let verified = Rc::new(verify(issuer, memory, api, signed, now)?);
            // By what was sent: an encrypted token is opened once.
            memory.remember(hash, verified.clone());
            verified
        }
    };
    if found.is_revoked(snapshot) {
        return Err(RefusalCode::TokenRevoked);
    }
    Ok(found)
}

/// What an encrypted token holds. Agreeing on its key costs about what verifying a signature does,
/// and takes from the same budget.
fn open(
    issuer: &Issuer,
    memory: &TokenMemory,
    token: &[u8],
    now: Now,
) -> Result<Vec<u8>, RefusalCode> {
    let invalid = RefusalCode::TokenInvalid;
    let encrypted = Encrypted::parse(token).ok_or(invalid)?;
    let key = issuer.opening_key(encrypted.kid(), now.unix_ms);
    let key = key.ok_or(invalid)?;
    if !memory.may_check(now.mono_ns) {
        return Err(RefusalCode::VerificationBusy);
    }
    encrypted.open(key).map_err(|_| invalid)
}

fn verify(
    issuer: &Issuer,
    memory: &TokenMemory,
    api: &Api,
    token: &[u8],
    now: Now,
) -> Result<Token, RefusalCode> {
    let invalid = RefusalCode::TokenInvalid;
    let compact = Compact::split(token).ok_or(invalid)?;
    let header = compact.header().ok_or(invalid)?;
    if !header.is_access_token() {
        return Err(invalid);
    }
    let key = issuer.key(&header.kid, &header.alg).ok_or(invalid)?;
    let token = Token::new(compact.claims().ok_or(invalid)?, key.clone());
    token.check(issuer, api, now)?;
    let signature = compact.signature().ok_or(invalid)?;
    if !memory.may_check(now.mono_ns) {
        return Err(RefusalCode::VerificationBusy);
    }
    if !key.verifies(compact.signed, &signature) {
        return Err(invalid);
    }
    Ok(token)
}

impl Token {
    fn new(claims: Claims, key: Arc<VerifyingKey>) -> Self {
        let tenant = claims.tenant_id;
        let mut revocables = vec![
            RevocationKey::token(claims.id),
            RevocationKey::grant(claims.origin),
            RevocationKey::client(claims.client_id),
            RevocationKey::tenant(tenant),
        ];
        let subject = match claims.subject {
            Subject::User(user) => {
                revocables.push(RevocationKey::user(user));
                revocables.push(RevocationKey::member(tenant, user));
                user.to_string()
            }
            Subject::Client(client) => client.to_string(),
        };
        let path = path_of(Kind::TenantLeaf, &tenant.to_bytes());
        let mut tenant_path = [0; 8];
        tenant_path.copy_from_slice(&path[..8]);
        Self {
            tenant_id: tenant,
            tenant_path,
            subject: subject.into(),
            scopes: claims.scopes.into(),
            audience: claims.audience.into(),
            issuer: claims.issuer.into(),
            key,
            revocables: revocables.into_iter().map(Revocable::from).collect(),
            expires_at_s: claims.expires_at_s,
            issued_at_s: claims.issued_at_s,
            not_before_s: claims.not_before_s,
        }
    }

    /// The tenant's path, as far as any trie is deep.
    pub(crate) fn tenant_path(&self) -> [u8; 32] {
        let mut path = [0; 32];
        path[..8].copy_from_slice(&self.tenant_path);
        path
    }

    /// What is cheap to see, and may be otherwise at the next request.
    fn check(&self, issuer: &Issuer, api: &Api, now: Now) -> Result<(), RefusalCode> {
        let now_s = now.unix_ms.div_euclid(1000);
        let key = issuer.still(&self.key);
        if *self.issuer != *issuer.name
            || key.is_none_or(|key| key.verifies_until_ms <= now.unix_ms)
        {
            return Err(RefusalCode::TokenInvalid);
        }
        if self.expires_at_s <= now_s {
            return Err(RefusalCode::TokenExpired);
        }
        if self.not_before_s.max(self.issued_at_s) > now_s.saturating_add(LEEWAY_S) {
            return Err(RefusalCode::TokenInvalid);
        }
        if !self.audience.contains(&api.audience) {
            return Err(RefusalCode::TokenAudience);
        }
        Ok(())
    }

    fn is_revoked(&self, snapshot: &Snapshot) -> bool {
        let issued_at_ms = self.issued_at_s.saturating_mul(1000);
        let tree = &snapshot.revocations;
        let mut revocables = self.revocables.iter();
        !tree.is_empty() && revocables.any(|one| one.is_revoked(tree, issued_at_ms))
    }

    /// What it takes in memory, without the key that it shares.
    fn bytes(&self) -> usize {
        let texts = |texts: &[String]| -> usize {
            let each = texts.iter().map(|text| text.len() + size_of::<String>());
            each.sum()
        };
        size_of::<Self>()
            + self.subject.len()
            + self.issuer.len()
            + texts(&self.scopes)
            + texts(&self.audience)
            + size_of_val(&*self.revocables)
    }
}

#[cfg(test)]
mod tests;
