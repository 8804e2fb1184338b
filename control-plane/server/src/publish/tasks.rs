//! The background tasks: publishing while this process is the elected one, following always.

use std::time::Duration;

use store::listen::{Listener, Notice};
use store::publisher::PublisherLock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::follower::Follower;
use super::publisher::{PublishError, Publisher};
use super::{GATHER, POLL_EVERY};
use crate::app::App;
use crate::clock::Now;
use crate::problem::Chain;

const SWEEP_EVERY: Duration = Duration::from_secs(600);
const SWEPT_AT_ONCE: u32 = 1_000;
const MANIFESTS_KEPT: u32 = 10_000;

/// Publishes whenever something changed, as long as this process holds the publisher's lock.
pub async fn publish(app: App, wake: &Notify, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match PublisherLock::try_acquire(&app.db).await {
            Ok(Some(lock)) => lead(&app, lock, wake, &shutdown).await,
            Ok(None) => pause(POLL_EVERY, &shutdown).await,
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "cannot ask for the publisher's lock");
                pause(POLL_EVERY, &shutdown).await;
            }
        }
    }
}

async fn lead(app: &App, mut lock: PublisherLock, wake: &Notify, shutdown: &CancellationToken) {
    tracing::info!("this control plane publishes");
    let mut publisher = Publisher::new(app.db.clone(), app.secrets.clone(), app.metrics.clone());
    let mut swept_at = Now::read().0;
    while !shutdown.is_cancelled() {
        if let Err(cause) = lock.check().await {
            tracing::warn!(error = %Chain(&cause), "the publisher's lock is lost");
            return;
        }
        let has_more = cycle(app, &mut publisher).await;
        if Now::read().0 - swept_at > SWEEP_EVERY {
            swept_at = Now::read().0;
            sweep(app).await;
        }
        if !has_more {
            tokio::select! {
                () = wake.notified() => tokio::time::sleep(GATHER).await,
                () = pause(POLL_EVERY, shutdown) => {}
            }
        }
    }
    if let Err(cause) = lock.release().await {
        tracing::debug!(error = %Chain(&cause), "the publisher's lock went with its connection");
    }
}

/// Returns whether a revision came about: more may have changed meanwhile.
async fn cycle(app: &App, publisher: &mut Publisher) -> bool {
    match publisher.publish(Now::read()).await {
        Ok(None) => false,
        Ok(Some(outcome)) => {
            tracing::info!(
                revision = %outcome.version,
                chunks = outcome.chunks_written,
                "published"
            );
            app.refresh.notify_one();
            true
        }
        Err(cause) => {
            app.metrics.publish_failures.inc();
            match &cause {
                PublishError::Alarm(_) => app.metrics.alarm.set(1),
                _ => app.metrics.alarm.set(0),
            };
            tracing::error!(error = %Chain(&cause), "nothing was published");
            false
        }
    }
}

/// Deletes chunks that no revision has named for a day, and manifests that nobody can ask for.
async fn sweep(app: &App) {
    let swept = async {
        let mut tx = app.db.platform_tx().await?;
        store::manifests::delete_old(&mut tx, MANIFESTS_KEPT).await?;
        let chunks = store::chunks::delete_superseded(&mut tx, SWEPT_AT_ONCE).await?;
        tx.commit().await?;
        store::Result::Ok(chunks)
    };
    match swept.await {
        Ok(0) => {}
        Ok(chunks) => tracing::info!(chunks, "deleted superseded chunks"),
        Err(cause) => tracing::warn!(error = %Chain(&cause), "superseded chunks stay for now"),
    }
}

/// Keeps the revision that this process serves up to date.
pub async fn follow(app: App, mut follower: Follower, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(cause) = follower.refresh(Now::read()).await {
            tracing::warn!(error = %Chain(&cause), "cannot see the latest revision");
        }
        tokio::select! {
            () = app.refresh.notified() => {}
            () = pause(POLL_EVERY, &shutdown) => {}
        }
    }
}

/// Turns the database's notices into wake-ups. What is missed, polling finds.
pub async fn listen(app: App, wake: &Notify, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        match store::listen::listen(&app.db).await {
            Ok(listener) => hear(&app, listener, wake, &shutdown).await,
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "cannot listen to the database");
            }
        }
        pause(POLL_EVERY, &shutdown).await;
    }
}

async fn hear(app: &App, mut listener: Listener, wake: &Notify, shutdown: &CancellationToken) {
    // Whatever happened while nobody listened.
    app.directory.forget_all();
    loop {
        let notice = tokio::select! {
            notice = listener.next() => notice,
            () = shutdown.cancelled() => return,
        };
        match notice {
            Ok(Notice::Dirty) => wake.notify_one(),
            Ok(Notice::Published(_)) => app.refresh.notify_one(),
            Ok(Notice::Nodes) => app.directory.forget_all(),
            Ok(Notice::TokenKeys) => app.token_keys.wake(),
            Ok(Notice::Reconnected) => {
                app.directory.forget_all();
                app.token_keys.wake();
                wake.notify_one();
                app.refresh.notify_one();
            }
            Err(cause) => {
                tracing::warn!(error = %Chain(&cause), "listening to the database broke off");
                return;
            }
        }
    }
}

async fn pause(length: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(length) => {}
        () = shutdown.cancelled() => {}
    }
}
