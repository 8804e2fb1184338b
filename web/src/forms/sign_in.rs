//! `/login`.

use serde::Deserialize;

use super::FormErrors;
use crate::language::Message;

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct SignInForm {
    pub email: String,
    pub password: String,
    /// Where to go afterwards. The server accepts paths of its own only.
    pub next: String,
    /// `domain`: to find the provider of the address's domain, not to sign in here.
    pub way: String,
}

pub struct SignIn {
    pub email: String,
    pub password: String,
}

/// `/login/code`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct SecondStepForm {
    pub code: String,
    /// Sent where a recovery code was asked for.
    pub recovery: String,
}

impl SecondStepForm {
    #[must_use]
    pub fn is_recovery(&self) -> bool {
        !self.recovery.is_empty()
    }
}

/// `/account/authenticator/confirm`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct CodeForm {
    pub code: String,
}

impl SignInForm {
    /// Empty, for who goes on to `next` afterwards.
    #[must_use]
    pub fn on_the_way_to(next: &str) -> Self {
        Self {
            next: next.to_owned(),
            ..Self::default()
        }
    }

    /// Says nothing about whether the address exists.
    pub fn parse(&self) -> Result<SignIn, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = SignIn {
            email: self.email.trim().to_owned(),
            password: self.password.clone(),
        };
        if parsed.email.is_empty() {
            errors.say("email", Message::new("error-email-required"));
        }
        if self.password.is_empty() {
            errors.say("password", Message::new("error-password-required"));
        }
        errors.or(parsed)
    }
}
