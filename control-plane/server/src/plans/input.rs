//! A plan in JSON, and what of it can be said by operators.

use domain::FieldError;
use domain::id::{ApiId, PlanId};
use domain::plan::{
    DEFAULT_QUOTA_GROUP, OnStoreDown, Plan, PlanName, PlanTerms, Price, PricePeriod, Quota, Rate,
};
use domain::quota::Period;
use domain::scope::{self, Scope};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::NewPlan;
use crate::checks::Checks;
use crate::json::PerSecond;

const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// What can be said of a plan.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanInput {
    /// 1 to 100 characters, unlike any other plan's.
    #[schema(example = "Starter")]
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// Requests per second of a tenant, with up to three decimals; null: no rate limit.
    #[schema(value_type = Option<f64>, example = 10)]
    pub rate_limit: Option<PerSecond>,
    /// Requests that may come at once; goes with `rate_limit`.
    #[schema(example = 20)]
    pub burst_limit: Option<u64>,
    /// Null: no quota.
    pub quota: Option<QuotaInput>,
    /// Requests in flight at once; null: any number.
    pub concurrency_limit: Option<u32>,
    /// The APIs that it opens. Each API is open to a tenant by one subscription only.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub api_ids: Vec<ApiId>,
    /// What callers may be granted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Null: free.
    pub price: Option<PriceInput>,
    /// Tenants take it by themselves; otherwise they ask and an operator approves.
    #[serde(default)]
    pub is_self_service: bool,
    /// What happens while the store of limits is away. `local_share`: each node goes on with the
    /// rate divided by the nodes last known, which exceeds it when nodes join; `allow`: each with
    /// all of it.
    #[serde(default = "local_share")]
    #[schema(value_type = String, pattern = "^(local_share|refuse|allow)$")]
    pub rate_on_store_down: OnStoreDown,
    /// As `rate_on_store_down`, for the quota; anything but `refuse` may exceed it.
    #[serde(default = "refuse")]
    #[schema(value_type = String, pattern = "^(local_share|refuse|allow)$")]
    pub quota_on_store_down: OnStoreDown,
}

fn local_share() -> OnStoreDown {
    OnStoreDown::LocalShare
}

fn refuse() -> OnStoreDown {
    OnStoreDown::Refuse
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Quota)]
pub(crate) struct QuotaInput {
    /// Requests per period.
    #[schema(example = 10_000)]
    pub limit: u64,
    /// In UTC; weeks start on Monday.
    #[schema(value_type = String, pattern = "^(day|week|month)$")]
    pub period: Period,
    /// Taken off the limit in a tenant's first period.
    #[serde(default)]
    pub offset: u64,
    /// Plans of one group share their counters.
    #[serde(default = "default_group")]
    #[schema(default = "default")]
    pub group: String,
}

fn default_group() -> String {
    DEFAULT_QUOTA_GROUP.to_owned()
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Price)]
pub(crate) struct PriceInput {
    /// In minor units of the currency: 2900 is 29.00.
    pub amount_minor: u64,
    /// ISO 4217.
    #[schema(example = "EUR")]
    pub currency: String,
    #[schema(value_type = String, pattern = "^(month|year)$")]
    pub period: PricePeriod,
}

impl PlanInput {
    pub(crate) fn parse(self) -> Result<NewPlan, Vec<FieldError>> {
        let mut checks = Checks::default();
        if self.description.chars().count() > DESCRIPTION_CHARS_MAX {
            let message = format!("Use at most {DESCRIPTION_CHARS_MAX} characters.");
            checks.refuse("description", "too_long", message);
        }
        let name = checks.take(PlanName::parse(&self.name));
        let milli = self.rate_limit.map(|rate| rate.thousandths);
        let rate = checks.take(Rate::parse(milli, self.burst_limit));
        let scopes = checks.take_all(Scope::parse_all("scopes", &self.scopes));
        let quota = self.quota.map(|quota| Quota {
            limit: quota.limit,
            period: quota.period,
            offset: quota.offset,
            group: quota.group,
            on_store_down: self.quota_on_store_down,
        });
        let price = self.price.map(|price| Price {
            amount_minor: price.amount_minor,
            currency: price.currency,
            period: price.period,
        });
        let terms = PlanTerms {
            rate: rate.flatten(),
            rate_on_store_down: self.rate_on_store_down,
            quota,
            concurrency: self.concurrency_limit,
            scopes: scopes.unwrap_or_default(),
            api_ids: self.api_ids,
            price,
        };
        let terms = checks.take(terms.parse());
        let new = name.zip(terms).map(|(name, terms)| NewPlan {
            name,
            description: self.description.trim().to_owned(),
            is_self_service: self.is_self_service,
            terms,
        });
        checks.finish(new)
    }

    pub(crate) fn of(plan: &Plan) -> Self {
        let terms = &plan.terms;
        let quota = terms.quota.as_ref();
        Self {
            name: plan.name.clone(),
            description: plan.description.clone(),
            rate_limit: terms.rate.map(|rate| PerSecond {
                thousandths: rate.per_second_milli,
            }),
            burst_limit: terms.rate.map(|rate| rate.burst),
            quota: quota.map(|quota| QuotaInput {
                limit: quota.limit,
                period: quota.period,
                offset: quota.offset,
                group: quota.group.clone(),
            }),
            concurrency_limit: terms.concurrency,
            api_ids: terms.api_ids.clone(),
            scopes: scope::texts(&terms.scopes),
            price: terms.price.as_ref().map(|price| PriceInput {
                amount_minor: price.amount_minor,
                currency: price.currency.clone(),
                period: price.period,
            }),
            is_self_service: plan.is_self_service,
            rate_on_store_down: terms.rate_on_store_down,
            quota_on_store_down: quota.map_or_else(refuse, |quota| quota.on_store_down),
        }
    }
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
pub(crate) struct PlanView {
    #[schema(value_type = String)]
    pub id: PlanId,
    #[serde(flatten)]
    pub terms: PlanInput,
    /// Counts changes of the terms; a subscription says which version it has.
    pub version: u32,
    /// Since then it takes no new subscriptions.
    #[serde(with = "time::serde::rfc3339::option")]
    pub retired_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

impl PlanView {
    pub(crate) fn of(plan: &Plan) -> Self {
        Self {
            id: plan.id,
            terms: PlanInput::of(plan),
            version: plan.version,
            retired_at: plan.retired_at,
            created_at: plan.created_at,
        }
    }
}
