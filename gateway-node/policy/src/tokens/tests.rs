use std::sync::Arc;

use snapshot::document::{OwnIssuer, SigningAlgorithm, TokenKey};
use snapshot::id::{ClientId, TenantId, UserId};
use uuid::Uuid;

use super::compact::{Claims, Subject};
use super::{Issuer, Token};

/// A token that takes so many bytes more than the least.
pub(super) fn token_of_bytes(more: usize) -> Token {
    // The generator of the curve (FIPS 186-5, Ed25519), a valid public key.
    let mut public_key = vec![0x66; 32];
    public_key[0] = 0x58;
    let document = OwnIssuer {
        issuer: String::new(),
        keys: vec![TokenKey {
            kid: "kid".into(),
            algorithm: SigningAlgorithm::EdDsa as i32,
            public_key,
            verifies_until_ms: None,
        }],
        encryption_keys: vec![],
    };
    let issuer = Issuer::compile(document, &[]).expect("nothing is sealed");
    let claims = Claims {
        issuer: "i".repeat(more),
        subject: Subject::User(UserId(Uuid::nil())),
        client_id: ClientId(Uuid::nil()),
        audience: vec![],
        expires_at_s: 0,
        issued_at_s: 0,
        not_before_s: 0,
        id: Uuid::nil(),
        origin: Uuid::nil(),
        scopes: vec![],
        tenant_id: TenantId(Uuid::nil()),
    };
    Token::new(
        claims,
        Arc::clone(issuer.key("kid", "EdDSA").expect("a key")),
    )
}
