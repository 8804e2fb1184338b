//! Tokens with which a person's programs call the JSON API: `tgp_` and 36 base62 characters.

use snapshot::api_key::mint;
use snapshot::id::UserId;
use time::OffsetDateTime;

use crate::field::names;

pub const PREFIX: &str = "tgp_";

names! {
    TokenName;
}

/// A token's value, shown once. Debug shows nothing of it.
pub struct PlainToken(String);

impl std::fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainToken(tgp_…)")
    }
}

impl PlainToken {
    /// Base62 with a checksum, like an API key, so that a mistyped one costs no look-up.
    pub fn mint(random: &[u8; 32]) -> Self {
        let key = mint(true, random);
        Self(format!("{PREFIX}{}", &key["tg_live_".len()..]))
    }

    /// A presented token, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let as_key = format!("tg_live_{body}");
        let has_form =
            snapshot::api_key::shape(as_key.as_bytes()) == snapshot::api_key::Shape::Minted;
        has_form.then(|| Self(text.to_owned()))
    }

    /// What is stored: SHA-256, which is enough for 178 random bits.
    pub fn hash(&self) -> [u8; 32] {
        snapshot::chunk::sha256(self.0.as_bytes())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalToken {
    pub id: snapshot::id::ApiKeyId,
    pub user_id: UserId,
    pub name: String,
    /// Names of the actions that it may be used for; empty: all that its person may.
    pub scopes: Vec<String>,
    pub expires_at: OffsetDateTime,
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognised_by_form_and_checksum() {
        let token = PlainToken::mint(&[9; 32]);
        let read = PlainToken::parse(token.reveal()).expect("has the form");
        assert_eq!(read.hash(), token.hash());
        let mut wrong = token.reveal().to_owned();
        wrong.pop();
        assert!(PlainToken::parse(&wrong).is_none());
        assert!(PlainToken::parse("tg_live_x").is_none());
    }
}
