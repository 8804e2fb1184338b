//! Nodes as witnesses: what they hold must be something that this database published.

use snapshot::chunk::Address;
use snapshot::manifest::Version;

use crate::rows::signed;
use crate::{Conn, PlatformTx, Result};

/// Whether this database published that revision with that content. A revision below the newest
/// whose manifest was forgotten counts as published. Served by the primary key.
pub async fn has_published(
    tx: &mut PlatformTx,
    version: Version,
    manifest: Option<Address>,
) -> Result<bool> {
    let (epoch, revision) = (signed(version.epoch), signed(version.revision));
    let stored = sqlx::query_scalar!(
        "select hash from manifests where epoch = $1 and revision = $2",
        epoch,
        revision
    )
    .fetch_optional(&mut **tx)
    .await?;
    if let Some(stored) = stored {
        return Ok(manifest.is_some_and(|manifest| stored == manifest.0));
    }
    let is_below = sqlx::query_scalar!(
        r#"select exists (select from manifests where (epoch, revision) > ($1, $2)) as "is_below!""#,
        epoch,
        revision
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(is_below)
}

/// Stops publishing, with the reason that operators are shown. The first reason stays.
pub async fn raise_alarm(tx: &mut PlatformTx, reason: &str) -> Result<()> {
    sqlx::query!("update deployment set alarm = coalesce(alarm, $1)", reason)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Why publishing is stopped; `None`: it is not.
pub async fn find_alarm(tx: &mut Conn) -> Result<Option<String>> {
    let alarm = sqlx::query_scalar!("select alarm from deployment")
        .fetch_optional(tx)
        .await?;
    Ok(alarm.flatten())
}

/// Publishing may go on: the epoch was raised.
pub async fn clear_alarm(tx: &mut PlatformTx) -> Result<()> {
    sqlx::query!("update deployment set alarm = null")
        .execute(&mut **tx)
        .await?;
    Ok(())
}
