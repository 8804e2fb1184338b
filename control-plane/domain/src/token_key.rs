//! Keys that tokens are signed with.

use time::{Duration, OffsetDateTime};

use crate::field::closed_set;

closed_set! {
    /// Algorithms of JSON Web Signatures (RFC 7518, section 3.1; RFC 8037, section 3.1).
    SigningAlgorithm {
        Rs256 = "RS256",
        Es256 = "ES256",
        EdDsa = "EdDSA",
    }
}

/// A new key is shown for this long before it signs: longer than anybody is told to cache the JWKS.
pub const SHOWN_BEFORE: Duration = Duration::minutes(10);
/// A key that was replaced is shown on for longer than the longest token lives.
pub const SHOWN_AFTER: Duration = Duration::hours(25);

/// A key as it is stored. The private half is sealed.
#[derive(Clone, PartialEq)]
pub struct TokenKey {
    pub id: uuid::Uuid,
    /// The thumbprint of the key, shortened (RFC 7638).
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// As in the JWKS (RFC 7517).
    pub public_jwk: serde_json::Value,
    pub sealed_private_key: Vec<u8>,
    pub signs_from: OffsetDateTime,
    /// `None`: not replaced yet.
    pub verifies_until: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({} {})", self.algorithm, self.kid)
    }
}

/// The key that signs at this instant: the newest whose time has come.
pub fn signer(
    keys: &[TokenKey],
    algorithm: SigningAlgorithm,
    now: OffsetDateTime,
) -> Option<&TokenKey> {
    keys.iter()
        .filter(|key| key.algorithm == algorithm && key.signs_from <= now)
        .filter(|key| key.verifies_until.is_none_or(|until| now < until))
        .max_by_key(|key| (key.signs_from, key.id))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn key(id: u128, signs_from: OffsetDateTime, until: Option<OffsetDateTime>) -> TokenKey {
        TokenKey {
            id: uuid::Uuid::from_u128(id),
            kid: id.to_string(),
            algorithm: SigningAlgorithm::Rs256,
            public_jwk: serde_json::Value::Null,
            sealed_private_key: Vec::new(),
            signs_from,
            verifies_until: until,
            created_at: signs_from,
        }
    }

    #[test]
    fn the_newest_key_whose_time_has_come_signs() {
        let start = datetime!(2026-01-01 00:00 UTC);
        let turn = start + Duration::hours(1);
        let keys = [key(1, start, Some(turn + SHOWN_AFTER)), key(2, turn, None)];
        let signs = |now| signer(&keys, SigningAlgorithm::Rs256, now).map(|key| key.kid.as_str());
        assert_eq!(signs(start - Duration::seconds(1)), None);
        assert_eq!(signs(start), Some("1"));
        assert_eq!(signs(turn - Duration::nanoseconds(1)), Some("1"));
        assert_eq!(signs(turn), Some("2"));
        assert_eq!(signer(&keys, SigningAlgorithm::Es256, turn), None);
    }
}
