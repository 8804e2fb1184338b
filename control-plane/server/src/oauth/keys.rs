//! The keys that tokens are signed with: made when they are missing, opened once and kept in
//! memory, shown in the JWKS before and after they sign. Those that tokens are encrypted to are kept
//! beside them; `encryption.rs` makes them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use domain::encryption_key::{self, EncryptionKey};
use domain::token::base64url;
use domain::token_key::{self, SHOWN_AFTER, SHOWN_BEFORE, SigningAlgorithm, TokenKey};
use jsonwebtoken::DecodingKey;
use serde::Serialize;
use serde_json::{Value, json};
use snapshot::chunk::sha256;
use snapshot::jwe::{self, Encrypted, OpeningKey};
use snapshot::seal::CannotOpen;
use store::{Db, PlatformTx};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Now;
use crate::problem::Chain;
use crate::random;
use crate::secret_box::{Purpose, SecretBox};

/// Tokens with unknown keys that make us look for their keys, per second: strangers write what they
/// like into tokens.
const LOOKS_PER_SECOND: u32 = 10;

/// All live keys of a deployment. Clones share them.
#[derive(Clone, Default)]
pub struct TokenKeys(Arc<Shared>);

#[derive(Default)]
struct Shared {
    live: RwLock<Arc<Live>>,
    changed: Notify,
    /// A second, and how often was looked in it.
    looks: Mutex<(i64, u32)>,
}

#[derive(Default)]
struct Live {
    stored: Vec<TokenKey>,
    encryption: Vec<EncryptionKey>,
    opening: Vec<OpeningKey>,
    signers: HashMap<String, Signer>,
    verifiers: HashMap<String, (SigningAlgorithm, DecodingKey)>,
}

/// An opened private key.
enum Signer {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("no key signs with {0} at the moment")]
    NoSigner(SigningAlgorithm),
    #[error("no key encrypts tokens at the moment")]
    NoEncryption,
    #[error("a stored token key does not open: is this the SECRET_KEY that it was made with?")]
    Sealed(#[from] CannotOpen),
    #[error("a token key is not one of its algorithm")]
    Rejected,
    #[error("a token could not be written as JSON")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<aws_lc_rs::error::Unspecified> for KeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        KeyError::Rejected
    }
}

impl From<aws_lc_rs::error::KeyRejected> for KeyError {
    fn from(_: aws_lc_rs::error::KeyRejected) -> Self {
        KeyError::Rejected
    }
}

/// Makes the keys that a deployment does not have yet, once, whoever comes first.
pub(crate) async fn ensure(db: &Db, secrets: &SecretBox, now: Now) -> Result<(), KeyError> {
    let mut tx = db.platform_tx().await?;
    store::token_keys::lock(&mut tx).await?;
    for algorithm in SigningAlgorithm::ALL {
        if !store::token_keys::has_current(&mut tx, *algorithm).await? {
            let key = generate(*algorithm, now.0, secrets)?;
            store::token_keys::insert(&mut tx, &key, now.0).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// A key that takes over when everybody can know it; the one before is shown until the last token
/// that it signed has run out.
pub(crate) async fn rotate(
    tx: &mut PlatformTx,
    algorithm: SigningAlgorithm,
    secrets: &SecretBox,
    now: Now,
) -> Result<TokenKey, KeyError> {
    let signs_from = now.0 + SHOWN_BEFORE;
    let key = generate(algorithm, signs_from, secrets)?;
    store::token_keys::insert(tx, &key, signs_from + SHOWN_AFTER).await?;
    Ok(key)
}

/// A key that signs at once, in place of one that is no secret any more: nobody is to believe what
/// that one signed.
pub(crate) async fn replace_at_once(
    tx: &mut PlatformTx,
    algorithm: SigningAlgorithm,
    secrets: &SecretBox,
    now: Now,
) -> Result<TokenKey, KeyError> {
    let key = generate(algorithm, now.0, secrets)?;
    store::token_keys::insert(tx, &key, now.0).await?;
    Ok(key)
}

fn generate(
    algorithm: SigningAlgorithm,
    signs_from: OffsetDateTime,
    secrets: &SecretBox,
) -> Result<TokenKey, KeyError> {
    let (pkcs8, mut jwk) = match algorithm {
        SigningAlgorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let der: Pkcs8V1Der<'_> = pair.as_der()?;
            let public = pair.public_key();
            let n = base64url(public.modulus().big_endian_without_leading_zero());
            let e = base64url(public.exponent().big_endian_without_leading_zero());
            (
                der.as_ref().to_vec(),
                json!({ "e": e, "kty": "RSA", "n": n }),
            )
        }
        SigningAlgorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            // Uncompressed: 4, then both coordinates (SEC 1, section 2.3.3).
            let point = pair.public_key().as_ref();
            let (x, y) = point[1..].split_at(32);
            let jwk = json!({ "crv": "P-256", "kty": "EC", "x": base64url(x), "y": base64url(y) });
            (pair.to_pkcs8v1()?.as_ref().to_vec(), jwk)
        }
        SigningAlgorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate()?;
            let x = base64url(pair.public_key().as_ref());
            let jwk = json!({ "crv": "Ed25519", "kty": "OKP", "x": x });
            (pair.to_pkcs8()?.as_ref().to_vec(), jwk)
        }
    };
    // RFC 7638: SHA-256 over the required members in lexical order, which is how they stand.
    let kid = base64url(&sha256(jwk.to_string().as_bytes())[..16]);
    if let Value::Object(members) = &mut jwk {
        members.insert("alg".into(), json!(algorithm.as_str()));
        members.insert("kid".into(), json!(kid));
        members.insert("use".into(), json!("sig"));
    }
    Ok(TokenKey {
        id: Uuid::now_v7(),
        kid,
        algorithm,
        public_jwk: jwk,
        sealed_private_key: secrets.seal(Purpose::TokenKey, &pkcs8)?,
        signs_from,
        verifies_until: None,
        created_at: signs_from,
    })
}

impl TokenKeys {
    /// Reads what changed in the database; keys that are open already stay so.
    pub(crate) async fn reload(
        &self,
        db: &Db,
        secrets: &SecretBox,
        now: Now,
    ) -> Result<(), KeyError> {
        let mut tx = db.platform_tx().await?;
        let stored = store::token_keys::list_live(&mut tx, now.0).await?;
        let encryption = store::encryption_keys::list_live(&mut tx, now.0).await?;
        tx.commit().await?;
        let known = self.live();
        if known.stored == stored && known.encryption == encryption {
            return Ok(());
        }
        let mut live = Live::default();
        for key in &encryption {
            let secret = secrets.open(Purpose::EncryptionKey, &key.sealed_private_key)?;
            live.opening.push(OpeningKey::new(&key.kid, &secret)?);
        }
        live.encryption = encryption;
        for key in &stored {
            let pkcs8 = secrets.open_bytes(Purpose::TokenKey, &key.sealed_private_key)?;
            live.signers
                .insert(key.kid.clone(), Signer::open(key.algorithm, &pkcs8)?);
            let jwk = serde_json::from_value(key.public_jwk.clone())?;
            let verifier = DecodingKey::from_jwk(&jwk).map_err(|_| KeyError::Rejected)?;
            live.verifiers
                .insert(key.kid.clone(), (key.algorithm, verifier));
        }
        live.stored = stored;
        *self.0.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        Ok(())
    }

    /// Says that keys changed in the database.
    pub(crate) fn wake(&self) {
        self.0.changed.notify_one();
    }

    /// Waits until somebody says so.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Looks for the key of a token if it is not known: another control plane may have made it just
    /// now. What cannot be read stays unknown.
    pub(crate) async fn catch_up(&self, token: &str, db: &Db, secrets: &SecretBox, now: Now) {
        let live = self.live();
        let is_known = match Encrypted::parse(token.as_bytes()) {
            Some(encrypted) => live.opening_key(encrypted.kid()).is_some(),
            None => {
                let header = jsonwebtoken::decode_header(token).ok();
                let kid = header.and_then(|header| header.kid);
                kid.is_none_or(|kid| live.verifiers.contains_key(&kid))
            }
        };
        if is_known || !self.may_look(now) {
            return;
        }
        if let Err(cause) = self.reload(db, secrets, now).await {
            tracing::warn!(error = %Chain(&cause), "token keys could not be read");
        }
    }

    fn may_look(&self, now: Now) -> bool {
        let second = now.unix_seconds();
        let mut looks = self.0.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if looks.0 != second {
            *looks = (second, 0);
        }
        looks.1 += 1;
        looks.1 <= LOOKS_PER_SECOND
    }

    fn live(&self) -> Arc<Live> {
        self.0
            .live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The JSON Web Key Set (RFC 7517, section 5) of all keys that are not over.
    pub(crate) fn jwks(&self, now: OffsetDateTime) -> Value {
        let live = self.live();
        let is_live = |key: &&TokenKey| key.verifies_until.is_none_or(|until| now < until);
        let keys: Vec<&Value> = live
            .stored
            .iter()
            .filter(is_live)
            .map(|key| &key.public_jwk)
            .collect();
        json!({ "keys": keys })
    }

    /// A signed token in compact form (RFC 7515, section 7.1). `kind` is the header's `typ`.
    pub(crate) fn sign(
        &self,
        algorithm: SigningAlgorithm,
        kind: &str,
        claims: &impl Serialize,
        now: OffsetDateTime,
    ) -> Result<String, KeyError> {
        let live = self.live();
        let key =
            token_key::signer(&live.stored, algorithm, now).ok_or(KeyError::NoSigner(algorithm))?;
        let signer = live
            .signers
            .get(&key.kid)
            .ok_or(KeyError::NoSigner(algorithm))?;
        let header = json!({ "alg": algorithm.as_str(), "kid": key.kid, "typ": kind });
        let mut token = base64url(header.to_string().as_bytes());
        token.push('.');
        token.push_str(&base64url(&serde_json::to_vec(claims)?));
        let signature = signer.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(token)
    }

    /// A signed token, encrypted so that gateway nodes alone can read it.
    pub(crate) fn encrypt(&self, token: &str, now: OffsetDateTime) -> Result<String, KeyError> {
        let live = self.live();
        let key = encryption_key::current(&live.encryption, now).ok_or(KeyError::NoEncryption)?;
        let public = key.public_key.as_slice().try_into();
        let public = public.map_err(|_| KeyError::Rejected)?;
        Ok(jwe::seal(token, &key.kid, public, random::bytes())?)
    }

    /// The signed token in an encrypted one; `None`: it does not open.
    pub(crate) fn decrypt(&self, token: &str) -> Option<String> {
        let encrypted = Encrypted::parse(token.as_bytes())?;
        let live = self.live();
        let key = live.opening_key(encrypted.kid())?;
        String::from_utf8(encrypted.open(key).ok()?).ok()
    }

    /// The claims of a token that one of our keys signed as a token of this kind. What they say,
    /// also when they run out, is the caller's to check.
    pub(crate) fn verify<T: serde::de::DeserializeOwned + Clone>(
        &self,
        token: &str,
        kind: &str,
    ) -> Option<T> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(kind) {
            return None;
        }
        let live = self.live();
        let (algorithm, key) = live.verifiers.get(header.kid.as_deref()?)?;
        let mut rules = jsonwebtoken::Validation::new(match algorithm {
            SigningAlgorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            SigningAlgorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            SigningAlgorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        });
        rules.required_spec_claims.clear();
        rules.validate_exp = false;
        rules.validate_aud = false;
        Some(jsonwebtoken::decode(token, key, &rules).ok()?.claims)
    }
}

impl Live {
    fn opening_key(&self, kid: &str) -> Option<&OpeningKey> {
        self.opening.iter().find(|key| key.kid() == kid)
    }
}

impl Signer {
    fn open(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        Ok(match algorithm {
            SigningAlgorithm::Rs256 => Signer::Rs256(RsaKeyPair::from_pkcs8(pkcs8)?),
            SigningAlgorithm::Es256 => Signer::Es256(EcdsaKeyPair::from_pkcs8(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                pkcs8,
            )?),
            SigningAlgorithm::EdDsa => Signer::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8)?),
        })
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        Ok(match self {
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
            Signer::Es256(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Signer::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_box::SecretKey;

    #[tokio::test]
    async fn every_algorithm_signs_what_it_verifies_and_keys_change_hands_when_all_can_know() {
        let db = store::testing::database().await;
        let secrets = SecretBox::new(&SecretKey::generate());
        let now = Now::read();
        ensure(&db, &secrets, now).await.expect("makes keys");
        ensure(&db, &secrets, now).await.expect("has keys");
        let keys = TokenKeys::default();
        keys.reload(&db, &secrets, now).await.expect("opens");
        let claims = json!({ "sub": "x" });
        for algorithm in SigningAlgorithm::ALL {
            let token = keys.sign(*algorithm, "JWT", &claims, now.0).expect("signs");
            assert_eq!(keys.verify(&token, "JWT"), Some(claims.clone()));
            assert_eq!(keys.verify::<Value>(&token, "at+jwt"), None);
            let forged = token.replacen('.', ".e", 1);
            assert_eq!(keys.verify::<Value>(&forged, "JWT"), None);
        }

        let mut tx = db.platform_tx().await.expect("connects");
        let next = rotate(&mut tx, SigningAlgorithm::Rs256, &secrets, now).await;
        let next = next.expect("rotates");
        tx.commit().await.expect("commits");
        keys.reload(&db, &secrets, now).await.expect("opens");
        let kid_at = |at| {
            let token = keys
                .sign(SigningAlgorithm::Rs256, "JWT", &claims, at)
                .expect("signs");
            jsonwebtoken::decode_header(token).expect("a header").kid
        };
        assert_ne!(kid_at(now.0), Some(next.kid.clone()));
        assert_eq!(kid_at(now.0 + SHOWN_BEFORE), Some(next.kid));
        let shown = |at| keys.jwks(at)["keys"].as_array().map(Vec::len);
        assert_eq!(shown(now.0), Some(4));
        assert_eq!(shown(now.0 + SHOWN_BEFORE + SHOWN_AFTER), Some(3));
    }
}
