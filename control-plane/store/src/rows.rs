//! Numbers and words between the database and the types above it. PostgreSQL has no unsigned
//! numbers; the schema keeps what is stored here from being negative.

use std::str::FromStr;

use crate::{Error, Result};

pub(crate) fn unsigned(value: i64) -> u64 {
    value.max(0).unsigned_abs()
}

pub(crate) fn small(value: i32) -> u32 {
    value.max(0).unsigned_abs()
}

/// Saturates: no stored count comes near.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn signed_small(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// A member of a closed set.
pub(crate) fn word<T: FromStr>(what: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::corrupt(what))
}

pub(crate) fn bytes32(what: &'static str, bytes: &[u8]) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::corrupt(what))
}

/// Text that is searched for, as `like` takes it.
pub(crate) fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_")
}
