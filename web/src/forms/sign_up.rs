//! `/signup` and `/signup/confirm`.

use domain::email::Email;
use domain::password::NewPassword;
use domain::user::PersonName;
use serde::Deserialize;

use super::FormErrors;
use crate::language::Message;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct SignUpForm {
    pub email: String,
    pub password: String,
    /// Of the tenant that they make.
    pub tenant_name: String,
    /// Of the person, where they make none.
    pub name: String,
    /// Where to go afterwards. The server accepts paths of its own only.
    pub next: String,
    /// Sent by the button that signs up without a password.
    pub passkey: String,
}

/// Of somebody who makes a tenant.
pub struct SignUp {
    pub email: String,
    /// None: the account will have a passkey.
    pub password: Option<String>,
    pub tenant_name: String,
}

/// Of somebody who uses an application.
pub struct SignUpAtApplication {
    pub email: String,
    /// None: the account will have a passkey.
    pub password: Option<String>,
    /// May be empty.
    pub name: String,
}

impl SignUpForm {
    pub fn parse(&self) -> Result<SignUp, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = SignUp {
            email: email(&mut errors, &self.email),
            password: self
                .passkey
                .is_empty()
                .then(|| new_password(&mut errors, &self.email, &self.password)),
            tenant_name: self.tenant_name.trim().to_owned(),
        };
        if parsed.tenant_name.is_empty() {
            errors.say("tenant_name", Message::new("error-tenant-required"));
        }
        errors.or(parsed)
    }

    pub fn parse_at_application(&self) -> Result<SignUpAtApplication, FormErrors> {
        let mut errors = FormErrors::default();
        errors.check(PersonName::parse(&self.name));
        let parsed = SignUpAtApplication {
            email: email(&mut errors, &self.email),
            password: self
                .passkey
                .is_empty()
                .then(|| new_password(&mut errors, &self.email, &self.password)),
            name: self.name.trim().to_owned(),
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
            email: email(&mut errors, &self.email),
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
        let address = email(&mut errors, &self.email);
        errors.or(address)
    }
}

pub(crate) fn email(errors: &mut FormErrors, raw: &str) -> String {
    errors.check(Email::parse(raw));
    raw.trim().to_owned()
}

/// A password is checked against the address it is for, so that has to be right first.
pub(crate) fn new_password(errors: &mut FormErrors, email: &str, raw: &str) -> String {
    if let Ok(email) = Email::parse(email) {
        errors.check(NewPassword::parse(raw, &email));
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
        errors.say(field, Message::new("error-code-format"));
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
            ..SignUpForm::default()
        }
    }

    #[test]
    fn a_complete_form_is_accepted_and_trimmed() {
        let parsed = form(" ada@example.com ", "correct horse battery", " Acme ")
            .parse()
            .unwrap();
        assert_eq!(parsed.email, "ada@example.com");
        assert_eq!(parsed.tenant_name, "Acme");
    }

    #[test]
    fn every_wrong_field_has_its_own_message() {
        let errors = form("ada", "short", " ").parse().err().unwrap();
        assert!(errors.get("email").is_some() && errors.get("tenant_name").is_some());
        let errors = form("ada@example.com", "short", "Acme")
            .parse()
            .err()
            .unwrap();
        assert!(errors.get("password").is_some());
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
