//! Everything that is kept: the only crate that speaks SQL.
//!
//! Invariants: a query runs inside a transaction that took one of three roles ([`Db::tenant_tx`],
//! [`Db::platform_tx`], [`Db::compile_tx`]); tenant-owned queries take the tenant first; what
//! crosses tenants is named `all_tenants_…` and takes a [`PlatformTx`]; a write that nodes can see
//! marks what it touched in the same transaction. No decisions are made here.
//! Read `tx.rs` and `dirty.rs` first.

pub mod api_keys;
pub mod api_scopes;
pub mod apis;
pub mod audit;
pub mod authenticators;
pub mod authorizers;
pub mod branding;
pub mod chunks;
pub mod compile;
mod db;
pub mod deployment;
pub mod dirty;
mod edition;
pub mod encryption_keys;
mod error;
pub mod groups;
pub mod idempotency;
pub mod identity_links;
pub mod identity_providers;
pub mod invitations;
pub mod leases;
pub mod listen;
pub mod manifests;
pub mod members;
pub mod nodes;
pub mod oauth_clients;
pub mod oauth_consents;
pub mod oauth_grants;
pub mod outbox;
pub mod overview;
pub mod passkeys;
pub mod personal_tokens;
pub mod plans;
pub mod publisher;
pub mod rate_shares;
pub mod revocations;
mod roles;
pub mod routes;
mod rows;
pub mod sessions;
pub mod subscriptions;
pub mod tenant_domains;
pub mod tenants;
#[cfg(feature = "testing")]
pub mod testing;
pub mod throttles;
pub mod token_keys;
mod tx;
pub mod upstreams;
pub mod usage;
pub mod usage_reports;
pub mod users;
pub mod witness;

pub use db::{ConnectError, Db, OLDEST_SERVER, migrate};
pub use error::{Error, Result};
pub use sqlx::PgConnection as Conn;
pub use tx::{CompileTx, PlatformTx, TenantTx};
