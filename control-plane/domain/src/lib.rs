//! domain

pub mod compile;
