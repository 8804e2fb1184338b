//! Logs and metrics. Neither ever holds a request: log lines cross a bounded queue that drops and
//! counts what does not fit, metrics are counters with bounded labels.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use uuid::Uuid;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of this request, in its answer, its log line and its problems.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Starts logging to standard output as JSON lines; dropping the guard flushes.
pub fn start_logging() -> WorkerGuard {
    log_to(std::io::stdout())
}

/// Starts logging to a file, which is appended to.
pub fn start_logging_to(path: &Path) -> anyhow::Result<WorkerGuard> {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("cannot write the log {}", path.display()))?;
    Ok(log_to(file))
}

fn log_to(to: impl std::io::Write + Send + 'static) -> WorkerGuard {
    let (writer, guard): (NonBlocking, WorkerGuard) = tracing_appender::non_blocking(to);
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(writer)
        .init();
    guard
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// The route's template, never a path.
    route: String,
    /// A method of RFC 9110, or `other`.
    method: &'static str,
    status: u16,
}

/// The counters of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    pub published_revision: Gauge,
    pub publish_seconds: Histogram,
    pub publish_failures: Counter,
    pub chunks_written: Counter,
    pub usage_batches: Counter,
    pub leases_granted: Counter,
    pub alarm: Gauge,
}

impl Metrics {
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("tollgate_control");
        let buckets = || exponential_buckets(0.0005, 2.0, 16);
        let metrics = Self {
            requests: Family::default(),
            durations: Histogram::new(buckets()),
            published_revision: Gauge::default(),
            publish_seconds: Histogram::new(buckets()),
            publish_failures: Counter::default(),
            chunks_written: Counter::default(),
            usage_batches: Counter::default(),
            leases_granted: Counter::default(),
            alarm: Gauge::default(),
            registry: Registry::default(),
        };
        let m = &metrics;
        registry.register("requests", "Requests answered", m.requests.clone());
        registry.register(
            "request_seconds",
            "Time to answer, long polls left out",
            m.durations.clone(),
        );
        registry.register(
            "published_revision",
            "Revision served to nodes",
            m.published_revision.clone(),
        );
        registry.register(
            "publish_seconds",
            "Time to publish a revision",
            m.publish_seconds.clone(),
        );
        registry.register(
            "publish_failures",
            "Attempts to publish that failed",
            m.publish_failures.clone(),
        );
        registry.register(
            "chunks_written",
            "Chunks written by the publisher",
            m.chunks_written.clone(),
        );
        registry.register(
            "usage_batches",
            "Usage batches applied",
            m.usage_batches.clone(),
        );
        registry.register(
            "lease_units_granted",
            "Quota units granted to nodes",
            m.leases_granted.clone(),
        );
        registry.register(
            "snapshot_alarm",
            "1 while a node has seen what this database never published",
            m.alarm.clone(),
        );
        Arc::new(Self {
            registry,
            ..metrics
        })
    }

    /// The text of `/metrics` (OpenMetrics).
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn known_method(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A path as the log has it: an invitation's link is a secret.
fn logged(path: &str) -> &str {
    match path.starts_with("/invitations/") {
        true => "/invitations/{token}",
        false => path,
    }
}

/// Middleware around every route: gives the request its id, counts it and writes its log line.
pub async fn observe(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7().simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = logged(request.uri().path()).to_owned();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", MatchedPath::as_str)
        .to_owned();
    let peer = request
        .extensions()
        .get::<ConnectInfo<std::net::SocketAddr>>()
        .map(|info| info.0.ip());

    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    tracing::info!(
        target: "access",
        request_id = id,
        method = method.as_str(),
        path,
        status,
        micros = elapsed.as_micros() as u64,
        peer = peer.map(tracing::field::display),
    );
    if route != snapshot::poll::SNAPSHOT_PATH {
        metrics.durations.observe(elapsed.as_secs_f64());
    }
    let labels = RequestLabels {
        route,
        method: known_method(&method),
        status,
    };
    metrics.requests.get_or_create(&labels).inc();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_of_an_invitation_is_not_in_the_log() {
        for (path, expected) in [
            ("/invitations/1debcc1f", "/invitations/{token}"),
            ("/invitations", "/invitations"),
            ("/t/ten_1/invitations", "/t/ten_1/invitations"),
        ] {
            assert_eq!(logged(path), expected);
        }
    }
}
