//! Scopes: what a caller may do, in words (RFC 6749, section 3.3).

use crate::field::FieldError;

pub const SCOPES_MAX: usize = 100;

/// One scope-token.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Visible ASCII without `"` and `\`, at most 100 characters.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let is_token = !raw.is_empty()
            && raw.len() <= 100
            && raw
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
        if is_token {
            Ok(Self(raw.to_owned()))
        } else {
            Err(FieldError::new(
                "scope",
                "invalid",
                "A scope is up to 100 visible characters without spaces, quotes and backslashes.",
            ))
        }
    }

    /// Parses a list: sorted, each once.
    pub fn parse_all<I>(field: &'static str, raw: I) -> Result<Vec<Self>, Vec<FieldError>>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let mut scopes = crate::field::each(field, raw, Self::parse)?;
        scopes.sort();
        scopes.dedup();
        if scopes.len() > SCOPES_MAX {
            return Err(vec![FieldError::new(
                field,
                "too_many",
                format!("Use at most {SCOPES_MAX} scopes."),
            )]);
        }
        Ok(scopes)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Their texts, as the database and the nodes hold them.
pub fn texts(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.0.clone()).collect()
}
