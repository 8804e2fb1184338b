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

/// A line of text for people: trimmed, not empty, bounded, without characters that are not seen or
/// that turn the text around them: two names that look alike are told apart.
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
    if has_hidden(text) {
        return Err(FieldError::new(
            field,
            "invalid",
            "Use plain text without line breaks or invisible characters.",
        ));
    }
    Ok(text.to_owned())
}

fn has_hidden(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|letter| {
        let is_hidden = match letter {
            // Joiners have work to do in some scripts and in emoji, and none beside Latin letters.
            '\u{200c}' | '\u{200d}' => before.is_ascii(),
            letter => letter.is_control() || is_format(letter),
        };
        before = letter;
        is_hidden
    })
}

/// Unicode's general category Cf without the joiners, and fillers that show nothing.
fn is_format(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
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
    fn names_that_look_alike_cannot_differ_in_what_is_not_seen() {
        for raw in [
            "Ac\u{200b}me",
            "Acme\u{202e}",
            "\u{2066}Acme",
            "A\u{200d}cme",
            "Ac\u{ad}me",
            "\u{3164}",
            "Acme\u{e0041}",
        ] {
            assert_eq!(
                line("name", raw, 100).map_err(|e| e.code),
                Err("invalid"),
                "{raw:?}"
            );
        }
        for raw in [
            "Gro\u{df}markt",
            "\u{645}\u{6cc}\u{200c}\u{62e}",
            "\u{1f469}\u{200d}\u{1f4bb}",
        ] {
            assert!(line("name", raw, 100).is_ok(), "{raw:?}");
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
