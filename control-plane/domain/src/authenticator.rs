//! Second factors: codes of an authenticator application (RFC 6238), and recovery codes for whoever
//! loses it.

use time::OffsetDateTime;
use totp_rs::{Algorithm, Builder, Secret, Totp};

/// Seconds for which a code is shown (RFC 6238, section 5.2).
const STEP_SECONDS: u64 = 30;
/// 160 bits, as RFC 4226, section 4 recommends.
pub const SECRET_BYTES: usize = 20;
/// How many recovery codes somebody has.
pub const RECOVERY_CODES: usize = 10;

/// What an authenticator application and we know.
#[derive(Clone)]
pub struct AuthenticatorSecret([u8; SECRET_BYTES]);

impl std::fmt::Debug for AuthenticatorSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuthenticatorSecret(…)")
    }
}

impl AuthenticatorSecret {
    /// From given randomness, or as it was kept.
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }

    /// For sealing.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// In groups of four, to be typed where no camera is at hand.
    pub fn reveal(&self) -> String {
        let text = Secret::new_stack(self.0).to_base32();
        let groups: Vec<&str> = text
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        groups.join(" ")
    }

    /// What a QR code tells an application (`otpauth://totp/…`). Colons part issuer and account
    /// in it, so they have none.
    pub fn address(&self, issuer: &str, account: &str) -> String {
        let plain = |text: &str| text.replace(':', " ");
        self.totp(&plain(issuer), &plain(account))
            .to_url()
            .unwrap_or_default()
    }

    /// The number of the time step whose code this is: the present one or a neighbour of it, for
    /// clocks that are not quite right, and later than the one whose code was used last.
    pub fn step_of(&self, code: &str, last_step: Option<u64>, now: OffsetDateTime) -> Option<u64> {
        let seconds = u64::try_from(now.unix_timestamp()).ok()?;
        let step = self.totp("", "").check(code, seconds)?;
        last_step.is_none_or(|last| step > last).then_some(step)
    }

    /// What an application shows at this instant.
    pub fn code_at(&self, at: OffsetDateTime) -> String {
        let seconds = u64::try_from(at.unix_timestamp()).unwrap_or(0);
        self.totp("", "").generate(seconds).to_string()
    }

    /// SHA-1, six digits, 30 seconds: what every application knows.
    fn totp(&self, issuer: &str, account: &str) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(STEP_SECONDS)
            .with_secret(Secret::new_stack(self.0))
            .with_issuer(Some(issuer))
            .with_account_name(account)
            .build_noncompliant()
    }
}

/// A code that works once in place of an authenticator's: 50 bits in two groups.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(String);

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// Without those that look like others (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CODE_LETTERS: usize = 10;

impl RecoveryCode {
    pub fn mint(random: &[u8; CODE_LETTERS]) -> Self {
        let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
        Self(random.iter().map(letter).collect())
    }

    /// As somebody typed it: case, spaces and dashes do not matter, nor letters for the digits that
    /// they look like.
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = String::with_capacity(CODE_LETTERS);
        for letter in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let letter = match letter.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                letter => letter,
            };
            if code.len() == CODE_LETTERS || !LETTERS.contains(&u8::try_from(letter).ok()?) {
                return None;
            }
            code.push(letter);
        }
        (code.len() == CODE_LETTERS).then_some(Self(code))
    }

    /// For hashing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `4k7qz-0m3xd`
    pub fn reveal(&self) -> String {
        let (left, right) = self.0.split_at(CODE_LETTERS / 2);
        format!("{left}-{right}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;
    use time::macros::datetime;

    /// RFC 6238, appendix B, SHA-1; the last six of its eight digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = AuthenticatorSecret::from_bytes(*b"12345678901234567890");
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            let at = OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
            assert_eq!(secret.code_at(at), code, "{seconds}");
        }
    }

    #[test]
    fn a_code_works_once_and_one_step_around_its_time() {
        let secret = AuthenticatorSecret::from_bytes([7; SECRET_BYTES]);
        let now = datetime!(2026-11-28 12:00:10 UTC);
        let step = u64::try_from(now.unix_timestamp()).expect("after 1970") / 30;
        for (offset, expected) in [
            (-60, None),
            (-30, Some(step - 1)),
            (0, Some(step)),
            (30, Some(step + 1)),
            (60, None),
        ] {
            let code = secret.code_at(now + Duration::seconds(offset));
            assert_eq!(secret.step_of(&code, None, now), expected, "{offset}");
        }
        let code = secret.code_at(now);
        assert_eq!(secret.step_of(&code, Some(step), now), None);
        assert_eq!(secret.step_of(&code, Some(step - 1), now), Some(step));
        for wrong in ["", "12345", "1234567", "+12345", "abcdef", "١٢٣٤٥٦"] {
            assert_eq!(secret.step_of(wrong, None, now), None, "{wrong}");
        }
    }

    #[test]
    fn an_application_learns_whose_code_it_is() {
        let secret = AuthenticatorSecret::from_bytes([0; SECRET_BYTES]);
        let address = secret.address("Acme: staging", "ada@example.com");
        assert!(address.starts_with("otpauth://totp/Acme%20%20staging:ada%40example.com?secret="));
        assert!(address.contains("issuer=Acme%20%20staging"), "{address}");
        assert_eq!(secret.reveal(), ["AAAA"; 8].join(" "));
    }

    #[test]
    fn recovery_codes_are_read_as_people_write_them() {
        let code = RecoveryCode::mint(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 255]);
        assert_eq!(code.reveal(), "01234-5678z");
        for text in ["01234-5678z", " O1234 5678Z ", "oi2345678z", "ol234-5678Z"] {
            assert_eq!(RecoveryCode::parse(text).as_ref(), Some(&code), "{text}");
        }
        for text in [
            "",
            "01234-5678",
            "01234-5678zz",
            "01234-5678u",
            "01234-5678é",
        ] {
            assert_eq!(RecoveryCode::parse(text), None, "{text}");
        }
    }
}
