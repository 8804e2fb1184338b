//! `/`: what Tollgate is, and the ways in.

use askama::Template;

use crate::layout::Shell;
use crate::samples;

/// `GET /`.
#[derive(Debug, Clone, Template)]
#[template(path = "landing/landing.html")]
pub struct Landing {
    pub shell: Shell,
}

impl Landing {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
        }
    }

    #[must_use]
    pub fn sample_signed_in() -> Self {
        let mut page = Self::sample();
        page.shell.person = Some(samples::PERSON.to_owned());
        page
    }
}
