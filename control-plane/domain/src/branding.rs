//! How pages look on the way to a tenant's applications.

use crate::field::{FieldError, line};

/// What a tenant says of itself. Nothing said: as our own pages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrandingTerms {
    /// Instead of the product's name.
    pub name: Option<String>,
    pub accent: Option<Colour>,
    pub support_url: Option<String>,
    pub privacy_url: Option<String>,
    pub terms_url: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Branding {
    pub terms: BrandingTerms,
    /// Of the logo, which has its own address.
    pub logo_hash: Option<String>,
    /// Counts edits; 0: nothing was ever said.
    pub edition: i32,
}

/// A colour of sRGB, such as `#4347c9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// Six hexadecimal digits, with or without a number sign before them.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let wrong = || {
            let text = "Enter a colour as six hexadecimal digits, such as #4347c9.";
            FieldError::new("accent", "invalid", text)
        };
        let digits = raw.trim();
        let digits = digits.strip_prefix('#').unwrap_or(digits);
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let channel = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| wrong());
        Ok(Self([channel(0)?, channel(2)?, channel(4)?]))
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl BrandingTerms {
    const NAME_CHARS_MAX: usize = 100;
    const URL_CHARS_MAX: usize = 500;

    /// Empty texts say nothing. Fails with everything that is wrong.
    pub fn parse(raw: RawBranding<'_>) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let terms = Self {
            name: given(raw.name)
                .map(|name| line("name", name, Self::NAME_CHARS_MAX))
                .and_then(|found| found.map_err(|error| errors.push(error)).ok()),
            accent: given(raw.accent)
                .map(Colour::parse)
                .and_then(|found| found.map_err(|error| errors.push(error)).ok()),
            support_url: link("support_url", raw.support_url, &mut errors),
            privacy_url: link("privacy_url", raw.privacy_url, &mut errors),
            terms_url: link("terms_url", raw.terms_url, &mut errors),
        };
        if errors.is_empty() {
            Ok(terms)
        } else {
            Err(errors)
        }
    }
}

/// As it was typed or sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct RawBranding<'a> {
    pub name: &'a str,
    pub accent: &'a str,
    pub support_url: &'a str,
    pub privacy_url: &'a str,
    pub terms_url: &'a str,
}

fn given(raw: &str) -> Option<&str> {
    let text = raw.trim();
    (!text.is_empty()).then_some(text)
}

/// An address that people are sent to from pages where they type passwords: https, and nothing that
/// could be taken for another site.
fn link(field: &'static str, raw: &str, errors: &mut Vec<FieldError>) -> Option<String> {
    let url = given(raw)?;
    let host = url.strip_prefix("https://").map(|rest| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        &rest[..end]
    });
    let is_host = host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    });
    let is_plain = url
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && !b"\"'<>\\^`{|}".contains(&byte));
    if is_host && is_plain && url.len() <= BrandingTerms::URL_CHARS_MAX {
        return Some(url.to_owned());
    }
    errors.push(FieldError::new(
        field,
        "invalid",
        "Enter an address that starts with https://, such as https://example.com/help.",
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        for (raw, expected) in [
            ("#4347C9", Some("#4347c9")),
            (" 000000 ", Some("#000000")),
            ("#fff", None),
            ("red", None),
            ("#12345g", None),
            ("#ffffff;}", None),
            ("é1234", None),
        ] {
            let found = Colour::parse(raw).ok().map(|colour| colour.to_string());
            assert_eq!(found.as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn links_lead_to_other_sites_by_https_and_nothing_else() {
        for (url, is_right) in [
            ("https://example.com/help?a=b#c", true),
            ("https://example.com", true),
            ("http://example.com", false),
            ("javascript:alert(1)", false),
            ("https://user@evil.example", false),
            ("https://", false),
            ("https://a b", false),
            ("https://example.com/\"x", false),
            ("//example.com", false),
        ] {
            let raw = RawBranding {
                support_url: url,
                ..RawBranding::default()
            };
            assert_eq!(BrandingTerms::parse(raw).is_ok(), is_right, "{url}");
        }
        let nothing = BrandingTerms::parse(RawBranding::default());
        assert_eq!(nothing, Ok(BrandingTerms::default()));
    }
}
