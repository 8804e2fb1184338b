//! `/t/{tenant}/settings`.

use serde::{Deserialize, Serialize};

use super::{FormErrors, required};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SettingsForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
}

impl SettingsForm {
    /// The tenant's new name.
    pub fn parse(&self) -> Result<String, FormErrors> {
        let mut errors = FormErrors::default();
        let name = required(
            &mut errors,
            "name",
            &self.name,
            "Enter a name for the tenant.",
        );
        errors.or(name)
    }
}
