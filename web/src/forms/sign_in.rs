//! `/login`.

use serde::Deserialize;

use super::{FormErrors, required};

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct SignInForm {
    pub email: String,
    pub password: String,
    /// Where to go afterwards. The server accepts paths of its own only.
    pub next: String,
}

pub struct SignIn {
    pub email: String,
    pub password: String,
}

impl SignInForm {
    /// Says nothing about whether the address exists.
    pub fn parse(&self) -> Result<SignIn, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = SignIn {
            email: required(
                &mut errors,
                "email",
                &self.email,
                "Enter your email address.",
            ),
            password: self.password.clone(),
        };
        if self.password.is_empty() {
            errors.insert("password", "Enter your password.");
        }
        errors.or(parsed)
    }
}
