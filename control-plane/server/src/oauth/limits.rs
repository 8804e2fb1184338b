//! How often a stranger may fail at the token endpoints, counted in the database, so that several
//! control planes count together.

use std::net::IpAddr;

use snapshot::chunk::sha256;
use store::throttles::{self, Pace};
use time::Duration;

use super::error::OauthError;
use crate::app::App;
use crate::clock::Now;
use crate::throttle::Network;

/// Wrong secrets, codes and tokens from one network.
const FAILURES: Pace = Pace {
    burst: 60,
    every: Duration::seconds(2),
};

fn bucket(address: IpAddr) -> [u8; 32] {
    sha256(format!("oauth failures {:?}", Network::from(address)).as_bytes())
}

/// Refuses a network that failed too often; one query and no write for all others.
pub(super) async fn check_failures(app: &App, address: IpAddr, now: Now) -> Result<(), OauthError> {
    let mut tx = app.db.platform_tx().await?;
    let wait = throttles::look(&mut tx, &bucket(address), FAILURES, now.0).await?;
    tx.commit().await?;
    wait.map_or(Ok(()), |wait| {
        Err(OauthError::too_many(wait.whole_seconds() + 1))
    })
}

pub(super) async fn note_failure(app: &App, address: IpAddr, now: Now) -> Result<(), OauthError> {
    let mut tx = app.db.platform_tx().await?;
    throttles::take(&mut tx, &bucket(address), FAILURES, now.0).await?;
    tx.commit().await?;
    Ok(())
}
