//! `/admin/apis/new` and `/admin/apis/{api}`.

use serde::Deserialize;

use super::{FormErrors, optional, optional_number, required, words};

#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct ApiForm {
    pub name: String,
    /// One per line; empty: any host, tried last.
    pub hosts: String,
    pub base_path: String,
    pub upstream_id: String,
    /// Header that carries the API key.
    pub api_key_header: String,
    /// What tokens must be meant for; empty: not checked.
    pub audience: String,
    /// One per line; empty: no CORS.
    pub cors_origins: String,
    pub cors_headers: String,
    pub cors_max_age_seconds: String,
    /// A checkbox: present when ticked.
    pub cors_allow_credentials: Option<String>,
}

impl Default for ApiForm {
    fn default() -> Self {
        Self {
            name: String::new(),
            hosts: String::new(),
            base_path: "/".to_owned(),
            upstream_id: String::new(),
            api_key_header: "x-api-key".to_owned(),
            audience: String::new(),
            cors_origins: String::new(),
            cors_headers: String::new(),
            cors_max_age_seconds: String::new(),
            cors_allow_credentials: None,
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsFields {
    pub origins: Vec<String>,
    pub headers: Vec<String>,
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
            base_path: path(e, "base_path", &self.base_path),
            upstream_id: required(
                e,
                "upstream_id",
                &self.upstream_id,
                "Choose where requests go.",
            ),
            api_key_header: required(
                e,
                "api_key_header",
                &self.api_key_header,
                "Enter a header name, such as x-api-key.",
            ),
            audience: optional(&self.audience),
            cors: self.cors(e),
        };
        if let Some(wrong) = parsed.hosts.iter().find(|h| h.contains(['/', ':'])) {
            e.insert(
                "hosts",
                format!("“{wrong}”: enter host names only, without scheme, port or path."),
            );
        }
        errors.or(parsed)
    }

    fn cors(&self, errors: &mut FormErrors) -> Option<CorsFields> {
        let max_age_seconds =
            optional_number(errors, "cors_max_age_seconds", &self.cors_max_age_seconds);
        let cors = CorsFields {
            origins: words(&self.cors_origins),
            headers: words(&self.cors_headers),
            max_age_seconds,
            allow_credentials: self.cors_allow_credentials.is_some(),
        };
        let is_any_origin = cors.origins.iter().any(|origin| origin == "*");
        if is_any_origin && cors.allow_credentials {
            // The Fetch standard refuses the wildcard for credentialed requests.
            errors.insert(
                "cors_origins",
                "Browsers refuse * together with credentials: name the origins.",
            );
        }
        (!cors.origins.is_empty()).then_some(cors)
    }
}

/// An absolute path without query.
pub(crate) fn path(errors: &mut FormErrors, field: &str, raw: &str) -> String {
    let value = raw.trim();
    let is_path = value.starts_with('/')
        && !value.contains("//")
        && !value
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#'));
    if !is_path {
        errors.insert(field, "Enter a path that starts with a single slash.");
    }
    value.to_owned()
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
            cors_origins: "*".to_owned(),
            cors_allow_credentials: Some("on".to_owned()),
            ..form()
        }
        .parse()
        .unwrap_err();
        assert!(errors.get("cors_origins").is_some());
    }

    #[test]
    fn hosts_and_paths_are_not_addresses() {
        let errors = ApiForm {
            hosts: "https://api.example.com".to_owned(),
            base_path: "v1".to_owned(),
            ..form()
        }
        .parse()
        .unwrap_err();
        assert!(errors.get("hosts").is_some() && errors.get("base_path").is_some());
    }
}
