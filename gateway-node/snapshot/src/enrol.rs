//! Enrolment: a token, the node's own public keys, and what the node gets for them.

use crate::seal::SealedDataKey;
use crate::sign::Signed;

pub const PATH: &str = "/node/v1/enroll";
pub const LABELS_MAX: usize = 32;

/// Body of `POST /node/v1/enroll`. Idempotent by token and `signing_key`: asked again, it answers
/// with the same node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct EnrolRequest {
    /// The token's text as the operator was shown it.
    #[prost(string, tag = "1")]
    pub token: String,
    /// Ed25519, made by the node; calls are signed with it.
    #[prost(bytes = "vec", tag = "2")]
    pub signing_key: Vec<u8>,
    /// X25519, made by the node; data keys are sealed to it.
    #[prost(bytes = "vec", tag = "3")]
    pub seal_key: Vec<u8>,
    /// What the node calls itself: its host name, for people.
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub software_version: String,
    /// Signature over the token's text by `signing_key`, so that nobody enrols another's key.
    #[prost(bytes = "vec", tag = "6")]
    pub proof: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct EnrolResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub node_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub deployment_id: Vec<u8>,
    /// From the root key that the token pins to the statement in force.
    #[prost(message, repeated, tag = "3")]
    pub root_chain: Vec<Signed>,
    #[prost(message, repeated, tag = "4")]
    pub data_keys: Vec<SealedDataKey>,
}

/// An enrolment token: `tge_<secret>.<fingerprint of the root key>`, both base64url.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolToken {
    secret: String,
    pub root_fingerprint: [u8; 32],
}

/// The text is not an enrolment token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an enrolment token has the form tge_<secret>.<fingerprint>; copy it whole from the console"
)]
pub struct InvalidToken;

impl EnrolToken {
    pub fn mint(random: &[u8; 32], root_fingerprint: [u8; 32]) -> Self {
        Self {
            secret: base64url(random),
            root_fingerprint,
        }
    }

    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        use base64::Engine;
        let (secret, print) = text
            .trim()
            .strip_prefix("tge_")
            .and_then(|rest| rest.split_once('.'))
            .ok_or(InvalidToken)?;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let print = engine.decode(print).map_err(|_| InvalidToken)?;
        if engine.decode(secret).map_err(|_| InvalidToken)?.len() != 32 {
            return Err(InvalidToken);
        }
        Ok(Self {
            secret: secret.to_owned(),
            root_fingerprint: print.try_into().map_err(|_| InvalidToken)?,
        })
    }

    /// The whole text, to be shown once.
    pub fn reveal(&self) -> String {
        format!("tge_{}.{}", self.secret, base64url(&self.root_fingerprint))
    }

    /// What is stored of it: SHA-256 of the secret, which has 256 bits of its own.
    pub fn hash(&self) -> [u8; 32] {
        crate::chunk::sha256(self.secret.as_bytes())
    }
}

impl std::fmt::Debug for EnrolToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EnrolToken(…)")
    }
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
