//! What somebody sees who follows an invitation.

use askama::Template;
use domain::password::CHARS_MIN;

use crate::forms::FormErrors;
use crate::forms::invitations::AcceptForm;
use crate::layout::Shell;
use crate::samples;

/// `GET`, `POST /invitations/{token}`.
#[derive(Debug, Clone, Template)]
#[template(path = "invitations/accept.html")]
pub struct AcceptInvitation {
    pub shell: Shell,
    /// The name of the tenant that invites.
    pub tenant: String,
    /// `Owner`, `Admin`, `Developer`, `Viewer`, `User`.
    pub role: String,
    /// This page's own.
    pub path: String,
    pub signed_in_as: Option<String>,
    pub form: AcceptForm,
    pub errors: FormErrors,
}

impl AcceptInvitation {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            tenant: "Northwind Freight".to_owned(),
            role: "Developer".to_owned(),
            path: "/invitations/0a1b".to_owned(),
            signed_in_as: None,
            form: AcceptForm::default(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let mut errors = FormErrors::of("name", "Enter a value.");
        errors.insert(
            "password",
            "Use at least 15 characters. A few words will do.",
        );
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
            signed_in_as: Some(samples::PERSON.to_owned()),
            ..Self::sample()
        }
    }
}
