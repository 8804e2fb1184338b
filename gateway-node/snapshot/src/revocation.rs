//! What revocations are about: the keys of the map of revocations.

use std::fmt;

use uuid::Uuid;

use crate::DecodeError;
use crate::id::{ClientId, TenantId, UserId};

/// A kind and the longest subject.
const KEY_BYTES_MAX: usize = 33;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RevocationKind {
    /// A single token.
    Token = 1,
    /// All tokens that came of one authorization.
    Grant = 2,
    /// A person, whatever the tenant.
    User = 3,
    /// A person in one tenant.
    Member = 4,
    Client = 5,
    Tenant = 6,
}

impl RevocationKind {
    pub const ALL: [RevocationKind; 6] = [
        RevocationKind::Token,
        RevocationKind::Grant,
        RevocationKind::User,
        RevocationKind::Member,
        RevocationKind::Client,
        RevocationKind::Tenant,
    ];

    /// Bytes of the ids that say what is revoked.
    fn subject_bytes(self) -> usize {
        match self {
            RevocationKind::Member => 32,
            RevocationKind::Token
            | RevocationKind::Grant
            | RevocationKind::User
            | RevocationKind::Client
            | RevocationKind::Tenant => 16,
        }
    }
}

/// One byte of kind, then the ids of the subject; for a member tenant, then person.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RevocationKey {
    kind: RevocationKind,
    bytes: [u8; KEY_BYTES_MAX],
    len: u8,
}

impl RevocationKey {
    pub fn new(kind: RevocationKind, subject: &[u8]) -> Result<Self, DecodeError> {
        if subject.len() != kind.subject_bytes() {
            return Err(DecodeError::Length {
                what: "subject of a revocation",
                expected: kind.subject_bytes(),
                found: subject.len(),
            });
        }
        Ok(Self::of(kind, &[subject]))
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (kind, subject) = bytes.split_first().ok_or(DecodeError::Length {
            what: "key of a revocation",
            expected: 17,
            found: 0,
        })?;
        let kind = RevocationKind::ALL
            .into_iter()
            .find(|known| *known as u8 == *kind)
            .ok_or_else(|| DecodeError::Invalid {
                what: "key of a revocation",
                detail: format!("kind {kind}"),
            })?;
        Self::new(kind, subject)
    }

    pub fn token(jti: Uuid) -> Self {
        Self::of(RevocationKind::Token, &[jti.as_bytes()])
    }

    pub fn grant(origin: Uuid) -> Self {
        Self::of(RevocationKind::Grant, &[origin.as_bytes()])
    }

    pub fn user(user: UserId) -> Self {
        Self::of(RevocationKind::User, &[user.0.as_bytes()])
    }

    pub fn member(tenant: TenantId, user: UserId) -> Self {
        let subject: [&[u8]; 2] = [tenant.0.as_bytes(), user.0.as_bytes()];
        Self::of(RevocationKind::Member, &subject)
    }

    pub fn client(client: ClientId) -> Self {
        Self::of(RevocationKind::Client, &[client.0.as_bytes()])
    }

    pub fn tenant(tenant: TenantId) -> Self {
        Self::of(RevocationKind::Tenant, &[tenant.0.as_bytes()])
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub fn kind(&self) -> RevocationKind {
        self.kind
    }

    /// The ids of what is revoked.
    pub fn subject(&self) -> &[u8] {
        &self.as_bytes()[1..]
    }

    /// The parts together are not longer than a member's.
    fn of(kind: RevocationKind, parts: &[&[u8]]) -> Self {
        let mut bytes = [0; KEY_BYTES_MAX];
        bytes[0] = kind as u8;
        let mut len = 1;
        for part in parts {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Self {
            kind,
            bytes,
            len: len as u8,
        }
    }
}

impl fmt::Debug for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_bytes_and_nothing_else_is_one() {
        let (tenant, user) = (TenantId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let id = Uuid::from_u128(3);
        for key in [
            RevocationKey::token(id),
            RevocationKey::grant(id),
            RevocationKey::user(user),
            RevocationKey::member(tenant, user),
            RevocationKey::client(ClientId(id)),
            RevocationKey::tenant(tenant),
        ] {
            assert_eq!(RevocationKey::from_bytes(key.as_bytes()), Ok(key));
        }
        for bytes in [&[][..], &[0; 17], &[7; 17], &[1; 16], &[1; 33], &[4; 17]] {
            assert!(RevocationKey::from_bytes(bytes).is_err(), "{bytes:?}");
        }
    }
}
