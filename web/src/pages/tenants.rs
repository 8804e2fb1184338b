//! Tenants, as operators see them.

use askama::Template;
use time::Duration;

use super::api_keys::ApiKeyRow;
use super::members::{MemberRow, Members};
use super::subscriptions::SubscriptionCard;
use crate::format::Moment;
use crate::forms::tenants::TenantQuery;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, OperatorTab, Shell, Tone};
use crate::samples;

/// `GET /admin/tenants?q&status&cursor`.
#[derive(Debug, Clone, Template)]
#[template(path = "tenants/list.html")]
pub struct Tenants {
    pub shell: Shell,
    pub query: TenantQuery,
    /// Of all tenants, whatever the search.
    pub total: String,
    pub tenants: Vec<TenantRow>,
    pub next_href: Option<String>,
    pub first_href: Option<String>,
}

#[derive(Debug, Clone)]
pub struct TenantRow {
    pub id: String,
    pub name: String,
    pub badge: Badge,
    /// `No plan` where there is none.
    pub plan: String,
    pub keys: String,
    /// Of the last 24 hours.
    pub requests: String,
    pub created_at: Moment,
}

/// `GET /admin/tenants/{tenant}`. Adding a subscription posts to `…/subscriptions`, changing its
/// plan to `…/subscriptions/{subscription}`, resuming to `…/resume`; suspending, deleting,
/// cancelling a subscription and revoking a key ask at `…/suspend`, `…/delete`,
/// `…/subscriptions/{subscription}/cancel` and `…/keys/{key}/revoke`; `…/export` downloads.
#[derive(Debug, Clone, Template)]
#[template(path = "tenants/detail.html")]
pub struct TenantDetail {
    pub shell: Shell,
    pub id: String,
    pub name: String,
    pub badge: Badge,
    pub is_suspended: bool,
    pub created_at: Moment,
    /// Of the last 24 hours.
    pub requests: String,
    pub throttled: String,
    pub subscriptions: Vec<TenantSubscription>,
    /// Plans that can be added, each with its limits as hint.
    pub plans: Vec<Choice>,
    pub errors: FormErrors,
    pub keys: Vec<ApiKeyRow>,
    /// Keys beyond those shown.
    pub more_keys: usize,
    pub members: Vec<MemberRow>,
}

#[derive(Debug, Clone)]
pub struct TenantSubscription {
    pub id: String,
    pub card: SubscriptionCard,
    /// Plans to change to, the present one selected.
    pub plans: Vec<Choice>,
}

impl Tenants {
    fn statuses(&self) -> Vec<Choice> {
        let pairs = [
            ("", "Any"),
            ("active", "Active"),
            ("suspended", "Suspended"),
        ];
        Choice::one_of(&pairs, &self.query.status)
    }

    #[must_use]
    pub fn sample() -> Self {
        let tenant = |name: &str, badge, plan: &str, requests: &str| TenantRow {
            id: samples::TENANT.to_owned(),
            name: name.to_owned(),
            badge,
            plan: plan.to_owned(),
            keys: "3".to_owned(),
            requests: requests.to_owned(),
            created_at: samples::ago(Duration::days(40)),
        };
        let active = || Badge::new(Tone::Good, "Active");
        Self {
            shell: samples::operator_shell(OperatorTab::Tenants),
            query: TenantQuery::default(),
            total: "253".to_owned(),
            tenants: vec![
                tenant("Northwind Freight", active(), "Growth", "418,204"),
                tenant(samples::HOSTILE, active(), "Scale", "377,019"),
                tenant(
                    "Contoso Maps",
                    Badge::new(Tone::Danger, "Suspended"),
                    "Free",
                    "0",
                ),
                tenant("Fabrikam", active(), "No plan", "0"),
            ],
            next_href: Some("?cursor=abc".to_owned()),
            first_href: Some("?".to_owned()),
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            total: "0".to_owned(),
            tenants: Vec::new(),
            next_href: None,
            first_href: None,
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_not_found() -> Self {
        Self {
            query: TenantQuery {
                q: samples::HOSTILE.to_owned(),
                ..TenantQuery::default()
            },
            total: "253".to_owned(),
            ..Self::sample_empty()
        }
    }
}

impl TenantDetail {
    #[must_use]
    pub fn sample() -> Self {
        let plans = || {
            Choice::one_of(
                &[("pln_free", "Free"), ("pln_growth", "Growth")],
                "pln_growth",
            )
        };
        let subscription = |id: &str, card| TenantSubscription {
            id: id.to_owned(),
            card,
            plans: plans(),
        };
        Self {
            shell: samples::operator_shell(OperatorTab::Tenants),
            id: samples::TENANT.to_owned(),
            name: "Northwind Freight".to_owned(),
            badge: Badge::new(Tone::Good, "Active"),
            is_suspended: false,
            created_at: samples::ago(Duration::days(40)),
            requests: "418,204".to_owned(),
            throttled: "312".to_owned(),
            subscriptions: vec![
                subscription("sub_1", SubscriptionCard::sample()),
                subscription("sub_2", SubscriptionCard::sample_spent()),
            ],
            plans: plans(),
            errors: FormErrors::default(),
            keys: vec![
                ApiKeyRow::sample("billing-worker", Badge::new(Tone::Good, "Active")),
                ApiKeyRow {
                    id: "key_2".to_owned(),
                    last_used_at: None,
                    expires_at: None,
                    ..ApiKeyRow::sample(samples::HOSTILE, Badge::new(Tone::Danger, "Revoked"))
                },
            ],
            more_keys: 4,
            members: Members::sample_members(),
        }
    }

    #[must_use]
    pub fn sample_suspended() -> Self {
        Self {
            name: samples::HOSTILE.to_owned(),
            badge: Badge::new(Tone::Danger, "Suspended"),
            is_suspended: true,
            subscriptions: Vec::new(),
            errors: FormErrors::of(
                "plan_id",
                "Another subscription of this tenant opens the same API.",
            ),
            keys: Vec::new(),
            more_keys: 0,
            ..Self::sample()
        }
    }
}
