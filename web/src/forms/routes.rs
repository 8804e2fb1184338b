//! `/admin/apis/{api}/routes/new` and `/admin/apis/{api}/routes/{route}`.

use domain::field::each;
use domain::plan::Rate;
use domain::route::{Method, PathTemplate};
use domain::scope::Scope;
use serde::Deserialize;

use super::{FormErrors, optional, optional_decimal, optional_number, words};

pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RouteForm {
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
