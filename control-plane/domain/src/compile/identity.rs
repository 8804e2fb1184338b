//! What nodes are told of tokens: who issues them, which keys verify them, which are revoked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use snapshot::chunk::{Kind, Sealed};
use snapshot::document::{
    Authorizer, EncryptionKey, OwnIssuer, OwnTokens, Revocation, SigningAlgorithm, TokenKey,
};
use snapshot::id::{ApiId, AuthorizerId};
use snapshot::revocation::RevocationKey;
use snapshot::seal::SealedSecret;
use snapshot::trie::Entry;

use super::{directory, entry};

/// A key that tokens are signed with, its public half.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenKeyRow {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// As in the JWKS (RFC 7517).
    pub public_jwk: serde_json::Value,
    pub verifies_until_ms: Option<i64>,
}

/// A key that encrypted tokens are opened with, sealed for the nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct EncryptionKeyRow {
    pub kid: String,
    pub secret: SealedSecret,
    pub opens_until_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationRow {
    pub key: RevocationKey,
    pub issued_before_ms: i64,
}

/// An authorizer for the control plane's own tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizerRow {
    pub id: AuthorizerId,
    pub name: String,
}

/// What tokens for an API must be meant for: what its operator chose, or a name under the issuer's.
pub fn audience_of(chosen: Option<String>, issuer: &str, api: ApiId) -> String {
    chosen.unwrap_or_else(|| format!("{issuer}/apis/{api}"))
}

/// An authorizer's chunk and its entry in the map of authorizers.
pub fn authorizer(row: &AuthorizerRow) -> (Entry, Sealed) {
    let document = Authorizer {
        id: row.id.to_bytes(),
        name: row.name.clone(),
        own_tokens: Some(OwnTokens {}),
    };
    directory(row.id.to_bytes(), Kind::Authorizer, &document)
}

/// A revocation's entry in the map of revocations.
pub fn revocation(row: &RevocationRow) -> Entry {
    let document = Revocation {
        issued_before_ms: row.issued_before_ms,
    };
    entry(row.key.as_bytes().to_vec(), &document)
}

/// The issuer with the keys that can be read; tokens of another are not accepted anywhere.
pub fn own_issuer(
    issuer: &str,
    rows: &[TokenKeyRow],
    encryption: Vec<EncryptionKeyRow>,
) -> OwnIssuer {
    let mut keys: Vec<TokenKey> = rows.iter().filter_map(token_key).collect();
    keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    let opening = encryption.into_iter().map(|row| EncryptionKey {
        kid: row.kid,
        secret: Some(row.secret),
        opens_until_ms: row.opens_until_ms,
    });
    let mut encryption_keys: Vec<EncryptionKey> = opening.collect();
    encryption_keys.sort_by(|a, b| a.kid.cmp(&b.kid));
    OwnIssuer {
        issuer: issuer.to_owned(),
        keys,
        encryption_keys,
    }
}

fn token_key(row: &TokenKeyRow) -> Option<TokenKey> {
    let member = |name: &str| {
        let text = row.public_jwk.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text).ok()
    };
    let public_key = match row.algorithm {
        SigningAlgorithm::Rs256 => rsa_public_key(&member("n")?, &member("e")?),
        SigningAlgorithm::Es256 => [vec![4], member("x")?, member("y")?].concat(),
        SigningAlgorithm::EdDsa => member("x")?,
        SigningAlgorithm::Unspecified => return None,
    };
    Some(TokenKey {
        kid: row.kid.clone(),
        algorithm: row.algorithm as i32,
        public_key,
        verifies_until_ms: row.verifies_until_ms,
    })
}

/// `RSAPublicKey` (RFC 8017, appendix A.1.1): a sequence of two integers.
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let content = [der_unsigned(modulus), der_unsigned(exponent)].concat();
    der(0x30, &content)
}

fn der_unsigned(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0);
    let digits = start.map_or(&[0][..], |start| &bytes[start..]);
    match digits {
        // A first bit that is set would make it negative.
        [first, ..] if *first >= 0x80 => der(2, &[&[0], digits].concat()),
        _ => der(2, digits),
    }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut encoded = vec![tag];
    if length < 0x80 {
        encoded.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let digits = &bytes[length.leading_zeros() as usize / 8..];
        encoded.push(0x80 | digits.len() as u8);
        encoded.extend_from_slice(digits);
    }
    encoded.extend_from_slice(content);
    encoded
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(algorithm: SigningAlgorithm, public_jwk: serde_json::Value) -> TokenKeyRow {
        TokenKeyRow {
            kid: "kid".into(),
            algorithm,
            public_jwk,
            verifies_until_ms: None,
        }
    }

    #[track_caller]
    fn check(algorithm: SigningAlgorithm, jwk: serde_json::Value, expected: Option<&[u8]>) {
        let issuer = own_issuer("https://id.example.com", &[row(algorithm, jwk)], vec![]);
        let found = issuer.keys.first().map(|key| key.public_key.as_slice());
        assert_eq!(found, expected);
    }

    #[test]
    fn public_keys_are_told_in_the_form_that_verifiers_take() {
        let x = URL_SAFE_NO_PAD.encode([1; 32]);
        let y = URL_SAFE_NO_PAD.encode([2; 32]);
        let point = [vec![4], vec![1; 32], vec![2; 32]].concat();
        let jwk = json!({ "kty": "EC", "x": x, "y": y });
        check(SigningAlgorithm::Es256, jwk, Some(&point));
        let jwk = json!({ "kty": "OKP", "x": x });
        check(SigningAlgorithm::EdDsa, jwk, Some(&[1; 32]));
        // 2048 bits of modulus: lengths take two bytes, and a set first bit a zero before it.
        let n = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let jwk = json!({ "kty": "RSA", "n": n, "e": "AQAB" });
        let start = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
        let end = [0x02, 0x03, 0x01, 0x00, 0x01];
        let expected = [&start[..], &[0xff; 256], &end].concat();
        check(SigningAlgorithm::Rs256, jwk, Some(&expected));
    }

    #[test]
    fn a_key_that_cannot_be_read_is_left_out() {
        check(SigningAlgorithm::EdDsa, json!({ "x": "*" }), None);
        check(SigningAlgorithm::Rs256, json!({ "n": "AQAB" }), None);
        check(SigningAlgorithm::Unspecified, json!({ "x": "AQAB" }), None);
    }

    #[test]
    fn an_api_without_an_audience_of_its_own_has_one_under_the_issuer() {
        let api = ApiId(uuid::Uuid::from_u128(1));
        let chosen = Some("orders".to_owned());
        assert_eq!(audience_of(chosen, "https://a", api), "orders");
        let named = audience_of(None, "https://a", api);
        assert_eq!(named, "https://a/apis/api_00000000000000000000000001");
    }
}
