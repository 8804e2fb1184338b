//! `/admin/apis/{api}/routes/new` and `/admin/apis/{api}/routes/{route}`.

use domain::field::each;
use domain::plan::Rate;
use domain::route::{Method, PathTemplate};
use domain::scope::Scope;
use serde::{Deserialize, Serialize};

use super::apis::{CorsFields, CorsTyped};
use super::{FormErrors, optional, optional_decimal, optional_number, words};

pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    /// None ticked: any method.
    pub methods: Vec<String>,
    pub path: String,
    /// A checkbox: present when ticked.
    pub api_key_required: Option<String>,
    /// A checkbox: keep the credential that authenticated the call.
    pub forward_credentials: Option<String>,
    /// Separated by spaces; a caller needs all of them.
    pub scopes: String,
    pub rate_limit: String,
    pub burst_limit: String,
    pub connect_timeout_ms: String,
    /// From the request's last byte to the response's head.
    pub first_byte_timeout_ms: String,
    /// Longest silence while a body moves, either way.
    pub idle_timeout_ms: String,
    /// Empty: the API's.
    pub upstream_id: String,
    /// Empty: the node's own limit.
    pub body_bytes_max: String,
    /// How long a request may wait for a quota lease; empty: 50.
    pub lease_wait_ms: String,
    /// Empty: none.
    pub authorizer_id: String,
    /// One per line; empty: the API's CORS.
    pub cors_allow_origins: String,
    /// Separated by spaces, as the two below.
    pub cors_allow_methods: String,
    pub cors_allow_headers: String,
    pub cors_expose_headers: String,
    pub cors_max_age_seconds: String,
    /// A checkbox: present when ticked.
    pub cors_allow_credentials: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFields {
    pub methods: Vec<String>,
    pub path: String,
    pub api_key_required: bool,
    pub forward_credentials: bool,
    pub scopes: Vec<String>,
    /// Thousandths per second.
    pub rate_limit_thousandths: Option<u64>,
    pub burst_limit: Option<u64>,
    pub connect_timeout_ms: Option<u64>,
    pub first_byte_timeout_ms: Option<u64>,
    pub idle_timeout_ms: Option<u64>,
    pub upstream_id: Option<String>,
    pub body_bytes_max: Option<u64>,
    pub lease_wait_ms: Option<u64>,
    pub authorizer_id: Option<String>,
    /// Instead of the API's.
    pub cors: Option<CorsFields>,
}

impl RouteForm {
    pub fn parse(&self) -> Result<RouteFields, FormErrors> {
        let mut errors = FormErrors::default();
        let e = &mut errors;
        let parsed = RouteFields {
            methods: self.methods.clone(),
            path: self.path.trim().to_owned(),
            api_key_required: self.api_key_required.is_some(),
            forward_credentials: self.forward_credentials.is_some(),
            scopes: words(&self.scopes),
            rate_limit_thousandths: optional_decimal(e, "rate_limit", &self.rate_limit, 3),
            burst_limit: optional_number(e, "burst_limit", &self.burst_limit),
            connect_timeout_ms: optional_number(e, "connect_timeout_ms", &self.connect_timeout_ms),
            first_byte_timeout_ms: optional_number(
                e,
                "first_byte_timeout_ms",
                &self.first_byte_timeout_ms,
            ),
            idle_timeout_ms: optional_number(e, "idle_timeout_ms", &self.idle_timeout_ms),
            upstream_id: optional(&self.upstream_id),
            body_bytes_max: optional_number(e, "body_bytes_max", &self.body_bytes_max),
            lease_wait_ms: optional_number(e, "lease_wait_ms", &self.lease_wait_ms),
            authorizer_id: optional(&self.authorizer_id),
            cors: CorsTyped {
                allow_origins: &self.cors_allow_origins,
                allow_methods: &self.cors_allow_methods,
                allow_headers: &self.cors_allow_headers,
                expose_headers: &self.cors_expose_headers,
                max_age_seconds: &self.cors_max_age_seconds,
                allow_credentials: self.cors_allow_credentials.is_some(),
            }
            .parse(e),
        };
        e.check(PathTemplate::parse(&parsed.path));
        e.check_all(each("methods", &parsed.methods, Method::parse));
        e.check_all(each("scopes", &parsed.scopes, Scope::parse));
        e.check(Rate::parse(
            parsed.rate_limit_thousandths,
            parsed.burst_limit,
        ));
        for (field, timeout) in [
            ("connect_timeout_ms", parsed.connect_timeout_ms),
            ("first_byte_timeout_ms", parsed.first_byte_timeout_ms),
            ("idle_timeout_ms", parsed.idle_timeout_ms),
        ] {
            if timeout == Some(0) {
                e.insert(field, "Allow at least 1 ms, or leave it empty.");
            }
        }
        errors.or(parsed)
    }
}
