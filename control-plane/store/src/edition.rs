//! Edits that must not overwrite what the editor has not seen.

use crate::{Error, Result};

/// Compares the edition found (`None`: no row) with the one that the caller had seen (`None`: does
/// not care).
pub(crate) fn check(what: &'static str, found: Option<i32>, seen: Option<i32>) -> Result<()> {
    match (found, seen) {
        (None, _) => Err(Error::NotFound { what }),
        (Some(found), Some(seen)) if found != seen => Err(Error::EditedMeanwhile),
        _ => Ok(()),
    }
}
