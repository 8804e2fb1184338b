//! APIs that the platform publishes.

use askama::Template;

use super::routes::RouteRow;
use crate::forms::apis::ApiForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{OperatorTab, Shell};
use crate::samples;

/// `GET /admin/apis`.
#[derive(Debug, Clone, Template)]
#[template(path = "apis/list.html")]
pub struct Apis {
    pub shell: Shell,
    pub apis: Vec<ApiRow>,
    /// Without an upstream an API has nowhere to go.
    pub has_upstream: bool,
}

#[derive(Debug, Clone)]
pub struct ApiRow {
    pub id: String,
    pub name: String,
    /// `any host` where none is named.
    pub hosts: String,
    pub base_path: String,
    pub upstream: String,
    pub routes: String,
    pub plans: String,
    /// Why nodes refuse it, if they do.
    pub refused: Option<String>,
}

/// `GET`, `POST /admin/apis/new` and `/admin/apis/{api}`; deleting asks at `…/delete`.
#[derive(Debug, Clone, Template)]
#[template(path = "apis/edit.html")]
pub struct ApiEditor {
    pub shell: Shell,
    /// None for a new API.
    pub existing: Option<ExistingApi>,
    pub form: ApiForm,
    pub errors: FormErrors,
    pub upstreams: Vec<Choice>,
}

#[derive(Debug, Clone)]
pub struct ExistingApi {
    pub id: String,
    pub name: String,
    /// Most specific first, as nodes try them.
    pub routes: Vec<RouteRow>,
    /// Names of the plans that open it.
    pub plans: Vec<String>,
    pub refused: Option<String>,
}

impl Apis {
    #[must_use]
    pub fn sample() -> Self {
        let api = |name: &str, hosts: &str, base_path: &str, refused: Option<&str>| ApiRow {
            id: "api_orders".to_owned(),
            name: name.to_owned(),
            hosts: hosts.to_owned(),
            base_path: base_path.to_owned(),
            upstream: "orders-service".to_owned(),
            routes: "6".to_owned(),
            plans: "3".to_owned(),
            refused: refused.map(str::to_owned),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Apis),
            apis: vec![
                api("Orders", "api.example.com", "/orders", None),
                api(samples::HOSTILE, "any host", "/", None),
                api(
                    "Tracking",
                    "api.example.com, track.example.com",
                    "/tracking",
                    Some("Two routes match the same requests: GET /v1/{id} and GET /v1/{key}."),
                ),
            ],
            has_upstream: true,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            apis: Vec::new(),
            has_upstream: false,
            ..Self::sample()
        }
    }
}

impl ApiEditor {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Apis),
            existing: None,
            form: ApiForm::default(),
            errors: FormErrors::default(),
            upstreams: samples::upstream_choices(""),
        }
    }

    #[must_use]
    pub fn sample_existing() -> Self {
        Self {
            existing: Some(ExistingApi {
                id: "api_orders".to_owned(),
                name: "Orders".to_owned(),
                routes: RouteRow::samples(),
                plans: vec!["Free".to_owned(), "Growth".to_owned()],
                refused: Some("Route GET /v1/{id} names an unknown upstream.".to_owned()),
            }),
            form: ApiForm {
                name: "Orders".to_owned(),
                hosts: "api.example.com".to_owned(),
                base_path: "/orders".to_owned(),
                audience: samples::HOSTILE.to_owned(),
                scopes: "orders:read Read your orders\norders:write Change your orders".to_owned(),
                cors_allow_origins: "https://app.example.com".to_owned(),
                cors_max_age_seconds: "600".to_owned(),
                cors_allow_credentials: Some("on".to_owned()),
                ..ApiForm::default()
            },
            upstreams: samples::upstream_choices("ups_orders"),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = ApiForm {
            hosts: samples::HOSTILE.to_owned(),
            base_path: "/a//b".to_owned(),
            cors_allow_origins: "*".to_owned(),
            cors_allow_credentials: Some("on".to_owned()),
            ..ApiForm::default()
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            existing: Some(ExistingApi {
                id: "api_orders".to_owned(),
                name: "Orders".to_owned(),
                routes: Vec::new(),
                plans: Vec::new(),
                refused: None,
            }),
            ..Self::sample()
        }
    }
}
