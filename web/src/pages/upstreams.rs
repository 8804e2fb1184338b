//! Upstreams: where requests go.

use askama::Template;

use crate::forms::FormErrors;
use crate::forms::upstreams::UpstreamForm;
use crate::layout::{OperatorTab, Shell};
use crate::samples;

/// `GET /admin/upstreams`.
#[derive(Debug, Clone, Template)]
#[template(path = "upstreams/list.html")]
pub struct Upstreams {
    pub shell: Shell,
    pub upstreams: Vec<UpstreamRow>,
}

#[derive(Debug, Clone)]
pub struct UpstreamRow {
    pub id: String,
    pub name: String,
    pub targets: Vec<TargetRow>,
    /// Names of the APIs that use it.
    pub apis: Vec<String>,
}

#[derive(Debug, Clone)]
pub struct TargetRow {
    pub url: String,
    pub weight: String,
    /// Of all requests to the upstream.
    pub share: String,
}

/// `GET`, `POST /admin/upstreams/new` and `/admin/upstreams/{upstream}`; deleting asks at
/// `…/delete`.
#[derive(Debug, Clone, Template)]
#[template(path = "upstreams/edit.html")]
pub struct UpstreamEditor {
    pub shell: Shell,
    /// Id and name; None for a new upstream.
    pub existing: Option<(String, String)>,
    pub form: UpstreamForm,
    pub errors: FormErrors,
    /// Names of the APIs that use it: it can be deleted when there are none.
    pub apis: Vec<String>,
}

/// Empty rows after the filled ones, so that targets can be added without scripts.
const BLANK_ROWS: usize = 3;

impl UpstreamEditor {
    fn rows(&self) -> Vec<(String, String)> {
        let typed = self.form.rows().filter(|(url, _)| !url.is_empty());
        let mut rows: Vec<(String, String)> = typed
            .map(|(url, weight)| (url.to_owned(), weight.to_owned()))
            .collect();
        rows.extend((0..BLANK_ROWS).map(|_| (String::new(), String::new())));
        rows
    }

    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Upstreams),
            existing: None,
            form: UpstreamForm::default(),
            errors: FormErrors::default(),
            apis: Vec::new(),
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = UpstreamForm {
            edition: "3".to_owned(),
            name: "orders-service".to_owned(),
            target_url: vec![
                "http://10.0.4.11:8080".to_owned(),
                samples::HOSTILE.to_owned(),
            ],
            target_weight: vec!["100".to_owned(), "5000".to_owned()],
        };
        Self {
            existing: Some(("ups_orders".to_owned(), "orders-service".to_owned())),
            errors: form.parse().err().unwrap_or_default(),
            form,
            apis: vec!["Orders".to_owned()],
            ..Self::sample()
        }
    }
}

impl Upstreams {
    #[must_use]
    pub fn sample() -> Self {
        let target = |url: &str, weight: &str, share: &str| TargetRow {
            url: url.to_owned(),
            weight: weight.to_owned(),
            share: share.to_owned(),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Upstreams),
            upstreams: vec![
                UpstreamRow {
                    id: "ups_orders".to_owned(),
                    name: "orders-service".to_owned(),
                    targets: vec![
                        target("http://10.0.4.11:8080", "90", "90 %"),
                        target("http://10.0.4.12:8080", "10", "10 %"),
                    ],
                    apis: vec!["Orders".to_owned(), "Tracking".to_owned()],
                },
                UpstreamRow {
                    id: "ups_demo".to_owned(),
                    name: samples::HOSTILE.to_owned(),
                    targets: vec![target("http://127.0.0.1:8001", "1", "100 %")],
                    apis: Vec::new(),
                },
            ],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            upstreams: Vec::new(),
            ..Self::sample()
        }
    }
}
