//! `/t/{tenant}/members`, `/invitations/{token}`.

use serde::Deserialize;

/// Whom to invite as what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct InviteForm {
    pub email: String,
    pub role: String,
}

/// How somebody new wants to be called and to sign in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AcceptForm {
    pub name: String,
    pub password: String,
}
