//! What tenants subscribe to.

use snapshot::id::{ApiId, PlanId};
use time::OffsetDateTime;

use crate::field::{FieldError, closed_set, names};
use crate::quota::{Period, UNITS_MAX};
use crate::scope::Scope;

/// A million requests per second and caller is more than a fleet's node serves.
pub const RATE_MILLI_MAX: u64 = 1_000_000_000_000;
pub const BURST_MAX: u64 = 1_000_000_000;
pub const CONCURRENCY_MAX: u32 = 1_000_000;
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000_000;
pub const DEFAULT_QUOTA_GROUP: &str = "default";

names! {
    PlanName;
}

closed_set! {
    /// What a limit does while its store is away.
    OnStoreDown {
        Refuse = "refuse",
        /// Each node goes on within its share; may exceed the limit.
        LocalShare = "local_share",
        /// Goes on; may exceed the limit.
        Allow = "allow",
    }
}

closed_set! {
    PricePeriod {
        Month = "month",
        Year = "year",
    }
}

closed_set! {
    /// Whom a change of a plan reaches.
    ApplyTo {
        /// Everybody on the plan, now.
        All = "all",
        /// Those who subscribe from now on.
        New = "new",
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Thousandths of a request per second, at least 1.
    pub per_second_milli: u64,
    /// Bucket size in requests, at least 1.
    pub burst: u64,
}

impl Rate {
    /// Both or neither; a burst of 0 would never let a request through.
    pub fn parse(
        per_second_milli: Option<u64>,
        burst: Option<u64>,
    ) -> Result<Option<Self>, FieldError> {
        let wrong = |field, code, message: &str| Err(FieldError::new(field, code, message));
        match (per_second_milli, burst) {
            (None, None) => Ok(None),
            (None, Some(_)) => wrong(
                "rate_limit",
                "required",
                "Enter the rate that belongs to the burst.",
            ),
            (Some(_), None) => wrong(
                "burst_limit",
                "required",
                "Enter how many requests may come at once.",
            ),
            (Some(rate), _) if !(1..=RATE_MILLI_MAX).contains(&rate) => wrong(
                "rate_limit",
                "out_of_range",
                "Enter a rate of at least 0.001 and at most 1000000000 per second.",
            ),
            (_, Some(burst)) if !(1..=BURST_MAX).contains(&burst) => wrong(
                "burst_limit",
                "out_of_range",
                "Enter a burst of at least 1 and at most 1000000000.",
            ),
            (Some(per_second_milli), Some(burst)) => Ok(Some(Self {
                per_second_milli,
                burst,
            })),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    pub limit: u64,
    pub period: Period,
    /// Subtracted from the limit in a tenant's first period.
    pub offset: u64,
    /// Plans of one group share their counters.
    pub group: String,
    pub on_store_down: OnStoreDown,
}

impl Quota {
    /// Checks a quota as a person put it together.
    pub fn parse(self) -> Result<Self, FieldError> {
        let wrong = |field, code, message: &str| Err(FieldError::new(field, code, message));
        let is_group = (1..=40).contains(&self.group.len())
            && self.group.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
            });
        if self.limit > UNITS_MAX {
            return wrong(
                "quota.limit",
                "out_of_range",
                "Enter at most 1000000000000000 requests.",
            );
        }
        if self.offset > self.limit {
            return wrong(
                "quota.offset",
                "out_of_range",
                "The offset is taken off the limit, so it is at most as large.",
            );
        }
        if !is_group {
            return wrong(
                "quota.group",
                "invalid",
                "A group is up to 40 lower-case letters, digits, dashes and underscores.",
            );
        }
        Ok(self)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// In minor units of the currency.
    pub amount_minor: u64,
    /// ISO 4217.
    pub currency: String,
    pub period: PricePeriod,
}

impl Price {
    pub fn parse(self) -> Result<Self, FieldError> {
        let wrong = |field, code, message: &str| Err(FieldError::new(field, code, message));
        if self.amount_minor > PRICE_MINOR_MAX {
            return wrong("price.amount_minor", "out_of_range", "Enter a lower price.");
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase())
        {
            return wrong(
                "price.currency",
                "invalid",
                "Enter a currency of three capital letters, such as EUR.",
            );
        }
        Ok(self)
    }
}

/// What a version of a plan says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTerms {
    pub rate: Option<Rate>,
    pub rate_on_store_down: OnStoreDown,
    pub quota: Option<Quota>,
    /// Requests in flight at once, at least 1.
    pub concurrency: Option<u32>,
    pub scopes: Vec<Scope>,
    /// The APIs it opens, sorted.
    pub api_ids: Vec<ApiId>,
    pub price: Option<Price>,
}

impl Default for PlanTerms {
    /// No limit, no price, nothing opened.
    fn default() -> Self {
        Self {
            rate: None,
            rate_on_store_down: OnStoreDown::LocalShare,
            quota: None,
            concurrency: None,
            scopes: Vec::new(),
            api_ids: Vec::new(),
            price: None,
        }
    }
}

impl PlanTerms {
    /// Checks what belongs to no smaller type, and brings lists into order.
    pub fn parse(mut self) -> Result<Self, FieldError> {
        if let Some(concurrency) = self.concurrency
            && !(1..=CONCURRENCY_MAX).contains(&concurrency)
        {
            return Err(FieldError::new(
                "concurrency_limit",
                "out_of_range",
                "Enter at least 1 and at most 1000000, or leave it empty.",
            ));
        }
        self.quota = self.quota.map(Quota::parse).transpose()?;
        self.price = self.price.map(Price::parse).transpose()?;
        self.scopes.sort();
        self.scopes.dedup();
        self.api_ids.sort();
        self.api_ids.dedup();
        Ok(self)
    }
}

/// A plan with the terms of its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub name: String,
    pub description: String,
    pub is_self_service: bool,
    /// The version that new subscriptions get.
    pub version: u32,
    pub terms: PlanTerms,
    pub retired_at: Option<OffsetDateTime>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_its_burst_and_neither_is_zero() {
        for (rate, burst, expected) in [
            (None, None, Ok(false)),
            (Some(1), Some(1), Ok(true)),
            (Some(1), None, Err("burst_limit")),
            (None, Some(1), Err("rate_limit")),
            (Some(0), Some(1), Err("rate_limit")),
            (Some(1), Some(0), Err("burst_limit")),
            (Some(RATE_MILLI_MAX + 1), Some(1), Err("rate_limit")),
            (Some(1), Some(BURST_MAX + 1), Err("burst_limit")),
        ] {
            let found = Rate::parse(rate, burst)
                .map(|rate| rate.is_some())
                .map_err(|error| error.field.into_owned());
            assert_eq!(found, expected.map_err(str::to_owned), "{rate:?} {burst:?}");
        }
    }

    #[test]
    fn the_offset_of_a_quota_is_at_most_its_limit() {
        let quota = |offset| Quota {
            limit: 10,
            period: Period::Day,
            offset,
            group: DEFAULT_QUOTA_GROUP.to_owned(),
            on_store_down: OnStoreDown::Refuse,
        };
        assert!(quota(10).parse().is_ok());
        assert_eq!(
            quota(11).parse().map_err(|e| e.field),
            Err("quota.offset".into())
        );
    }
}
