//! A private PostgreSQL, run from installed server binaries without asking for anything.
//!
//! Invariants: only data directories made here are ever started or stopped; the server listens on a
//! socket in a 0700 directory and on no port; it never runs as root; two processes never own one
//! directory; a process that dies by any means leaves a directory that the next start recovers.
//!
//! Entry: [`find`] the binaries, then [`Cluster::start`]. Tests take [`testing::lease`]. Read
//! `cluster.rs` first.

mod account;
mod binaries;
mod cluster;
mod database;
mod error;
mod install;
mod lock;
mod place;
mod postmaster;
mod server;
mod spawn;
pub mod testing;

pub use binaries::{Binaries, FindError, OLDEST_MAJOR, find};
pub use cluster::Cluster;
pub use error::ClusterError;
pub use install::{InstallCommand, install_command};
pub use place::Moved;
