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

/// Scopes that one API defines.
pub const DEFINED_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 500;
/// What OpenID Connect and OAuth mean by them is not an API's to say.
const RESERVED: &[&str] = &[
    "openid",
    "profile",
    "email",
    "address",
    "phone",
    "offline_access",
];

/// What a token can be for, as an API's operators define it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiScope {
    pub name: String,
    /// For people who are asked to allow it; may be empty.
    pub description: String,
}

impl ApiScope {
    pub fn parse(name: &str, description: &str) -> Result<Self, FieldError> {
        let name = Scope::parse(name.trim())?.0;
        if RESERVED.contains(&name.as_str()) {
            let message = format!("{name} is OpenID Connect's own; choose another name.");
            return Err(FieldError::new("scopes", "reserved", message));
        }
        let description = match description.trim() {
            "" => String::new(),
            text => crate::field::line("scopes", text, DESCRIPTION_CHARS_MAX)?,
        };
        Ok(Self { name, description })
    }

    /// By name, each once.
    pub fn check_all(mut scopes: Vec<Self>) -> Result<Vec<Self>, FieldError> {
        scopes.sort();
        if scopes.len() > DEFINED_MAX {
            let message = format!("Define at most {DEFINED_MAX} scopes.");
            return Err(FieldError::new("scopes", "too_many", message));
        }
        match scopes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            Some(pair) => {
                let message = format!("{} stands there twice.", pair[0].name);
                Err(FieldError::new("scopes", "duplicate", message))
            }
            None => Ok(scopes),
        }
    }
}

/// Their texts, as the database and the nodes hold them.
pub fn texts(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.0.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_defines_scopes_that_are_its_own() {
        for (name, description, code) in [
            ("orders:read", "Read orders", None),
            ("orders:read", "", None),
            ("openid", "", Some("reserved")),
            ("two words", "", Some("invalid")),
            ("orders", "two\nlines", Some("invalid")),
        ] {
            let error = ApiScope::parse(name, description).err();
            assert_eq!(error.map(|error| error.code), code, "{name}");
        }
    }

    #[test]
    fn defined_scopes_are_sorted_unique_and_bounded() {
        let scope = |name: &str| ApiScope::parse(name, "").expect("valid");
        let check = |names: &[&str]| {
            let parsed = ApiScope::check_all(names.iter().map(|name| scope(name)).collect());
            parsed.map_err(|error| error.code)
        };
        assert_eq!(check(&["b", "a"]), Ok(vec![scope("a"), scope("b")]));
        assert_eq!(check(&["b", "a", "b"]), Err("duplicate"));
        let many: Vec<String> = (0..=DEFINED_MAX).map(|n| n.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(check(&many[1..]).is_ok());
        assert_eq!(check(&many), Err("too_many"));
    }
}
