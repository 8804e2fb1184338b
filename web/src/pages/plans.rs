//! Plans: a tenant chooses one, operators make and change them.

use askama::Template;
use time::Duration;

use crate::format::Moment;
use crate::forms::plan_requests::RequestPlanForm;
use crate::forms::plans::PlanForm;
use crate::forms::{Choice, FormErrors};
use crate::layout::{Badge, OperatorTab, Shell, TenantTab, Tone};
use crate::samples;

/// `GET /t/{tenant}/plans`. Choosing posts `plan_id` to the same address; switching asks at
/// `…/plans/{plan}/switch`; a plan by approval is asked for at `…/plans/{plan}/request`.
#[derive(Debug, Clone, Template)]
#[template(path = "plans/choose.html")]
pub struct ChoosePlan {
    pub shell: Shell,
    pub tenant_id: String,
    /// The request that waits for an operator, if any.
    pub pending: Option<PendingRequest>,
    pub plans: Vec<PlanCard>,
    /// Whether this person may choose; others only see.
    pub may_choose: bool,
}

#[derive(Debug, Clone)]
pub struct PendingRequest {
    pub id: String,
    pub plan_name: String,
    pub created_at: Moment,
    pub message: Option<String>,
}

#[derive(Debug, Clone)]
pub struct PlanCard {
    pub id: String,
    pub name: String,
    pub description: String,
    pub price: String,
    pub rate: String,
    pub burst: String,
    pub quota: String,
    pub apis: Vec<String>,
    pub offer: PlanOffer,
    /// Where ending the subscription is asked about, if the tenant has it.
    pub end_href: Option<String>,
}

/// What a tenant can do about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanOffer {
    /// It has it.
    Current,
    /// One click takes it.
    Choose,
    /// It replaces a subscription that opens the same APIs: asks first.
    Switch,
    /// An operator has to approve.
    Request,
    /// Asked for, not yet answered.
    Pending,
}

/// `GET`, `POST /t/{tenant}/plans/{plan}/request`.
#[derive(Debug, Clone, Template)]
#[template(path = "plans/request.html")]
pub struct RequestPlan {
    pub shell: Shell,
    pub tenant_id: String,
    pub plan: PlanCard,
    /// Subscriptions that end if it is approved, each with its APIs.
    pub ends: Vec<String>,
    pub form: RequestPlanForm,
    pub errors: FormErrors,
}

/// `GET /admin/plans`.
#[derive(Debug, Clone, Template)]
#[template(path = "plans/list.html")]
pub struct Plans {
    pub shell: Shell,
    pub plans: Vec<PlanRow>,
}

#[derive(Debug, Clone)]
pub struct PlanRow {
    pub id: String,
    pub name: String,
    pub badges: Vec<Badge>,
    pub rate: String,
    pub burst: String,
    pub quota: String,
    pub price: String,
    pub tenants: String,
}

/// `GET`, `POST /admin/plans/new` and `/admin/plans/{plan}`; retiring asks at
/// `/admin/plans/{plan}/retire`.
#[derive(Debug, Clone, Template)]
#[template(path = "plans/edit.html")]
pub struct PlanEditor {
    pub shell: Shell,
    /// None for a new plan.
    pub existing: Option<ExistingPlan>,
    pub form: PlanForm,
    pub errors: FormErrors,
    /// All APIs, those of the form selected.
    pub apis: Vec<Choice>,
}

#[derive(Debug, Clone)]
pub struct ExistingPlan {
    pub id: String,
    pub name: String,
    /// `12 tenants`.
    pub tenants: String,
    /// What `apply_to=all` does to whom, one sentence.
    pub effect_all: String,
    /// What `apply_to=new` does to whom, one sentence.
    pub effect_new: String,
    pub is_retired: bool,
}

impl PlanEditor {
    fn periods(&self) -> Vec<Choice> {
        let pairs = [
            ("day", "per day"),
            ("week", "per week"),
            ("month", "per month"),
        ];
        Choice::one_of(&pairs, &self.form.quota_period)
    }

    fn price_periods(&self) -> Vec<Choice> {
        let pairs = [("month", "per month"), ("year", "per year")];
        Choice::one_of(&pairs, &self.form.price_period)
    }

    fn rate_on_store_down(&self) -> Vec<Choice> {
        on_store_down(&self.form.rate_on_store_down)
    }

    fn quota_on_store_down(&self) -> Vec<Choice> {
        let pairs = [
            ("refuse", "Refuse once leases are used up"),
            (
                "local_share",
                "Go on at the quota's even pace (may exceed the limit)",
            ),
            ("allow", "Allow everything (may exceed the limit)"),
        ];
        Choice::one_of(&pairs, &self.form.quota_on_store_down)
    }

    fn apply_to(&self) -> Vec<Choice> {
        let Some(existing) = &self.existing else {
            return Vec::new();
        };
        let mut choices = Choice::one_of(
            &[
                ("all", "All tenants on this plan"),
                ("new", "New subscriptions only"),
            ],
            &self.form.apply_to,
        );
        for (choice, effect) in choices
            .iter_mut()
            .zip([&existing.effect_all, &existing.effect_new])
        {
            choice.hint.clone_from(effect);
        }
        choices
    }
}

fn on_store_down(selected: &str) -> Vec<Choice> {
    Choice::one_of(
        &[
            (
                "local_share",
                "Go on with the rate divided by the nodes (may exceed it when they change)",
            ),
            ("refuse", "Refuse"),
            ("allow", "Allow everything (may exceed the limit)"),
        ],
        selected,
    )
}

impl PlanCard {
    fn sample(name: &str, price: &str, offer: PlanOffer) -> Self {
        Self {
            id: format!("pln_{}", name.to_lowercase()),
            name: name.to_owned(),
            description: "For production traffic of one product.".to_owned(),
            price: price.to_owned(),
            rate: "50 per second".to_owned(),
            burst: "100 requests".to_owned(),
            quota: "1,000,000 per month".to_owned(),
            apis: vec!["Orders".to_owned(), "Tracking".to_owned()],
            offer,
            end_href: (offer == PlanOffer::Current)
                .then(|| "/t/ten_1/subscriptions/sub_1/end".to_owned()),
        }
    }
}

impl ChoosePlan {
    #[must_use]
    pub fn sample() -> Self {
        let mut hostile = PlanCard::sample("Custom", "On request", PlanOffer::Request);
        hostile.description = samples::HOSTILE.to_owned();
        Self {
            shell: samples::tenant_shell(TenantTab::Plans),
            tenant_id: samples::TENANT.to_owned(),
            pending: None,
            plans: vec![
                PlanCard::sample("Free", "Free", PlanOffer::Switch),
                PlanCard::sample("Growth", "€49.00 per month", PlanOffer::Current),
                PlanCard::sample("Geocoding", "€9.00 per month", PlanOffer::Choose),
                hostile,
            ],
            may_choose: true,
        }
    }

    #[must_use]
    pub fn sample_pending() -> Self {
        Self {
            pending: Some(PendingRequest {
                id: "req_1".to_owned(),
                plan_name: "Scale".to_owned(),
                created_at: samples::ago(Duration::hours(3)),
                message: Some("We launch in three countries on Monday.".to_owned()),
            }),
            plans: vec![
                PlanCard::sample("Growth", "€49.00 per month", PlanOffer::Current),
                PlanCard::sample("Scale", "€490.00 per month", PlanOffer::Pending),
            ],
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            plans: Vec::new(),
            ..Self::sample()
        }
    }
}

impl RequestPlan {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::tenant_shell(TenantTab::Plans),
            tenant_id: samples::TENANT.to_owned(),
            plan: PlanCard::sample("Scale", "€490.00 per month", PlanOffer::Request),
            ends: vec!["Growth (Orders, Tracking)".to_owned()],
            form: RequestPlanForm {
                message: samples::HOSTILE.to_owned(),
            },
            errors: FormErrors::default(),
        }
    }
}

impl Plans {
    #[must_use]
    pub fn sample() -> Self {
        let row =
            |name: &str, quota: &str, price: &str, tenants: &str, badges: Vec<Badge>| PlanRow {
                id: format!("pln_{}", name.to_lowercase()),
                name: name.to_owned(),
                badges,
                rate: "10 per second".to_owned(),
                burst: "20".to_owned(),
                quota: quota.to_owned(),
                price: price.to_owned(),
                tenants: tenants.to_owned(),
            };
        let self_service = || Badge::new(Tone::Good, "Self-service");
        Self {
            shell: samples::operator_shell(OperatorTab::Plans),
            plans: vec![
                row(
                    "Free",
                    "10,000 per month",
                    "Free",
                    "218",
                    vec![self_service()],
                ),
                row(
                    "Growth",
                    "1,000,000 per month",
                    "€49.00 per month",
                    "31",
                    vec![self_service()],
                ),
                row(
                    "Scale",
                    "No quota",
                    "€490.00 per month",
                    "4",
                    vec![Badge::new(Tone::Neutral, "By approval")],
                ),
                row(
                    "Trial 2025",
                    "100 per day",
                    "Free",
                    "0",
                    vec![Badge::new(Tone::Warning, "Retired")],
                ),
            ],
        }
    }

    #[must_use]
    pub fn sample_empty() -> Self {
        Self {
            plans: Vec::new(),
            ..Self::sample()
        }
    }
}

impl PlanEditor {
    #[must_use]
    pub fn sample() -> Self {
        Self {
            shell: samples::operator_shell(OperatorTab::Plans),
            existing: None,
            form: PlanForm::default(),
            errors: FormErrors::default(),
            apis: samples::api_choices(&[]),
        }
    }

    /// Somebody else saved meanwhile.
    #[must_use]
    pub fn sample_edited_meanwhile() -> Self {
        let present = Self::sample_existing();
        let saved = PlanForm {
            description: samples::HOSTILE.to_owned(),
            rate_limit: "25".to_owned(),
            quota_period: "day".to_owned(),
            is_self_service: None,
            api_ids: Vec::new(),
            ..present.form.clone()
        };
        Self {
            errors: FormErrors::edited_meanwhile(&present.form, &saved),
            ..present
        }
    }

    #[must_use]
    pub fn sample_existing() -> Self {
        let form = PlanForm {
            name: "Growth".to_owned(),
            description: samples::HOSTILE.to_owned(),
            rate_limit: "50".to_owned(),
            burst_limit: "100".to_owned(),
            quota_limit: "1,000,000".to_owned(),
            price_amount: "49.00".to_owned(),
            is_self_service: Some("on".to_owned()),
            scopes: "orders:read orders:write".to_owned(),
            ..PlanForm::default()
        };
        Self {
            existing: Some(ExistingPlan {
                id: "pln_growth".to_owned(),
                name: "Growth".to_owned(),
                tenants: "31 tenants".to_owned(),
                effect_all: "31 tenants get the new limits within about a second.".to_owned(),
                effect_new:
                    "31 tenants keep what they have; who subscribes from now on gets the new limits."
                        .to_owned(),
                is_retired: false,
            }),
            form,
            apis: samples::api_choices(&["api_orders"]),
            ..Self::sample()
        }
    }

    #[must_use]
    pub fn sample_errors() -> Self {
        let form = PlanForm {
            rate_limit: "fast".to_owned(),
            burst_limit: "0".to_owned(),
            quota_limit: "many".to_owned(),
            price_amount: "1.234".to_owned(),
            ..PlanForm::default()
        };
        Self {
            errors: form.parse().err().unwrap_or_default(),
            form,
            ..Self::sample()
        }
    }
}
