//! Which API and which route a request is for. Paths are in their normal form (see
//! [`crate::path::normalise`]), hosts in lower case without port. Both tables are tries, so that a
//! lookup does not grow with the number of hosts, APIs or routes.

mod hosts;
#[cfg(test)]
mod precedence;
mod routes;
mod template;

pub use hosts::{HostConflict, HostTable};
pub use routes::{Found, RouteConflict, RouteTable};
pub use template::{Segment, Template, TemplateError};
