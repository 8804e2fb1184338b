//! Behaviour seen through sockets and a real browser, and the rules of the repository.
// Figures that a test measured are printed, so that a run shows them.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod database_away;
mod fleet;
mod identity_providers;
mod isolation;
mod key_revocation;
mod node_revocation;
mod oauth;
mod outage;
mod people;
mod quota;
mod repository_rules;
mod sign_up;
mod tokens;
mod up;

/// Any plane as a process.
const PLANE: &str = env!("CARGO_BIN_EXE_plane");
