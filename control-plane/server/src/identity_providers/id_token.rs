//! ID tokens of other providers, verified (OpenID Connect Core, section 3.1.3.7).

use domain::email::Email;
use domain::identity_provider::{Claims, ProviderTerms, SUBJECT_BYTES_MAX};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::discovery::Described;
use crate::clock::Now;

/// How far the provider's clock may be off.
const LEEWAY_SECONDS: i64 = 60;
/// Keys tried for a token that names none.
const TRIED_MAX: usize = 10;
const TOKEN_BYTES_MAX: usize = 64 << 10;
const NAME_CHARS_MAX: usize = 100;
const GROUPS_MAX: usize = 500;

/// Why a token is not believed; for the log, not for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenError {
    /// It may be a new one.
    #[error("the ID token is signed with a key that the provider does not show")]
    UnknownKey,
    #[error("the ID token is no token in the form that was announced")]
    Form,
    #[error("the ID token's signature is wrong")]
    Signature,
    #[error("the ID token is of another issuer")]
    Issuer,
    #[error("the ID token is for another client")]
    Audience,
    #[error("the ID token has expired, or is not of now")]
    Time,
    #[error("the ID token answers another request")]
    Nonce,
    #[error("the ID token names nobody")]
    Subject,
}

/// What a token has to say to be the answer to a request.
pub(super) struct Expected<'a> {
    pub provider: &'a Described,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// The claims of a token that is the answer.
pub(super) fn verify(
    token: &str,
    expected: &Expected<'_>,
    now: Now,
) -> Result<Map<String, Value>, TokenError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Form);
    }
    // `none` is no algorithm that can be read here.
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Form)?;
    let is_plain = expected.provider.algorithms.contains(&header.alg)
        // RFC 7515, section 4.1.11: extensions that are not known refuse the token.
        && header.crit.is_none();
    if !is_plain {
        return Err(TokenError::Form);
    }
    let kid = header.kid.as_deref();
    let mut keys = expected
        .provider
        .keys
        .iter()
        .filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid)
        .filter(|key| verifies(key, header.alg))
        .take(TRIED_MAX)
        .peekable();
    if keys.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let claims = keys
        .find_map(|key| signed_by(token, key, header.alg))
        .ok_or(TokenError::Signature)?;
    check(&claims, expected, now)?;
    Ok(claims)
}

fn signed_by(token: &str, key: &Jwk, algorithm: Algorithm) -> Option<Map<String, Value>> {
    let mut rules = Validation::new(algorithm);
    // The claims are checked below, by the clock of the request.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(key).ok()?;
    let read = jsonwebtoken::decode(token, &key, &rules).ok()?;
    Some(read.claims)
}

fn check(claims: &Map<String, Value>, expected: &Expected<'_>, now: Now) -> Result<(), TokenError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.provider.issuer.as_str()) {
        return Err(TokenError::Issuer);
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => one == expected.client_id,
        Some(Value::Array(all)) => all.iter().any(|one| one == expected.client_id),
        _ => false,
    };
    let is_for_others = matches!(claims.get("aud"), Some(Value::Array(all)) if all.len() > 1);
    let is_authorized = match claims.get("azp") {
        None => !is_for_others,
        Some(party) => party == expected.client_id,
    };
    if !is_for_us || !is_authorized {
        return Err(TokenError::Audience);
    }
    let instant = |name: &str| claims.get(name).and_then(Value::as_f64).map(|at| at as i64);
    let now = now.unix_seconds();
    let is_of_now = instant("exp").is_some_and(|exp| now < exp.saturating_add(LEEWAY_SECONDS))
        && instant("iat").is_some_and(|iat| iat <= now + LEEWAY_SECONDS)
        && instant("nbf").is_none_or(|nbf| nbf <= now + LEEWAY_SECONDS);
    if !is_of_now {
        return Err(TokenError::Time);
    }
    if text("nonce") != Some(expected.nonce) {
        return Err(TokenError::Nonce);
    }
    match text("sub") {
        Some(subject) if is_subject(subject) => Ok(()),
        _ => Err(TokenError::Subject),
    }
}

fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// Whether the key is one for signatures of this algorithm.
fn verifies(key: &Jwk, algorithm: Algorithm) -> bool {
    let is_for_signatures = matches!(
        key.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let is_of_algorithm = match key.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(KeyAlgorithm::RS384) => algorithm == Algorithm::RS384,
        Some(KeyAlgorithm::RS512) => algorithm == Algorithm::RS512,
        Some(KeyAlgorithm::PS256) => algorithm == Algorithm::PS256,
        Some(KeyAlgorithm::PS384) => algorithm == Algorithm::PS384,
        Some(KeyAlgorithm::PS512) => algorithm == Algorithm::PS512,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::ES384) => algorithm == Algorithm::ES384,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(_) => false,
    };
    is_for_signatures && is_of_algorithm
}

/// What the claims say of the person. An address is vouched for by the value `true` and by nothing
/// that looks like it.
pub(super) fn read(claims: &Map<String, Value>, terms: &ProviderTerms) -> Claims {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let groups = match claims.get(&terms.groups_claim) {
        Some(Value::Array(all)) => all
            .iter()
            .filter_map(Value::as_str)
            .take(GROUPS_MAX)
            .map(str::to_owned)
            .collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    };
    Claims {
        subject: text("sub").unwrap_or_default().to_owned(),
        email: text("email").and_then(|text| Email::parse(text).ok()),
        is_email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
        name: text(&terms.name_claim)
            .unwrap_or_default()
            .chars()
            .take(NAME_CHARS_MAX)
            .collect(),
        groups,
        auth_time: claims
            .get("auth_time")
            .and_then(Value::as_i64)
            .and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
    }
}
