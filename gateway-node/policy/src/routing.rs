//! Which API and which route a request is for. Paths are in their normal form (see
//! [`crate::path::normalise`]), hosts in lower case without port. Both tables are tries, so that a
//! lookup does not grow with the number of hosts, APIs or routes.

use std::collections::HashMap;

mod hosts;
#[cfg(test)]
mod precedence;
mod routes;
mod template;

pub use hosts::{HostConflict, HostTable};
pub use routes::{Found, RouteConflict, RouteTable};
pub use template::{Segment, Template, TemplateError};

/// By hosts and path segments of the configuration. Clients look them up and never add one, so that
/// they cannot make them collide.
type Names<V> = HashMap<Box<str>, V, foldhash::fast::RandomState>;
