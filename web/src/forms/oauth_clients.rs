//! The form of an OAuth client. What its fields mean is the domain's to say; here texts are cut into
//! lists.

use serde::{Deserialize, Serialize};

/// Raw fields of the editor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientForm {
    pub name: String,
    /// At registration only.
    pub kind: String,
    pub serves: String,
    pub sign_up: String,
    /// Separated by spaces, commas or lines, like the addresses.
    pub sign_up_domains: String,
    pub redirect_uris: String,
    pub logout_uris: String,
    pub grants: Vec<String>,
    pub scopes: Vec<String>,
    pub requires_pkce: String,
    pub signing_algorithm: String,
    pub encrypts_access_tokens: String,
    pub access_token_seconds: String,
    pub id_token_seconds: String,
    pub refresh_token_seconds: String,
    pub is_enabled: String,
    #[serde(skip_serializing)]
    pub edition: String,
    #[serde(skip_serializing)]
    pub form_nonce: String,
}

/// The words of a text that holds several.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Seconds as they were typed; what is no number is none that would be taken.
#[must_use]
pub fn seconds(text: &str) -> u32 {
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_several_words() {
        assert_eq!(words("a,b\r\n c ,, "), ["a", "b", "c"]);
        assert_eq!((seconds(" 60 "), seconds("x"), seconds("-1")), (60, 0, 0));
    }
}
