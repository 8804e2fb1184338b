//! The OpenID provider: what applications call, and what their people see on the way.
//!
//! Pages stand in the frame of all pages (sessions, forms); what programs call does not. Errors have
//! the codes of the standards; see [`error`]. Read `authorize.rs`, then `token.rs`.

mod authorize;
mod bearer;
mod client_auth;
mod consent;
mod discovery;
pub(crate) mod encryption;
mod error;
mod introspect;
mod issue;
pub mod keys;
mod limits;
mod logout;
mod parameters;
mod revoke;
#[cfg(test)]
mod tests;
mod token;
mod user_info;

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use domain::id::UserId;
use domain::oauth_client::OauthClient;
use domain::permission::Action;
use http::{HeaderName, Method, header};
use serde_json::json;
use store::PlatformTx;
use store::oauth_grants::OauthGrant;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::deadline::{self, ANSWER_WITHIN};
use crate::problem::Chain;

pub(crate) use parameters::{Parameters, with_query};

/// Parameters and a token; more is no honest request.
const BODY_BYTES_MAX: usize = 64 << 10;
/// How soon this control plane signs with what another one made, where no notice of it came.
const RELOAD_EVERY: Duration = Duration::from_secs(5);

pub(crate) use authorize::client_of;

/// Within the frame of pages.
pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/oauth2/authorize", get(authorize::show))
        .route("/oauth/authorize", get(authorize::show))
        .route("/oauth2/consent", post(consent::decide))
        .route("/logout", get(logout::show).post(logout::sign_out))
}

/// What programs call.
pub(crate) fn router() -> Router<App> {
    // Any page may call these; none of them looks at cookies.
    let any_origin = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([
            header::WWW_AUTHENTICATE,
            HeaderName::from_static("retry-after"),
        ])
        .max_age(Duration::from_secs(3600));
    let metadata = get(discovery::metadata);
    let for_browsers = Router::new()
        .route("/.well-known/openid-configuration", metadata.clone())
        .route("/.well-known/oauth-authorization-server", metadata)
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/oauth2/token", post(token::token))
        .route(
            "/oauth2/userInfo",
            get(user_info::user_info).post(user_info::user_info),
        )
        .route("/oauth2/revoke", post(revoke::revoke))
        .layer(any_origin);
    Router::new()
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/oauth2/authorize", post(authorize::by_form))
        .route("/oauth/authorize", post(authorize::by_form))
        .merge(for_browsers)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(ANSWER_WITHIN, deadline::limit))
}

/// Follows keys that other control planes make, until `shutdown`.
pub(crate) async fn follow_keys(app: App, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        tokio::select! {
            () = app.token_keys.changed() => {}
            () = tokio::time::sleep(RELOAD_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
        let reloaded = app.token_keys.reload(&app.db, &app.secrets, Now::read());
        if let Err(cause) = reloaded.await {
            tracing::warn!(error = %Chain(&cause), "token keys could not be read");
        }
    }
}

/// Somebody used a code or a refresh token that was used before: two hold it.
async fn audit_replay(
    tx: &mut PlatformTx,
    client: &OauthClient,
    grant: &OauthGrant,
    now: Now,
) -> Result<(), ActionError> {
    let user: UserId = grant.user_id;
    let label = user.to_string();
    let subject = Subject {
        tenant: Some(grant.tenant_id),
        noun: "oauth_grant",
        id: grant.id,
        label: &label,
    };
    let after = json!({ "client": client.id, "reason": "used twice" });
    let change = (subject, Change::created(&after));
    let authority = Authority::system();
    action::audit(tx, &authority, Action::RevokeGrant, change, now).await
}
