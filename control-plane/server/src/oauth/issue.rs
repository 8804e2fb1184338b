//! Making tokens: what they say, for whom, until when.

use aws_lc_rs::digest;
use domain::id::{ApiId, TenantId};
use domain::oauth_client::{Grant, OauthClient};
use domain::token::{
    self, AUDIENCES_MAX, AccessClaims, CustomClaims, EMAIL, IdClaims, OFFLINE_ACCESS, OPENID,
    PROFILE, PersonClaims, PlainRefreshToken, RefreshPlace, TokenUse, base64url,
};
use domain::token_key::SigningAlgorithm;
use serde::Serialize;
use store::oauth_grants::{Holder, OauthGrant};
use uuid::Uuid;

use super::error::{Code, OauthError};
use crate::app::App;
use crate::clock::Now;

/// The answer of the token endpoint (RFC 6749, section 5.1).
#[derive(Serialize)]
pub(super) struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    scope: String,
}

/// Header `typ` of access tokens (RFC 9068, section 2.1).
pub(super) const ACCESS: &str = "at+jwt";
pub(super) const ID: &str = "JWT";

/// The code that proves a refresh token to be ours.
pub(super) fn refresh_code(app: &App, place: RefreshPlace) -> [u8; 32] {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &app.secrets.derive("refresh tokens v1"));
    let mut code = [0; 32];
    code.copy_from_slice(hmac::sign(&key, &place.message()).as_ref());
    code
}

/// The place that a presented refresh token names, if it is one of ours.
pub(super) fn check_refresh_token(app: &App, text: &str) -> Option<RefreshPlace> {
    let (place, code) = RefreshPlace::parse(text)?;
    let expected = refresh_code(app, place);
    aws_lc_rs::constant_time::verify_slices_are_equal(&code, &expected)
        .is_ok()
        .then_some(place)
}

fn refresh_token(app: &App, place: RefreshPlace) -> PlainRefreshToken {
    place.token(&refresh_code(app, place))
}

/// The audience of an API: its own, or one made of its id.
pub(crate) fn audience(app: &App, api: ApiId, own: Option<&str>) -> String {
    own.map_or_else(|| format!("{}/apis/{api}", app.public_url), str::to_owned)
}

/// Audiences of the APIs that are asked for, or of all that the tenant can call.
pub(super) fn audiences(
    app: &App,
    apis: &[(ApiId, Option<String>)],
    resources: &[String],
) -> Result<Vec<String>, OauthError> {
    let invalid = |text| OauthError::new(Code::InvalidTarget, text);
    let mut all: Vec<String> = apis
        .iter()
        .map(|(id, own)| audience(app, *id, own.as_deref()))
        .collect();
    if resources.is_empty() {
        if all.len() > AUDIENCES_MAX {
            return Err(invalid(
                "the tenant can call too many APIs for one token; name the API with resource",
            ));
        }
        if all.is_empty() {
            // Good for userInfo only.
            all.push(app.public_url.clone());
        }
        return Ok(all);
    }
    if resources.iter().all(|wanted| all.contains(wanted)) {
        return Ok(resources.to_vec());
    }
    Err(invalid(
        "resource is not the audience of an API that the tenant's plans open",
    ))
}

/// What one answer of the token endpoint is made of.
pub(super) struct Issue<'a> {
    pub client: &'a OauthClient,
    pub grant: &'a OauthGrant,
    pub holder: &'a Holder,
    /// Of the access token: those of the grant, or fewer.
    pub scopes: &'a [String],
    /// The refresh token to hand out.
    pub sequence: u32,
    /// Of the id token: the sign-in's own, in its first one only (OpenID Connect Core, section
    /// 12.2).
    pub nonce: Option<&'a str>,
    pub now: Now,
}

/// Tokens for a person.
pub(super) fn person(app: &App, issue: &Issue<'_>) -> Result<TokenAnswer, OauthError> {
    let (client, grant, holder) = (issue.client, issue.grant, issue.holder);
    let claims = AccessClaims {
        sub: grant.user_id.to_string(),
        aud: audiences(app, &holder.apis, &grant.resources)?,
        auth_time: Some(grant.auth_time.unix_timestamp()),
        scope: issue.scopes.join(" "),
        username: Some(holder.email.clone()),
        roles: vec![holder.role.to_string()],
        groups: holder.groups.clone(),
        custom: access_custom(issue),
        ..blank(app, client, grant.tenant_id, issue.now)
    };
    let claims = AccessClaims {
        origin_jti: grant.id,
        ..claims
    };
    let access_token = sign_access(app, client, &claims, issue.now)?;
    let id_token = if has(issue.scopes, OPENID) {
        Some(id_token(app, issue, &access_token)?)
    } else {
        None
    };
    let refreshes = client.grants.contains(&Grant::RefreshToken)
        && (grant.expires_at - issue.now.0).is_positive();
    let place = RefreshPlace {
        grant: grant.id,
        sequence: issue.sequence,
    };
    Ok(TokenAnswer {
        access_token,
        token_type: "Bearer",
        expires_in: client.access_token_seconds,
        refresh_token: refreshes.then(|| refresh_token(app, place).reveal().to_owned()),
        id_token,
        scope: claims.scope,
    })
}

/// A token for the client itself: no refresh token (RFC 6749, section 4.4.3).
pub(super) fn machine(
    app: &App,
    client: &OauthClient,
    (aud, scopes): (Vec<String>, &[String]),
    now: Now,
) -> Result<TokenAnswer, OauthError> {
    let claims = AccessClaims {
        aud,
        scope: scopes.join(" "),
        ..blank(app, client, client.tenant_id, now)
    };
    Ok(TokenAnswer {
        access_token: sign_access(app, client, &claims, now)?,
        token_type: "Bearer",
        expires_in: client.access_token_seconds,
        refresh_token: None,
        id_token: None,
        scope: claims.scope,
    })
}

fn blank(app: &App, client: &OauthClient, tenant: TenantId, now: Now) -> AccessClaims {
    let (jti, iat) = (Uuid::now_v7(), now.unix_seconds());
    AccessClaims {
        iss: app.public_url.clone(),
        sub: client.id.to_string(),
        client_id: client.id.to_string(),
        aud: Vec::new(),
        exp: iat + i64::from(client.access_token_seconds),
        iat,
        nbf: iat,
        jti,
        origin_jti: jti,
        auth_time: None,
        scope: String::new(),
        token_use: TokenUse::Access,
        username: None,
        tenant_id: tenant.to_string(),
        roles: Vec::new(),
        groups: Vec::new(),
        custom: CustomClaims::default(),
    }
}

fn sign_access(
    app: &App,
    client: &OauthClient,
    claims: &AccessClaims,
    now: Now,
) -> Result<String, OauthError> {
    let algorithm = client.signing_algorithm;
    let signed = app.token_keys.sign(algorithm, ACCESS, claims, now.0)?;
    if !client.encrypts_access_tokens {
        return Ok(signed);
    }
    Ok(app.token_keys.encrypt(&signed, now.0)?)
}

fn id_token(app: &App, issue: &Issue<'_>, access_token: &str) -> Result<String, OauthError> {
    let (client, grant) = (issue.client, issue.grant);
    let iat = issue.now.unix_seconds();
    let claims = IdClaims {
        iss: app.public_url.clone(),
        sub: grant.user_id.to_string(),
        aud: client.id.to_string(),
        exp: iat + i64::from(client.id_token_seconds),
        iat,
        auth_time: grant.auth_time.unix_timestamp(),
        nonce: issue.nonce.map(str::to_owned),
        at_hash: Some(at_hash(client.signing_algorithm, access_token)),
        amr: grant.amr.clone(),
        jti: Uuid::now_v7(),
        origin_jti: grant.id,
        token_use: TokenUse::Id,
        tenant_id: grant.tenant_id.to_string(),
        person: about(issue.holder, issue.scopes),
    };
    let algorithm = client.signing_algorithm;
    Ok(app.token_keys.sign(algorithm, ID, &claims, issue.now.0)?)
}

/// What the scopes tell of a person (OpenID Connect Core, section 5.4).
pub(super) fn about(holder: &Holder, scopes: &[String]) -> PersonClaims {
    let mut claims = PersonClaims::default();
    if has(scopes, EMAIL) {
        claims.email = Some(holder.email.clone());
        claims.email_verified = Some(holder.is_email_confirmed);
    }
    if has(scopes, PROFILE) {
        claims.name = Some(holder.name.clone()).filter(|name| !name.is_empty());
        claims.preferred_username = Some(holder.email.clone());
        claims.roles = Some(vec![holder.role.to_string()]);
        claims.groups = Some(holder.groups.clone());
        claims.custom = (&holder.attributes).into();
    }
    claims
}

/// APIs go by what the tenant keeps of a person, whatever scopes there are. An application of
/// another tenant can read its access tokens: it learns no more than it was allowed to.
fn access_custom(issue: &Issue<'_>) -> CustomClaims {
    let is_own = issue.client.tenant_id == issue.grant.tenant_id;
    match is_own || has(issue.scopes, PROFILE) {
        true => (&issue.holder.attributes).into(),
        false => CustomClaims::default(),
    }
}

/// The left half of the hash that belongs to the signature's algorithm (OpenID Connect Core, section
/// 3.1.3.6; Ed25519 hashes with SHA-512).
fn at_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    let hash = match algorithm {
        SigningAlgorithm::Rs256 | SigningAlgorithm::Es256 => &digest::SHA256,
        SigningAlgorithm::EdDsa => &digest::SHA512,
    };
    let digest = digest::digest(hash, access_token.as_bytes());
    let whole = digest.as_ref();
    base64url(&whole[..whole.len() / 2])
}

fn has(scopes: &[String], scope: &str) -> bool {
    scopes.iter().any(|one| one == scope)
}

/// The scopes that a request gets: those it names, or all that the client may have.
pub(super) fn scopes(client: &OauthClient, asked: Option<&str>) -> Result<Vec<String>, OauthError> {
    let may = |scope: &str| token::OPENID_SCOPES.contains(&scope) || has(&client.scopes, scope);
    let Some(asked) = asked else {
        return Ok(client.scopes.clone());
    };
    let mut granted: Vec<String> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        if !may(scope) {
            return Err(OauthError::new(
                Code::InvalidScope,
                "the client may not ask for one of the scopes",
            ));
        }
        if !has(&granted, scope) {
            granted.push(scope.to_owned());
        }
    }
    // Without refresh tokens there is nothing to outlive the session.
    if !client.grants.contains(&Grant::RefreshToken) {
        granted.retain(|scope| scope != OFFLINE_ACCESS);
    }
    Ok(granted)
}
