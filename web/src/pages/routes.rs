//! Routes of an API.

use askama::Template;

use crate::forms::routes::{METHODS, RouteForm};
use crate::forms::{Choice, FormErrors};
use crate::layout::{OperatorTab, Shell};
use crate::samples;

/// A line of the routes table of an API.
#[derive(Debug, Clone)]
pub struct RouteRow {
    pub id: String,
    /// `ANY` where none is named.
    pub methods: Vec<String>,
    pub path: String,
    /// What a caller has to show: `API key`, `token`, `API key and token`, or nothing.
    pub credentials: Option<&'static str>,
    pub scopes: Vec<String>,
    /// `5 per second, burst 10`, or `–`.
    pub limit: String,
    /// Where it differs from the API's.
    pub upstream: Option<String>,
}

/// `GET`, `POST /admin/apis/{api}/routes/new` and `/admin/apis/{api}/routes/{route}`; deleting
/// asks at `…/delete`.
#[derive(Debug, Clone, Template)]
#[template(path = "routes/edit.html")]
pub struct RouteEditor {
    pub shell: Shell,
    pub api_id: String,
    pub api_name: String,
    /// Before every path of the API.
    pub base_path: String,
    /// None for a new route.
    pub route_id: Option<String>,
    pub form: RouteForm,
    pub errors: FormErrors,
    pub upstreams: Vec<Choice>,
    pub authorizers: Vec<Choice>,
    /// Named here, but not defined by the API.
    pub undefined_scopes: Vec<String>,
}

impl RouteEditor {
    fn methods(&self) -> Vec<Choice> {
        let pairs = METHODS.map(|method| (method, method));
        Choice::any_of(&pairs, &self.form.methods)
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Apis),
            api_id: "api_orders".to_owned(),
            api_name: "Orders".to_owned(),
            base_path: "/orders".to_owned(),
            route_id: None,
            form: RouteForm {
                api_key_required: Some("on".to_owned()),
                ..RouteForm::default()
            },
            errors: FormErrors::default(),
            upstreams: samples::upstream_choices(""),
            authorizers: vec![Choice::new("atz_1".to_owned(), "Tollgate token".to_owned())],
            undefined_scopes: Vec::new(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = RouteForm {
            methods: vec!["GET".to_owned(), "TRACE".to_owned()],
            path: samples::HOSTILE.to_owned(),
            rate_limit: "1".to_owned(),
            connect_timeout_ms: "0".to_owned(),
            ..RouteForm::default()
        };
        Self {
            route_id: Some("rte_1".to_owned()),
            undefined_scopes: vec!["orders:reed".to_owned(), samples::HOSTILE.to_owned()],
            errors: form.parse().err().unwrap_or_default(),
            form,
            ..Self::sample()
        }
    }
}

impl RouteRow {
    pub(crate) fn samples() -> Vec<Self> {
        let route = |methods: &[&str], path: &str, scopes: &[&str], limit: &str| Self {
            id: "rte_1".to_owned(),
            methods: methods.iter().map(|&m| m.to_owned()).collect(),
            path: path.to_owned(),
            credentials: scopes.first().map(|_| "API key and token"),
            scopes: scopes.iter().map(|&s| s.to_owned()).collect(),
            limit: limit.to_owned(),
            upstream: None,
        };
        vec![
            route(&["GET"], "/v1/orders/{id}", &["orders:read"], "–"),
            route(
                &["POST", "PUT"],
                "/v1/orders",
                &["orders:write"],
                "5 per second, burst 10",
            ),
            Self {
                upstream: Some("static-files".to_owned()),
                ..route(&["ANY"], "/{rest+}", &[], "–")
            },
        ]
    }
}
