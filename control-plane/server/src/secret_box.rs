//! Secrets at rest in the database, sealed under the deployment's `SECRET_KEY`.

use std::str::FromStr;

use aws_lc_rs::hkdf;
use prost::Message;
use snapshot::seal::{CannotOpen, DataKey, SealedSecret};

use crate::random;

/// `SECRET_KEY`: 32 bytes, as 64 hexadecimal digits.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

/// The text is not a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SECRET_KEY must be 64 hexadecimal digits (make one with: openssl rand -hex 32)")]
pub struct InvalidSecretKey;

impl SecretKey {
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// The key as `SECRET_KEY` wants it, for the file that `up` keeps.
    pub fn reveal(&self) -> String {
        snapshot::chunk::Address(self.0).to_string()
    }
}

impl FromStr for SecretKey {
    type Err = InvalidSecretKey;

    fn from_str(text: &str) -> Result<Self, InvalidSecretKey> {
        let address = snapshot::chunk::Address::from_hex(text.trim()).ok_or(InvalidSecretKey)?;
        Ok(Self(address.0))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// Seals and opens under a key derived from `SECRET_KEY` (HKDF-SHA-256, RFC 5869).
#[derive(Clone, Debug)]
pub struct SecretBox(DataKey);

/// What a sealed value is for; part of what is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    RootKey,
    OnlineKey,
    DataKey,
    Pepper,
    TokenKey,
    Authenticator,
    ProviderSecret,
    EncryptionKey,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::RootKey => "database root key",
            Purpose::OnlineKey => "database online key",
            Purpose::DataKey => "database data key",
            Purpose::Pepper => "database pepper",
            Purpose::TokenKey => "database token key",
            Purpose::Authenticator => "database authenticator",
            Purpose::ProviderSecret => "database provider secret",
            Purpose::EncryptionKey => "database token encryption key",
        }
    }
}

impl SecretBox {
    pub fn new(key: &SecretKey) -> Self {
        let mut bytes = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"tollgate")
            .extract(&key.0)
            .expand(&[b"database secrets v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut bytes))
            .expect("32 bytes are one block of HKDF-SHA-256");
        Self(DataKey {
            generation: 0,
            bytes,
        })
    }

    /// A key for something else than sealing, the same in every process of the deployment.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"tollgate derived")
            .extract(&self.0.bytes)
            .expand(&[label.as_bytes()], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut bytes))
            .expect("32 bytes are one block of HKDF-SHA-256");
        bytes
    }

    pub fn seal(&self, purpose: Purpose, secret: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let sealed = self.0.seal(purpose.name(), secret, random::bytes())?;
        Ok(sealed.encode_to_vec())
    }

    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<[u8; 32], CannotOpen> {
        let secret = self.open_bytes(purpose, sealed)?;
        secret.try_into().map_err(|_| CannotOpen)
    }

    /// A secret of any length.
    pub fn open_bytes(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let sealed = SealedSecret::decode(sealed).map_err(|_| CannotOpen)?;
        self.0.open(purpose.name(), &sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_the_same_key_and_for_the_same_purpose_only() {
        let (mine, other) = (SecretKey::generate(), SecretKey::generate());
        let sealed = SecretBox::new(&mine)
            .seal(Purpose::Pepper, &[7; 32])
            .expect("seals");
        let reread: SecretKey = mine.reveal().parse().expect("its own form");
        assert_eq!(
            SecretBox::new(&reread).open(Purpose::Pepper, &sealed),
            Ok([7; 32])
        );
        assert!(
            SecretBox::new(&reread)
                .open(Purpose::RootKey, &sealed)
                .is_err()
        );
        assert!(
            SecretBox::new(&other)
                .open(Purpose::Pepper, &sealed)
                .is_err()
        );
    }

    #[test]
    fn a_short_secret_key_is_refused() {
        for text in ["", "abc", &"0".repeat(63), &"g".repeat(64)] {
            assert!(text.parse::<SecretKey>().is_err(), "{text}");
        }
    }
}
