//! Sign-in.

use askama::Template;

use crate::forms::FormErrors;
use crate::forms::sign_in::SignInForm;
use crate::language::Message;
use crate::layout::{Flash, Shell, Tone};
use crate::samples;

/// `GET`, `POST /login`. Who is signed in already is sent on to the console.
#[derive(Clone, Template)]
#[template(path = "sign_in/sign_in.html")]
pub struct SignIn {
    pub shell: Shell,
    pub form: SignInForm,
    pub errors: FormErrors,
    /// Somebody who is signed in proves it once more.
    pub is_again: bool,
    pub has_passkeys: bool,
    /// `None`: who comes from this application cannot sign up by themselves.
    pub sign_up_href: Option<String>,
    /// Other providers to sign in through.
    pub ways: Vec<Way>,
    /// Some provider is for the addresses of a domain.
    pub offers_domains: bool,
}

/// A button: "Continue with" and the name.
#[derive(Debug, Clone)]
pub struct Way {
    pub href: String,
    pub name: String,
}

/// `GET`, `POST /login/code`: the second step.
#[derive(Clone, Template)]
#[template(path = "sign_in/second_step.html")]
pub struct SecondStep {
    pub shell: Shell,
    /// A recovery code is asked for in place of an authenticator's.
    pub is_recovery: bool,
    pub errors: FormErrors,
}

impl SecondStep {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            is_recovery: false,
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_recovery() -> Self {
        Self {
            is_recovery: true,
            errors: FormErrors::of_message("code", Message::new("error-second-step")),
            ..Self::sample()
        }
    }
}

/// `GET /logout` where it is not sure that the person wants that; the form posts to `/logout`.
#[derive(Clone, Template)]
#[template(path = "sign_in/sign_out.html")]
pub struct SignOut {
    pub shell: Shell,
    /// The application's request, to follow afterwards.
    pub request: String,
}

impl SignOut {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            request: "client_id=cli_1&state=\"x".to_owned(),
        }
    }
}

impl SignIn {
    #[must_use]
    pub fn sample() -> Self {
        let mut shell = samples::public_shell();
        shell.flash = Some(Flash {
            tone: Tone::Good,
            text: shell.text("reset-done"),
        });
        Self {
            shell,
            form: SignInForm::default(),
            errors: FormErrors::default(),
            is_again: false,
            has_passkeys: true,
            sign_up_href: Some("/signup".to_owned()),
            ways: Vec::new(),
            offers_domains: false,
        }
    }

    /// On the way to an application of a tenant that has a look of its own.
    #[must_use]
    pub fn sample_branded() -> Self {
        let mut shell = samples::public_shell();
        shell.way.brand = Some(samples::brand());
        Self {
            shell,
            form: SignInForm {
                email: samples::PERSON.to_owned(),
                ..SignInForm::default()
            },
            ..Self::sample()
        }
    }

    /// Somebody who is about to change how they sign in.
    #[must_use]
    pub fn sample_again() -> Self {
        Self {
            is_again: true,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            shell: samples::public_shell(),
            form: SignInForm {
                email: samples::HOSTILE.to_owned(),
                password: "never echoed".to_owned(),
                next: "/t/ten_1".to_owned(),
                way: String::new(),
            },
            errors: FormErrors::of_message(FormErrors::FORM, Message::new("error-sign-in")),
            is_again: false,
            has_passkeys: false,
            sign_up_href: None,
            ways: vec![Way {
                href: "/login/with/idp_1?next=%2Ft%2Ften_1".to_owned(),
                name: samples::HOSTILE.to_owned(),
            }],
            offers_domains: true,
        }
    }
}
