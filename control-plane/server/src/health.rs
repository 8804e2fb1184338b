//! `/healthz`, `/readyz` and `/metrics`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use http::{HeaderMap, StatusCode, header};
use snapshot::chunk::sha256;

use crate::app::App;
use crate::config::Config;
use crate::problem::Problem;

/// Shorter than those who ask wait for an answer.
const PING_WITHIN: Duration = Duration::from_secs(2);

pub fn router() -> Router<App> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn alive() -> Response {
    Json(serde_json::json!({ "status": "ok" })).into_response()
}

/// Ready: the database answers and a revision is served.
async fn ready(State(app): State<App>) -> Response {
    let revision = app
        .current
        .borrow()
        .as_ref()
        .map(|published| published.version.to_string());
    let ping = tokio::time::timeout(PING_WITHIN, app.db.ping()).await;
    let has_database = matches!(ping, Ok(Ok(())));
    let is_ready = has_database && revision.is_some();
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "database": has_database,
        "revision": revision,
    });
    (status, Json(body)).into_response()
}

/// Who may read `/metrics`, which tells how much is going on.
pub enum MetricsReaders {
    /// Whoever sends the token of this hash.
    Bearer([u8; 32]),
    /// Programs on this machine: nothing in front of us speaks for others.
    ThisMachine,
    Nobody,
}

impl MetricsReaders {
    pub fn of(config: &Config) -> Self {
        match &config.metrics_token {
            Some(token) => Self::Bearer(sha256(token.as_bytes())),
            // Accepted on loopback only. Elsewhere a proxy on this machine may hand on what
            // strangers ask for.
            None if config.public_url.starts_with("http://") => Self::ThisMachine,
            None => Self::Nobody,
        }
    }

    fn admit(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Bearer(hash) if sent(headers).is_some_and(|sent| sha256(sent) == *hash) => Ok(()),
            Self::Bearer(_) => Err(Problem::unauthorized(
                "metrics_token_invalid",
                "send the METRICS_TOKEN of this control plane: Authorization: Bearer …",
            )),
            Self::ThisMachine
                if peer.is_some_and(|peer| peer.to_canonical().is_loopback())
                    && !FORWARDED.iter().any(|name| headers.contains_key(*name)) =>
            {
                Ok(())
            }
            Self::ThisMachine | Self::Nobody => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "metrics_private",
                "metrics are for those who run this control plane: set METRICS_TOKEN",
            )),
        }
    }
}

/// A proxy that adds one of these asks for somebody else.
const FORWARDED: [&str; 3] = ["forwarded", "x-forwarded-for", "via"];

fn sent(headers: &HeaderMap) -> Option<&[u8]> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().as_bytes())
}

async fn metrics(
    State(app): State<App>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let peer = peer.map(|Extension(ConnectInfo(peer))| peer.ip());
    app.metrics_readers.admit(peer, &headers)?;
    let text = app
        .metrics
        .render()
        .map_err(|cause| Problem::internal(&cause))?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        readers: &MetricsReaders,
        peer: &str,
        header: Option<(&'static str, &str)>,
        status: u16,
    ) {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().expect("a header"));
        }
        let admitted = readers.admit(peer.parse().ok(), &headers);
        let found = admitted.map_or_else(|problem| problem.status().as_u16(), |()| 200);
        assert_eq!(found, status, "{peer} {header:?}");
    }

    #[test]
    fn metrics_are_not_for_strangers() {
        let bearer = MetricsReaders::Bearer(sha256(b"secret"));
        let authorization = |value| Some(("authorization", value));
        check(&bearer, "192.0.2.1", authorization("Bearer secret"), 200);
        check(&bearer, "192.0.2.1", authorization("bearer secret"), 200);
        check(&bearer, "192.0.2.1", authorization("Bearer other"), 401);
        check(&bearer, "192.0.2.1", authorization("secret"), 401);
        check(&bearer, "127.0.0.1", None, 401);
        let here = MetricsReaders::ThisMachine;
        check(&here, "127.0.0.1", None, 200);
        check(&here, "::1", None, 200);
        check(&here, "::ffff:127.0.0.1", None, 200);
        check(
            &here,
            "127.0.0.1",
            Some(("x-forwarded-for", "192.0.2.1")),
            403,
        );
        check(&here, "192.0.2.1", None, 403);
        check(&here, "", None, 403);
        check(&MetricsReaders::Nobody, "127.0.0.1", None, 403);
    }
}
