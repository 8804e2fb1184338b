//! The form of an identity provider. What its fields mean is the domain's to say.

use serde::{Deserialize, Serialize};

/// Raw fields of the editor.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderForm {
    pub name: String,
    /// Of a new one only.
    pub issuer: String,
    pub client_id: String,
    /// Never shown again.
    #[serde(skip_serializing)]
    pub client_secret: String,
    #[serde(skip_serializing)]
    pub removes_secret: String,
    /// Separated by spaces, commas or lines, like the domains.
    pub scopes: String,
    pub name_claim: String,
    pub groups_claim: String,
    /// A line each: `theirs = ours`.
    pub groups: String,
    pub domains: String,
    pub links_by_address: String,
    pub makes_people: String,
    pub role: String,
    pub is_enabled: String,
    #[serde(skip_serializing)]
    pub edition: String,
}

impl std::fmt::Debug for ProviderForm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProviderForm({})", self.name)
    }
}
