//! All of Tollgate on one machine, and the command line.
//!
//! Invariants: nothing is implemented here a second time: databases are `cluster`'s, the control
//! plane is `server`'s, nodes are `proxy`'s; what `up` starts ends with it, however it ends.
//! Entry: [`up::up`]. Read `up.rs` first.

pub mod args;
pub mod data_dir;
pub mod demo_upstream;
pub mod ports;
pub mod report;
pub mod up;

use std::io::Write;

use anyhow::Context;
use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::args::{Command, CommandLine};

/// Does what a command line says, until done or told to stop. Its first word is the program.
pub fn run_command_line(words: impl IntoIterator<Item = String>) -> anyhow::Result<()> {
    let command_line = CommandLine::parse_from(words);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let shutdown = CancellationToken::new();
    runtime.block_on(async {
        tokio::spawn(server::cancel_on_signal(shutdown.clone()));
        match command_line.command {
            Command::Up(args) => up::up(args, shutdown).await,
            Command::DemoUpstream(args) => demo_upstream::run(args.listen_addr, shutdown).await,
        }
    })
}

/// One line on standard error: what failed and why.
pub fn report_error(error: &anyhow::Error) {
    let _ = writeln!(std::io::stderr(), "tollgate: {error:#}");
}
