//! `/signup` and `/signup/confirm`.

use serde::Deserialize;

use super::{FormErrors, required};

/// Shortest password that is accepted, in characters (NIST SP 800-63B asks for length, not for
/// kinds of characters).
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest one: bounds the work of hashing.
pub const PASSWORD_CHARS_MAX: usize = 128;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct SignUpForm {
    pub email: String,
    pub password: String,
    pub tenant_name: String,
}

pub struct SignUp {
    pub email: String,
    pub password: String,
    pub tenant_name: String,
}

impl SignUpForm {
    pub fn parse(&self) -> Result<SignUp, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = SignUp {
            email: email(&mut errors, "email", &self.email),
            password: new_password(&mut errors, "password", &self.password),
            tenant_name: required(
                &mut errors,
                "tenant_name",
                &self.tenant_name,
                "Enter the name of your company or team.",
            ),
        };
        errors.or(parsed)
    }
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ConfirmSignUpForm {
    pub email: String,
    pub code: String,
}

pub struct ConfirmSignUp {
    pub email: String,
    /// Six digits.
    pub code: String,
}

impl ConfirmSignUpForm {
    pub fn parse(&self) -> Result<ConfirmSignUp, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = ConfirmSignUp {
            email: email(&mut errors, "email", &self.email),
            code: code(&mut errors, "code", &self.code),
        };
        errors.or(parsed)
    }
}

/// `/signup/resend`, `/forgot`: an address alone.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct EmailForm {
    pub email: String,
}

impl EmailForm {
    /// The address.
    pub fn parse(&self) -> Result<String, FormErrors> {
        let mut errors = FormErrors::default();
        let address = email(&mut errors, "email", &self.email);
        errors.or(address)
    }
}

/// Only the shape is checked here: the mail that is sent decides whether the address is real.
pub(crate) fn email(errors: &mut FormErrors, field: &str, raw: &str) -> String {
    let address = raw.trim();
    let has_shape = address.split_once('@').is_some_and(|(local, host)| {
        !local.is_empty() && host.contains('.') && !host.contains('@') && !host.ends_with('.')
    });
    let is_plain = !address.chars().any(|c| c.is_whitespace() || c.is_control());
    if !has_shape || !is_plain || address.len() > 254 {
        errors.insert(field, "Enter an email address, such as ada@example.com.");
    }
    address.to_owned()
}

pub(crate) fn new_password(errors: &mut FormErrors, field: &str, raw: &str) -> String {
    let length = raw.chars().count();
    if length < PASSWORD_CHARS_MIN {
        errors.insert(
            field,
            format!("Use at least {PASSWORD_CHARS_MIN} characters."),
        );
    } else if length > PASSWORD_CHARS_MAX {
        errors.insert(
            field,
            format!("Use at most {PASSWORD_CHARS_MAX} characters."),
        );
    }
    raw.to_owned()
}

/// People copy codes with spaces and dashes around them.
pub(crate) fn code(errors: &mut FormErrors, field: &str, raw: &str) -> String {
    let digits: String = raw
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .collect();
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        errors.insert(field, "Enter the six digits from the email.");
    }
    digits
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form(email: &str, password: &str, tenant_name: &str) -> SignUpForm {
        SignUpForm {
            email: email.to_owned(),
            password: password.to_owned(),
            tenant_name: tenant_name.to_owned(),
        }
    }

    #[test]
    fn a_complete_form_is_accepted_and_trimmed() {
        let parsed = form(" ada@example.com ", "correct horse", " Acme ")
            .parse()
            .unwrap();
        assert_eq!(parsed.email, "ada@example.com");
        assert_eq!(parsed.tenant_name, "Acme");
    }

    #[test]
    fn every_wrong_field_has_its_own_message() {
        let errors = form("ada", "short", " ").parse().err().unwrap();
        for field in ["email", "password", "tenant_name"] {
            assert!(errors.get(field).is_some(), "{field}");
        }
    }

    #[test]
    fn codes_may_be_pasted_with_spaces() {
        let mut errors = FormErrors::default();
        assert_eq!(code(&mut errors, "code", " 123 456 "), "123456");
        assert!(errors.is_empty());
        code(&mut errors, "code", "12345");
        assert!(errors.get("code").is_some());
    }
}
