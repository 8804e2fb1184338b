//! `/forgot/reset`.

use serde::Deserialize;

use super::FormErrors;
use super::sign_up::{code, email, new_password};

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ResetPasswordForm {
    pub email: String,
    pub code: String,
    pub password: String,
}

pub struct ResetPassword {
    pub email: String,
    /// Six digits.
    pub code: String,
    pub password: String,
}

impl ResetPasswordForm {
    pub fn parse(&self) -> Result<ResetPassword, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = ResetPassword {
            email: email(&mut errors, &self.email),
            code: code(&mut errors, "code", &self.code),
            password: new_password(&mut errors, &self.email, &self.password),
        };
        errors.or(parsed)
    }
}
