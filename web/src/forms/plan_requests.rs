//! `/t/{tenant}/plans/{plan}/request` and the operator's answer.

use serde::Deserialize;

use super::optional;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RequestPlanForm {
    pub message: String,
}

impl RequestPlanForm {
    #[must_use]
    pub fn parse(&self) -> Option<String> {
        optional(&self.message)
    }
}

/// `/admin/requests/{request}/decline`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct DeclineRequestForm {
    pub reason: String,
}

impl DeclineRequestForm {
    #[must_use]
    pub fn parse(&self) -> Option<String> {
        optional(&self.reason)
    }
}
