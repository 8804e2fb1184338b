//! `/oauth2/userInfo` (OpenID Connect Core, section 5.3).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::id::UserId;
use domain::token::{OPENID, PersonClaims};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use store::oauth_grants;

use super::error::{BearerError, Code, OauthError};
use super::{bearer, issue};
use crate::app::App;
use crate::clock::Now;

#[derive(Serialize)]
struct UserInfo {
    sub: String,
    tenant_id: String,
    #[serde(flatten)]
    person: PersonClaims,
}

pub(super) async fn user_info(
    State(app): State<App>,
    now: Now,
    headers: HeaderMap,
) -> Result<Response, BearerError> {
    let invalid = || {
        BearerError(OauthError::new(
            Code::InvalidToken,
            "the access token is wrong, expired or revoked",
        ))
    };
    let token = bearer::presented(&headers)?;
    let claims = bearer::read(&app, token, now).await.ok_or_else(invalid)?;
    let user: UserId = claims.sub.parse().map_err(|_| invalid())?;
    let tenant = claims.tenant_id.parse().map_err(|_| invalid())?;
    if !claims.has_scope(OPENID) {
        return Err(BearerError(OauthError::new(
            Code::InsufficientScope,
            "the access token lacks the scope openid",
        )));
    }
    let mut tx = app.db.platform_tx().await?;
    let is_in_force = bearer::is_in_force(&mut tx, &claims).await;
    if !is_in_force.map_err(BearerError)? {
        return Err(invalid());
    }
    let holder = oauth_grants::find_holder(&mut tx, tenant, user).await?;
    let holder = holder.ok_or_else(invalid)?;
    tx.commit().await?;
    let scopes: Vec<String> = claims.scope.split(' ').map(str::to_owned).collect();
    let answer = UserInfo {
        person: issue::about(&holder, &scopes),
        sub: claims.sub,
        tenant_id: claims.tenant_id,
    };
    let no_store = HeaderValue::from_static("no-store");
    Ok(([(header::CACHE_CONTROL, no_store)], Json(answer)).into_response())
}
