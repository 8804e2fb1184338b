//! Shares of rates: how the nodes of a fleet divide a plan's rate and burst among them.
//!
//! A share is a part of the whole plan, of its rate and of its bucket alike, held for some seconds.
//! The shares of a subscription never add up to more than the whole: what one node is to have more,
//! another has told before that it has less, or its share has run out.

pub const PATH: &str = "/node/v1/rate-shares";
pub const ITEMS_MAX: usize = 1024;
/// All of a plan.
pub const WHOLE: u32 = 1 << 16;

/// Body of `POST /node/v1/rate-shares`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareRequest {
    /// Of this process; one that a newer process replaced is refused.
    #[prost(uint64, tag = "1")]
    pub incarnation: u64,
    /// At most one item per subscription.
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<ShareItem>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareItem {
    #[prost(bytes = "vec", tag = "1")]
    pub subscription_id: Vec<u8>,
    /// Requests of late, admitted or not, in thousandths per second.
    #[prost(uint64, tag = "2")]
    pub demand_milli: u64,
    /// The grant that the node goes by: it holds no more than that. 0: it holds nothing.
    #[prost(uint64, tag = "3")]
    pub grant: u64,
    /// The share is given back, and its bucket is full; nothing is asked for.
    #[prost(bool, tag = "4")]
    pub is_released: bool,
}

/// Its answer, an entry per item in the order asked.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ShareResponse {
    #[prost(message, repeated, tag = "1")]
    pub shares: Vec<Share>,
    /// Nodes that are there, the asking one included.
    #[prost(uint32, tag = "2")]
    pub live_nodes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Share {
    #[prost(bytes = "vec", tag = "1")]
    pub subscription_id: Vec<u8>,
    /// Of [`WHOLE`]; 0: nothing is to be had now, ask again.
    #[prost(uint32, tag = "2")]
    pub part: u32,
    /// To be acknowledged by the next request.
    #[prost(uint64, tag = "3")]
    pub grant: u64,
    /// Counted on the node's monotonic clock from before the request was sent.
    #[prost(uint64, tag = "4")]
    pub lease_ms: u64,
    /// For a node that held nothing: how long its bucket needs to become full. What a share grows
    /// by while it is held starts empty.
    #[prost(uint64, tag = "5")]
    pub missing_ms: u64,
    /// The tenant has no active subscription of this id with a rate.
    #[prost(bool, tag = "6")]
    pub is_unknown: bool,
}
