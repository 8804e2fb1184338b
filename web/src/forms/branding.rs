//! `/t/{tenant}/branding`.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BrandingForm {
    /// Of what the form was filled from.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
    pub accent: String,
    pub support_url: String,
    pub privacy_url: String,
    pub terms_url: String,
}
