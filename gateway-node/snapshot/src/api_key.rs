//! The shape of API keys and the hash by which nodes find them.
//!
//! A minted key is `tg_live_` or `tg_test_`, 30 base62 characters (178 bits) and a base62 CRC-32 of
//! all before it, so that a mistyped key is told apart without any look-up. Imported keys are any
//! 20 to 128 visible ASCII characters.

use aws_lc_rs::hmac;

pub const IMPORTED_LENGTH_MIN: usize = 20;
pub const LENGTH_MAX: usize = 128;
const BODY_LENGTH: usize = 30;
const CHECKSUM_LENGTH: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// HMAC-SHA-256 of a key under a pepper of the deployment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl std::fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyHash({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The secret under which keys are hashed, ready for use.
#[derive(Clone)]
pub struct Pepper(hmac::Key);

impl Pepper {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    pub fn hash(&self, key: &[u8]) -> KeyHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.0, key).as_ref());
        KeyHash(hash)
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// What a presented value looks like before any cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Minted here, with a right checksum.
    Minted,
    /// Could be an imported value.
    Imported,
    /// Cannot be a key: wrong length, wrong characters, or our form with a wrong checksum.
    Impossible,
}

pub fn shape(value: &[u8]) -> Shape {
    if value.starts_with(b"tg_live_") || value.starts_with(b"tg_test_") {
        return if is_minted(value) {
            Shape::Minted
        } else {
            Shape::Impossible
        };
    }
    let length_fits = (IMPORTED_LENGTH_MIN..=LENGTH_MAX).contains(&value.len());
    if length_fits && value.iter().all(u8::is_ascii_graphic) {
        Shape::Imported
    } else {
        Shape::Impossible
    }
}

fn is_minted(value: &[u8]) -> bool {
    let prefix = "tg_live_".len();
    if value.len() != prefix + BODY_LENGTH + CHECKSUM_LENGTH
        || !value[prefix..].iter().all(u8::is_ascii_alphanumeric)
    {
        return false;
    }
    let (body, sum) = value.split_at(prefix + BODY_LENGTH);
    checksum(body) == *sum
}

/// CRC-32 (ISO-HDLC) of `body` in six base62 digits.
pub fn checksum(body: &[u8]) -> [u8; CHECKSUM_LENGTH] {
    let mut rest = crc32fast::hash(body) as usize;
    let mut text = [b'0'; CHECKSUM_LENGTH];
    for place in text.iter_mut().rev() {
        *place = BASE62[rest % 62];
        rest /= 62;
    }
    text
}

/// Builds a key's text from randomness: 32 bytes give the 30 characters by rejection-free
/// base conversion (the bias is below 2^-77).
pub fn mint(is_live: bool, random: &[u8; 32]) -> String {
    let mut digits = *random;
    let mut text = String::from(if is_live { "tg_live_" } else { "tg_test_" });
    for _ in 0..BODY_LENGTH {
        text.push(BASE62[divide_by_62(&mut digits)] as char);
    }
    let sum = checksum(text.as_bytes());
    text.extend(sum.iter().map(|byte| *byte as char));
    text
}

/// Divides a big-endian number in place and returns the remainder.
fn divide_by_62(number: &mut [u8; 32]) -> usize {
    number.iter_mut().fold(0, |rest, byte| {
        let value = rest << 8 | *byte as usize;
        *byte = (value / 62) as u8;
        value % 62
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_has_the_published_form_and_passes_its_checksum() {
        let key = mint(true, &[7; 32]);
        assert_eq!(key.len(), 44);
        assert!(key.starts_with("tg_live_"));
        assert_eq!(shape(key.as_bytes()), Shape::Minted);
    }

    #[test]
    fn one_wrong_character_makes_a_minted_key_impossible() {
        let key = mint(false, &[9; 32]).into_bytes();
        for place in 8..key.len() {
            let mut wrong = key.clone();
            wrong[place] = if wrong[place] == b'x' { b'y' } else { b'x' };
            assert_eq!(shape(&wrong), Shape::Impossible, "place {place}");
        }
    }

    #[test]
    fn imported_values_have_20_to_128_visible_characters() {
        for (value, expected) in [
            ("x".repeat(19), Shape::Impossible),
            ("x".repeat(20), Shape::Imported),
            ("x".repeat(128), Shape::Imported),
            ("x".repeat(129), Shape::Impossible),
            (format!("{} y", "x".repeat(20)), Shape::Impossible),
        ] {
            assert_eq!(shape(value.as_bytes()), expected, "{value}");
        }
    }
}
