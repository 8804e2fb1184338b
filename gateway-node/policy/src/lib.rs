//! The decisions of a request on a gateway node: route match, authentication, authorization, limits.
//!
//! Invariants: no clock, no IO, no runtime, no panic; everything a decision needs is an argument.
//! What cannot be read refuses; it never lets pass. Only this crate makes a [`Permit`], and
//! forwarding takes one.
//! Entry: [`decide`]. Read `decide.rs` first.

pub mod cors;
pub mod gcra;
pub mod headers;
pub mod in_flight;
pub mod path;
pub mod quota;
pub mod rate_share;
pub mod routing;

mod api;
mod authenticate;
mod caller;
mod compile;
mod decide;
mod failures;
mod keys;
mod permit;
mod refusal;
mod registry;
mod request;
mod revocations;
mod tenants;
mod tokens;

pub use api::{Api, Route, Target, Timeouts, Upstream};
pub use authenticate::Guards;
pub use compile::{CompileError, CompileInputs, Fetch, Snapshot};
pub use decide::{Decision, Fact, LocalAnswer, Pending, Question, ShareQuestion, decide, resume};
pub use failures::Failures;
pub use headers::LimitReport;
pub use permit::{Identity, Outcome, Permit};
pub use quota::QuotaSlot;
pub use refusal::{Refusal, RefusalCode};
pub use registry::{Registry, SubscriptionState};
pub use request::{Now, Request};
pub use tokens::TokenMemory;
