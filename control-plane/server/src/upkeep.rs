//! Upkeep of the database: partitions made ahead and dropped when their time is over, rows that
//! nobody can use any more taken out. Every control plane does it; doing it twice is harmless.

use std::time::Duration;

use store::sessions::Sessions;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::clock::Now;
use crate::problem::Chain;

const EVERY: Duration = Duration::from_secs(600);
const ROWS_AT_ONCE: u32 = 5_000;
/// The slowest buckets that anybody waits for are full by then.
const RATE_SHARES_KEPT: time::Duration = time::Duration::days(1);
/// Ledgers of ended periods, for questions about bills.
const QUOTA_PERIODS_KEPT: time::Duration = time::Duration::days(400);
/// Creations may be repeated under their key for this long.
const IDEMPOTENCY_KEPT: time::Duration = time::Duration::days(1);
const MAILS_KEPT: time::Duration = time::Duration::days(30);
/// Those that ran out can be sent again for this long.
const INVITATIONS_KEPT: time::Duration = time::Duration::days(30);

/// Runs until `shutdown`, at once and then every ten minutes.
pub async fn keep_up(app: App, shutdown: CancellationToken) {
    while !shutdown.is_cancelled() {
        if let Err(cause) = once(&app, Now::read().0).await {
            tracing::warn!(error = %Chain(&cause), "upkeep of the database did not finish");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

pub(crate) async fn once(app: &App, now: OffsetDateTime) -> store::Result<()> {
    let mut tx = app.db.platform_tx().await?;
    store::usage::keep_partitions(&mut tx, now).await?;
    tx.commit().await?;
    let mut tx = app.db.platform_tx().await?;
    store::api_keys::all_tenants_delete_expired_values(&mut tx, now, ROWS_AT_ONCE).await?;
    store::leases::all_tenants_delete_before(&mut tx, now - QUOTA_PERIODS_KEPT, ROWS_AT_ONCE)
        .await?;
    store::rate_shares::all_tenants_delete_before(&mut tx, now - RATE_SHARES_KEPT, ROWS_AT_ONCE)
        .await?;
    store::idempotency::delete_before(&mut tx, now - IDEMPOTENCY_KEPT, ROWS_AT_ONCE).await?;
    store::outbox::all_tenants_delete_before(&mut tx, now - MAILS_KEPT, ROWS_AT_ONCE).await?;
    store::invitations::all_tenants_delete_expired(&mut tx, now - INVITATIONS_KEPT, ROWS_AT_ONCE)
        .await?;
    store::oauth_grants::delete_expired(&mut tx, now, ROWS_AT_ONCE).await?;
    store::revocations::delete_expired(&mut tx, now, ROWS_AT_ONCE).await?;
    store::throttles::delete_full(&mut tx, now, ROWS_AT_ONCE).await?;
    store::token_keys::delete_expired(&mut tx, now).await?;
    store::encryption_keys::delete_expired(&mut tx, now).await?;
    store::users::delete_expired_codes(&mut tx, now, ROWS_AT_ONCE).await?;
    tx.commit().await?;
    Sessions::new(app.db.clone())
        .delete_expired(ROWS_AT_ONCE)
        .await?;
    Ok(())
}
