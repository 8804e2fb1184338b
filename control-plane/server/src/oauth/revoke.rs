//! `POST /oauth2/revoke` (RFC 7009).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::oauth_client::OauthClient;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use store::PlatformTx;
use store::oauth_grants;
use store::revocations::{self, Owner, SINGLES_MAX, Single};

use super::error::{Code, OauthError};
use super::{bearer, client_auth, issue, limits, token};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;

pub(super) async fn revoke(
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
    end(&app, &mut tx, &client, text, now).await?;
    tx.commit().await?;
    let no_store = HeaderValue::from_static("no-store");
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, no_store)]).into_response())
}

/// Ends what the token stands for, if it is one of this client; anything else is as good as revoked
/// (section 2.2).
async fn end(
    app: &App,
    tx: &mut PlatformTx,
    client: &OauthClient,
    text: &str,
    now: Now,
) -> Result<(), OauthError> {
    if let Some(place) = issue::check_refresh_token(app, text) {
        // Also one that was replaced: whoever revokes means the family.
        let found = oauth_grants::find_live(tx, place.grant, now.0).await?;
        if found.is_some_and(|(grant, _)| grant.client_id == client.id) {
            oauth_grants::revoke(tx, place.grant, now.0).await?;
        }
    } else if let Some(claims) = bearer::read(app, text, now).await
        && claims.client_id == client.id.to_string()
        && let Ok(tenant) = claims.tenant_id.parse()
    {
        let owner = match claims.sub.parse() {
            Ok(user) => Owner::Person(user),
            Err(_) => Owner::Client(client.id),
        };
        let single = Single::token(claims.jti, tenant, owner, now.0);
        revocations::insert_single(tx, &single, SINGLES_MAX).await?;
    }
    Ok(())
}
