//! What clients learn of the provider: OpenID Connect Discovery 1.0, section 3, and RFC 8414.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::token::OPENID_SCOPES;
use domain::token_key::SigningAlgorithm;
use http::{HeaderValue, header};
use serde_json::{Value, json};
use web::language::Language;

use crate::app::App;
use crate::clock::Now;

/// Shorter than a new key is shown before it signs.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

pub(super) async fn metadata(State(app): State<App>) -> Response {
    cached(document(&app))
}

pub(super) async fn jwks(State(app): State<App>, now: Now) -> Response {
    cached(app.token_keys.jwks(now.0))
}

fn cached(document: Value) -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(document)).into_response()
}

fn document(app: &App) -> Value {
    let url = |path: &str| format!("{}{path}", app.public_url);
    let algorithms: Vec<&str> = SigningAlgorithm::ALL
        .iter()
        .map(|one| one.as_str())
        .collect();
    let client_auth = ["client_secret_basic", "client_secret_post"];
    json!({
        "issuer": app.public_url,
        "authorization_endpoint": url("/oauth2/authorize"),
        "token_endpoint": url("/oauth2/token"),
        "userinfo_endpoint": url("/oauth2/userInfo"),
        "revocation_endpoint": url("/oauth2/revoke"),
        "introspection_endpoint": url("/oauth2/introspect"),
        "end_session_endpoint": url("/logout"),
        "jwks_uri": url("/.well-known/jwks.json"),
        "scopes_supported": OPENID_SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint_auth_methods_supported": client_auth,
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "tenant_id",
            "email", "email_verified", "name", "preferred_username", "roles", "groups",
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}
