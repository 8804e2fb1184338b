//! Keys that tokens are signed with.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::FormErrors;
use crate::layout::{Badge, OperatorTab, Shell, Tone};
use crate::samples;

/// `GET`, `POST /admin/token-keys`.
#[derive(Debug, Clone, Template)]
#[template(path = "token_keys/list.html")]
pub struct TokenKeys {
    pub shell: Shell,
    /// Newest first.
    pub keys: Vec<KeyRow>,
    /// Where everybody finds their public halves.
    pub jwks: String,
    /// How long a new key is shown before it signs.
    pub minutes_before: i64,
    pub may_rotate: bool,
    pub errors: FormErrors,
}

#[derive(Debug, Clone)]
pub struct KeyRow {
    pub kid: String,
    pub algorithm: String,
    pub state: Badge,
    pub signs_from: Moment,
    pub verifies_until: Option<Moment>,
}

impl TokenKeys {
    #[must_use]
    pub fn sample() -> Self {
        let key = |kid: &str, state: &str, tone, until| KeyRow {
            kid: kid.to_owned(),
            algorithm: "RS256".to_owned(),
            state: Badge::new(tone, state),
            signs_from: samples::ago(Duration::days(2)),
            verifies_until: until,
        };
        Self {
            shell: samples::operator_shell(OperatorTab::TokenKeys),
            keys: vec![
                key("q1Wk3Zr8sT0uVxYbAcDeFg", "Signs", Tone::Good, None),
                key(
                    samples::HOSTILE,
                    "Replaced",
                    Tone::Neutral,
                    Some(samples::ago(Duration::hours(1))),
                ),
            ],
            jwks: "https://console.example.com/.well-known/jwks.json".to_owned(),
            minutes_before: 10,
            may_rotate: true,
            errors: FormErrors::of("algorithm", "Choose an algorithm."),
        }
    }
}
