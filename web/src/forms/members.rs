//! `/t/{tenant}/members/{member}`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use domain::field::FieldError;
use serde::{Deserialize, Serialize};

/// What can be changed of a member.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberForm {
    /// Of what the form was filled from.
    #[serde(skip_serializing)]
    pub edition: String,
    pub role: String,
    /// Ticked: may come in.
    pub is_enabled: Option<String>,
    /// `name=value`, one per line; see [`attribute_lines`].
    pub attributes: String,
}

/// A group to be put into.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AddGroupForm {
    pub group_id: String,
}

/// Attributes as one edits them: `name=value`, one per line. In values, `\n` is a line break and
/// `\\` a backslash.
#[must_use]
pub fn attribute_lines(attributes: &BTreeMap<String, String>) -> String {
    let mut lines = String::new();
    for (name, value) in attributes {
        let value = value
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r");
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{name}={value}");
    }
    lines
}

/// The attributes that lines say. Fails on a line without `=` and on a name that stands there twice.
pub fn parse_attribute_lines(text: &str) -> Result<BTreeMap<String, String>, FieldError> {
    let mut attributes = BTreeMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some((name, value)) = line.split_once('=') else {
            let message = format!("Write each as name=value, one per line ({line}).");
            return Err(FieldError::new("attributes", "invalid", message));
        };
        let name = name.trim().to_owned();
        if attributes.contains_key(&name) {
            let message = format!("{name} stands there twice.");
            return Err(FieldError::new("attributes", "duplicate", message));
        }
        attributes.insert(name, unescaped(value));
    }
    Ok(attributes)
}

fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('\\') => text.push('\\'),
            // Somebody's own backslash.
            other => {
                text.push('\\');
                text.extend(other);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn attributes_come_back_from_the_form_as_they_went_in() {
        let attributes = BTreeMap::from([
            ("address".to_owned(), "1 Main St\r\nOslo ".to_owned()),
            ("path".to_owned(), "C:\\new=1".to_owned()),
            ("team".to_owned(), String::new()),
        ]);
        let lines = attribute_lines(&attributes);
        assert_eq!(parse_attribute_lines(&lines).unwrap(), attributes);
        let typed = " team = east\r\n\r\npath=C:\\Temp";
        let parsed = parse_attribute_lines(typed).unwrap();
        assert_eq!(parsed["team"], " east");
        assert_eq!(parsed["path"], "C:\\Temp");
        for wrong in ["team", "a=1\na=2"] {
            assert!(parse_attribute_lines(wrong).is_err(), "{wrong}");
        }
    }
}
