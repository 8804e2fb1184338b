//! The admin listener: `/healthz`, `/readyz`, `/metrics`, and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::health::Health;
use super::metrics;
use crate::shared::Shared;

const CONNECTIONS_MAX: usize = 32;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A scraper holds its connection between scrapes; anyone else need not.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
/// The content type that goes with the text encoding of `prometheus-client`.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) struct Admin {
    shared: Arc<Shared>,
    health: Arc<Health>,
    registry: Registry,
}

pub(crate) async fn bind(addr: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(addr).await
}

impl Admin {
    pub(crate) fn new(shared: Arc<Shared>, health: Arc<Health>) -> Self {
        Self {
            registry: metrics::registry(shared.clone(), health.clone()),
            shared,
            health,
        }
    }

    /// Serves until it is dropped.
    pub(crate) async fn serve(self, listener: TcpListener) -> Infallible {
        let admin = Arc::new(self);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, most likely; others need the time to give some back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                continue;
            };
            let admin = admin.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let response = admin.answer(&request);
                    async move { Ok::<_, Infallible>(response) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEADER_TIMEOUT)
                    .serve_connection(TokioIo::new(stream), service);
                // How a scraper leaves is its own affair.
                let _ = tokio::time::timeout(CONNECTION_LIFETIME, connection).await;
                drop(place);
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            let allow = header::HeaderValue::from_static("GET, HEAD");
            refused.headers_mut().insert(header::ALLOW, allow);
            return refused;
        }
        match request.uri().path() {
            "/healthz" => respond(StatusCode::OK, JSON, self.health_json().into()),
            "/readyz" if self.is_ready() => plain(StatusCode::OK, "ready\n"),
            "/readyz" if self.is_revoked() => {
                plain(StatusCode::SERVICE_UNAVAILABLE, "this node was revoked\n")
            }
            "/readyz" => plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
            "/metrics" => self.metrics(),
            _ => plain(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    fn is_ready(&self) -> bool {
        self.shared.snapshot.load().is_some() && !self.shared.is_draining.load(Ordering::Relaxed)
    }

    fn is_revoked(&self) -> bool {
        self.shared.is_revoked.load(Ordering::Relaxed)
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => respond(StatusCode::OK, OPENMETRICS, text.into()),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "metrics failed\n"),
        }
    }

    fn health_json(&self) -> String {
        let now = self.shared.clock.now();
        let state = self.health.state();
        let snapshot = self.shared.snapshot.load_full().map(|snapshot| {
            serde_json::json!({
                "epoch": snapshot.version().epoch,
                "revision": snapshot.version().revision,
                "created_at_ms": snapshot.created_at_ms(),
                "keys": snapshot.key_count(),
                "tenants": snapshot.tenant_count(),
                "apis": snapshot.apis().count(),
            })
        });
        let rejected = state.rejected.map(|report| {
            serde_json::json!({
                "epoch": report.version.epoch,
                "revision": report.version.revision,
                "code": report.code,
                "detail": report.detail,
            })
        });
        serde_json::json!({
            "status": "ok",
            "is_ready": self.is_ready(),
            "is_revoked": self.is_revoked(),
            "software_version": env!("CARGO_PKG_VERSION"),
            "node_id": state.node_id,
            "snapshot": snapshot,
            "stale_ms": self.shared.stale_ms(now),
            "rejected": rejected,
            "polls_failing_with": state.polls.failing_with,
            "leases_failing_with": state.leases.failing_with,
            "rate_shares_failing_with": state.shares.failing_with,
            "usage_failing_with": state.usage.failing_with,
            "usage_spool": {
                "batches": state.spool.batches,
                "bytes": state.spool.bytes,
                "requests_dropped": state.spool.dropped,
            },
            "state_dir_fault": state.state_dir_fault,
        })
        .to_string()
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status, TEXT, Bytes::from_static(text.as_bytes()))
}

fn respond(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    let no_store = header::HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}
