//! Making a passkey.

use askama::Template;

use crate::forms::FormErrors;
use crate::forms::passkeys::NewPasskeyForm;
use crate::language::Message;
use crate::layout::Shell;
use crate::samples;

/// `GET /account/passkeys/new`; the form posts to `/account/passkeys` what the device made of the
/// options at `/account/passkeys/options`.
#[derive(Clone, Template)]
#[template(path = "account/new_passkey.html")]
pub struct NewPasskey {
    pub shell: Shell,
    pub email: String,
    pub form: NewPasskeyForm,
    pub errors: FormErrors,
}

impl NewPasskey {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            email: samples::PERSON.to_owned(),
            form: NewPasskeyForm::default(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            form: NewPasskeyForm {
                name: samples::HOSTILE.to_owned(),
                next: "/t/ten_1".to_owned(),
                credential: String::new(),
            },
            errors: FormErrors::of_message(FormErrors::FORM, Message::new("error-passkey-made")),
            ..Self::sample()
        }
    }
}
