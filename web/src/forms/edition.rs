//! Edits of what somebody else saved meanwhile: nothing that was typed is lost, and what is saved
//! now stands beside it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::FormErrors;

/// The edition that a form was filled from. `None`: it carries none, and the latest edit wins;
/// what is not a number is no edition that there ever was.
pub fn seen(edition: &str) -> Option<i32> {
    match edition {
        "" => None,
        text => Some(text.parse().unwrap_or(0)),
    }
}

impl FormErrors {
    /// Of a form that was filled from an older edition than the one that is `saved` now.
    #[must_use]
    pub fn edited_meanwhile(typed: &impl Serialize, saved: &impl Serialize) -> Self {
        let typed = values(typed);
        let mut errors = Self::of(
            Self::FORM,
            "Somebody else saved this in the meantime, so yours was not saved. What you typed is \
             still here; where it differs, what is saved now stands below it. Save again to put \
             yours in its place.",
        );
        errors.saved = values(saved)
            .into_iter()
            .filter(|(field, saved)| !typed.get(field).is_some_and(|typed| is_same(typed, saved)))
            .collect();
        errors
    }

    /// What is saved in a field where something else was typed.
    #[must_use]
    pub fn saved(&self, field: &str) -> Option<&[String]> {
        self.saved.get(field).map(Vec::as_slice)
    }

    /// [`FormErrors::saved`] of a field in which one writes.
    pub(crate) fn saved_text(&self, field: &str) -> Option<String> {
        let values = self.saved(field)?;
        Some(match values {
            [] => "nothing".to_owned(),
            values => values.join(", "),
        })
    }

    /// Whether this choice of a field is saved.
    pub(crate) fn is_saved(&self, field: &str, choice: &str) -> bool {
        self.saved(field)
            .is_some_and(|values| values.iter().any(|value| value == choice))
    }
}

/// Fields with what was entered or chosen in them.
fn values(form: &impl Serialize) -> BTreeMap<String, Vec<String>> {
    let Ok(Value::Object(fields)) = serde_json::to_value(form) else {
        return BTreeMap::new();
    };
    let texts = |value: Value| match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    };
    fields
        .into_iter()
        .map(|(field, value)| {
            let mut texts = texts(value);
            texts.retain(|text| !text.trim().is_empty());
            (field, texts)
        })
        .collect()
}

/// But for order, and for how numbers and lists are spaced.
fn is_same(one: &[String], other: &[String]) -> bool {
    let plain = |values: &[String]| {
        let mut plain: Vec<String> = values
            .iter()
            .map(|text| text.replace(|c: char| c.is_whitespace() || c == ',', ""))
            .collect();
        plain.sort();
        plain
    };
    plain(one) == plain(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forms::plans::PlanForm;

    #[test]
    fn what_is_saved_stands_beside_what_differs_from_it() {
        let typed = PlanForm {
            rate_limit: "10".to_owned(),
            burst_limit: "1000".to_owned(),
            api_ids: vec!["b".to_owned(), "a".to_owned()],
            ..PlanForm::default()
        };
        let saved = PlanForm {
            rate_limit: "20".to_owned(),
            burst_limit: "1,000".to_owned(),
            api_ids: vec!["a".to_owned(), "b".to_owned()],
            is_self_service: Some("on".to_owned()),
            edition: "7".to_owned(),
            apply_to: "new".to_owned(),
            ..PlanForm::default()
        };
        let errors = FormErrors::edited_meanwhile(&typed, &saved);
        assert!(errors.form().is_some());
        assert_eq!(errors.saved_text("rate_limit").as_deref(), Some("20"));
        assert!(errors.is_saved("is_self_service", "on"));
        let fields: Vec<&String> = errors.saved.keys().collect();
        assert_eq!(fields, ["is_self_service", "rate_limit"]);
    }

    #[test]
    fn an_edition_that_never_was_is_not_the_present_one() {
        assert_eq!(seen(""), None);
        assert_eq!(seen("7"), Some(7));
        assert_eq!(seen("x"), Some(0));
    }
}
