//! `/admin/plans/…` and the tenant's choice at `/t/{tenant}/plans`.

use domain::field::each;
use domain::plan::{DEFAULT_QUOTA_GROUP, Rate};
use domain::scope::Scope;
use serde::{Deserialize, Serialize};

use super::{
    FormErrors, number, one_of, optional, optional_decimal, optional_number, required, words,
};
use crate::format::minor_digits;

/// `/admin/plans/new` and `/admin/plans/{plan}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanForm {
    /// Of what the form was filled from; empty for a new one.
    #[serde(skip_serializing)]
    pub edition: String,
    pub name: String,
    pub description: String,
    /// Requests per second, up to three decimals; empty: no rate limit.
    pub rate_limit: String,
    pub burst_limit: String,
    /// Empty: no quota.
    pub quota_limit: String,
    pub quota_period: String,
    pub quota_offset: String,
    /// Plans of one group share their counters.
    pub quota_group: String,
    pub concurrency_limit: String,
    pub api_ids: Vec<String>,
    /// Separated by spaces.
    pub scopes: String,
    /// In units of the currency, `29.00`; empty: free.
    pub price_amount: String,
    pub price_currency: String,
    pub price_period: String,
    /// A checkbox: present when ticked.
    pub is_self_service: Option<String>,
    pub rate_on_store_down: String,
    pub quota_on_store_down: String,
    /// `all` or `new`; only where an existing plan is changed.
    #[serde(skip_serializing)]
    pub apply_to: String,
}

impl Default for PlanForm {
    fn default() -> Self {
        Self {
            edition: String::new(),
            name: String::new(),
            description: String::new(),
            rate_limit: String::new(),
            burst_limit: String::new(),
            quota_limit: String::new(),
            quota_period: "month".to_owned(),
            quota_offset: String::new(),
            quota_group: DEFAULT_QUOTA_GROUP.to_owned(),
            concurrency_limit: String::new(),
            api_ids: Vec::new(),
            scopes: String::new(),
            price_amount: String::new(),
            price_currency: "EUR".to_owned(),
            price_period: "month".to_owned(),
            is_self_service: None,
            rate_on_store_down: "local_share".to_owned(),
            quota_on_store_down: "refuse".to_owned(),
            apply_to: "all".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFields {
    pub name: String,
    pub description: Option<String>,
    /// Thousandths per second.
    pub rate_limit_thousandths: Option<u64>,
    pub burst_limit: Option<u64>,
    pub quota: Option<QuotaFields>,
    pub concurrency_limit: Option<u64>,
    pub api_ids: Vec<String>,
    pub scopes: Vec<String>,
    pub price: Option<PriceFields>,
    pub is_self_service: bool,
    pub rate_on_store_down: &'static str,
    pub quota_on_store_down: &'static str,
    pub apply_to: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaFields {
    pub limit: u64,
    /// `day`, `week` or `month`.
    pub period: &'static str,
    /// Subtracted from the first period.
    pub offset: u64,
    pub group: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFields {
    pub amount_minor: u64,
    pub currency: String,
    /// `month` or `year`.
    pub period: &'static str,
}

pub const QUOTA_PERIODS: [&str; 3] = ["day", "week", "month"];
pub const PRICE_PERIODS: [&str; 2] = ["month", "year"];
pub const ON_STORE_DOWN: [&str; 3] = ["local_share", "refuse", "allow"];
pub const APPLY_TO: [&str; 2] = ["all", "new"];

impl PlanForm {
    pub fn parse(&self) -> Result<PlanFields, FormErrors> {
        let mut errors = FormErrors::default();
        let e = &mut errors;
        let parsed = PlanFields {
            name: required(e, "name", &self.name, "Enter a name that tenants will see."),
            description: optional(&self.description),
            rate_limit_thousandths: optional_decimal(e, "rate_limit", &self.rate_limit, 3),
            burst_limit: optional_number(e, "burst_limit", &self.burst_limit),
            quota: self.quota(e),
            concurrency_limit: optional_number(e, "concurrency_limit", &self.concurrency_limit),
            api_ids: self.api_ids.clone(),
            scopes: words(&self.scopes),
            price: self.price(e),
            is_self_service: self.is_self_service.is_some(),
            rate_on_store_down: one_of(
                e,
                "rate_on_store_down",
                &self.rate_on_store_down,
                &ON_STORE_DOWN,
            ),
            quota_on_store_down: one_of(
                e,
                "quota_on_store_down",
                &self.quota_on_store_down,
                &ON_STORE_DOWN,
            ),
            apply_to: one_of(e, "apply_to", &self.apply_to, &APPLY_TO),
        };
        errors.check(Rate::parse(
            parsed.rate_limit_thousandths,
            parsed.burst_limit,
        ));
        errors.check_all(each("scopes", &parsed.scopes, Scope::parse));
        errors.or(parsed)
    }

    fn quota(&self, errors: &mut FormErrors) -> Option<QuotaFields> {
        optional(&self.quota_limit)?;
        let limit = number(errors, "quota_limit", &self.quota_limit);
        let period = one_of(errors, "quota_period", &self.quota_period, &QUOTA_PERIODS);
        let offset = optional_number(errors, "quota_offset", &self.quota_offset).unwrap_or(0);
        let group = optional(&self.quota_group).unwrap_or_else(|| DEFAULT_QUOTA_GROUP.to_owned());
        Some(QuotaFields {
            limit,
            period,
            offset,
            group,
        })
    }

    fn price(&self, errors: &mut FormErrors) -> Option<PriceFields> {
        let currency = self.price_currency.trim().to_uppercase();
        let amount_minor = optional_decimal(
            errors,
            "price_amount",
            &self.price_amount,
            minor_digits(&currency),
        )?;
        let period = one_of(errors, "price_period", &self.price_period, &PRICE_PERIODS);
        Some(PriceFields {
            amount_minor,
            currency,
            period,
        })
    }
}

/// `/t/{tenant}/plans`: takes a self-service plan.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ChoosePlanForm {
    pub plan_id: String,
}

impl ChoosePlanForm {
    /// The plan's id.
    pub fn parse(&self) -> Result<String, FormErrors> {
        let mut errors = FormErrors::default();
        let id = required(&mut errors, "plan_id", &self.plan_id, "Choose a plan.");
        errors.or(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form() -> PlanForm {
        PlanForm {
            name: "Starter".to_owned(),
            rate_limit: "0.5".to_owned(),
            burst_limit: "20".to_owned(),
            quota_limit: "10,000".to_owned(),
            price_amount: "29".to_owned(),
            ..PlanForm::default()
        }
    }

    #[test]
    fn a_plan_is_read_in_the_units_it_is_stored_in() {
        let plan = form().parse().unwrap();
        assert_eq!(plan.rate_limit_thousandths, Some(500));
        assert_eq!(plan.quota.unwrap().limit, 10_000);
        assert_eq!(plan.price.unwrap().amount_minor, 2_900);
        assert!(!plan.is_self_service);
    }

    #[test]
    fn empty_limits_mean_no_limit() {
        let plan = PlanForm {
            rate_limit: String::new(),
            burst_limit: String::new(),
            quota_limit: String::new(),
            price_amount: String::new(),
            ..form()
        }
        .parse()
        .unwrap();
        assert_eq!(plan.rate_limit_thousandths, None);
        assert_eq!((plan.quota, plan.price), (None, None));
    }

    #[test]
    fn what_cannot_be_read_or_cannot_work_is_refused() {
        #[track_caller]
        fn refused(field: &str, form: &PlanForm) {
            assert!(form.parse().unwrap_err().get(field).is_some(), "{field}");
        }
        let with = |change: fn(&mut PlanForm)| {
            let mut changed = form();
            change(&mut changed);
            changed
        };
        refused("burst_limit", &with(|f| f.burst_limit = "0".to_owned()));
        refused("burst_limit", &with(|f| f.burst_limit.clear()));
        refused("rate_limit", &with(|f| f.rate_limit = "0".to_owned()));
        refused("quota_limit", &with(|f| f.quota_limit = "many".to_owned()));
        refused(
            "price_amount",
            &with(|f| f.price_amount = "1.234".to_owned()),
        );
        refused(
            "quota_period",
            &with(|f| f.quota_period = "year".to_owned()),
        );
        refused("apply_to", &with(|f| f.apply_to = "some".to_owned()));
    }
}
