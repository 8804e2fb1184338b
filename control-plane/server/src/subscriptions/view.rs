//! A subscription in JSON.

use domain::id::{PlanId, SubscriptionId, TenantId};
use domain::subscription::{Subscription, SubscriptionStatus};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// A tenant on a plan.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Subscription)]
pub(crate) struct SubscriptionView {
    #[schema(value_type = String)]
    pub id: SubscriptionId,
    #[schema(value_type = String)]
    pub tenant_id: TenantId,
    #[schema(value_type = String)]
    pub plan_id: PlanId,
    /// The version of the plan whose terms it has.
    pub plan_version: u32,
    pub plan_name: String,
    /// `pending`: waits for an operator's approval.
    #[schema(value_type = String, pattern = "^(pending|active|ended)$")]
    pub status: SubscriptionStatus,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    pub activated_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
}

impl SubscriptionView {
    pub(crate) fn of(subscription: &Subscription) -> Self {
        Self {
            id: subscription.id,
            tenant_id: subscription.tenant_id,
            plan_id: subscription.plan_id,
            plan_version: subscription.plan_version,
            plan_name: subscription.plan_name.clone(),
            status: subscription.status,
            created_at: subscription.created_at,
            activated_at: subscription.activated_at,
            ended_at: subscription.ended_at,
        }
    }
}
