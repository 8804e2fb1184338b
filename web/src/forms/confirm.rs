//! Steps that ask first: some want the thing's name typed.

use serde::Deserialize;

use super::FormErrors;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ConfirmForm {
    /// What was typed to confirm; empty where nothing is asked for.
    pub confirmation: String,
}

impl ConfirmForm {
    /// Whether exactly `expected` was typed.
    pub fn parse(&self, expected: &str) -> Result<(), FormErrors> {
        if self.confirmation.trim() == expected {
            return Ok(());
        }
        Err(FormErrors::of(
            "confirmation",
            format!("Type “{expected}” to go on."),
        ))
    }
}
