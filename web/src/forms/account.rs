//! `/account/…`: a person's own password and tokens.

use serde::Deserialize;
use time::Duration;

use super::{FormErrors, one_of, required};

/// `/account`.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChangePasswordForm {
    pub current_password: String,
    pub password: String,
    /// A ticked box sends something, an unticked one nothing.
    pub revoke_tokens: String,
}

impl ChangePasswordForm {
    pub fn revokes_tokens(&self) -> bool {
        !self.revoke_tokens.is_empty()
    }
}

/// `/account/tokens/new`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TokenForm {
    pub name: String,
    /// `read` or `all`.
    pub access: String,
    /// One of [`LIFETIMES`].
    pub lifetime: String,
    pub form_nonce: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAccess {
    /// Looks, and changes nothing.
    Read,
    /// All that its person may.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFields {
    pub name: String,
    pub access: TokenAccess,
    pub lifetime: Duration,
}

/// Value sent, label, days.
pub const LIFETIMES: [(&str, &str, i64); 4] = [
    ("7d", "7 days", 7),
    ("30d", "30 days", 30),
    ("90d", "90 days", 90),
    ("365d", "A year", 365),
];

impl TokenForm {
    pub fn parse(&self) -> Result<TokenFields, FormErrors> {
        let mut errors = FormErrors::default();
        let name = required(
            &mut errors,
            "name",
            &self.name,
            "Enter a name that tells which program uses the token.",
        );
        let access = match one_of(&mut errors, "access", &self.access, &["read", "all"]) {
            "all" => TokenAccess::All,
            _ => TokenAccess::Read,
        };
        let allowed = LIFETIMES.map(|(value, _, _)| value);
        let chosen = one_of(&mut errors, "lifetime", &self.lifetime, &allowed);
        let days = LIFETIMES
            .iter()
            .find(|(value, _, _)| *value == chosen)
            .map_or(0, |(_, _, days)| *days);
        errors.or(TokenFields {
            name,
            access,
            lifetime: Duration::days(days),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_says_what_it_is_for_and_how_long() {
        let form = TokenForm {
            name: " deploy ".to_owned(),
            access: "read".to_owned(),
            lifetime: "30d".to_owned(),
            form_nonce: String::new(),
        };
        let fields = form.parse().unwrap();
        assert_eq!(fields.name, "deploy");
        assert_eq!(fields.access, TokenAccess::Read);
        assert_eq!(fields.lifetime, Duration::days(30));
        let errors = TokenForm::default().parse().unwrap_err();
        for field in ["name", "access", "lifetime"] {
            assert!(errors.get(field).is_some(), "{field}");
        }
    }
}
