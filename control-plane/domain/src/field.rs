//! What was wrong with a field, and the building blocks of value types.

use std::borrow::Cow;

/// One thing wrong with one field of an input. The code is stable, the message is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name; nested ones with dots: `quota.limit`, `targets.0.url`.
    pub field: Cow<'static, str>,
    pub code: &'static str,
    pub message: String,
}

impl FieldError {
    pub fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: Cow::Borrowed(field),
            code,
            message: message.into(),
        }
    }

    /// The same error at another place: of an element of a list, or of a nested form.
    #[must_use]
    pub fn at(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field: field.into(),
            ..self
        }
    }
}

/// Parses each of `items`, naming what is wrong `field.0`, `field.1` and so on.
pub fn each<I, T>(
    field: &'static str,
    items: I,
    parse: impl Fn(&str) -> Result<T, FieldError>,
) -> Result<Vec<T>, Vec<FieldError>>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let (mut parsed, mut errors) = (Vec::new(), Vec::new());
    for (place, item) in items.into_iter().enumerate() {
        match parse(item.as_ref()) {
            Ok(item) => parsed.push(item),
            Err(error) => errors.push(error.at(format!("{field}.{place}"))),
        }
    }
    if errors.is_empty() {
        Ok(parsed)
    } else {
        Err(errors)
    }
}

/// A line of text for people: trimmed, not empty, without control characters, bounded.
pub fn line(field: &'static str, raw: &str, chars_max: usize) -> Result<String, FieldError> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(FieldError::new(field, "required", "Enter a value."));
    }
    if text.chars().count() > chars_max {
        return Err(FieldError::new(
            field,
            "too_long",
            format!("Use at most {chars_max} characters."),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(FieldError::new(
            field,
            "invalid",
            "Use plain text without line breaks.",
        ));
    }
    Ok(text.to_owned())
}

/// A stored or received word that does not belong to a closed set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a {set}")]
pub struct UnknownValue {
    pub set: &'static str,
    pub found: String,
}

/// Names that people give: a `String` of 1 to 100 characters on one line.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            pub const CHARS_MAX: usize = 100;

            /// Trims; fails when empty, longer than [`Self::CHARS_MAX`] or not on one line.
            pub fn parse(raw: &str) -> Result<Self, $crate::field::FieldError> {
                $crate::field::line("name", raw, Self::CHARS_MAX).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    )*};
}

/// Closed sets with the words that stand for their members in the database and in JSON.
macro_rules! closed_set {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$item_doc])* #[serde(rename = $word)] $item,)*
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$item,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$item => $word,)* }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::field::UnknownValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$item),)*
                    _ => Err($crate::field::UnknownValue { set: stringify!($name), found: text.to_owned() }),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use {closed_set, names};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_bounded() {
        assert_eq!(line("name", "  Acme ", 100), Ok("Acme".to_owned()));
        for (raw, code) in [(" ", "required"), ("abcd", "too_long"), ("a\nb", "invalid")] {
            assert_eq!(
                line("name", raw, 3).map_err(|e| e.code),
                Err(code),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn errors_of_a_list_name_the_element() {
        let errors = each("scopes", ["a", "", "c"], |raw| line("scope", raw, 9))
            .expect_err("the second is empty");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].field, "scopes.1");
    }
}
