//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Tollgate, an API gateway that you run yourself.
#[derive(Debug, Parser)]
#[command(name = "tollgate", version, about)]
pub struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole product on this machine: PostgreSQL, control plane, gateway, demo upstream
    Up(UpArgs),
    /// Run only the demo upstream, which answers every request with what it got
    DemoUpstream(DemoUpstreamArgs),
}

#[derive(Debug, Args)]
pub struct UpArgs {
    /// Use this PostgreSQL (14 or newer) instead of a private one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// Where data is kept between starts
    #[arg(long, default_value = ".tollgate")]
    pub data_dir: PathBuf,

    /// Add this to every port
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=20_000))]
    pub port_offset: u16,

    /// Gateway nodes to run; each further one listens ten ports higher
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub nodes: u16,

    /// Leave out the demo plans, API, tenant and key
    #[arg(long)]
    pub no_demo: bool,

    /// Install PostgreSQL with this system's package manager if there is none
    #[arg(long)]
    pub install_postgres: bool,

    /// Directory with PostgreSQL's server programs, if it is not found by itself
    #[arg(long)]
    pub postgres_bin: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DemoUpstreamArgs {
    #[arg(long, env = "LISTEN_ADDR", default_value = "127.0.0.1:8001")]
    pub listen_addr: SocketAddr,
}
