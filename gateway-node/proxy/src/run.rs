//! Starts and stops a node: its cores, its control thread, its log writer, in the right order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::{Args, Config};
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

/// The program `gateway-node`: configured by command line and environment, stopped by signals. The
/// first word is the program.
pub fn run_command_line(words: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let args = Args::parse_from(words);
    // Off the threads that serve: a reader that stops reading must not hold a request.
    let (writer, _flush) = tracing_appender::non_blocking(std::io::stderr());
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter.from_env_lossy())
        .with_writer(writer)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let shutdown = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stop.cancel();
        });
        Ok(run(args.into(), shutdown).await?)
    })
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
