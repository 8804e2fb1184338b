//! The control plane as a program of its own.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use server::{Config, telemetry};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let outcome = Config::from_environment().map_err(Into::into).and_then(run);
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "control-plane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config) -> anyhow::Result<()> {
    let _logging = telemetry::start_logging();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let shutdown = CancellationToken::new();
    runtime.block_on(async {
        tokio::spawn(server::cancel_on_signal(shutdown.clone()));
        server::run(config, shutdown).await
    })
}
