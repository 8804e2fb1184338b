//! Email addresses.

use crate::field::FieldError;

/// An address in lower case, so that one mailbox is one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Checks the shape only: the mail that is sent decides whether the address is real. Bounds
    /// are those of RFC 5321, section 4.5.3.1.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().to_lowercase();
        let has_shape = text.split_once('@').is_some_and(|(local, host)| {
            (1..=64).contains(&local.len())
                && host.contains('.')
                && !host.contains('@')
                && !host.starts_with('.')
                && !host.ends_with('.')
                && !host.contains("..")
        });
        let is_plain = !text.chars().any(|letter| {
            letter.is_whitespace() || letter.is_control() || "<>()[],;:\\\"".contains(letter)
        });
        if has_shape && is_plain && text.len() <= 254 {
            Ok(Self(text))
        } else {
            Err(FieldError::new(
                "email",
                "invalid",
                "Enter an email address, such as ada@example.com.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

crate::field::closed_set! {
    /// What a mailed code is for.
    CodePurpose {
        SignUp = "sign_up",
        ResetPassword = "reset_password",
        ChangeEmail = "change_email",
    }
}

/// Wrong guesses after which a mailed code is worthless: of a million codes, five.
pub const CODE_ATTEMPTS_MAX: u32 = 5;

/// Six digits from given randomness; the bias is below 10^-12.
pub fn mint_code(random: [u8; 8]) -> String {
    format!("{:06}", u64::from_be_bytes(random) % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_lower_case_and_has_a_mailbox_and_a_host() {
        assert_eq!(
            Email::parse(" Ada@Example.COM ")
                .map(|email| email.0)
                .as_deref(),
            Ok("ada@example.com")
        );
        for raw in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a b@example.com",
            "ada@example.com.",
            "ada@exa..mple.com",
            "a@b@c.de",
            "Ada <ada@example.com>",
            "a\r\nbcc:x@example.com",
        ] {
            assert!(Email::parse(raw).is_err(), "{raw:?}");
        }
    }
}
