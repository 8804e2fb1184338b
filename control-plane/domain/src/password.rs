//! What makes a password acceptable (NIST SP 800-63B, section 5.1.1.2): length, and not being one
//! that everybody tries first.

use crate::email::Email;
use crate::field::FieldError;

pub const CHARS_MIN: usize = 12;
/// Bounds the work of hashing.
pub const CHARS_MAX: usize = 128;

/// Long enough for [`CHARS_MIN`] and still among the first that are tried.
const COMMON: &[&str] = &[
    "123456789012",
    "1234567890123",
    "12345678901234",
    "123456123456",
    "111111111111",
    "000000000000",
    "123123123123",
    "qwertyuiop12",
    "qwertyuiop123",
    "qwertyuiop[]",
    "qwerty123456",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "password1234",
    "password12345",
    "password123456",
    "passwordpassword",
    "iloveyou1234",
    "letmein12345",
    "administrator",
    "administrator1",
    "changemechangeme",
    "correcthorsebatterystaple",
    "welcome12345",
    "abcdefghijkl",
    "abc123abc123",
    "abcd12345678",
    "tollgatetollgate",
];

/// A password that may be set. It is never shown again.
pub struct NewPassword(String);

impl std::fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

impl NewPassword {
    /// Fails when too short, too long, too common, one repeated character, or the address itself.
    pub fn parse(raw: &str, email: &Email) -> Result<Self, FieldError> {
        let length = raw.chars().count();
        let wrong = |code, message: String| Err(FieldError::new("password", code, message));
        if length < CHARS_MIN {
            return wrong("too_short", format!("Use at least {CHARS_MIN} characters."));
        }
        if length > CHARS_MAX {
            return wrong("too_long", format!("Use at most {CHARS_MAX} characters."));
        }
        let lower = raw.to_lowercase();
        let mut letters = lower.chars();
        let first = letters.next();
        let is_one_letter = letters.all(|letter| Some(letter) == first);
        let is_address = lower.contains(email.as_str());
        if is_one_letter || is_address || COMMON.contains(&lower.as_str()) {
            return wrong(
                "too_common",
                "Choose one that nobody would try first.".to_owned(),
            );
        }
        Ok(Self(raw.to_owned()))
    }

    /// For hashing, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_and_not_the_first_that_is_tried() {
        let email = Email::parse("ada@example.com").expect("an address");
        for (raw, expected) in [
            ("correct horse", None),
            ("elevenchars", Some("too_short")),
            ("aaaaaaaaaaaaaaaa", Some("too_common")),
            ("Password1234", Some("too_common")),
            ("my ada@example.com", Some("too_common")),
            (&"x y".repeat(43), Some("too_long")),
        ] {
            let found = NewPassword::parse(raw, &email).err().map(|e| e.code);
            assert_eq!(found, expected, "{raw}");
        }
    }
}
