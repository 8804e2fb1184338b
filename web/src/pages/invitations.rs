//! What somebody sees who follows an invitation.

use askama::Template;
use domain::password::CHARS_MIN;

use crate::forms::FormErrors;
use crate::forms::invitations::AcceptForm;
use crate::language::Message;
use crate::layout::Shell;
use crate::samples;

/// Who opened the link.
#[derive(Debug, Clone)]
pub enum Invited {
    /// Nobody is signed in.
    Newcomer,
    /// The address that the mail went to.
    SignedIn(String),
    /// Another address.
    SomebodyElse(String),
}

/// `GET`, `POST /invitations/{token}`.
#[derive(Debug, Clone, Template)]
#[template(path = "invitations/accept.html")]
pub struct AcceptInvitation {
    pub shell: Shell,
    /// The name of the tenant that invites.
    pub tenant: String,
    /// Whom the invitation is to: password managers keep it with the password.
    pub email: String,
    /// The key of the role's name, such as `role-developer`.
    pub role: String,
    /// This page's own.
    pub path: String,
    pub visitor: Invited,
    pub form: AcceptForm,
    pub errors: FormErrors,
}

impl AcceptInvitation {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            tenant: "Northwind Freight".to_owned(),
            email: samples::PERSON.to_owned(),
            role: "role-developer".to_owned(),
            path: "/invitations/0a1b".to_owned(),
            visitor: Invited::Newcomer,
            form: AcceptForm::default(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let mut errors = FormErrors::of_message("name", Message::new("error-required"));
        let short = Message::new("error-too-short").with("count", CHARS_MIN);
        errors.say("password", short);
        Self {
            tenant: samples::HOSTILE.to_owned(),
            form: AcceptForm {
                name: samples::HOSTILE.to_owned(),
                password: String::new(),
            },
            errors,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_signed_in() -> Self {
        Self {
            visitor: Invited::SignedIn(samples::PERSON.to_owned()),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_somebody_else() -> Self {
        Self {
            visitor: Invited::SomebodyElse(samples::PERSON.to_owned()),
            ..Self::sample()
        }
    }
}
