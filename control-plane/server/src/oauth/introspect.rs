//! `POST /oauth2/introspect` (RFC 7662): for confidential clients, about tokens of their tenant.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::oauth_client::{ClientKind, OauthClient};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use store::{PlatformTx, oauth_grants};

use super::error::{Code, OauthError};
use super::{bearer, client_auth, issue, limits, token};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;

pub(super) async fn introspect(
    State(app): State<App>,
    ClientAddress(address): ClientAddress,
    now: Now,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, OauthError> {
    let form = token::form(&headers, &body)?;
    let text = form.require("token", "token is missing")?;
    let mut tx = app.db.platform_tx().await?;
    limits::check_failures(&mut tx, address, now).await?;
    let client = match client_auth::authenticate(&mut tx, &headers, &form, now).await {
        Ok(client) => client,
        Err(error) => {
            if error.code == Code::InvalidClient {
                limits::note_failure(&app, address, now).await?;
            }
            return Err(error);
        }
    };
    if client.kind != ClientKind::Confidential {
        return Err(OauthError::client(
            "only clients with a secret may ask",
            false,
        ));
    }
    let answer = about(&app, &mut tx, &client, text, now).await?;
    tx.commit().await?;
    let answer = answer.unwrap_or_else(|| json!({ "active": false }));
    let no_store = HeaderValue::from_static("no-store");
    Ok(([(header::CACHE_CONTROL, no_store)], Json(answer)).into_response())
}

/// `None`: not active, of another tenant, or no token at all; the caller does not learn which.
async fn about(
    app: &App,
    tx: &mut PlatformTx,
    client: &OauthClient,
    text: &str,
    now: Now,
) -> Result<Option<Value>, OauthError> {
    if let Some(place) = issue::check_refresh_token(app, text) {
        let found = oauth_grants::find_live(tx, place.grant, now.0).await?;
        let live = found.filter(|(grant, sequence)| {
            grant.client_id == client.id && *sequence == place.sequence
        });
        return Ok(live.map(|(grant, _)| {
            json!({
                "active": true,
                "client_id": grant.client_id,
                "sub": grant.user_id,
                "scope": grant.scopes.join(" "),
                "exp": grant.expires_at.unix_timestamp(),
                "iss": app.public_url,
                "tenant_id": grant.tenant_id,
                "token_type": "refresh_token",
            })
        }));
    }
    let Some(claims) = bearer::read(app, text, now).await else {
        return Ok(None);
    };
    let may_see = claims.client_id == client.id.to_string()
        || claims.tenant_id == client.tenant_id.to_string();
    if !may_see || !bearer::is_in_force(tx, &claims).await? {
        return Ok(None);
    }
    let mut answer = serde_json::to_value(&claims).unwrap_or_default();
    if let Value::Object(members) = &mut answer {
        members.insert("active".into(), true.into());
        members.insert("token_type".into(), "Bearer".into());
    }
    Ok(Some(answer))
}
