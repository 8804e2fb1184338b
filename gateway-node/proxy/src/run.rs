//! Starts and stops a node: its cores, its control thread, its log writer, in the right order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::control::{self, ControlError};
use crate::data::{self, ListenError};
use crate::log;
use crate::shared::{ControlInbox, Shared};

/// Why a node did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("cannot open the access log")]
    AccessLog(#[source] std::io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the {0} thread ended unexpectedly")]
    Ended(&'static str),
}

/// Runs a node until `shutdown`. Several nodes can run in one process.
///
/// The control side stops last, so that it can hand on what the cores counted.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), RunError> {
    let config = Arc::new(config);
    let (shared, inbox) = Shared::new();
    let log = log::Writer::start(&config.access_log).map_err(RunError::AccessLog)?;
    let cores = data::Cores::start(&config, &shared, &log.queue())?;

    tracing::info!(addr = %cores.addr(), "serving");
    let control_shutdown = CancellationToken::new();
    let mut control = spawn_control(&config, &shared, inbox, control_shutdown.clone())?;
    let early_end = tokio::select! {
        () = shutdown.cancelled() => None,
        end = &mut control => Some(end),
        () = cores.ended() => Some(Ok(Err(RunError::Ended("serving")))),
    };

    shared.is_draining.store(true, Ordering::Relaxed);
    cores.stop().await;
    control_shutdown.cancel();
    let end = match early_end {
        Some(end) => end,
        None => control.await,
    };
    log.stop().await;
    end.unwrap_or(Err(RunError::Ended("control")))
}

type End = tokio::sync::oneshot::Receiver<Result<(), RunError>>;

fn spawn_control(
    config: &Arc<Config>,
    shared: &Arc<Shared>,
    inbox: ControlInbox,
    shutdown: CancellationToken,
) -> Result<End, RunError> {
    let (config, shared) = (config.clone(), shared.clone());
    let (ended, end) = tokio::sync::oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RunError::Thread)?;
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            let local = tokio::task::LocalSet::new();
            let result = local.block_on(&runtime, control::run(config, shared, inbox, shutdown));
            // Nobody waits any more only if the whole node is gone.
            drop(ended.send(result.map_err(RunError::from)));
        })
        .map_err(RunError::Thread)?;
    Ok(end)
}
