//! How routes find out who calls, beside API keys.

use snapshot::id::AuthorizerId;
use time::OffsetDateTime;

use crate::field::closed_set;

/// The authorizer that takes the control plane's own tokens. There from the first start.
pub const OWN: &str = "tollgate";

closed_set! {
    AuthorizerType {
        /// Tokens of the control plane itself.
        Jwt = "jwt",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    pub id: AuthorizerId,
    pub name: String,
    pub authorizer_type: AuthorizerType,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}
