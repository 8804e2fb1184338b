//! Ed25519 signatures over documents, each kind of document in a domain of its own.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::chunk::sha256;

/// What is being signed, so that a signature over one kind of document never passes for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    Root,
    Manifest,
    Freshness,
}

impl Domain {
    fn prefix(self) -> &'static [u8] {
        match self {
            Domain::Root => b"tollgate root v1\0",
            Domain::Manifest => b"tollgate manifest v1\0",
            Domain::Freshness => b"tollgate freshness v1\0",
        }
    }
}

/// A document's exact bytes with a signature over them.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Signed {
    #[prost(bytes = "vec", tag = "1")]
    pub payload: Vec<u8>,
    /// The signer's public key.
    #[prost(bytes = "vec", tag = "2")]
    pub public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub signature: Vec<u8>,
}

/// The bytes do not carry a signature by the key that had to sign them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by a key that may sign this")]
pub struct BadSignature;

/// A signing key pair. Debug shows the public half only.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key pair of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("every 32 bytes are an Ed25519 seed"))
    }

    pub fn public_key(&self) -> [u8; 32] {
        let mut key = [0; 32];
        key.copy_from_slice(self.0.public_key().as_ref());
        key
    }

    pub fn sign(&self, domain: Domain, payload: Vec<u8>) -> Signed {
        let signature = self.0.sign(&message(domain, &payload)).as_ref().to_vec();
        Signed {
            payload,
            public_key: self.public_key().to_vec(),
            signature,
        }
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({:02x?}…)", &self.public_key()[..4])
    }
}

/// Checks that one of `keys` signed, and returns the payload.
pub fn verify<'a>(
    signed: &'a Signed,
    domain: Domain,
    keys: &[Vec<u8>],
) -> Result<&'a [u8], BadSignature> {
    if !keys.contains(&signed.public_key) {
        return Err(BadSignature);
    }
    UnparsedPublicKey::new(&ED25519, &signed.public_key)
        .verify(&message(domain, &signed.payload), &signed.signature)
        .map_err(|_| BadSignature)?;
    Ok(&signed.payload)
}

/// SHA-256 of a public key, by which an enrolment token pins the root.
pub fn fingerprint(public_key: &[u8]) -> [u8; 32] {
    sha256(public_key)
}

fn message(domain: Domain, payload: &[u8]) -> Vec<u8> {
    [domain.prefix(), payload].concat()
}
