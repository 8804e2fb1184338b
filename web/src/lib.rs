//! The pages of the control plane as pure views: a page struct goes in, HTML comes out.
//!
//! Nothing here queries, reads a clock or decides who may do what; a page receives values that
//! are ready to print and booleans such as `may_revoke`. Every form posts to the address of the
//! page it stands on unless its struct says otherwise, and carries `csrf_token`; list fields
//! (`api_ids`, `scopes`, `methods`, `target_url`) repeat their key, so forms are to be decoded
//! by a deserializer that collects repeated keys (`axum_extra::extract::Form`).
//!
//! Start with [`layout::Shell`], then one page, for example [`pages::api_keys::ApiKeys`];
//! [`samples::all`] renders every page in every state.

pub mod assets;
pub mod brand;
pub mod chart;
pub mod format;
pub mod forms;
pub mod language;
pub mod layout;
pub mod pages;
pub mod qr;
pub mod samples;

pub use askama::{Error as RenderError, Template};
