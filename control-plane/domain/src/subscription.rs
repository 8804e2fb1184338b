//! Tenants on plans.

use snapshot::id::{PlanId, SubscriptionId, TenantId};
use time::OffsetDateTime;

use crate::field::closed_set;

/// Of a tenant's message with a request.
pub const MESSAGE_CHARS_MAX: usize = 2_000;

closed_set! {
    SubscriptionStatus {
        /// Waits for an operator's approval.
        Pending = "pending",
        Active = "active",
        Ended = "ended",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub tenant_id: TenantId,
    pub plan_id: PlanId,
    pub plan_version: u32,
    pub plan_name: String,
    pub status: SubscriptionStatus,
    pub edition: i32,
    pub created_at: OffsetDateTime,
    pub activated_at: Option<OffsetDateTime>,
    pub ended_at: Option<OffsetDateTime>,
    /// What the tenant wrote when it asked for a plan by approval.
    pub message: Option<String>,
}
