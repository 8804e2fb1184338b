//! One struct per page; its fields are ready to print. `sample()` and the other samples show a
//! page in each of its states.

pub mod account;
pub mod admin;
pub mod api_keys;
pub mod apis;
pub mod audit;
pub mod authenticator;
pub mod branding;
pub mod confirm;
pub mod consent;
pub mod groups;
pub mod identity_providers;
pub mod invitations;
pub mod landing;
pub mod members;
pub mod nodes;
pub mod oauth_clients;
pub mod outbox;
pub mod overview;
pub mod passkeys;
pub mod password;
pub mod plan_requests;
pub mod plans;
pub mod problem;
pub mod routes;
pub mod settings;
pub mod sign_in;
pub mod sign_up;
pub mod subscriptions;
pub mod tenant_domains;
pub mod tenants;
pub mod token_keys;
pub mod upstreams;
pub mod usage;
pub mod users;
