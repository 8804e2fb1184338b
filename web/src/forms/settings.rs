//! `/t/{tenant}/settings`.

use serde::Deserialize;

use super::{FormErrors, required};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SettingsForm {
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
