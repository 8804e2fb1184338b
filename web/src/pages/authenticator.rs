//! A second step of sign-in: setting an authenticator application up, and recovery codes.

use askama::Template;

use crate::forms::FormErrors;
use crate::layout::Shell;
use crate::qr::{self, Drawing};
use crate::samples;

/// `GET /account/authenticator`, once it was begun by a `POST`; the form posts to
/// `/account/authenticator/confirm`.
#[derive(Clone, Template)]
#[template(path = "account/authenticator.html")]
pub struct SetUpAuthenticator {
    pub shell: Shell,
    pub qr_code: Option<Drawing>,
    /// The same to type.
    pub secret: String,
    /// The same as a link, for an application on this device.
    pub address: String,
    pub errors: FormErrors,
}

/// The answer that shows recovery codes, once.
#[derive(Clone, Template)]
#[template(path = "account/recovery_codes.html")]
pub struct RecoveryCodes {
    pub shell: Shell,
    pub codes: Vec<String>,
}

impl SetUpAuthenticator {
    #[must_use]
    pub fn sample() -> Self {
        let address = "otpauth://totp/Tollgate:ada%40northwind.example?secret=JBSWY3DPEHPK3PXP";
        Self {
            shell: samples::person_shell(),
            qr_code: qr::draw(address),
            secret: "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP".to_owned(),
            address: address.to_owned(),
            errors: FormErrors::default(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        Self {
            errors: FormErrors::of(
                "code",
                "This is not the code that the application shows now.",
            ),
            ..Self::sample()
        }
    }
}

impl RecoveryCodes {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::person_shell(),
            codes: (0..10).map(|at| format!("4k7q{at}-0m3xd")).collect(),
        }
    }
}
