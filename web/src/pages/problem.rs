//! Anything that went wrong, as a page.

use askama::Template;

use crate::layout::Shell;
use crate::samples;

/// Any status from 400 up. `detail` is the public text; the cause stays in the log.
#[derive(Debug, Clone, Template)]
#[template(path = "problem/problem.html")]
pub struct Problem {
    pub shell: Shell,
    pub status: u16,
    pub title: String,
    pub detail: String,
    /// What the reader can do now.
    pub advice: String,
    pub request_id: String,
}

impl Problem {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::public_shell(),
            status: 404,
            title: "Page not found".to_owned(),
            detail: "There is nothing at this address, or you have no access to it.".to_owned(),
            advice: "Check the address, or start again from the overview.".to_owned(),
            request_id: "0198f2c4-7c1e-7bd0-9a41-5c1e7bd09a41".to_owned(),
        }
    }

    #[must_use]
    pub fn sample_unavailable() -> Self {
        Self {
            status: 503,
            title: "The database cannot be reached".to_owned(),
            detail: format!("Gateways keep serving meanwhile. {}", samples::HOSTILE),
            advice: "Try again in a minute. If it stays, tell your operator the request id."
                .to_owned(),
            ..Self::sample()
        }
    }
}
