//! The IO edge of a gateway node: sockets, polling, upstream connections, metering.
//!
//! Invariants: no rule about keys, plans or limits stands here, all of them are in `policy`;
//! forwarding takes a `policy::Permit`; nothing that logs, meters or polls ever holds a request.
//! Two halves that meet in [`shared::Shared`] only: `data` serves requests, one single-threaded
//! runtime per core; `control` polls the control plane on a thread of its own. Entry: [`run()`].
//! Read `shared.rs` first.

pub mod config;
mod control;
mod data;
mod log;
mod meter;
mod run;
pub mod shared;

pub use config::{AccessLog, Config};
pub use control::{ControlError, is_enrolled};
pub use data::{ListenError, TlsError};
pub use run::{RunError, run, run_command_line};
