//! Forms: the raw fields as a browser sends them, parsed to plain values or to one message per
//! field. A page keeps the raw form, so that what was typed stands there again beside its errors.

pub mod account;
pub mod api_keys;
pub mod apis;
pub mod audit;
pub mod branding;
pub mod confirm;
mod edition;
pub mod groups;
pub mod identity_providers;
pub mod invitations;
pub mod members;
pub mod nodes;
pub mod oauth_clients;
pub mod passkeys;
pub mod password;
pub mod plan_requests;
pub mod plans;
pub mod routes;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod tenants;
pub mod upstreams;
pub mod usage;
pub mod users;

use std::collections::BTreeMap;

use domain::field::FieldError;
use domain::password::{CHARS_MAX, CHARS_MIN};

pub use edition::seen;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::language::{Language, Message};

/// Messages by field name; [`FormErrors::FORM`] names the form as a whole. What only a database
/// can know ("this name is taken") is added with [`FormErrors::insert`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormErrors {
    messages: BTreeMap<String, Wrong>,
    /// What is saved now in the fields where something else was typed.
    saved: BTreeMap<String, Vec<String>>,
}

/// What is wrong with a field, in words, and the text it can be had from in other languages.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    text: String,
    message: Option<Message>,
}

impl From<FieldError> for FormErrors {
    fn from(error: FieldError) -> Self {
        let mut errors = Self::default();
        errors.add(error);
        errors
    }
}

impl FormErrors {
    /// The key for a message that belongs to no single field.
    pub const FORM: &'static str = "";

    #[must_use]
    pub fn of(field: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.insert(field, message);
        errors
    }

    /// Keeps the first message of a field.
    pub fn insert(&mut self, field: &str, message: impl Into<String>) {
        self.keep(field, message.into(), None);
    }

    /// Keeps the first message of a field, which is there in every language.
    pub fn say(&mut self, field: &str, message: Message) {
        let text = Language::default().say(&message);
        self.keep(field, text, Some(message));
    }

    /// An error whose text is there in every language.
    #[must_use]
    pub fn of_message(field: &str, message: Message) -> Self {
        let mut errors = Self::default();
        errors.say(field, message);
        errors
    }

    /// With messages in this language, as far as they are there in it.
    #[must_use]
    pub fn in_language(mut self, language: Language) -> Self {
        for wrong in self.messages.values_mut() {
            if let Some(message) = &wrong.message {
                wrong.text = language.say(message);
            }
        }
        self
    }

    fn keep(&mut self, field: &str, text: String, message: Option<Message>) {
        let wrong = || Wrong { text, message };
        self.messages.entry(field.to_owned()).or_insert_with(wrong);
    }

    /// Keeps what a value type found wrong, beside the form's field. Of nested fields the dots
    /// become underscores (`quota.limit` is `quota_limit`); an element of a list is counted in
    /// the message, because a list is one field of the form.
    pub fn add(&mut self, error: FieldError) {
        // Typed in units of the currency, stored in minor ones.
        let name = match error.field.as_ref() {
            "price.amount_minor" => "price.amount",
            name => name,
        };
        let mut parts = name.split('.');
        let mut field = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            if let Ok(place) = part.parse::<usize>() {
                self.insert(&field, format!("Entry {}: {}", place + 1, error.message));
                return;
            }
            field.push('_');
            field.push_str(part);
        }
        let message = translated(&field, error.code);
        self.keep(&field, error.message, message);
    }

    /// Keeps the error of a check whose value is not needed.
    pub(crate) fn check<T>(&mut self, checked: Result<T, FieldError>) {
        if let Err(error) = checked {
            self.add(error);
        }
    }

    /// As [`FormErrors::check`], for every element of a list.
    pub(crate) fn check_all<T>(&mut self, checked: Result<T, Vec<FieldError>>) {
        for error in checked.err().into_iter().flatten() {
            self.add(error);
        }
    }

    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.messages.get(field).map(|wrong| wrong.text.as_str())
    }

    /// The message about the form as a whole.
    #[must_use]
    pub fn form(&self) -> Option<&str> {
        self.get(Self::FORM)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The value if nothing was found wrong. A field that is wrong was parsed to a stand-in that
    /// never leaves this function.
    pub(crate) fn or<T>(self, parsed: T) -> Result<T, Self> {
        if self.is_empty() {
            Ok(parsed)
        } else {
            Err(self)
        }
    }
}

/// The text of what a value type finds wrong on pages that are there in several languages, by its
/// stable code.
fn translated(field: &str, code: &str) -> Option<Message> {
    const NAME_CHARS_MAX: usize = 100;
    Some(match (field, code) {
        ("email" | "code", "invalid") => Message::new("error-email-invalid"),
        ("password", "too_short") => Message::new("error-too-short").with("count", CHARS_MIN),
        ("password", "too_long") => Message::new("error-too-long").with("count", CHARS_MAX),
        ("password", "too_personal") => Message::new("error-password-personal"),
        ("password", "too_common") => Message::new("error-password-common"),
        ("name" | "tenant_name", "required") => Message::new("error-required"),
        ("name" | "tenant_name", "too_long") => {
            Message::new("error-too-long").with("count", NAME_CHARS_MAX)
        }
        ("name" | "tenant_name", "invalid") => Message::new("error-line-invalid"),
        _ => return None,
    })
}

/// One option of a select, a radio group or a list of checkboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
    /// A second, quieter line; may be empty.
    pub hint: String,
    pub is_selected: bool,
}

impl Choice {
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            label: label.into(),
            hint: String::new(),
            is_selected: false,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Selects what the form says.
    #[must_use]
    pub fn selected_if(mut self, is_selected: bool) -> Self {
        self.is_selected = is_selected;
        self
    }

    /// Choices from `(value, label)` pairs with one of them selected.
    #[must_use]
    pub fn one_of(pairs: &[(&str, &str)], selected: &str) -> Vec<Self> {
        pairs
            .iter()
            .map(|(value, label)| Self::new(*value, *label).selected_if(*value == selected))
            .collect()
    }

    /// Choices from `(value, label)` pairs with any number of them selected.
    #[must_use]
    pub fn any_of(pairs: &[(&str, &str)], selected: &[String]) -> Vec<Self> {
        pairs
            .iter()
            .map(|(value, label)| {
                Self::new(*value, *label).selected_if(selected.iter().any(|s| s == value))
            })
            .collect()
    }
}

/// Trimmed and not empty.
pub(crate) fn required(errors: &mut FormErrors, field: &str, raw: &str, message: &str) -> String {
    let value = raw.trim();
    if value.is_empty() {
        errors.insert(field, message);
    }
    value.to_owned()
}

pub(crate) fn optional(raw: &str) -> Option<String> {
    let value = raw.trim();
    (!value.is_empty()).then(|| value.to_owned())
}

/// A whole number; thousands separators as people type them are accepted.
pub(crate) fn optional_number(errors: &mut FormErrors, field: &str, raw: &str) -> Option<u64> {
    let digits: String = raw
        .chars()
        .filter(|c| !matches!(c, ',' | '_' | ' ' | '\u{a0}'))
        .collect();
    if digits.is_empty() {
        return None;
    }
    let number = digits.parse().ok();
    if number.is_none() {
        errors.insert(field, "Enter a whole number, such as 1,000.");
    }
    number
}

pub(crate) fn number(errors: &mut FormErrors, field: &str, raw: &str) -> u64 {
    let value = optional_number(errors, field, raw);
    if value.is_none() {
        errors.insert(field, "Enter a whole number, such as 1,000.");
    }
    value.unwrap_or_default()
}

/// A decimal number in units of 10^-`digits`: `"0.5"` with 3 digits is 500.
pub(crate) fn optional_decimal(
    errors: &mut FormErrors,
    field: &str,
    raw: &str,
    digits: u32,
) -> Option<u64> {
    let text = raw.trim();
    if text.is_empty() {
        return None;
    }
    let value = decimal(text, digits);
    if value.is_none() {
        let message = match digits {
            0 => "Enter a number, such as 10.".to_owned(),
            _ => format!("Enter a number with at most {digits} decimals, such as 10 or 0.5."),
        };
        errors.insert(field, message);
    }
    value
}

fn decimal(text: &str, digits: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = whole.replace(',', "");
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let places = usize::try_from(digits).ok()?;
    if !is_digits(&whole) || !is_digits(fraction) || fraction.len() > places {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

/// Separated by spaces, commas or line breaks; without duplicates, in the order typed.
pub(crate) fn words(raw: &str) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for word in raw.split(|c: char| c.is_whitespace() || c == ',') {
        if !word.is_empty() && !list.iter().any(|known| known == word) {
            list.push(word.to_owned());
        }
    }
    list
}

/// What `<input type="datetime-local">` sends, read as UTC.
pub(crate) fn optional_instant(
    errors: &mut FormErrors,
    field: &str,
    raw: &str,
) -> Option<OffsetDateTime> {
    let text = raw.trim();
    if text.is_empty() {
        return None;
    }
    let minutes = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let seconds = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let instant = PrimitiveDateTime::parse(text, minutes)
        .or_else(|_| PrimitiveDateTime::parse(text, seconds))
        .map(PrimitiveDateTime::assume_utc)
        .ok();
    if instant.is_none() {
        errors.insert(field, "Enter date and time as 2027-01-31T18:00.");
    }
    instant
}

/// One of a closed set, as a select sends it.
pub(crate) fn one_of(
    errors: &mut FormErrors,
    field: &str,
    raw: &str,
    allowed: &[&'static str],
) -> &'static str {
    let found = allowed.iter().find(|value| **value == raw.trim());
    if found.is_none() {
        errors.insert(field, "Choose one of the options.");
    }
    found.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn decimals_become_scaled_whole_numbers() {
        for (text, expected) in [
            ("10", Some(10_000)),
            ("0.5", Some(500)),
            (".25", Some(250)),
            ("1,000", Some(1_000_000)),
            ("1.0005", None),
            ("-1", None),
            ("1e3", None),
            (".", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(decimal(text, 3), expected, "{text}");
        }
    }

    #[test]
    fn whole_numbers_may_be_typed_with_separators() {
        let mut errors = FormErrors::default();
        assert_eq!(number(&mut errors, "n", " 1,000_000 "), 1_000_000);
        assert!(errors.is_empty());
        number(&mut errors, "n", "ten");
        number(&mut errors, "m", "");
        assert!(errors.get("n").is_some() && errors.get("m").is_some());
    }

    #[test]
    fn words_are_split_and_not_repeated() {
        assert_eq!(words(" a b,\r\nc a "), ["a", "b", "c"]);
        assert!(words(" ,\n").is_empty());
    }

    #[test]
    fn instants_are_read_as_utc() {
        let mut errors = FormErrors::default();
        let expected = Some(datetime!(2027-01-31 18:00 UTC));
        assert_eq!(
            optional_instant(&mut errors, "t", "2027-01-31T18:00"),
            expected
        );
        assert_eq!(
            optional_instant(&mut errors, "t", "2027-01-31T18:00:00"),
            expected
        );
        assert_eq!(optional_instant(&mut errors, "t", ""), None);
        assert!(errors.is_empty());
        optional_instant(&mut errors, "t", "tomorrow");
        assert!(errors.get("t").is_some());
    }

    #[test]
    fn nested_fields_and_elements_of_lists_find_their_place_in_the_form() {
        let mut errors = FormErrors::default();
        for field in ["quota.limit", "allowed_ips.1", "targets.0.url", "name"] {
            errors.add(FieldError::new(field, "invalid", "Wrong."));
        }
        assert_eq!(errors.get("quota_limit"), Some("Wrong."));
        assert_eq!(errors.get("allowed_ips"), Some("Entry 2: Wrong."));
        assert_eq!(errors.get("targets"), Some("Entry 1: Wrong."));
        assert_eq!(errors.get("name"), Some("Wrong."));
    }

    #[test]
    fn the_first_message_of_a_field_stays() {
        let mut errors = FormErrors::of("name", "first");
        errors.insert("name", "second");
        assert_eq!(errors.get("name"), Some("first"));
    }
}
