//! How a node signs its calls: a short EdDSA JWT over method, path with query, and body digest,
//! usable once, in `Authorization: Bearer`.

use base64::Engine;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};

use crate::chunk::sha256;
use crate::id::NodeId;

/// A call is accepted this long before and after the instant it says it was made at.
pub const LIFETIME_SECONDS: i64 = 60;
const TOKEN_BYTES_MAX: usize = 16 << 10;
const NONCE_LENGTH_MAX: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Claims {
    /// The node.
    pub sub: NodeId,
    /// Unix seconds.
    pub iat: i64,
    /// Random; a second call with it is refused.
    pub jti: String,
    pub method: String,
    /// Path and query as they stand in the request line.
    pub target: String,
    /// SHA-256 of the body, base64url.
    pub digest: String,
}

/// The parts of a call that its token vouches for.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub body: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("the node's token is malformed")]
    Malformed,
    #[error("the node's token is not signed by the node's key")]
    Signature,
    #[error("the node's token is for another call")]
    OtherCall,
    #[error("the node's token is not of this minute; compare the clocks of node and control plane")]
    Time,
}

/// A node's private key in the form that signs calls.
pub struct CallKey(EncodingKey);

impl CallKey {
    /// From a PKCS#8 document of an Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Self {
        Self(EncodingKey::from_ed_der(der))
    }
}

impl std::fmt::Debug for CallKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CallKey(…)")
    }
}

/// Makes the token of one call. `nonce` is random.
pub fn sign(
    node: NodeId,
    call: Call<'_>,
    key: &CallKey,
    now_seconds: i64,
    nonce: &[u8; 16],
) -> Result<String, CallError> {
    let claims = Claims {
        sub: node,
        iat: now_seconds,
        jti: base64url(nonce),
        method: call.method.to_owned(),
        target: call.target.to_owned(),
        digest: base64url(&sha256(call.body)),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key.0)
        .map_err(|_| CallError::Malformed)
}

/// Which node a token says it is of, before anything is verified.
pub fn claimed_node(token: &str) -> Result<NodeId, CallError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(CallError::Malformed);
    }
    let claims = token.split('.').nth(1).ok_or(CallError::Malformed)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .map_err(|_| CallError::Malformed)?;
    serde_json::from_slice::<Claims>(&claims)
        .map(|claims| claims.sub)
        .map_err(|_| CallError::Malformed)
}

/// Verifies everything but that the `jti` is new, which is the caller's to remember for twice
/// [`LIFETIME_SECONDS`].
pub fn verify(
    token: &str,
    public_key: &[u8; 32],
    call: Call<'_>,
    now_seconds: i64,
) -> Result<Claims, CallError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(CallError::Malformed);
    }
    let mut validation = Validation::new(Algorithm::EdDSA);
    // The instant is checked below against the caller's clock, not the library's.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let claims =
        jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_ed_der(public_key), &validation)
            .map_err(|_| CallError::Signature)?
            .claims;
    let age = now_seconds.checked_sub(claims.iat).map(i64::unsigned_abs);
    if age.is_none_or(|age| age > LIFETIME_SECONDS.unsigned_abs()) {
        return Err(CallError::Time);
    }
    if claims.jti.len() > NONCE_LENGTH_MAX {
        return Err(CallError::Malformed);
    }
    let is_this_call = claims.method == call.method
        && claims.target == call.target
        && claims.digest == base64url(&sha256(call.body));
    if is_this_call {
        Ok(claims)
    } else {
        Err(CallError::OtherCall)
    }
}

fn base64url(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    const CALL: Call<'_> = Call {
        method: "POST",
        target: "/node/v1/leases",
        body: b"abc",
    };

    fn keys() -> (CallKey, [u8; 32]) {
        let document =
            Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).expect("random");
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("just made");
        (
            CallKey::from_pkcs8(document.as_ref()),
            pair.public_key().as_ref().try_into().expect("32 bytes"),
        )
    }

    #[test]
    fn a_token_is_good_for_its_own_call_only() {
        let (key, public) = keys();
        let node = NodeId(uuid::Uuid::from_u128(5));
        let token = sign(node, CALL, &key, 1_000, &[1; 16]).expect("signs");
        assert_eq!(claimed_node(&token), Ok(node));
        assert_eq!(
            verify(&token, &public, CALL, 1_060).expect("verifies").sub,
            node
        );
        assert_eq!(verify(&token, &public, CALL, 1_061), Err(CallError::Time));
        assert_eq!(verify(&token, &public, CALL, 939), Err(CallError::Time));
        assert_eq!(
            verify(
                &token,
                &public,
                Call {
                    method: "GET",
                    ..CALL
                },
                1_000
            ),
            Err(CallError::OtherCall)
        );
        assert_eq!(
            verify(
                &token,
                &public,
                Call {
                    body: b"abd",
                    ..CALL
                },
                1_000
            ),
            Err(CallError::OtherCall)
        );
        assert_eq!(
            verify(&token, &keys().1, CALL, 1_000),
            Err(CallError::Signature)
        );
    }
}
