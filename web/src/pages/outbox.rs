//! Mails of a stack that sends none.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::layout::{OperatorTab, Shell};
use crate::samples;

/// `GET /admin/outbox`.
#[derive(Debug, Clone, Template)]
#[template(path = "outbox/list.html")]
pub struct Outbox {
    pub shell: Shell,
    /// Latest first.
    pub mails: Vec<MailRow>,
}

#[derive(Debug, Clone)]
pub struct MailRow {
    pub to: String,
    pub subject: String,
    pub created_at: Moment,
    /// Plain text.
    pub body: String,
}

impl Outbox {
    #[must_use]
    pub fn sample() -> Self {
        let mail = |to: &str, subject: &str, body: &str| MailRow {
            to: to.to_owned(),
            subject: subject.to_owned(),
            created_at: samples::ago(Duration::minutes(2)),
            body: body.to_owned(),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Outbox),
            mails: vec![
                mail(
                    samples::PERSON,
                    "Your Tollgate code: 493 817",
                    "Enter this code to confirm your address:\n\n    493817\n\nIt is good for 15 minutes. If you did not sign up, ignore this mail.",
                ),
                mail(samples::HOSTILE, samples::HOSTILE, samples::HOSTILE),
            ],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            mails: Vec::new(),
            ..Self::sample()
        }
    }
}
