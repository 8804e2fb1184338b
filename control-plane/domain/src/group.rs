//! Groups: names that tokens carry of the people whom a tenant puts into them.

use snapshot::id::{GroupId, TenantId};
use time::OffsetDateTime;

use crate::field::names;

/// A person is in at most this many groups of a tenant: tokens name all of them.
pub const GROUPS_OF_MEMBER_MAX: u32 = 100;

names! {
    GroupName;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: GroupId,
    pub tenant_id: TenantId,
    pub name: String,
    pub members: u64,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}
