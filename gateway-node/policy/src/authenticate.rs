//! Who calls: the API key and the token of a request, cheap checks first.

use std::rc::Rc;

use snapshot::api_key::{Shape, shape};
use snapshot::id::TenantId;

use crate::api::{Api, Route, RouteAuthorizer};
use crate::compile::Snapshot;
use crate::failures::Failures;
use crate::keys::{self, Key};
use crate::refusal::RefusalCode;
use crate::request::{Now, Request};
use crate::tokens::{self, Token, TokenMemory};

/// What a node knows of strangers and of tokens: keeps guessing, and verifying, from costing much.
#[derive(Clone, Copy)]
pub struct Guards<'g> {
    /// Of all cores.
    pub failures: &'g Failures,
    /// The core's own.
    pub tokens: &'g TokenMemory,
}

/// The header that carried the credential, which is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The API's own header for keys.
    KeyHeader,
    Authorization,
}

/// What authenticated a request: a key, a token, or both of one tenant.
pub(crate) struct Credentials<'s> {
    pub(crate) key: Option<&'s Key>,
    pub(crate) token: Option<Rc<Token>>,
    pub(crate) carrier: Carrier,
}

impl Credentials<'_> {
    /// The tenant, and its path in the map of tenants.
    pub(crate) fn tenant(&self) -> Option<(TenantId, [u8; 32])> {
        match (&self.token, self.key) {
            (Some(token), _) => Some((token.tenant_id, token.tenant_path())),
            (None, Some(key)) => Some((key.tenant_id, key.tenant_path())),
            (None, None) => None,
        }
    }
}

/// Finds out who shows the credentials that the route asks for; `None`: it asks for none.
pub(crate) fn authenticate<'s, R: Request>(
    snapshot: &'s Snapshot,
    guards: Guards<'_>,
    (api, route): (&Api, &Route),
    request: &R,
    now: Now,
) -> Result<Option<Credentials<'s>>, RefusalCode> {
    let found = match (route.authorizer, route.api_key_required) {
        (RouteAuthorizer::None, false) => return Ok(None),
        (RouteAuthorizer::None, true) => {
            api_key(snapshot, presented(api, request)?, now).map(|(key, carrier)| Credentials {
                key: Some(key),
                token: None,
                carrier,
            })
        }
        (RouteAuthorizer::OwnTokens, needs_key) => {
            let value = bearer_token(request)?;
            let key = match needs_key {
                true => {
                    let shown = (key_beside_token(api, request)?, Carrier::KeyHeader);
                    Some(api_key(snapshot, shown, now))
                }
                false => None,
            };
            key.transpose().and_then(|key| {
                let token = tokens::authenticate(snapshot, guards.tokens, api, value, now)?;
                Ok(Credentials {
                    key: key.map(|(key, _)| key),
                    token: Some(token),
                    carrier: Carrier::Authorization,
                })
            })
        }
        (RouteAuthorizer::Unknown, _) => Err(RefusalCode::ApiUnavailable),
    };
    found.map(Some)
}

/// Whether a refusal is what a guesser earns. Who shows nothing, or something that has run out, has
/// guessed nothing and has cost no cryptography.
pub(crate) fn is_guess(code: RefusalCode) -> bool {
    !matches!(
        code,
        RefusalCode::ApiKeyMissing
            | RefusalCode::TokenMissing
            | RefusalCode::TokenExpired
            | RefusalCode::VerificationBusy
            | RefusalCode::ApiUnavailable
    )
}

/// The value of the one `Authorization: Bearer …` (RFC 6750 section 2.1).
fn bearer_token<R: Request>(request: &R) -> Result<&[u8], RefusalCode> {
    if request.header_count("authorization") > 1 {
        return Err(RefusalCode::TokenAmbiguous);
    }
    let value = request.header("authorization").unwrap_or_default();
    let token = without_scheme(value);
    if token.is_empty() || token.len() == value.len() {
        return Err(RefusalCode::TokenMissing);
    }
    Ok(token)
}

/// The key in its own header, where `Authorization` has the token.
fn key_beside_token<'r, R: Request>(api: &Api, request: &'r R) -> Result<&'r [u8], RefusalCode> {
    let header = api.api_key_header.as_str();
    if request.header_count(header) > 1 {
        return Err(RefusalCode::ApiKeyAmbiguous);
    }
    match request.header(header) {
        Some(key) if !key.is_empty() && header != "authorization" => Ok(key),
        _ => Err(RefusalCode::ApiKeyMissing),
    }
}

/// Finds the key of a value that a request shows.
fn api_key<'s>(
    snapshot: &'s Snapshot,
    (value, carrier): (&[u8], Carrier),
    now: Now,
) -> Result<(&'s Key, Carrier), RefusalCode> {
    if shape(value) == Shape::Impossible {
        return Err(RefusalCode::ApiKeyInvalid);
    }
    let key = snapshot
        .peppers
        .iter()
        .find_map(|pepper| keys::find(&snapshot.keys, &pepper.hash(value)))
        .ok_or(RefusalCode::ApiKeyInvalid)?;
    if key.expires_at_ms <= now.unix_ms {
        return Err(RefusalCode::ApiKeyExpired);
    }
    Ok((key, carrier))
}

/// The one value that is shown. The same value in both places is one credential; two values are
/// none, because what is authenticated must not depend on which one is looked at.
fn presented<'r, R: Request>(
    api: &Api,
    request: &'r R,
) -> Result<(&'r [u8], Carrier), RefusalCode> {
    let header = api.api_key_header.as_str();
    let in_header = request.header(header);
    let in_authorization = request.header("authorization").and_then(bearer_key);
    let is_repeated = request.header_count(header) > 1
        || (in_authorization.is_some() && request.header_count("authorization") > 1);
    if is_repeated {
        return Err(RefusalCode::ApiKeyAmbiguous);
    }
    match (in_header, in_authorization) {
        (None, None) => Err(RefusalCode::ApiKeyMissing),
        (Some([]), None) => Err(RefusalCode::ApiKeyMissing),
        (Some(key), None) if header == "authorization" => {
            Ok((without_scheme(key), Carrier::Authorization))
        }
        (Some(key), None) => Ok((key, Carrier::KeyHeader)),
        (None, Some(key)) => Ok((key, Carrier::Authorization)),
        (Some(_), Some(key)) if header == "authorization" => Ok((key, Carrier::Authorization)),
        (Some(a), Some(b)) if a == b => Ok((a, Carrier::Authorization)),
        (Some(_), Some(_)) => Err(RefusalCode::ApiKeyAmbiguous),
    }
}

/// `Bearer tg_…` (RFC 6750 section 2.1; the scheme in any case). Other bearer tokens are not keys.
fn bearer_key(value: &[u8]) -> Option<&[u8]> {
    let key = without_scheme(value);
    (key.len() < value.len() && key.starts_with(b"tg_")).then_some(key)
}

fn without_scheme(value: &[u8]) -> &[u8] {
    const SCHEME: &[u8] = b"bearer ";
    match value.split_at_checked(SCHEME.len()) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(SCHEME) => key.trim_ascii_start(),
        _ => value,
    }
}
