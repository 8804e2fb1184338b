//! A forgotten password.

use askama::Template;
use domain::password::CHARS_MIN;

use crate::forms::FormErrors;
use crate::language::Message;
use crate::layout::Shell;
use crate::samples;

/// `GET`, `POST /forgot`.
#[derive(Debug, Clone, Template)]
#[template(path = "password/forgot.html")]
pub struct ForgotPassword {
    pub shell: Shell,
    pub email: String,
    pub errors: FormErrors,
}

/// `GET`, `POST /forgot/reset`. Shown whether or not the address is known.
#[derive(Debug, Clone, Template)]
#[template(path = "password/reset.html")]
pub struct ResetPassword {
    pub shell: Shell,
    pub email: String,
    pub code: String,
    pub errors: FormErrors,
    /// Mails are not sent: an operator of this stack reads them in the outbox.
    pub has_outbox: bool,
}

impl ForgotPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            email: String::new(),
            errors: FormErrors::default(),
        }
    }
}

impl ResetPassword {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            email: samples::PERSON.to_owned(),
            code: String::new(),
            errors: FormErrors::default(),
            has_outbox: true,
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            code: "<script>".to_owned(),
            errors: FormErrors::of_message("code", Message::new("error-code-format")),
            ..Self::sample()
        }
    }
}
