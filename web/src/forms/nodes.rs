//! `/admin/nodes/enroll`.

use domain::node::{Labels, TOKEN_USES_MAX};
use serde::Deserialize;
use time::Duration;

use super::{FormErrors, number, one_of, required, words};

/// How long an enrollment token may be used: value sent and seconds.
pub const TOKEN_LIFETIMES: [(&str, i64); 4] = [
    ("15m", 900),
    ("1h", 3_600),
    ("24h", 86_400),
    ("7d", 604_800),
];

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct EnrollForm {
    /// Tells tokens apart.
    pub name: String,
    /// `key=value`, separated by spaces or lines.
    pub labels: String,
    /// How many nodes may enroll with the token.
    pub uses: String,
    pub lifetime: String,
    pub form_nonce: String,
}

impl Default for EnrollForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            labels: String::new(),
            uses: "1".to_owned(),
            lifetime: "1h".to_owned(),
            form_nonce: String::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollFields {
    pub name: String,
    /// `key=value` each.
    pub labels: Vec<String>,
    pub uses: u32,
    pub lifetime: Duration,
}

impl EnrollForm {
    pub fn parse(&self) -> Result<EnrollFields, FormErrors> {
        let mut errors = FormErrors::default();
        let name = required(
            &mut errors,
            "name",
            &self.name,
            "Enter a name, such as the place of the node.",
        );
        let labels = words(&self.labels);
        errors.check(Labels::parse(labels.iter().map(String::as_str)));
        let uses = u32::try_from(number(&mut errors, "uses", &self.uses)).unwrap_or(u32::MAX);
        if !(1..=TOKEN_USES_MAX).contains(&uses) {
            errors.insert("uses", format!("Enter 1 to {TOKEN_USES_MAX}."));
        }
        let allowed = TOKEN_LIFETIMES.map(|(value, _)| value);
        let chosen = one_of(&mut errors, "lifetime", &self.lifetime, &allowed);
        let seconds = TOKEN_LIFETIMES
            .iter()
            .find(|(value, _)| *value == chosen)
            .map_or(0, |(_, seconds)| *seconds);
        errors.or(EnrollFields {
            name,
            labels,
            uses,
            lifetime: Duration::seconds(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn labels_are_pairs() {
        let form = |labels: &str| EnrollForm {
            name: "edge".to_owned(),
            labels: labels.to_owned(),
            ..EnrollForm::default()
        };
        let parsed = form("zone=eu-1\nrole=edge").parse().unwrap();
        assert_eq!(parsed.labels.len(), 2);
        assert!(form("edge").parse().unwrap_err().get("labels").is_some());
        assert!(form("=x").parse().unwrap_err().get("labels").is_some());
    }

    #[test]
    fn a_token_is_for_a_bounded_number_of_nodes() {
        for uses in ["0", "1001", "many"] {
            let form = EnrollForm {
                uses: uses.to_owned(),
                ..EnrollForm::default()
            };
            assert!(form.parse().unwrap_err().get("uses").is_some());
        }
    }
}
