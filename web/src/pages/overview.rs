//! A tenant's first page.

use askama::Template;

use super::subscriptions::SubscriptionCard;
use crate::chart::{Bucket, Chart, StatusCounts};
use crate::layout::{Shell, TenantTab};
use crate::samples;

/// `GET /t/{tenant}`.
#[derive(Debug, Clone, Template)]
#[template(path = "overview/overview.html")]
pub struct TenantOverview {
    pub shell: Shell,
    pub tenant_id: String,
    pub tenant_name: String,
    /// Until the first request has come through.
    pub first_steps: Option<FirstSteps>,
    pub subscriptions: Vec<SubscriptionCard>,
    /// Of the last 24 hours.
    pub total: String,
    pub success_share: String,
    pub throttled: String,
    pub active_keys: String,
    pub chart: Chart,
}

#[derive(Debug, Clone)]
pub struct FirstSteps {
    pub steps: Vec<Step>,
    /// A request to paste into a terminal; the key's value is a placeholder.
    pub curl: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub title: String,
    pub text: String,
    pub is_done: bool,
    /// The first step that is not done.
    pub is_next: bool,
    pub href: String,
    pub action: String,
}

impl TenantOverview {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Overview),
            tenant_id: samples::TENANT.to_owned(),
            tenant_name: "Northwind Freight".to_owned(),
            first_steps: None,
            subscriptions: vec![SubscriptionCard::sample(), SubscriptionCard::sample_spent()],
            total: "18,204".to_owned(),
            success_share: "94.1 %".to_owned(),
            throttled: "312".to_owned(),
            active_keys: "3".to_owned(),
            chart: Chart::new(
                "last-day",
                "Requests in the last 24 hours",
                &samples::hours(22),
            ),
        }
    }

    #[must_use]
    pub fn sample_first_steps() -> Self {
        let mut buckets = samples::hours(1);
        for bucket in &mut buckets {
            bucket.counts = StatusCounts::default();
        }
        let step = |title: &str, text: &str, path: &str, action: &str| Step {
            title: title.to_owned(),
            text: text.to_owned(),
            is_done: false,
            is_next: false,
            href: format!("/t/{}/{path}", samples::TENANT),
            action: action.to_owned(),
        };
        let mut steps = vec![
            step(
                "Take a plan",
                "A plan opens APIs and sets your limits.",
                "plans",
                "Choose a plan",
            ),
            step(
                "Create an API key",
                "Your programs send it with every request.",
                "keys/new",
                "Create key",
            ),
            step(
                "Send the first request",
                "It shows here a few seconds later.",
                "keys",
                "See keys",
            ),
        ];
        steps[0].is_done = true;
        steps[1].is_next = true;
        Self {
            first_steps: Some(FirstSteps {
                steps,
                curl: Some(samples::CURL.to_owned()),
            }),
            subscriptions: vec![SubscriptionCard::sample()],
            total: "0".to_owned(),
            success_share: "–".to_owned(),
            throttled: "0".to_owned(),
            active_keys: "0".to_owned(),
            chart: Chart::new("last-day", "Requests in the last 24 hours", &buckets),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_suspended() -> Self {
        let mut page = Self {
            subscriptions: Vec::new(),
            chart: Chart::new("last-day", "Requests in the last 24 hours", &one_request()),
            ..Self::sample()
        };
        if let crate::layout::Nav::Tenant(nav) = &mut page.shell.nav {
            nav.is_suspended = true;
        }
        page
    }
}

fn one_request() -> Vec<Bucket> {
    let mut buckets = samples::hours(0);
    let last = buckets.len() - 1;
    buckets[last].counts.success = 1;
    buckets
}
