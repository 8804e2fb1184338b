//! `/t/{tenant}/groups`.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
}

/// Somebody to be put into a group, by address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AddMemberForm {
    pub email: String,
}

/// Where to go on after a step that several pages offer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NextForm {
    pub next: String,
}
