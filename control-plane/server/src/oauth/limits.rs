//! How often a stranger may fail at the token endpoints.

use std::net::IpAddr;

use store::PlatformTx;

use super::error::OauthError;
use crate::app::App;
use crate::clock::Now;
use crate::throttle::{Network, TOKENS, TooMany};

/// Refuses a network that failed too often; one query and no write for all others.
pub(super) async fn check_failures(
    tx: &mut PlatformTx,
    address: IpAddr,
    now: Now,
) -> Result<(), OauthError> {
    match TOKENS.look(tx, Network::from(address), now).await? {
        Ok(()) => Ok(()),
        Err(TooMany(wait)) => Err(OauthError::too_many(wait.whole_seconds() + 1)),
    }
}

/// One that comes when there were too many already counts no more.
pub(super) async fn note_failure(app: &App, address: IpAddr, now: Now) -> Result<(), OauthError> {
    let _ = TOKENS.take(app, Network::from(address), now).await?;
    Ok(())
}
