//! Plan requests that operators approve or decline.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::layout::{Badge, OperatorTab, Shell, Tone};
use crate::samples;

/// `GET /admin/requests`. Approving posts to `/admin/requests/{request}/approve`; declining
/// asks at `…/decline`.
#[derive(Debug, Clone, Template)]
#[template(path = "plan_requests/list.html")]
pub struct PlanRequests {
    pub shell: Shell,
    pub pending: Vec<PlanRequestRow>,
    /// The latest answers.
    pub answered: Vec<AnsweredRequestRow>,
}

#[derive(Debug, Clone)]
pub struct PlanRequestRow {
    pub id: String,
    pub tenant_id: String,
    pub tenant_name: String,
    pub plan_name: String,
    pub limits: String,
    /// What the tenant has now: `Growth`, or `No plan`.
    pub present_plan: String,
    /// Subscriptions that approving ends, each with its APIs.
    pub ends: Vec<String>,
    pub asked_by: String,
    pub created_at: Moment,
    pub message: Option<String>,
}

#[derive(Debug, Clone)]
pub struct AnsweredRequestRow {
    pub tenant_id: String,
    pub tenant_name: String,
    pub plan_name: String,
    pub badge: Badge,
    pub answered_by: String,
    pub answered_at: Moment,
}

/// `GET`, `POST /admin/requests/{request}/decline`.
#[derive(Debug, Clone, Template)]
#[template(path = "plan_requests/decline.html")]
pub struct DeclineRequest {
    pub shell: Shell,
    pub request: PlanRequestRow,
    pub reason: String,
    pub errors: crate::forms::FormErrors,
}

impl PlanRequestRow {
    fn sample() -> Self {
        Self {
            id: "req_1".to_owned(),
            tenant_id: samples::TENANT.to_owned(),
            tenant_name: "Northwind Freight".to_owned(),
            plan_name: "Scale".to_owned(),
            limits: "500 per second, burst 1,000, no quota, €490.00 per month".to_owned(),
            present_plan: "Growth".to_owned(),
            ends: vec!["Growth (Orders, Tracking)".to_owned()],
            asked_by: samples::PERSON.to_owned(),
            created_at: samples::ago(Duration::hours(3)),
            message: Some("We launch in three countries on Monday.".to_owned()),
        }
    }
}

impl PlanRequests {
    #[must_use]
    pub fn sample() -> Self {
        let answered = |badge| AnsweredRequestRow {
            tenant_id: samples::TENANT.to_owned(),
            tenant_name: "Contoso Maps".to_owned(),
            plan_name: "Scale".to_owned(),
            badge,
            answered_by: "operator@tollgate.example".to_owned(),
            answered_at: samples::ago(Duration::days(2)),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Requests),
            pending: vec![
                PlanRequestRow::sample(),
                PlanRequestRow {
                    tenant_name: samples::HOSTILE.to_owned(),
                    message: None,
                    present_plan: "No plan".to_owned(),
                    ends: Vec::new(),
                    ..PlanRequestRow::sample()
                },
            ],
            answered: vec![
                answered(Badge::new(Tone::Good, "Approved")),
                answered(Badge::new(Tone::Neutral, "Declined")),
            ],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            pending: Vec::new(),
            answered: Vec::new(),
            ..Self::sample()
        }
    }
}

impl DeclineRequest {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Requests),
            request: PlanRequestRow::sample(),
            reason: samples::HOSTILE.to_owned(),
            errors: crate::forms::FormErrors::default(),
        }
    }
}
