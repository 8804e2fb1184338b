//! The operator's first page.

use askama::Template;

use crate::chart::Chart;
use crate::layout::{OperatorTab, Shell, Tone};
use crate::samples;

/// `GET /admin`.
#[derive(Debug, Clone, Template)]
#[template(path = "admin/overview.html")]
pub struct AdminOverview {
    pub shell: Shell,
    /// What needs a person, most urgent first; empty when all is well.
    pub alerts: Vec<Alert>,
    /// Until the deployment serves its first request.
    pub first_steps: Vec<SetupStep>,
    /// `2 of 2 live`.
    pub nodes: String,
    pub nodes_note: String,
    pub revision: String,
    pub revision_note: String,
    pub tenants: String,
    pub tenants_note: String,
    pub requests_today: String,
    pub requests_note: String,
    pub chart: Chart,
    pub busiest: Vec<BusyTenant>,
}

#[derive(Debug, Clone)]
pub struct Alert {
    pub tone: Tone,
    pub text: String,
    pub href: String,
    pub action: String,
}

#[derive(Debug, Clone)]
pub struct SetupStep {
    pub title: String,
    pub text: String,
    pub href: String,
    pub is_done: bool,
}

#[derive(Debug, Clone)]
pub struct BusyTenant {
    pub id: String,
    pub name: String,
    pub plan: String,
    pub requests: String,
    pub throttled: String,
}

impl AdminOverview {
    #[must_use]
    pub fn sample() -> Self {
        let busy = |name: &str, plan: &str, requests: &str| BusyTenant {
            id: samples::TENANT.to_owned(),
            name: name.to_owned(),
            plan: plan.to_owned(),
            requests: requests.to_owned(),
            throttled: "312".to_owned(),
        };
        let alert = |tone, text: &str, path: &str, action: &str| Alert {
            tone,
            text: text.to_owned(),
            href: format!("/admin/{path}"),
            action: action.to_owned(),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Overview),
            alerts: vec![
                alert(
                    Tone::Danger,
                    "Node edge-3 refuses revision 1,208: API “Tracking” does not compile.",
                    "nodes",
                    "See nodes",
                ),
                alert(
                    Tone::Warning,
                    "2 plan requests wait for an answer.",
                    "requests",
                    "Review",
                ),
            ],
            first_steps: Vec::new(),
            nodes: "3 of 4 live".to_owned(),
            nodes_note: "1 refuses its snapshot".to_owned(),
            revision: "1,208".to_owned(),
            revision_note: "published 40 seconds ago".to_owned(),
            tenants: "253".to_owned(),
            tenants_note: "2 suspended".to_owned(),
            requests_today: "1,204,811".to_owned(),
            requests_note: "0.4 % throttled".to_owned(),
            chart: Chart::new(
                "fleet-day",
                "Requests of all tenants in the last 24 hours",
                &samples::hours(1_440),
            ),
            busiest: vec![
                busy("Northwind Freight", "Growth", "418,204"),
                busy(samples::HOSTILE, "Scale", "377,019"),
                busy("Contoso Maps", "Free", "9,998"),
            ],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        let step = |title: &str, text: &str, path: &str, is_done| SetupStep {
            title: title.to_owned(),
            text: text.to_owned(),
            href: format!("/admin/{path}"),
            is_done,
        };
        Self {
            alerts: Vec::new(),
            first_steps: vec![
                step(
                    "Add an upstream",
                    "Where requests are forwarded to.",
                    "upstreams/new",
                    true,
                ),
                step(
                    "Publish an API",
                    "Host, base path and routes.",
                    "apis/new",
                    false,
                ),
                step(
                    "Create a plan",
                    "Limits, and the APIs it opens.",
                    "plans/new",
                    false,
                ),
                step(
                    "Enroll a node",
                    "The process that serves traffic.",
                    "nodes/enroll",
                    false,
                ),
            ],
            nodes: "0".to_owned(),
            nodes_note: "none enrolled".to_owned(),
            tenants: "0".to_owned(),
            tenants_note: String::new(),
            requests_today: "0".to_owned(),
            requests_note: String::new(),
            chart: Chart::new(
                "fleet-day",
                "Requests of all tenants in the last 24 hours",
                &samples::hours(0),
            ),
            busiest: Vec::new(),
            ..Self::sample()
        }
    }
}
