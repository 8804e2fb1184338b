//! `/t/{tenant}/keys/…`.

use domain::api_key::AllowedIp;
use domain::field::each;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{FormErrors, one_of, optional_instant, required, words};

/// `/t/{tenant}/keys/new` and `/t/{tenant}/keys/{key}`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiKeyForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
    /// A checkbox: present when ticked. A switched-off key is refused and can be switched on.
    pub is_enabled: Option<String>,
    /// UTC, as `datetime-local` sends it; empty for a key that does not expire.
    pub expires_at: String,
    /// None ticked: all scopes of the plan.
    pub scopes: Vec<String>,
    /// None ticked: all APIs of the plan.
    pub api_ids: Vec<String>,
    /// One address or network per line; empty: from anywhere.
    pub allowed_ips: String,
    /// One use, so that reloading the answer does not mint a second key. Only on `new`.
    #[serde(skip_serializing)]
    pub form_nonce: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKeyFields {
    pub name: String,
    pub is_enabled: bool,
    pub expires_at: Option<OffsetDateTime>,
    /// None: whatever the plan allows.
    pub scopes: Option<Vec<String>>,
    /// Empty: every API of the plan.
    pub api_ids: Vec<String>,
    pub allowed_ips: Vec<String>,
}

impl ApiKeyForm {
    pub fn parse(&self) -> Result<ApiKeyFields, FormErrors> {
        let mut errors = FormErrors::default();
        let parsed = ApiKeyFields {
            name: required(
                &mut errors,
                "name",
                &self.name,
                "Enter a name that tells where the key is used.",
            ),
            is_enabled: self.is_enabled.is_some(),
            expires_at: optional_instant(&mut errors, "expires_at", &self.expires_at),
            scopes: (!self.scopes.is_empty()).then(|| self.scopes.clone()),
            api_ids: self.api_ids.clone(),
            allowed_ips: words(&self.allowed_ips),
        };
        errors.check_all(each("allowed_ips", &parsed.allowed_ips, AllowedIp::parse));
        errors.or(parsed)
    }
}

/// How long the old value lives on after a rotation: value sent and seconds.
pub const GRACE_CHOICES: [(&str, i64); 5] = [
    ("0", 0),
    ("1h", 3_600),
    ("24h", 86_400),
    ("7d", 604_800),
    ("30d", 2_592_000),
];

/// `/t/{tenant}/keys/{key}/rotate`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RotateApiKeyForm {
    pub grace: String,
    pub form_nonce: String,
}

impl RotateApiKeyForm {
    /// The grace period.
    pub fn parse(&self) -> Result<Duration, FormErrors> {
        let mut errors = FormErrors::default();
        let allowed = GRACE_CHOICES.map(|(value, _)| value);
        let chosen = one_of(&mut errors, "grace", &self.grace, &allowed);
        let seconds = GRACE_CHOICES
            .iter()
            .find(|(value, _)| *value == chosen)
            .map_or(0, |(_, seconds)| *seconds);
        errors.or(Duration::seconds(seconds))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn wrong_address_is_counted_in_the_message() {
        let form = ApiKeyForm {
            name: "billing".to_owned(),
            allowed_ips: "10.0.0.1\noffice".to_owned(),
            ..ApiKeyForm::default()
        };
        let errors = form.parse().unwrap_err();
        assert!(errors.get("allowed_ips").unwrap().starts_with("Entry 2"));
    }

    #[test]
    fn grace_is_one_of_the_offered_lengths() {
        let grace = |value: &str| {
            RotateApiKeyForm {
                grace: value.to_owned(),
                ..RotateApiKeyForm::default()
            }
            .parse()
        };
        assert_eq!(grace("24h").unwrap(), Duration::days(1));
        assert_eq!(grace("0").unwrap(), Duration::ZERO);
        assert!(grace("9y").is_err());
    }
}
