//! API keys: minting, importing, what is shown of them, and what restricts them.

use ipnet::IpNet;
use snapshot::api_key::{IMPORTED_LENGTH_MIN, LENGTH_MAX, Shape, mint, shape};
pub use snapshot::api_key::{KeyHash, Pepper};
use snapshot::id::{ApiId, ApiKeyId, TenantId, UserId};
use time::OffsetDateTime;

use crate::field::{FieldError, names};
use crate::plan::Rate;
use crate::scope::Scope;

/// `tg_live_` and four more characters: enough to recognise, 24 of 178 bits.
pub const PREFIX_LENGTH: usize = 12;
/// Imported values may be short: less of them is shown.
pub const IMPORTED_PREFIX_LENGTH: usize = 4;
/// An imported value needs at least this much, by the spread of its own characters.
const IMPORTED_BITS_MIN: f64 = 60.0;
pub const ALLOWED_IPS_MAX: usize = 100;

names! {
    KeyName;
}

/// A key's value. It is shown in the one answer that made it and stored nowhere.
pub struct PlainKey {
    value: String,
    is_imported: bool,
}

impl std::fmt::Debug for PlainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlainKey({}…)", self.prefix())
    }
}

impl PlainKey {
    /// `tg_live_…` or `tg_test_…` from given randomness.
    pub fn mint(is_live: bool, random: &[u8; 32]) -> Self {
        Self {
            value: mint(is_live, random),
            is_imported: false,
        }
    }

    /// Takes over a value that another system made, if it is not guessable.
    pub fn import(raw: &str) -> Result<Self, FieldError> {
        let wrong = |code, message: String| Err(FieldError::new("value", code, message));
        if raw.len() < IMPORTED_LENGTH_MIN || raw.len() > LENGTH_MAX {
            return wrong(
                "wrong_length",
                format!("A key has {IMPORTED_LENGTH_MIN} to {LENGTH_MAX} characters."),
            );
        }
        match shape(raw.as_bytes()) {
            Shape::Imported => {}
            Shape::Minted => {
                return wrong(
                    "reserved_prefix",
                    "Keys that start with tg_live_ or tg_test_ are made here; leave the value empty.".to_owned(),
                );
            }
            Shape::Impossible => {
                return wrong(
                    "invalid",
                    "Use visible ASCII characters, and none of the prefixes tg_live_ and tg_test_."
                        .to_owned(),
                );
            }
        }
        if is_guessable(raw.as_bytes()) {
            return wrong(
                "guessable",
                "This value could be guessed: use one made at random.".to_owned(),
            );
        }
        Ok(Self {
            value: raw.to_owned(),
            is_imported: true,
        })
    }

    /// What is shown of it for good.
    pub fn prefix(&self) -> &str {
        let length = if self.is_imported {
            IMPORTED_PREFIX_LENGTH
        } else {
            PREFIX_LENGTH
        };
        &self.value[..length]
    }

    pub fn is_imported(&self) -> bool {
        self.is_imported
    }

    pub fn hash(&self, pepper: &Pepper) -> KeyHash {
        pepper.hash(self.value.as_bytes())
    }

    /// For the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.value
    }
}

/// Whether a value repeats itself, counts up or down, or has too few different characters to be
/// random.
fn is_guessable(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let repeats = (1..=lower.len() / 2).any(|unit| {
        lower[unit..]
            .iter()
            .zip(&lower)
            .all(|(here, before)| here == before)
    });
    let steps = lower
        .windows(2)
        .filter(|pair| pair[0].abs_diff(pair[1]) <= 1)
        .count();
    repeats || steps * 2 > lower.len() || bits(&lower) < IMPORTED_BITS_MIN
}

/// Shannon's estimate from the value's own characters: a lower bound for random values, and small
/// for words and patterns.
fn bits(value: &[u8]) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value {
        counts[usize::from(*byte)] += 1;
    }
    let length = value.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) * (length / f64::from(*count)).log2())
        .sum()
}

/// An address or a network that may use a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AllowedIp(IpNet);

impl AllowedIp {
    /// `10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`; host bits are cleared.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim();
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
            .map(|network| Self(network.trunc()))
            .map_err(|_| {
                FieldError::new(
                    "allowed_ips",
                    "invalid",
                    "Enter an address or a network such as 10.0.0.0/8.",
                )
            })
    }
}

impl std::fmt::Display for AllowedIp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a person says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerms {
    pub name: KeyName,
    pub is_enabled: bool,
    pub expires_at: Option<OffsetDateTime>,
    /// Restriction to these; none: whatever the subscription allows.
    pub scopes: Option<Vec<Scope>>,
    /// Restriction to these; empty: every API of the tenant's subscriptions.
    pub api_ids: Vec<ApiId>,
    pub allowed_ips: Vec<AllowedIp>,
    /// On top of the subscription's, so that it only ever tightens.
    pub rate: Option<Rate>,
}

impl KeyTerms {
    /// An unrestricted, enabled key.
    pub fn named(name: KeyName) -> Self {
        Self {
            name,
            is_enabled: true,
            expires_at: None,
            scopes: None,
            api_ids: Vec::new(),
            allowed_ips: Vec::new(),
            rate: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub tenant_id: TenantId,
    pub name: String,
    pub prefix: String,
    pub is_imported: bool,
    pub is_enabled: bool,
    pub expires_at: Option<OffsetDateTime>,
    pub scopes: Option<Vec<String>>,
    pub api_ids: Vec<ApiId>,
    pub allowed_ips: Vec<String>,
    pub rate: Option<Rate>,
    /// To the minute; an observation, not an edit.
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    /// Until when the value before the last rotation works.
    pub previous_value_expires_at: Option<OffsetDateTime>,
    pub edition: i32,
    pub created_by: Option<UserId>,
    pub created_at: OffsetDateTime,
}

/// The key was revoked before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is revoked already")]
pub struct AlreadyRevoked;

impl ApiKey {
    /// Whether a node would take it, its tenant and subscription aside.
    pub fn works(&self, now: OffsetDateTime) -> bool {
        self.is_enabled && self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    pub fn revoke(self, now: OffsetDateTime) -> Result<ApiKey, AlreadyRevoked> {
        if self.revoked_at.is_some() {
            return Err(AlreadyRevoked);
        }
        Ok(ApiKey {
            revoked_at: Some(now),
            previous_value_expires_at: None,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_shows_twelve_characters_and_an_imported_one_four() {
        let minted = PlainKey::mint(true, &[7; 32]);
        assert_eq!(minted.prefix().len(), 12);
        assert!(minted.prefix().starts_with("tg_live_"));
        let imported = PlainKey::import("kZ8r-1mQx0Yt_7LwB3nVsPaE").expect("random enough");
        assert_eq!(imported.prefix(), "kZ8r");
        assert_eq!(format!("{imported:?}"), "PlainKey(kZ8r…)");
    }

    #[test]
    fn values_that_could_be_guessed_are_not_imported() {
        for (value, code) in [
            ("short", "wrong_length"),
            ("aaaaaaaaaaaaaaaaaaaaaaaa", "guessable"),
            ("abcdefghijklmnopqrstuvwxyz", "guessable"),
            ("12345678901234567890", "guessable"),
            ("deadbeefdeadbeefdeadbeef", "guessable"),
            ("passwordpasswordpassword", "guessable"),
            ("zyxwvutsrqponmlkjihgfedcba", "guessable"),
            ("with spaces in the middle", "invalid"),
            ("tg_live_0123456789012345678901234567", "invalid"),
        ] {
            let found = PlainKey::import(value).map(|_| ()).map_err(|e| e.code);
            assert_eq!(found, Err(code), "{value}");
        }
        for value in [
            "4f2c8a91-7be0-4d33-9a5e-1c6d0b7f8e29",
            "9f86d081884c7d659a2feaa0c55ad015",
            "Qm9vdGhCYXkyN0xha2VWaWV3",
        ] {
            assert!(PlainKey::import(value).is_ok(), "{value}");
        }
    }

    #[test]
    fn a_value_of_our_own_form_cannot_be_imported() {
        let minted = PlainKey::mint(true, &[3; 32]);
        let found = PlainKey::import(minted.reveal()).map_err(|e| e.code);
        assert_eq!(found.map(|_| ()), Err("reserved_prefix"));
    }

    #[test]
    fn allowed_addresses_are_networks_without_host_bits() {
        for (raw, expected) in [
            ("10.1.2.3/8", Some("10.0.0.0/8")),
            ("10.1.2.3", Some("10.1.2.3/32")),
            ("2001:db8::1", Some("2001:db8::1/128")),
            ("10.1.2.3/33", None),
            ("example.com", None),
        ] {
            let found = AllowedIp::parse(raw).ok().map(|ip| ip.to_string());
            assert_eq!(found.as_deref(), expected, "{raw}");
        }
    }
}
