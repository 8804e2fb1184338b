//! Keys that access tokens are encrypted to, so that gateway nodes alone can read them.

use time::{Duration, OffsetDateTime};

use crate::token_key::SHOWN_AFTER;

/// What the algorithm is called where keys are listed (RFC 7518, section 4.6).
pub const ALGORITHM: &str = "ECDH-ES";
/// Nodes have a new key for this long before tokens are encrypted to it.
pub const KNOWN_BEFORE: Duration = Duration::minutes(10);
/// The same where somebody knows the key before it who must not: nodes that are connected need
/// about a second.
pub const KNOWN_BEFORE_IN_HASTE: Duration = Duration::minutes(1);
/// A key that was replaced opens tokens for longer than the longest one lives.
pub const OPENS_AFTER: Duration = SHOWN_AFTER;

/// A key as it is stored. The private half is sealed twice.
#[derive(Clone, PartialEq)]
pub struct EncryptionKey {
    pub id: uuid::Uuid,
    /// The thumbprint of the key, shortened (RFC 7638).
    pub kid: String,
    /// An uncompressed point of P-256.
    pub public_key: Vec<u8>,
    /// Under SECRET_KEY.
    pub sealed_private_key: Vec<u8>,
    pub encrypts_from: OffsetDateTime,
    /// `None`: not replaced yet.
    pub opens_until: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

impl std::fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptionKey({})", self.kid)
    }
}

/// The key that tokens are encrypted to at this instant: the newest whose time has come.
pub fn current(keys: &[EncryptionKey], now: OffsetDateTime) -> Option<&EncryptionKey> {
    keys.iter()
        .filter(|key| key.encrypts_from <= now)
        .filter(|key| key.opens_until.is_none_or(|until| now < until))
        .max_by_key(|key| (key.encrypts_from, key.id))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_newest_key_whose_time_has_come_encrypts() {
        let start = datetime!(2026-01-01 00:00 UTC);
        let turn = start + Duration::hours(1);
        let key = |id: u128, encrypts_from, opens_until| EncryptionKey {
            id: uuid::Uuid::from_u128(id),
            kid: id.to_string(),
            public_key: Vec::new(),
            sealed_private_key: Vec::new(),
            encrypts_from,
            opens_until,
            created_at: start,
        };
        let keys = [key(1, start, Some(turn + OPENS_AFTER)), key(2, turn, None)];
        let current = |now| current(&keys, now).map(|key| key.kid.as_str());
        assert_eq!(current(start - Duration::seconds(1)), None);
        assert_eq!(current(start), Some("1"));
        assert_eq!(current(turn - Duration::nanoseconds(1)), Some("1"));
        assert_eq!(current(turn), Some("2"));
    }
}
