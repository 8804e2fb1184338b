//! Who changed what.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::audit::AuditQuery;
use crate::forms::{Choice, FormErrors};
use crate::layout::{OperatorTab, Shell};
use crate::samples;

/// `GET /admin/audit?actor&action&subject&from&to&cursor`.
#[derive(Debug, Clone, Template)]
#[template(path = "audit/list.html")]
pub struct Audit {
    pub shell: Shell,
    pub query: AuditQuery,
    pub errors: FormErrors,
    /// All actions there are, the one of the query selected.
    pub actions: Vec<Choice>,
    pub events: Vec<AuditRow>,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
}

#[derive(Debug, Clone)]
pub struct AuditRow {
    pub id: String,
    pub at: Moment,
    /// An email address, a client's name or `system`.
    pub actor: String,
    /// `api_key.revoke`.
    pub action: String,
    /// Name or id of what was changed.
    pub subject: String,
    pub subject_href: Option<String>,
    pub tenant: Option<AuditTenant>,
    /// Address that the request came from.
    pub address: Option<String>,
    pub request_id: String,
    pub changes: Vec<AuditChange>,
}

#[derive(Debug, Clone)]
pub struct AuditTenant {
    pub id: String,
    pub name: String,
}

/// One field before and after; None where it was not there.
#[derive(Debug, Clone)]
pub struct AuditChange {
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

impl Audit {
    #[must_use]
    pub fn sample() -> Self {
        let change = |field: &str, before: Option<&str>, after: Option<&str>| AuditChange {
            field: field.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        };
        let event = |action: &str, subject: &str, changes: Vec<AuditChange>| AuditRow {
            id: format!("evt_{}", action.replace('.', "_")),
            at: samples::ago(Duration::minutes(12)),
            actor: samples::PERSON.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            subject_href: None,
            tenant: Some(AuditTenant {
                id: samples::TENANT.to_owned(),
                name: "Northwind Freight".to_owned(),
            }),
            address: Some("203.0.113.7".to_owned()),
            request_id: "0198f2c4-7c1e-7bd0-9a41-5c1e7bd09a41".to_owned(),
            changes,
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Audit),
            query: AuditQuery::default(),
            errors: FormErrors::default(),
            actions: Choice::one_of(
                &[
                    ("api_key.create", "api_key.create"),
                    ("api_key.revoke", "api_key.revoke"),
                    ("plan.update", "plan.update"),
                ],
                "",
            ),
            events: vec![
                event(
                    "plan.update",
                    "Growth",
                    vec![
                        change("rate_limit", Some("20 per second"), Some("50 per second")),
                        change("description", Some("–"), Some(samples::HOSTILE)),
                        change("price", Some("€39.00 per month"), None),
                    ],
                ),
                event("api_key.revoke", "billing-worker", Vec::new()),
                AuditRow {
                    actor: "system".to_owned(),
                    tenant: None,
                    address: None,
                    ..event(
                        "node.enroll",
                        "edge-2",
                        vec![change("labels", None, Some("zone=eu-1"))],
                    )
                },
            ],
            next_href: Some("?cursor=abc".to_owned()),
            first_href: None,
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let query = AuditQuery {
            actor: samples::HOSTILE.to_owned(),
            from: "soon".to_owned(),
            ..AuditQuery::default()
        };
        Self {
            errors: query.parse().err().unwrap_or_default(),
            query,
            events: Vec::new(),
            next_href: None,
            ..Self::sample()
        }
    }
}
