//! `GET /node/v1/snapshot`: the long poll. A node that is up to date costs no query.

use std::time::Duration;

use axum::Router;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderName, StatusCode, header};
use snapshot::manifest::{Manifest, Version};
use snapshot::poll::{FRESHNESS_HEADER, PollQuery, SNAPSHOT_PATH};
use snapshot::sign::{Domain, Signed};

use super::call::{NodeCall, unknown};
use crate::app::App;
use crate::clock::Now;
use crate::problem::Problem;
use crate::publish::publisher::load_trust;
use crate::published::Published;

const FRESHNESS: HeaderName = HeaderName::from_static(FRESHNESS_HEADER);

pub fn router() -> Router<App> {
    Router::new().route(SNAPSHOT_PATH, get(show))
}

async fn show(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    now: Now,
    call: NodeCall,
) -> Result<Response, Problem> {
    let poll = PollQuery::parse(uri.query().unwrap_or_default()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "poll_malformed",
            "epoch, revision, wait and manifest must be readable",
        )
    })?;
    app.observations.record(call.node, &poll, now);
    check_witness(&app, &poll).await?;
    let published = wait_for_news(&app, &poll).await;
    // The node may have been revoked while its poll was held open.
    if !app.directory.is_known(call.node) {
        let known = app.directory.find(&app.db, call.node).await?;
        known.ok_or_else(unknown)?.require_live()?;
    }
    match published {
        None => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "nothing_published",
            "no snapshot is published yet; ask again",
        )),
        Some(published) if is_applied(&published, &poll) => {
            Ok((StatusCode::NOT_MODIFIED, [(FRESHNESS, published.freshness)]).into_response())
        }
        Some(published) => {
            let headers = [
                (FRESHNESS, published.freshness),
                (
                    header::CONTENT_TYPE,
                    http::HeaderValue::from_static("application/x-protobuf"),
                ),
            ];
            Ok((headers, published.body).into_response())
        }
    }
}

fn is_applied(published: &Published, poll: &PollQuery) -> bool {
    published.version == poll.applied && Some(published.hash) == poll.manifest
}

/// Returns at once when there is something new, else when the node's wait is over.
async fn wait_for_news(app: &App, poll: &PollQuery) -> Option<Published> {
    let mut current = app.current.clone();
    let is_news = |published: &Option<Published>| {
        published
            .as_ref()
            .is_some_and(|published| !is_applied(published, poll))
    };
    let wait = Duration::from_secs(poll.wait_seconds);
    tokio::select! {
        _ = tokio::time::timeout(wait, current.wait_for(is_news)) => {}
        () = app.shutdown.cancelled() => {}
    }
    app.current.borrow().clone()
}

/// Nodes are witnesses: one that holds what this database never published shows that the database
/// lost writes, and publishing over it would roll the fleet back. It has to show the manifest,
/// signed by an online key: a mere claim is refused and stops nothing.
async fn check_witness(app: &App, poll: &PollQuery) -> Result<(), Problem> {
    if poll.applied == Version::default() || !is_suspicious(app, poll) {
        return Ok(());
    }
    // This process may only be behind: the database decides.
    let mut tx = app.db.platform_tx().await?;
    if store::witness::has_published(&mut tx, poll.applied, poll.manifest).await? {
        app.refresh.notify_one();
        return Ok(());
    }
    let ahead = Problem::new(
        StatusCode::CONFLICT,
        "node_is_ahead",
        "this node holds a revision that this database never published; was it restored from a backup?",
    );
    let trust = load_trust(&mut tx, &app.secrets).await?;
    let shown = poll.shown_manifest();
    let proven = shown.and_then(|shown| version_of_ours(&shown, &trust.statement.online_keys));
    if proven != Some(poll.applied) {
        tracing::warn!(claimed = %poll.applied, "a node claims a revision and does not prove it");
        return Err(ahead);
    }
    let reason = format!(
        "a node holds revision {} which this database does not have",
        poll.applied
    );
    tracing::error!(%reason, "publishing stops");
    app.metrics.alarm.set(1);
    store::witness::raise_alarm(&mut tx, &reason).await?;
    tx.commit().await?;
    Err(ahead)
}

/// The version of a manifest that one of these keys signed.
fn version_of_ours(shown: &Signed, online_keys: &[Vec<u8>]) -> Option<Version> {
    let payload = snapshot::sign::verify(shown, Domain::Manifest, online_keys).ok()?;
    let manifest: Manifest = snapshot::decode("manifest", payload, payload.len()).ok()?;
    Some(manifest.version())
}

fn is_suspicious(app: &App, poll: &PollQuery) -> bool {
    let current = app.current.borrow();
    current.as_ref().is_some_and(|published| {
        poll.applied > published.version
            || (poll.applied == published.version && poll.manifest != Some(published.hash))
    })
}
