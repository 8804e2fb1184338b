//! Access tokens that only gateway nodes can read: a signed token inside an encrypted one (nested
//! JWT, RFC 7519 section 5.2) in compact form (RFC 7516 section 7.1), with ECDH-ES in direct key
//! agreement over P-256 (RFC 7518 section 4.6) and A256GCM (section 5.3).
//!
//! Strict: what [`seal`] never writes is not read. There is one algorithm, so nobody chooses it;
//! there is no compression, no password and no key wrapping, so nothing can be made to cost more.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::seal::CannotOpen;

/// No encrypted token is longer: one of 8 KiB grows by a third, and there is the header.
pub const ENCRYPTED_BYTES_MAX: usize = 12 << 10;
const HEADER_BYTES_MAX: usize = 1 << 10;

const ALG: &str = "ECDH-ES";
const ENC: &str = "A256GCM";
const TYP: &str = "at+jwt";
const CTY: &str = "JWT";
const KTY: &str = "EC";
const CRV: &str = "P-256";

const KEY_BITS: u32 = 256;
const COORDINATE_BYTES: usize = 32;
/// An uncompressed point: 4, then both coordinates (SEC 1, section 2.3.3).
const POINT_BYTES: usize = 1 + 2 * COORDINATE_BYTES;
const TAG_BYTES: usize = 16;

/// The private half, as it is sealed and sent.
pub type SecretBytes = [u8; COORDINATE_BYTES];
/// The public half, an uncompressed point.
pub type PointBytes = [u8; POINT_BYTES];

/// A key that opens tokens.
pub struct OpeningKey {
    kid: String,
    private: PrivateKey,
}

impl std::fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpeningKey({}, …)", self.kid)
    }
}

/// Makes a key pair.
pub fn generate() -> Result<(SecretBytes, PointBytes), CannotOpen> {
    let private = PrivateKey::generate(&ECDH_P256).map_err(|_| CannotOpen)?;
    let secret: EcPrivateKeyBin<'_> = private.as_be_bytes().map_err(|_| CannotOpen)?;
    let secret = secret.as_ref().try_into().map_err(|_| CannotOpen)?;
    Ok((secret, point(&private)?))
}

fn point(private: &PrivateKey) -> Result<PointBytes, CannotOpen> {
    let public = private.compute_public_key().map_err(|_| CannotOpen)?;
    public.as_ref().try_into().map_err(|_| CannotOpen)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    cty: String,
    enc: String,
    epk: EphemeralKey,
    kid: String,
    typ: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EphemeralKey {
    crv: String,
    kty: String,
    x: String,
    y: String,
}

/// Encrypts a signed token to the key with this id and public half.
pub fn seal(
    token: &str,
    kid: &str,
    public: &PointBytes,
    iv: [u8; NONCE_LEN],
) -> Result<String, CannotOpen> {
    let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(|_| CannotOpen)?;
    let epk = point(&ephemeral)?;
    let (x, y) = epk[1..].split_at(COORDINATE_BYTES);
    let header = Header {
        alg: ALG.to_owned(),
        cty: CTY.to_owned(),
        enc: ENC.to_owned(),
        epk: EphemeralKey {
            crv: CRV.to_owned(),
            kty: KTY.to_owned(),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        },
        kid: kid.to_owned(),
        typ: TYP.to_owned(),
    };
    let header = serde_json::to_vec(&header).map_err(|_| CannotOpen)?;
    let header = URL_SAFE_NO_PAD.encode(header);
    let mut bytes = token.as_bytes().to_vec();
    let cipher = agreed_cipher(&ephemeral, public)?;
    let nonce = Nonce::assume_unique_for_key(iv);
    let tag = cipher
        .seal_in_place_separate_tag(nonce, Aad::from(header.as_bytes()), &mut bytes)
        .map_err(|_| CannotOpen)?;
    // The key is agreed on directly: the part of an encrypted one is empty.
    Ok(format!(
        "{header}..{}.{}.{}",
        URL_SAFE_NO_PAD.encode(iv),
        URL_SAFE_NO_PAD.encode(bytes),
        URL_SAFE_NO_PAD.encode(tag)
    ))
}

/// Whether a token has as many parts as an encrypted one.
pub fn has_five_parts(token: &[u8]) -> bool {
    token.iter().filter(|byte| **byte == b'.').count() == 4
}

/// An encrypted token, read and not yet opened.
pub struct Encrypted<'t> {
    /// As it was sent: what is authenticated.
    header: &'t [u8],
    kid: String,
    epk: PointBytes,
    iv: [u8; NONCE_LEN],
    /// Ciphertext and tag.
    sealed: Vec<u8>,
}

impl<'t> Encrypted<'t> {
    /// `None`: not a token that [`seal`] could have made. Costs no more than reading it.
    pub fn parse(token: &'t [u8]) -> Option<Self> {
        if token.len() > ENCRYPTED_BYTES_MAX {
            return None;
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, wrapped_key) = (parts.next()?, parts.next()?);
        let (iv, ciphertext, tag) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || !wrapped_key.is_empty() || header.len() > HEADER_BYTES_MAX {
            return None;
        }
        let raw = decode(header)?;
        // Structures could be read from arrays too.
        if raw.first() != Some(&b'{') {
            return None;
        }
        let parsed: Header = serde_json::from_slice(&raw).ok()?;
        let is_ours = parsed.alg == ALG
            && parsed.enc == ENC
            && parsed.typ == TYP
            && parsed.cty == CTY
            && parsed.epk.kty == KTY
            && parsed.epk.crv == CRV;
        let tag: [u8; TAG_BYTES] = decode(tag)?.try_into().ok()?;
        let mut sealed = decode(ciphertext)?;
        sealed.extend_from_slice(&tag);
        is_ours.then_some(())?;
        Some(Self {
            header,
            epk: parsed.epk.point()?,
            kid: parsed.kid,
            iv: decode(iv)?.try_into().ok()?,
            sealed,
        })
    }

    /// Which key opens it, as the token says.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What was encrypted. It is as good as what anybody sends: the key to encrypt to is no secret.
    pub fn open(mut self, key: &OpeningKey) -> Result<Vec<u8>, CannotOpen> {
        if self.kid != key.kid {
            return Err(CannotOpen);
        }
        let cipher = agreed_cipher(&key.private, &self.epk)?;
        let nonce = Nonce::assume_unique_for_key(self.iv);
        let length = cipher
            .open_in_place(nonce, Aad::from(self.header), &mut self.sealed)
            .map_err(|_| CannotOpen)?
            .len();
        self.sealed.truncate(length);
        Ok(self.sealed)
    }
}

impl EphemeralKey {
    /// Whether it is a point of the curve is seen when a key is agreed on; the point at infinity has
    /// no such form.
    fn point(&self) -> Option<PointBytes> {
        let mut point = [4; POINT_BYTES];
        let (x, y) = point[1..].split_at_mut(COORDINATE_BYTES);
        for (place, text) in [(x, &self.x), (y, &self.y)] {
            let bytes: [u8; COORDINATE_BYTES] = decode(text.as_bytes())?.try_into().ok()?;
            place.copy_from_slice(&bytes);
        }
        Some(point)
    }
}

impl OpeningKey {
    pub fn new(kid: &str, secret: &[u8]) -> Result<Self, CannotOpen> {
        Ok(Self {
            kid: kid.to_owned(),
            private: PrivateKey::from_private_key(&ECDH_P256, secret).map_err(|_| CannotOpen)?,
        })
    }

    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The half that tokens are encrypted to.
    pub fn public(&self) -> Result<PointBytes, CannotOpen> {
        point(&self.private)
    }
}

fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Fails for what is not a point of the curve.
fn agreed_cipher(private: &PrivateKey, peer: &PointBytes) -> Result<LessSafeKey, CannotOpen> {
    let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
    let key = agree(private, peer, CannotOpen, |secret| {
        Ok(derive(secret, (ENC, b"", b""), KEY_BITS))
    })?;
    let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| CannotOpen)?;
    Ok(LessSafeKey::new(key))
}

/// Concat KDF with SHA-256 (RFC 7518 section 4.6.2; NIST SP 800-56A, section 5.8.1), one round.
/// `enc`, then what the parties are called.
fn derive(secret: &[u8], (enc, apu, apv): (&str, &[u8], &[u8]), bits: u32) -> digest::Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&1u32.to_be_bytes());
    context.update(secret);
    for field in [enc.as_bytes(), apu, apv] {
        // None is longer than a header.
        context.update(&(field.len() as u32).to_be_bytes());
        context.update(field);
    }
    context.update(&bits.to_be_bytes());
    context.finish()
}

#[cfg(test)]
mod tests;
