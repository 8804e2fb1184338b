//! Quota leases: how nodes draw whole units of a tenant's quota from the store.
//!
//! Per (tenant, group, period, node, incarnation) both sides keep two totals that only grow:
//! granted and returned. A request carries the node's own totals and a sequence; the store takes
//! the larger totals, and grants anew only for a sequence it has not seen. So retries, duplicates
//! and reordered messages change nothing, and live nodes teach a store that lost writes.

pub const PATH: &str = "/node/v1/leases";
pub const INCARNATION_PATH: &str = "/node/v1/incarnations";
pub const ITEMS_MAX: usize = 1024;

/// Body of `POST /node/v1/leases`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LeaseRequest {
    /// Of this process; one that a newer process replaced is refused.
    #[prost(uint64, tag = "1")]
    pub incarnation: u64,
    /// Grows with every request of the incarnation; a repeated one is granted nothing new.
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    /// At most one item per (tenant, group, period).
    #[prost(message, repeated, tag = "3")]
    pub items: Vec<LeaseItem>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct LeaseItem {
    #[prost(bytes = "vec", tag = "1")]
    pub tenant_id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub group: String,
    /// The period as the store named it; 0: the one that is current by the store's clock.
    #[prost(int64, tag = "3")]
    pub period_start_ms: i64,
    /// Everything this incarnation was ever granted in the period, as far as it knows.
    #[prost(uint64, tag = "4")]
    pub granted_total: u64,
    /// Everything it gave back; the balance was emptied by that much before this was sent.
    #[prost(uint64, tag = "5")]
    pub returned_total: u64,
    /// Units it would like on top.
    #[prost(uint64, tag = "6")]
    pub wanted: u64,
    /// Ask for the period after the current one (with `period_start_ms` 0).
    #[prost(bool, tag = "7")]
    pub is_for_next_period: bool,
}

/// Its answer, an entry per item in the order asked.
#[derive(Clone, PartialEq, prost::Message)]
pub struct LeaseResponse {
    #[prost(message, repeated, tag = "1")]
    pub leases: Vec<Lease>,
    /// How many nodes were heard within the last hour, the asking one included: what a share of a
    /// limit is divided by while the store is away.
    #[prost(uint32, tag = "2")]
    pub nodes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Lease {
    #[prost(bytes = "vec", tag = "1")]
    pub tenant_id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub group: String,
    #[prost(int64, tag = "3")]
    pub period_start_ms: i64,
    /// The node adds what this exceeds its own total by to its balance.
    #[prost(uint64, tag = "4")]
    pub granted_total: u64,
    #[prost(uint64, tag = "5")]
    pub returned_total: u64,
    /// The limit in force now, be it lower than what was granted under an earlier one.
    #[prost(uint64, tag = "6")]
    pub limit: u64,
    /// What nobody holds or has spent.
    #[prost(uint64, tag = "7")]
    pub available: u64,
    /// Milliseconds until the period starts; 0: it runs.
    #[prost(uint64, tag = "8")]
    pub starts_in_ms: u64,
    /// Milliseconds until it ends; 0: it has ended and its units are void. Counted on the node's
    /// monotonic clock from before the request was sent.
    #[prost(uint64, tag = "9")]
    pub ends_in_ms: u64,
    #[prost(enumeration = "Outcome", tag = "10")]
    pub outcome: i32,
    /// What nodes hold and have spent beyond the limit in force, after it was lowered. While there
    /// is any, a node spends nothing of what it holds and gives it back.
    #[prost(uint64, tag = "11")]
    pub excess: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Outcome {
    Granted = 0,
    /// Nothing is available.
    Exhausted = 1,
    /// The tenant has no subscription with a quota in this group.
    NoQuota = 2,
    /// The period has ended, or the tenant's quota is not counted in it any more.
    PeriodOver = 3,
}

/// Body of `POST /node/v1/incarnations`: a new process takes over from the node's earlier one.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct IncarnationRequest {
    /// Random per process, so that a repeated call does not make a second one.
    #[prost(uint64, tag = "1")]
    pub process: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct IncarnationResponse {
    #[prost(uint64, tag = "1")]
    pub incarnation: u64,
    /// The store's clock, Unix milliseconds.
    #[prost(int64, tag = "2")]
    pub now_ms: i64,
}
