//! `/login/passkey`, `/account/passkeys`.

use serde::Deserialize;

/// What a device answered, on the way to somewhere.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct PasskeySignInForm {
    /// JSON of the `PublicKeyCredential`.
    pub credential: String,
    pub next: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct NewPasskeyForm {
    pub name: String,
    /// JSON of the `PublicKeyCredential`.
    pub credential: String,
    pub next: String,
}

impl NewPasskeyForm {
    /// Nobody has to think of a name.
    #[must_use]
    pub fn name_or_default(&self) -> &str {
        match self.name.trim() {
            "" => "Passkey",
            name => name,
        }
    }
}
