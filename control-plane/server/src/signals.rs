//! Signals that ask the process to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Ctrl-C or SIGTERM once: stop cleanly. Twice: at once.
pub async fn cancel_on_signal(shutdown: CancellationToken) {
    received().await;
    shutdown.cancel();
    received().await;
    std::process::exit(130);
}

async fn received() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
