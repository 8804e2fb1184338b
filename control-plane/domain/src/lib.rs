//! The nouns of Tollgate and the rules about them: value types, who may do what, minting of keys,
//! quota arithmetic, and what of all that the nodes are told.
//!
//! Invariants: no IO, no clock, no randomness of its own; what can be wrong with an input is said
//! per field; closed sets are enums.
//! Read `permission.rs`, `plan.rs` and `compile.rs` first.

pub mod api;
pub mod api_key;
pub mod audit;
pub mod authenticator;
pub mod authorizer;
pub mod branding;
pub mod compile;
pub mod conflict;
pub mod email;
pub mod encryption_key;
pub mod field;
pub mod group;
pub mod identity_provider;
pub mod invitation;
pub mod lease;
pub mod member;
pub mod node;
pub mod oauth_client;
pub mod passkey;
pub mod password;
pub mod permission;
pub mod personal_token;
pub mod plan;
pub mod quota;
pub mod rate_share;
pub mod role;
pub mod route;
pub mod scope;
pub mod subscription;
pub mod tenant;
pub mod tenant_domain;
pub mod token;
pub mod token_key;
pub mod upstream;
pub mod usage;
pub mod user;

pub use field::FieldError;
pub use snapshot::id;
