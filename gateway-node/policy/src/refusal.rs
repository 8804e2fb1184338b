//! Refusals: a closed set, each with a stable code, a status and a text.

use std::borrow::Cow;
use std::sync::Arc;

use snapshot::id::{ApiKeyId, TenantId};

use crate::api::{Api, Route};
use crate::cors::Cors;
use crate::headers::LimitReport;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $message:literal, $detail:literal;)*) => {
        /// Why a request is refused by the gateway itself.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum RefusalCode { $($(#[$doc])* $name,)* }

        impl RefusalCode {
            pub const ALL: &'static [RefusalCode] = &[$(RefusalCode::$name,)*];

            /// Stable: in answers, logs and metrics.
            pub fn code(self) -> &'static str {
                match self { $(RefusalCode::$name => $code,)* }
            }

            pub fn status(self) -> u16 {
                match self { $(RefusalCode::$name => $status,)* }
            }

            /// Amazon API Gateway's text where it has the case ("Gateway response types" of its
            /// developer guide), so that clients that read it go on working.
            pub fn message(self) -> &'static str {
                match self { $(RefusalCode::$name => $message,)* }
            }

            /// What is wrong and what to do about it.
            pub fn detail(self) -> &'static str {
                match self { $(RefusalCode::$name => $detail,)* }
            }
        }
    };
}

refusals! {
    BadPath = "bad_path", 400, "Bad Request", "the path is not in a form that has one meaning";
    RouteNotFound = "route_not_found", 404, "Not Found", "no API is published at this host and path";
    MethodNotAllowed = "method_not_allowed", 405, "Method Not Allowed", "this path has no route for the method; Allow lists those it has";
    ApiUnavailable = "api_unavailable", 503, "Service Unavailable", "the API's configuration was refused; its operator sees why";
    SnapshotTooStale = "snapshot_too_stale", 503, "Service Unavailable", "the node has not heard from its control plane for longer than this API allows";
    ApiKeyMissing = "api_key_missing", 401, "Unauthorized", "send an API key";
    ApiKeyInvalid = "api_key_invalid", 401, "Unauthorized", "the API key is not one that works here";
    ApiKeyExpired = "api_key_expired", 401, "Unauthorized", "the API key has expired; make or rotate one";
    TokenMissing = "token_missing", 401, "Unauthorized", "send an access token as Authorization: Bearer";
    TokenInvalid = "token_invalid", 401, "Unauthorized", "the token is not an access token that works here";
    TokenExpired = "token_expired", 401, "Unauthorized", "the token has expired; get a new one";
    TokenRevoked = "token_revoked", 401, "Unauthorized", "the token was revoked; sign in again";
    TokenAmbiguous = "token_ambiguous", 401, "Unauthorized", "several Authorization headers were sent; send one";
    TokenAudience = "token_audience", 401, "Unauthorized", "the token is meant for another API";
    VerificationBusy = "verification_busy", 503, "Service Unavailable", "more new tokens came than the node verifies at a time";
    CredentialsDisagree = "credentials_disagree", 403, "Forbidden", "the API key and the token belong to different tenants";
    ApiKeyAmbiguous = "api_key_ambiguous", 401, "Unauthorized", "several different credentials were sent; send one";
    TooManyFailures = "too_many_failures", 429, "Too Many Requests", "too many failed authentications from this address";
    TenantSuspended = "tenant_suspended", 403, "Forbidden", "the tenant is suspended";
    TenantUnavailable = "tenant_unavailable", 403, "Forbidden", "the tenant's configuration was refused; the operator sees why";
    AddressNotAllowed = "address_not_allowed", 403, "Forbidden", "the API key may not be used from this address";
    ApiNotAllowed = "api_not_allowed", 403, "Forbidden", "the API key may not be used for this API";
    NotSubscribed = "not_subscribed", 403, "Forbidden", "no subscription of the tenant opens this API";
    InsufficientScope = "insufficient_scope", 403, "Forbidden", "the credential lacks a scope that this route needs";
    PlanUnavailable = "plan_unavailable", 503, "Service Unavailable", "the subscription's plan is not in the node's snapshot";
    ConcurrencyExceeded = "concurrency_exceeded", 429, "Too Many Requests", "too many requests of the tenant are in flight";
    RateExceeded = "rate_exceeded", 429, "Too Many Requests", "the rate limit is reached; retry after the given seconds";
    QuotaExceeded = "quota_exceeded", 429, "Limit Exceeded", "the quota of the period is used up";
    LimitsUnavailable = "limits_unavailable", 503, "Service Unavailable", "the quota cannot be checked at the moment and the plan says to refuse";
}

/// A refused request: what to answer, and what to count and log it under.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: RefusalCode,
    pub api: Option<Arc<Api>>,
    /// Index into the API's routes.
    pub(crate) route: Option<usize>,
    pub tenant_id: Option<TenantId>,
    pub key_id: Option<ApiKeyId>,
    pub limits: LimitReport,
    /// On 429 and 503: seconds, rounded up.
    pub retry_after_s: Option<u64>,
    /// On 405: the methods that the path has.
    pub allow: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode) -> Self {
        Self {
            code,
            api: None,
            route: None,
            tenant_id: None,
            key_id: None,
            limits: LimitReport::default(),
            retry_after_s: None,
            allow: None,
        }
    }

    pub fn route(&self) -> Option<&Route> {
        self.api
            .as_ref()
            .zip(self.route)
            .and_then(|(api, index)| api.routes.get(index))
    }

    /// The CORS rules that its answer follows.
    pub fn cors(&self) -> Option<&Cors> {
        let api = self.api.as_deref()?;
        self.route()
            .and_then(|route| route.cors.as_ref())
            .or(api.cors.as_ref())
    }

    /// The challenge of a 401, and of a 403 for want of a scope (RFC 9110 section 11.6.1, RFC 6750
    /// section 3): where the credential belongs and what was wrong with it.
    pub fn challenge(&self) -> Option<Cow<'static, str>> {
        let text = match self.code {
            RefusalCode::ApiKeyMissing => "Bearer realm=\"tollgate\", ApiKey realm=\"tollgate\"",
            RefusalCode::TokenMissing => "Bearer realm=\"tollgate\"",
            RefusalCode::TokenAmbiguous => "Bearer realm=\"tollgate\", error=\"invalid_request\"",
            RefusalCode::ApiKeyInvalid
            | RefusalCode::ApiKeyExpired
            | RefusalCode::ApiKeyAmbiguous
            | RefusalCode::TokenInvalid
            | RefusalCode::TokenExpired
            | RefusalCode::TokenRevoked
            | RefusalCode::TokenAudience => "Bearer realm=\"tollgate\", error=\"invalid_token\"",
            RefusalCode::InsufficientScope => return Some(self.scope_challenge()),
            _ => return None,
        };
        Some(text.into())
    }

    fn scope_challenge(&self) -> Cow<'static, str> {
        let text = "Bearer realm=\"tollgate\", error=\"insufficient_scope\"";
        let scopes = self.route().map_or(&[][..], |route| &route.scopes);
        // Scope tokens have neither quotes nor backslashes (RFC 6749 appendix A.4).
        let is_plain = scopes.iter().all(|scope| !scope.contains(['"', '\\']));
        if scopes.is_empty() || !is_plain {
            return text.into();
        }
        format!("{text}, scope=\"{}\"", scopes.join(" ")).into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_refusal_has_a_code_of_its_own_and_an_error_status() {
        let codes: BTreeSet<&str> = RefusalCode::ALL.iter().map(|code| code.code()).collect();
        assert_eq!(codes.len(), RefusalCode::ALL.len());
        for code in RefusalCode::ALL {
            assert!((400..600).contains(&code.status()), "{code:?}");
            assert!(!code.detail().is_empty() && !code.message().is_empty());
        }
    }
}
