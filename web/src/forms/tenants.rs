//! `/admin/tenants` and `/admin/tenants/{tenant}/…`.

use serde::Deserialize;

use super::{FormErrors, optional, required};

/// The query of `/admin/tenants`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TenantQuery {
    /// Part of a name, or an id.
    pub q: String,
    /// `active`, `suspended` or empty for both.
    pub status: String,
    pub cursor: String,
}

impl TenantQuery {
    #[must_use]
    pub fn search(&self) -> Option<String> {
        optional(&self.q)
    }

    #[must_use]
    pub fn cursor(&self) -> Option<String> {
        optional(&self.cursor)
    }
}

/// `/admin/tenants/{tenant}/subscriptions` (adds one) and
/// `/admin/tenants/{tenant}/subscriptions/{subscription}` (changes its plan).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SubscriptionForm {
    pub plan_id: String,
}

impl SubscriptionForm {
    /// The plan's id.
    pub fn parse(&self) -> Result<String, FormErrors> {
        let mut errors = FormErrors::default();
        let id = required(&mut errors, "plan_id", &self.plan_id, "Choose a plan.");
        errors.or(id)
    }
}
