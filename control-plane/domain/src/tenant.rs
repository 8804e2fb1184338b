//! Customers.

use snapshot::id::TenantId;
use time::OffsetDateTime;

use crate::field::{closed_set, names};

names! {
    TenantName;
}

closed_set! {
    TenantStatus {
        Active = "active",
        /// Its requests are refused; its people may look but not change.
        Suspended = "suspended",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    pub name: String,
    pub status: TenantStatus,
    /// Counts edits.
    pub edition: i32,
    pub created_at: OffsetDateTime,
}
