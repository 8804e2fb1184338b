//! Sealing: secrets in documents under the fleet's data key (AES-256-GCM), and the data key itself
//! to each node (HPKE base mode, RFC 9180: X25519, HKDF-SHA256, AES-256-GCM).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};

const NODE_INFO: &[u8] = b"tollgate data key v1";

/// A secret inside a document. Sealed once when it is made, so that its bytes do not change with
/// every snapshot.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SealedSecret {
    /// Generation of the data key that opens it.
    #[prost(uint32, tag = "1")]
    pub generation: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub nonce: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub ciphertext: Vec<u8>,
}

/// A data key sealed to one node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SealedDataKey {
    #[prost(uint32, tag = "1")]
    pub generation: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub encapsulated: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub ciphertext: Vec<u8>,
}

/// Answer of `GET /node/v1/data-keys`: every generation in force, sealed to the asking node.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DataKeys {
    #[prost(message, repeated, tag = "1")]
    pub keys: Vec<SealedDataKey>,
}

/// It could not be opened with this key, or was not sealed for this purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open with the key at hand")]
pub struct CannotOpen;

/// One generation of the fleet's data key.
#[derive(Clone)]
pub struct DataKey {
    pub generation: u32,
    pub bytes: [u8; 32],
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DataKey(generation {}, …)", self.generation)
    }
}

impl DataKey {
    /// Seals `plaintext` for the named purpose with a fresh random nonce.
    pub fn seal(
        &self,
        purpose: &str,
        plaintext: &[u8],
        nonce: [u8; NONCE_LEN],
    ) -> Result<SealedSecret, CannotOpen> {
        let mut ciphertext = plaintext.to_vec();
        self.cipher()?
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(purpose),
                &mut ciphertext,
            )
            .map_err(|_| CannotOpen)?;
        Ok(SealedSecret {
            generation: self.generation,
            nonce: nonce.to_vec(),
            ciphertext,
        })
    }

    pub fn open(&self, purpose: &str, sealed: &SealedSecret) -> Result<Vec<u8>, CannotOpen> {
        if sealed.generation != self.generation {
            return Err(CannotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(&sealed.nonce).map_err(|_| CannotOpen)?;
        let mut bytes = sealed.ciphertext.clone();
        let length = self
            .cipher()?
            .open_in_place(nonce, Aad::from(purpose), &mut bytes)
            .map_err(|_| CannotOpen)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Seals this key to a node's X25519 public key.
    pub fn seal_to_node(&self, node_public_key: &[u8]) -> Result<SealedDataKey, CannotOpen> {
        let aad = self.generation.to_be_bytes();
        let (encapsulated, ciphertext) = SUITE
            .seal(
                NODE_INFO,
                &aad,
                &self.bytes,
                &HpkePublicKey(node_public_key.to_vec()),
            )
            .map_err(|_| CannotOpen)?;
        Ok(SealedDataKey {
            generation: self.generation,
            encapsulated: encapsulated.0,
            ciphertext,
        })
    }

    fn cipher(&self) -> Result<LessSafeKey, CannotOpen> {
        UnboundKey::new(&AES_256_GCM, &self.bytes)
            .map(LessSafeKey::new)
            .map_err(|_| CannotOpen)
    }
}

/// The purposes for which secrets are sealed; part of what is authenticated.
pub const PEPPER: &str = "pepper";
/// The private half of a key that tokens are encrypted to.
pub const ENCRYPTION_KEY: &str = "token encryption key";

/// A node's key pair for receiving data keys.
pub struct NodeSealKey {
    public: Vec<u8>,
    private: Vec<u8>,
}

impl NodeSealKey {
    pub fn generate() -> Result<Self, CannotOpen> {
        let (public, private) = SUITE.generate_key_pair().map_err(|_| CannotOpen)?;
        Ok(Self {
            public: public.0,
            private: private.secret_bytes().to_vec(),
        })
    }

    /// The key pair whose halves a node stored.
    pub fn from_parts(public: Vec<u8>, private: Vec<u8>) -> Self {
        Self { public, private }
    }

    pub fn public_key(&self) -> &[u8] {
        &self.public
    }

    /// The private half, for the node's own state directory and nowhere else.
    pub fn secret_bytes(&self) -> &[u8] {
        &self.private
    }

    pub fn open(&self, sealed: &SealedDataKey) -> Result<DataKey, CannotOpen> {
        let bytes = SUITE
            .open(
                &EncapsulatedSecret(sealed.encapsulated.clone()),
                NODE_INFO,
                &sealed.generation.to_be_bytes(),
                &sealed.ciphertext,
                &HpkePrivateKey::from(self.private.clone()),
            )
            .map_err(|_| CannotOpen)?;
        Ok(DataKey {
            generation: sealed.generation,
            bytes: bytes.try_into().map_err(|_| CannotOpen)?,
        })
    }
}

impl std::fmt::Debug for NodeSealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeSealKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_key_opens_only_with_the_key_of_the_node_it_was_sealed_to() {
        let (mine, other) = (
            NodeSealKey::generate().expect("keys"),
            NodeSealKey::generate().expect("keys"),
        );
        let data_key = DataKey {
            generation: 3,
            bytes: [5; 32],
        };
        let sealed = data_key.seal_to_node(mine.public_key()).expect("seals");
        assert_eq!(mine.open(&sealed).expect("opens").bytes, [5; 32]);
        assert!(other.open(&sealed).is_err());
        assert!(
            mine.open(&SealedDataKey {
                generation: 4,
                ..sealed
            })
            .is_err()
        );
    }

    #[test]
    fn a_secret_opens_only_for_its_purpose_and_unchanged() {
        let data_key = DataKey {
            generation: 1,
            bytes: [5; 32],
        };
        let sealed = data_key
            .seal(PEPPER, b"salt and", [1; NONCE_LEN])
            .expect("seals");
        assert_eq!(data_key.open(PEPPER, &sealed).expect("opens"), b"salt and");
        assert!(data_key.open("tls key", &sealed).is_err());
        let mut flipped = sealed;
        flipped.ciphertext[0] ^= 1;
        assert!(data_key.open(PEPPER, &flipped).is_err());
    }
}
