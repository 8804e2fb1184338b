//! Usage: what nodes counted. A batch is applied once, by (node, incarnation, sequence), and the
//! sequences of an incarnation are contiguous from 1.

pub const PATH: &str = "/node/v1/usage";
pub const COUNTS_MAX: usize = 20_000;

/// Upper bounds of the latency buckets in microseconds; one more bucket takes what is above.
pub const LATENCY_BOUNDS_US: [u64; 20] = [
    100, 200, 400, 800, 1_500, 3_000, 5_000, 10_000, 20_000, 35_000, 50_000, 75_000, 100_000,
    200_000, 350_000, 750_000, 1_500_000, 3_000_000, 10_000_000, 30_000_000,
];
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// The bucket of a latency.
pub fn latency_bucket(micros: u64) -> usize {
    LATENCY_BOUNDS_US.partition_point(|bound| *bound < micros)
}

/// Body of `POST /node/v1/usage`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageBatch {
    #[prost(uint64, tag = "1")]
    pub incarnation: u64,
    #[prost(uint64, tag = "2")]
    pub sequence: u64,
    #[prost(message, repeated, tag = "3")]
    pub counts: Vec<UsageCount>,
    #[prost(message, repeated, tag = "4")]
    pub latencies: Vec<RouteLatency>,
    /// Requests whose counts were lost on the node since its last batch (spool full).
    #[prost(uint64, tag = "5")]
    pub dropped: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct UsageCount {
    /// Empty: no tenant was known.
    #[prost(bytes = "vec", tag = "1")]
    pub tenant_id: Vec<u8>,
    /// Empty: no key was used.
    #[prost(bytes = "vec", tag = "2")]
    pub key_id: Vec<u8>,
    /// Empty: no route matched.
    #[prost(bytes = "vec", tag = "3")]
    pub route_id: Vec<u8>,
    #[prost(enumeration = "Class", tag = "4")]
    pub class: i32,
    /// Minutes since 1970-01-01 UTC at which the request was admitted or refused. A multiple of 60
    /// where a full spool was folded to hours.
    #[prost(uint32, tag = "5")]
    pub minute: u32,
    #[prost(uint64, tag = "6")]
    pub count: u64,
}

/// What is counted. One admitted request counts once as `Admitted` and, when it ends, once by how
/// it ended; a refused one counts once as refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Class {
    Unspecified = 0,
    Admitted = 1,
    Success = 2,
    Redirect = 3,
    ClientError = 4,
    ServerError = 5,
    /// The client went away, or the upstream broke off, before the answer was whole.
    Aborted = 6,
    /// Admitted and given back, because the node could not reach the upstream.
    GivenBack = 7,
    /// Refused for its rate or concurrency.
    Throttled = 8,
    /// Refused for its quota.
    QuotaExceeded = 9,
    /// Refused for any other reason.
    Denied = 10,
}

impl Class {
    /// The class of an upstream's final status.
    pub fn of_status(status: u16) -> Self {
        match status {
            300..=399 => Class::Redirect,
            400..=499 => Class::ClientError,
            500..=599 => Class::ServerError,
            _ => Class::Success,
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RouteLatency {
    #[prost(bytes = "vec", tag = "1")]
    pub route_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    pub minute: u32,
    /// Counts per bucket of [`LATENCY_BOUNDS_US`], [`LATENCY_BUCKETS`] of them.
    #[prost(uint64, repeated, tag = "3")]
    pub buckets: Vec<u64>,
    #[prost(uint64, tag = "4")]
    pub sum_us: u64,
}

/// Answer: the highest sequence of this incarnation that is applied.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct UsageAck {
    #[prost(uint64, tag = "1")]
    pub applied_sequence: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_falls_into_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (micros, bucket) in [
            (0, 0),
            (100, 0),
            (101, 1),
            (30_000_000, 19),
            (30_000_001, 20),
        ] {
            assert_eq!(latency_bucket(micros), bucket, "{micros}");
        }
    }
}
