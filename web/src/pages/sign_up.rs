//! Sign-up and the code that confirms the address.

use askama::Template;
use domain::password::CHARS_MIN;

use crate::forms::FormErrors;
use crate::forms::sign_up::SignUpForm;
use crate::language::Message;
use crate::layout::{Flash, Shell, Tone};
use crate::samples;

/// `GET`, `POST /signup`.
#[derive(Clone, Template)]
#[template(path = "sign_up/sign_up.html")]
pub struct SignUp {
    pub shell: Shell,
    /// Its name, where people come from one and make no tenant of their own.
    pub application: Option<String>,
    pub form: SignUpForm,
    pub errors: FormErrors,
    pub has_passkeys: bool,
    pub sign_in_href: String,
}

/// `/signup` on the way from an application that takes no new people.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_up/closed.html")]
pub struct SignUpClosed {
    pub shell: Shell,
    pub application: String,
    pub sign_in_href: String,
}

/// `GET`, `POST /signup/confirm`; the other button posts to `/signup/resend`.
#[derive(Debug, Clone, Template)]
#[template(path = "sign_up/confirm.html")]
pub struct ConfirmSignUp {
    pub shell: Shell,
    /// Where the code went; travels along as a hidden field.
    pub email: String,
    pub code: String,
    pub errors: FormErrors,
    /// Mails are not sent: an operator of this stack reads them in the outbox.
    pub has_outbox: bool,
    pub sign_up_href: String,
}

impl SignUpClosed {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            application: samples::HOSTILE.to_owned(),
            sign_in_href: "/login?next=x".to_owned(),
        }
    }
}

impl SignUp {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            application: None,
            form: SignUpForm::default(),
            errors: FormErrors::default(),
            has_passkeys: true,
            sign_in_href: "/login".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_at_application() -> Self {
        Self {
            application: Some(samples::HOSTILE.to_owned()),
            form: SignUpForm {
                name: samples::HOSTILE.to_owned(),
                next: "/oauth2/authorize?client_id=cli_1".to_owned(),
                ..SignUpForm::default()
            },
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = SignUpForm {
            email: samples::PERSON.to_owned(),
            password: "short".to_owned(),
            tenant_name: samples::HOSTILE.to_owned(),
            ..SignUpForm::default()
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            ..Self::sample()
        }
    }
}

impl ConfirmSignUp {
    #[must_use]
    pub fn sample() -> Self {
        let mut shell = samples::public_shell();
        shell.flash = Some(Flash {
            tone: Tone::Neutral,
            text: shell.text("confirm-resent"),
        });
        Self {
            shell,
            email: samples::PERSON.to_owned(),
            code: String::new(),
            errors: FormErrors::default(),
            has_outbox: true,
            sign_up_href: "/signup".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            code: "123".to_owned(),
            errors: FormErrors::of_message("code", Message::new("error-code-wrong")),
            has_outbox: false,
            ..Self::sample()
        }
    }
}
