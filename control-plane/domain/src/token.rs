//! What our tokens say: access tokens (RFC 9068), id tokens (OpenID Connect Core 1.0, section 2),
//! and the authorization codes and refresh tokens that they come of.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use snapshot::chunk::sha256;

use crate::member::Attributes;

/// Scopes that every client may ask for (OpenID Connect Core, sections 5.4 and 11).
pub const OPENID_SCOPES: &[&str] = &[OPENID, PROFILE, EMAIL, OFFLINE_ACCESS];
pub const OPENID: &str = "openid";
pub const PROFILE: &str = "profile";
pub const EMAIL: &str = "email";
/// Refresh tokens of a grant with it outlive the browser session.
pub const OFFLINE_ACCESS: &str = "offline_access";

/// Most audiences that one token names; a request with more has to name the API it is for.
pub const AUDIENCES_MAX: usize = 20;

/// What a token is for, so that none passes for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    Access,
    Id,
}

/// The claims of an access token. Instants are Unix seconds (RFC 7519, section 2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    /// The person (`usr_…`), or the client itself (`cli_…`).
    pub sub: String,
    pub client_id: String,
    /// Audiences of the APIs that it is for.
    pub aud: Vec<String>,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub jti: uuid::Uuid,
    /// The grant that it came of, the same in all tokens of one sign-in; a client's own: `jti`.
    pub origin_jti: uuid::Uuid,
    /// When the person signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Separated by spaces.
    pub scope: String,
    pub token_use: TokenUse,
    /// The person's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    pub tenant_id: String,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    #[serde(flatten)]
    pub custom: CustomClaims,
}

/// What a tenant keeps of a person, as Amazon Cognito names it: `custom:` and the attribute's name,
/// with a text. Small, because attributes are ([`crate::member::Attributes::BYTES_MAX`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomClaims(BTreeMap<String, String>);

const CUSTOM_PREFIX: &str = "custom:";

impl From<&Attributes> for CustomClaims {
    fn from(attributes: &Attributes) -> Self {
        Self(attributes.as_map().clone())
    }
}

impl Serialize for CustomClaims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.0.iter();
        serializer
            .collect_map(claims.map(|(name, value)| (format!("{CUSTOM_PREFIX}{name}"), value)))
    }
}

impl<'de> Deserialize<'de> for CustomClaims {
    /// Of all claims that have no field of their own: others are not looked at.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let claims = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
        let custom = claims.into_iter().filter_map(|(name, value)| {
            let name = name.strip_prefix(CUSTOM_PREFIX)?.to_owned();
            Some((name, value.as_str()?.to_owned()))
        });
        Ok(Self(custom.collect()))
    }
}

impl AccessClaims {
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|one| one == scope)
    }
}

/// The claims of an id token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdClaims {
    pub iss: String,
    pub sub: String,
    /// The client.
    pub aud: String,
    pub exp: i64,
    pub iat: i64,
    pub auth_time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// How the person signed in (RFC 8176).
    pub amr: Vec<String>,
    pub jti: uuid::Uuid,
    pub origin_jti: uuid::Uuid,
    pub token_use: TokenUse,
    pub tenant_id: String,
    #[serde(flatten)]
    pub person: PersonClaims,
}

/// What an application learns of a person, by the scopes that it was given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonClaims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    #[serde(flatten)]
    pub custom: CustomClaims,
}

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl $name {
            pub fn reveal(&self) -> &str {
                &self.0
            }
        }
    };
}

opaque! {
    /// An authorization code, `tgc_` and 256 random bits; stored is its hash.
    PlainCode
}

opaque! {
    /// A refresh token. It names its grant and its number in it and carries a code that only this
    /// deployment can compute, so that nothing of it is stored.
    PlainRefreshToken
}

const CODE_PREFIX: &str = "tgc_";
const REFRESH_PREFIX: &str = "tgr_";

impl PlainCode {
    pub fn mint(random: &[u8; 32]) -> Self {
        Self(format!("{CODE_PREFIX}{}", base64url(random)))
    }

    /// A presented code, if it has the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(CODE_PREFIX)?;
        (body.len() == 43 && is_base64url(body)).then(|| Self(text.to_owned()))
    }

    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }
}

/// Which token of which grant a refresh token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshPlace {
    pub grant: uuid::Uuid,
    pub sequence: u32,
}

impl RefreshPlace {
    /// What the code of the token is computed over.
    pub fn message(self) -> [u8; 20] {
        let mut message = [0; 20];
        message[..16].copy_from_slice(self.grant.as_bytes());
        message[16..].copy_from_slice(&self.sequence.to_be_bytes());
        message
    }

    pub fn token(self, code: &[u8; 32]) -> PlainRefreshToken {
        let bytes = [&self.message()[..], code].concat();
        PlainRefreshToken(format!("{REFRESH_PREFIX}{}", base64url(&bytes)))
    }

    /// Place and code of a presented token, if it has the form of one. The caller checks the code.
    pub fn parse(text: &str) -> Option<(Self, [u8; 32])> {
        let bytes = from_base64url(text.strip_prefix(REFRESH_PREFIX)?)?;
        let (message, code) = bytes.split_at_checked(20)?;
        let place = Self {
            grant: uuid::Uuid::from_slice(&message[..16]).ok()?,
            sequence: u32::from_be_bytes(message[16..].try_into().ok()?),
        };
        Some((place, code.try_into().ok()?))
    }
}

/// Whether the verifier is the one of the challenge: BASE64URL(SHA256(verifier)) (RFC 7636,
/// section 4.6). A verifier has 43 to 128 unreserved characters.
pub fn is_verifier_of(challenge: &str, verifier: &str) -> bool {
    is_verifier(verifier) && base64url(&sha256(verifier.as_bytes())) == challenge
}

fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// Whether a text can be the S256 challenge of some verifier.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && is_base64url(text)
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Without padding (RFC 7515, section 2).
pub fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_of_rfc_7636_appendix_b_opens_its_challenge_and_no_other_does() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(is_challenge(challenge));
        assert!(is_verifier_of(challenge, verifier));
        assert!(!is_verifier_of(challenge, &verifier.replace('d', "e")));
        assert!(!is_verifier_of(challenge, challenge));
        assert!(!is_verifier_of(challenge, ""));
    }

    #[test]
    fn attributes_are_custom_claims_and_other_claims_are_none() {
        let text = r#"{"email":"ada@example.com","custom:team":"east","custom:n":1,"other":"x"}"#;
        let claims: PersonClaims = serde_json::from_str(text).expect("claims");
        let team = BTreeMap::from([("team".to_owned(), "east".to_owned())]);
        assert_eq!(claims.custom, CustomClaims(team));
        let text = serde_json::to_string(&claims).expect("JSON");
        assert_eq!(text, r#"{"email":"ada@example.com","custom:team":"east"}"#);
    }

    #[test]
    fn a_refresh_token_names_its_place() {
        let place = RefreshPlace {
            grant: uuid::Uuid::from_u128(7),
            sequence: 3,
        };
        let token = place.token(&[9; 32]);
        assert_eq!(RefreshPlace::parse(token.reveal()), Some((place, [9; 32])));
        for wrong in ["", "tgr_", "tgr_AAAA", "tgc_AAAA", &token.reveal()[..60]] {
            assert_eq!(RefreshPlace::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_code_has_one_form() {
        let code = PlainCode::mint(&[5; 32]);
        assert_eq!(PlainCode::parse(code.reveal()), Some(code.clone()));
        assert_eq!(PlainCode::parse(&format!("{}=", code.reveal())), None);
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
