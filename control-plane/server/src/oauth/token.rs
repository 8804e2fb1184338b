//! `POST /oauth2/token` (RFC 6749, section 3.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::oauth_client::{Grant, OauthClient};
use domain::token::{PlainCode, is_verifier_of};
use http::{HeaderMap, HeaderValue, header};
use store::PlatformTx;
use store::oauth_grants::{self, Holder, OauthGrant};
use time::Duration;

use super::error::{Code, OauthError};
use super::issue::{self, Issue, TokenAnswer};
use super::parameters::Parameters;
use super::{client_auth, limits};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;

/// A refresh token that was just replaced gets the same successor again for this long, for clients
/// that lost the answer or ask twice at once.
const GRACE: Duration = Duration::seconds(30);

pub(super) async fn token(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    now: Now,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OauthError> {
    let form = form(&headers, &body)?;
    // One transaction for all that a token takes: each more is two round trips.
    let mut tx = app.db.platform_tx().await?;
    limits::check_failures(&mut tx, address, now).await?;
    let answer = match answer(&app, tx, (&headers, &form), now).await {
        Ok(answer) => answer,
        Err(error) => {
            if matches!(error.code, Code::InvalidClient | Code::InvalidGrant) {
                limits::note_failure(&app, address, now).await?;
            }
            return Err(error);
        }
    };
    let mut response = Json(answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// The body as a form. Parameters in the query are not looked at (RFC 6749, section 3.2).
pub(super) fn form(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, OauthError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split(';').next())
        .map(str::trim);
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")) {
        return Err(OauthError::new(
            Code::InvalidRequest,
            "send the parameters as application/x-www-form-urlencoded",
        ));
    }
    Parameters::parse(body)
}

async fn answer(
    app: &App,
    mut tx: PlatformTx,
    (headers, form): (&HeaderMap, &Parameters),
    now: Now,
) -> Result<TokenAnswer, OauthError> {
    let kind = form.require("grant_type", "grant_type is missing")?;
    let client = client_auth::authenticate(&mut tx, headers, form, now).await?;
    let grant = match kind {
        "authorization_code" => Grant::AuthorizationCode,
        "refresh_token" => Grant::RefreshToken,
        "client_credentials" => Grant::ClientCredentials,
        _ => {
            let text = "grant_type is authorization_code, refresh_token or client_credentials";
            return Err(OauthError::new(Code::UnsupportedGrantType, text));
        }
    };
    if !client.grants.contains(&grant) {
        let text = "the client may not use this grant";
        return Err(OauthError::new(Code::UnauthorizedClient, text));
    }
    let request = Request {
        app,
        client: &client,
        form,
        now,
    };
    match grant {
        Grant::AuthorizationCode => request.code(tx).await,
        Grant::RefreshToken => request.refresh(tx).await,
        Grant::ClientCredentials => request.client_credentials(tx).await,
    }
}

struct Request<'a> {
    app: &'a App,
    client: &'a OauthClient,
    form: &'a Parameters,
    now: Now,
}

impl Request<'_> {
    /// RFC 6749, section 4.1.3; RFC 7636, section 4.5.
    async fn code(&self, mut tx: PlatformTx) -> Result<TokenAnswer, OauthError> {
        let invalid = |text| OauthError::new(Code::InvalidGrant, text);
        let wrong = || invalid("the code is wrong, used or expired");
        let code = self.form.require("code", "code is missing")?;
        let code = PlainCode::parse(code).ok_or_else(wrong)?;
        // Leaving early rolls back: the code stays unused for its own client.
        let used = oauth_grants::use_code(&mut tx, &code.hash(), self.now.0).await?;
        let used = used
            .filter(|used| used.grant.client_id == self.client.id)
            .ok_or_else(wrong)?;
        if used.was_used {
            // Somebody else has it too: what came of it ends (RFC 6749, section 4.1.2).
            oauth_grants::revoke(&mut tx, used.grant.id, self.now.0).await?;
            super::audit_replay(&mut tx, self.client, &used.grant, self.now).await?;
            tx.commit().await?;
            return Err(wrong());
        }
        let is_over = used.is_revoked || self.client.is_cut_off(used.grant.given_at());
        if is_over || used.expires_at <= self.now.0 {
            return Err(wrong());
        }
        if self.form.get("redirect_uri") != Some(used.redirect_uri.as_str()) {
            return Err(invalid("redirect_uri is not the one of the request"));
        }
        match (&used.challenge, self.form.get("code_verifier")) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if is_verifier_of(challenge, verifier) => {}
            // A verifier without a challenge: somebody may have taken the challenge out (RFC 9700,
            // section 2.1.1).
            _ => return Err(invalid("code_verifier does not fit the code_challenge")),
        }
        let holder = self.holder(&mut tx, &used.grant).await?;
        let issued = self.narrowed_by_resource(used.grant)?;
        let answer = self.person(&issued, &holder, 0)?;
        tx.commit().await?;
        Ok(answer)
    }

    /// RFC 6749, section 6; rotation as in RFC 9700, section 4.14.2.
    async fn refresh(&self, mut tx: PlatformTx) -> Result<TokenAnswer, OauthError> {
        let wrong = || {
            let text = "the refresh token is wrong, used, revoked or expired";
            OauthError::new(Code::InvalidGrant, text)
        };
        let text = self
            .form
            .require("refresh_token", "refresh_token is missing")?;
        let place = issue::check_refresh_token(self.app, text).ok_or_else(wrong)?;
        let turned = oauth_grants::turn(&mut tx, place.grant, place.sequence, self.now.0).await?;
        let turned = turned
            .filter(|turned| turned.grant.client_id == self.client.id)
            .ok_or_else(wrong)?;
        let is_over = turned.is_revoked || self.client.is_cut_off(turned.grant.given_at());
        if is_over || turned.grant.expires_at <= self.now.0 {
            return Err(wrong());
        }
        let within_grace = turned.rotated_at.is_some_and(|at| self.now.0 - at <= GRACE);
        let successor = if turned.sequence == place.sequence {
            place.sequence + 1
        } else if turned.sequence == place.sequence + 1 && within_grace {
            turned.sequence
        } else {
            oauth_grants::revoke(&mut tx, turned.grant.id, self.now.0).await?;
            super::audit_replay(&mut tx, self.client, &turned.grant, self.now).await?;
            tx.commit().await?;
            return Err(wrong());
        };
        let holder = self.holder(&mut tx, &turned.grant).await?;
        let issued = self.narrowed_by_resource(turned.grant)?;
        let answer = self.person(&issued, &holder, successor)?;
        tx.commit().await?;
        Ok(answer)
    }

    /// RFC 6749, section 4.4.
    async fn client_credentials(&self, mut tx: PlatformTx) -> Result<TokenAnswer, OauthError> {
        let scopes = issue::scopes(self.client, self.form.get("scope"))?;
        if scopes
            .iter()
            .any(|scope| domain::token::OPENID_SCOPES.contains(&scope.as_str()))
        {
            let text = "openid scopes are for people; a client's own token has none of them";
            return Err(OauthError::new(Code::InvalidScope, text));
        }
        let apis = oauth_grants::find_apis(&mut tx, self.client.tenant_id).await?;
        let apis = apis.ok_or_else(|| {
            OauthError::new(Code::UnauthorizedClient, "the client's tenant is suspended")
        })?;
        let resources: Vec<String> = self.form.all("resource").map(str::to_owned).collect();
        let audiences = issue::audiences(self.app, &apis, &resources)?;
        let answer = issue::machine(self.app, self.client, (audiences, &scopes), self.now)?;
        tx.commit().await?;
        Ok(answer)
    }

    async fn holder(&self, tx: &mut PlatformTx, grant: &OauthGrant) -> Result<Holder, OauthError> {
        let found = oauth_grants::find_holder(tx, grant.tenant_id, grant.user_id).await?;
        found.ok_or_else(|| {
            let text = "the person does not belong to the tenant any more, or it is suspended";
            OauthError::new(Code::InvalidGrant, text)
        })
    }

    /// The token may be for fewer APIs than the grant, never for others (RFC 8707, section 2.2).
    fn narrowed_by_resource(&self, grant: OauthGrant) -> Result<OauthGrant, OauthError> {
        let wanted: Vec<String> = self.form.all("resource").map(str::to_owned).collect();
        if wanted.is_empty() {
            return Ok(grant);
        }
        let may = |one: &String| grant.resources.is_empty() || grant.resources.contains(one);
        if !wanted.iter().all(may) {
            let text = "resource was not part of what was granted";
            return Err(OauthError::new(Code::InvalidTarget, text));
        }
        Ok(OauthGrant {
            resources: wanted,
            ..grant
        })
    }

    fn person(
        &self,
        grant: &OauthGrant,
        holder: &Holder,
        sequence: u32,
    ) -> Result<TokenAnswer, OauthError> {
        let asked = match sequence {
            0 => None,
            _ => self.form.get("scope"),
        };
        let scopes = match asked {
            None => grant.scopes.clone(),
            Some(asked) => narrowed(&grant.scopes, asked)?,
        };
        let issue = Issue {
            client: self.client,
            grant,
            holder,
            scopes: &scopes,
            sequence,
            nonce: (sequence == 0).then_some(grant.nonce.as_deref()).flatten(),
            now: self.now,
        };
        issue::person(self.app, &issue)
    }
}

/// A refresh may ask for less, never for more (RFC 6749, section 6).
fn narrowed(granted: &[String], asked: &str) -> Result<Vec<String>, OauthError> {
    let asked: Vec<String> = asked
        .split(' ')
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect();
    if asked.iter().all(|scope| granted.contains(scope)) {
        return Ok(asked);
    }
    let text = "a scope was not part of what was granted";
    Err(OauthError::new(Code::InvalidScope, text))
}
