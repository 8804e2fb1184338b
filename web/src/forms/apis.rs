//! `/admin/apis/new` and `/admin/apis/{api}`.

use domain::api::{BasePath, Cors, Host, KeyHeader};
use domain::field::each;
use serde::{Deserialize, Serialize};

use super::{FormErrors, optional, optional_number, required, words};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
    /// One per line; empty: any host, tried last.
    pub hosts: String,
    /// Empty: every path.
    pub base_path: String,
    pub upstream_id: String,
    /// Header that carries the API key.
    pub api_key_header: String,
    /// What tokens must be meant for; empty: not checked.
    pub audience: String,
    /// One per line; empty: no CORS.
    pub cors_allow_origins: String,
    /// Separated by spaces, as the two below.
    pub cors_allow_methods: String,
    pub cors_allow_headers: String,
    pub cors_expose_headers: String,
    pub cors_max_age_seconds: String,
    /// A checkbox: present when ticked.
    pub cors_allow_credentials: Option<String>,
    /// Empty: served from a snapshot of any age.
    pub max_stale_ms: String,
    /// One per line: its name, and after a space what it is for.
    pub scopes: String,
}

impl Default for ApiForm {
    fn default() -> Self {
        Self {
            edition: String::new(),
            name: String::new(),
            hosts: String::new(),
            base_path: String::new(),
            upstream_id: String::new(),
            api_key_header: "x-api-key".to_owned(),
            audience: String::new(),
            cors_allow_origins: String::new(),
            cors_allow_methods: String::new(),
            cors_allow_headers: String::new(),
            cors_expose_headers: String::new(),
            cors_max_age_seconds: String::new(),
            cors_allow_credentials: None,
            max_stale_ms: String::new(),
            scopes: String::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFields {
    pub name: String,
    pub hosts: Vec<String>,
    pub base_path: String,
    pub upstream_id: String,
    pub api_key_header: String,
    pub audience: Option<String>,
    pub cors: Option<CorsFields>,
    pub max_stale_ms: Option<u64>,
    /// Name and description.
    pub scopes: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsFields {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub max_age_seconds: Option<u64>,
    pub allow_credentials: bool,
}

impl ApiForm {
    pub fn parse(&self) -> Result<ApiFields, FormErrors> {
        let mut errors = FormErrors::default();
        let e = &mut errors;
        let parsed = ApiFields {
            name: required(e, "name", &self.name, "Enter a name that tenants will see."),
            hosts: words(&self.hosts),
            base_path: self.base_path.trim().to_owned(),
            upstream_id: required(
                e,
                "upstream_id",
                &self.upstream_id,
                "Choose where requests go.",
            ),
            api_key_header: self.api_key_header.trim().to_owned(),
            audience: optional(&self.audience),
            cors: CorsTyped {
                allow_origins: &self.cors_allow_origins,
                allow_methods: &self.cors_allow_methods,
                allow_headers: &self.cors_allow_headers,
                expose_headers: &self.cors_expose_headers,
                max_age_seconds: &self.cors_max_age_seconds,
                allow_credentials: self.cors_allow_credentials.is_some(),
            }
            .parse(e),
            max_stale_ms: optional_number(e, "max_stale_ms", &self.max_stale_ms),
            scopes: scope_lines(&self.scopes),
        };
        e.check_all(each("hosts", &parsed.hosts, Host::parse));
        e.check(BasePath::parse(&parsed.base_path));
        e.check(KeyHeader::parse(&parsed.api_key_header));
        errors.or(parsed)
    }
}

/// Name and description of each line.
fn scope_lines(raw: &str) -> Vec<(String, String)> {
    raw.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.split_once(char::is_whitespace).unwrap_or((line, "")))
        .map(|(name, text)| (name.to_owned(), text.trim().to_owned()))
        .collect()
}

/// CORS settings as they are typed, of an API or of a route.
pub(super) struct CorsTyped<'a> {
    pub allow_origins: &'a str,
    pub allow_methods: &'a str,
    pub allow_headers: &'a str,
    pub expose_headers: &'a str,
    pub max_age_seconds: &'a str,
    pub allow_credentials: bool,
}

impl CorsTyped<'_> {
    /// `None`: no origins, no CORS.
    pub(super) fn parse(&self, errors: &mut FormErrors) -> Option<CorsFields> {
        let max_age_seconds = optional_number(errors, "cors_max_age_seconds", self.max_age_seconds);
        let cors = CorsFields {
            allow_origins: words(self.allow_origins),
            allow_methods: words(self.allow_methods),
            allow_headers: words(self.allow_headers),
            expose_headers: words(self.expose_headers),
            max_age_seconds,
            allow_credentials: self.allow_credentials,
        };
        if cors.allow_origins.is_empty() {
            return None;
        }
        errors.check(
            Cors {
                allow_origins: cors.allow_origins.clone(),
                allow_methods: cors.allow_methods.clone(),
                allow_headers: cors.allow_headers.clone(),
                expose_headers: cors.expose_headers.clone(),
                allow_credentials: cors.allow_credentials,
                max_age_seconds: 0,
            }
            .parse(),
        );
        Some(cors)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form() -> ApiForm {
        ApiForm {
            name: "Orders".to_owned(),
            upstream_id: "ups_1".to_owned(),
            ..ApiForm::default()
        }
    }

    #[test]
    fn no_origins_mean_no_cors() {
        assert_eq!(form().parse().unwrap().cors, None);
    }

    #[test]
    fn wildcard_with_credentials_is_refused() {
        let errors = ApiForm {
            cors_allow_origins: "*".to_owned(),
            cors_allow_credentials: Some("on".to_owned()),
            ..form()
        }
        .parse()
        .unwrap_err();
        assert!(errors.get("cors_allow_origins").is_some());
    }

    #[test]
    fn hosts_and_paths_are_not_addresses() {
        let errors = ApiForm {
            hosts: "https://api.example.com".to_owned(),
            base_path: "https://x/v1".to_owned(),
            ..form()
        }
        .parse()
        .unwrap_err();
        assert!(errors.get("hosts").is_some() && errors.get("base_path").is_some());
    }
}
