//! A request as decisions see it.

use std::net::IpAddr;

/// Both clocks, read once per request at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970-01-01 UTC: for instants that documents name.
    pub unix_ms: i64,
    /// Nanoseconds since the process started: for everything that is measured.
    pub mono_ns: u64,
}

/// What a decision reads of a request. The edge has checked its form: one `Host`, a path in
/// [`crate::path::normalise`]d form.
pub trait Request {
    fn method(&self) -> &str;
    /// Lower case, without port; empty where there is none.
    fn host(&self) -> &str;
    /// What the upstream will get, byte for byte, but for the base path.
    fn path(&self) -> &str;
    /// The value of a header; `None` where it is absent. Repeated headers: the first.
    fn header(&self, name: &str) -> Option<&[u8]>;
    /// How many times a header stands in the request.
    fn header_count(&self, name: &str) -> usize;
    fn client_ip(&self) -> IpAddr;
}
