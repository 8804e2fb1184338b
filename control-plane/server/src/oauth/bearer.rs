//! Access tokens that come back to us.

use domain::token::{AccessClaims, TokenUse};
use http::{HeaderMap, header};
use snapshot::jwe;
use store::PlatformTx;

use super::error::{BearerError, Code, OauthError};
use super::issue;
use crate::app::App;
use crate::clock::Now;

/// What a token says, signed or encrypted too, if it is one of ours, an access token and not over. Whether it was revoked is
/// [`is_in_force`]'s to say.
pub(super) async fn read(app: &App, token: &str, now: Now) -> Option<AccessClaims> {
    app.token_keys
        .catch_up(token, &app.db, &app.secrets, now)
        .await;
    let opened = match jwe::has_five_parts(token.as_bytes()) {
        true => Some(app.token_keys.decrypt(token)?),
        false => None,
    };
    let token = match &opened {
        Some(signed) => {
            app.token_keys
                .catch_up(signed, &app.db, &app.secrets, now)
                .await;
            signed
        }
        None => token,
    };
    let claims: AccessClaims = app.token_keys.verify(token, issue::ACCESS)?;
    let is_ours = claims.iss == app.public_url
        && claims.token_use == TokenUse::Access
        && claims.exp > now.unix_seconds();
    is_ours.then_some(claims)
}

/// Whether nothing that the token stands on was taken back.
pub(super) async fn is_in_force(
    tx: &mut PlatformTx,
    claims: &AccessClaims,
) -> Result<bool, OauthError> {
    let Ok(tenant) = claims.tenant_id.parse() else {
        return Ok(false);
    };
    let Ok(client) = claims.client_id.parse() else {
        return Ok(false);
    };
    let of = store::revocations::TokenOf {
        jti: claims.jti,
        grant: claims.origin_jti,
        tenant,
        client,
        user: claims.sub.parse().ok(),
        issued_at_s: claims.iat,
    };
    Ok(!store::revocations::covers(tx, &of).await?)
}

/// The one bearer token of a request (RFC 6750, section 2.1).
pub(super) fn presented(headers: &HeaderMap) -> Result<&str, BearerError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(BearerError::missing)?;
    let malformed = || {
        BearerError(OauthError::new(
            Code::InvalidRequest,
            "send one access token as a bearer token",
        ))
    };
    if values.next().is_some() {
        return Err(malformed());
    }
    let text = value.to_str().map_err(|_| malformed())?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(malformed()),
    }
}
