//! The harness of the end-to-end tests: stacks as processes, a browser, waiting for conditions.
//!
//! Invariants: every process that a test starts ends with it; nothing sleeps to wait, conditions
//! are asked for until a deadline; tests run at once without meeting each other's ports.
//! Entry: [`stack::Stack::start`].

pub mod browser;
pub mod mailbox;
pub mod pair;
pub mod planes;
pub mod ports;
pub mod round_robin;
pub mod stack;
pub mod visitor;
pub mod wait;
