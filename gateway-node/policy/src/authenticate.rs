//! Who calls: the API key of a request, cheap checks first.

use snapshot::api_key::{Shape, shape};

use crate::api::Api;
use crate::compile::Snapshot;
use crate::keys::{self, Key};
use crate::refusal::RefusalCode;
use crate::request::{Now, Request};

/// The header that carried the credential, which is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// The API's own header for keys.
    KeyHeader,
    Authorization,
}

/// Finds the key that a request shows. The refusals that a guesser earns are counted by the caller.
pub(crate) fn api_key<'s, R: Request>(
    snapshot: &'s Snapshot,
    api: &Api,
    request: &R,
    now: Now,
) -> Result<(&'s Key, Carrier), RefusalCode> {
    let (value, carrier) = presented(api, request)?;
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
