//! Publishing: one elected control plane turns changes into revisions, every control plane serves
//! the latest one.
//!
//! `publisher` builds revisions, `follower` keeps what this process serves up to date, `tasks` runs
//! both.

pub mod follower;
pub mod maps;
pub mod publisher;
mod reading;
pub mod tasks;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// The net below notifications: what they missed is seen this much later.
pub const POLL_EVERY: Duration = Duration::from_secs(1);
/// Changes that come within this time share a revision.
pub const GATHER: Duration = Duration::from_millis(25);
