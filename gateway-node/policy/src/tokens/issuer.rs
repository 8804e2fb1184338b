//! The issuer whose tokens are accepted, and the keys that verify them.

use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    VerificationAlgorithm,
};
use snapshot::document::{self, SigningAlgorithm};
use snapshot::jwe::OpeningKey;
use snapshot::seal::{DataKey, ENCRYPTION_KEY};

use crate::compile::{CompileError, open_sealed};

/// Compiled anew with each snapshot: its keys are few.
pub(crate) struct Issuer {
    pub(crate) name: String,
    keys: Vec<Arc<VerifyingKey>>,
    opening: Vec<Opening>,
}

/// What encrypted tokens are opened with.
struct Opening {
    key: OpeningKey,
    /// Unix milliseconds; `i64::MAX`: not replaced yet.
    until_ms: i64,
}

pub(crate) struct VerifyingKey {
    kid: String,
    algorithm: SigningAlgorithm,
    public_key: Vec<u8>,
    parsed: ParsedPublicKey,
    /// Unix milliseconds; `i64::MAX`: not replaced yet.
    pub(crate) verifies_until_ms: i64,
}

impl Issuer {
    /// A key that cannot be read is left out: its tokens are not accepted, those of others are. One
    /// that does not open stops the snapshot, like every secret.
    pub(crate) fn compile(
        document: document::OwnIssuer,
        data_keys: &[DataKey],
    ) -> Result<Self, CompileError> {
        let mut opening = Vec::new();
        for key in &document.encryption_keys {
            let sealed = key.secret.as_ref().ok_or(CompileError::CannotOpen)?;
            let secret = open_sealed(ENCRYPTION_KEY, sealed, data_keys)?;
            opening.push(Opening {
                key: OpeningKey::new(&key.kid, &secret).map_err(|_| CompileError::CannotOpen)?,
                until_ms: key.opens_until_ms.unwrap_or(i64::MAX),
            });
        }
        let keys = document.keys.into_iter().filter_map(VerifyingKey::parse);
        Ok(Self {
            name: document.issuer,
            keys: keys.map(Arc::new).collect(),
            opening,
        })
    }

    /// What opens a token with this header, if its time is not over.
    pub(crate) fn opening_key(&self, kid: &str, now_ms: i64) -> Option<&OpeningKey> {
        let mut keys = self.opening.iter();
        keys.find(|one| one.key.kid() == kid && now_ms < one.until_ms)
            .map(|one| &one.key)
    }

    /// The key that a token's header names; the header's algorithm must be the key's.
    pub(crate) fn key(&self, kid: &str, alg: &str) -> Option<&Arc<VerifyingKey>> {
        let mut keys = self.keys.iter();
        keys.find(|key| key.kid == kid && key.alg() == alg)
    }

    /// The same key as of this snapshot: one that was taken out verifies nothing any more.
    pub(crate) fn still(&self, known: &VerifyingKey) -> Option<&Arc<VerifyingKey>> {
        let is_same = |key: &&Arc<VerifyingKey>| {
            key.kid == known.kid
                && key.algorithm == known.algorithm
                && key.public_key == known.public_key
        };
        self.keys.iter().find(is_same)
    }
}

impl VerifyingKey {
    fn parse(document: document::TokenKey) -> Option<Self> {
        let algorithm = document.algorithm();
        let verification: &'static dyn VerificationAlgorithm = match algorithm {
            SigningAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            SigningAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            SigningAlgorithm::EdDsa => &ED25519,
            SigningAlgorithm::Unspecified => return None,
        };
        Some(Self {
            algorithm,
            parsed: ParsedPublicKey::new(verification, &document.public_key).ok()?,
            kid: document.kid,
            public_key: document.public_key,
            verifies_until_ms: document.verifies_until_ms.unwrap_or(i64::MAX),
        })
    }

    /// As a token's header says it (RFC 7518 section 3.1, RFC 8037 section 3.1).
    fn alg(&self) -> &'static str {
        match self.algorithm {
            SigningAlgorithm::Rs256 => "RS256",
            SigningAlgorithm::Es256 => "ES256",
            SigningAlgorithm::EdDsa => "EdDSA",
            SigningAlgorithm::Unspecified => "",
        }
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}
