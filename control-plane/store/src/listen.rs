//! Being woken by the database. What is missed while the connection is down has to be looked for:
//! notices hurry, they are never the only way.

use snapshot::manifest::Version;
use sqlx::postgres::PgListener;

use crate::{Db, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Dirty marks were appended.
    Dirty,
    Published(Version),
    /// Nodes were enrolled or revoked.
    Nodes,
    /// Keys that tokens are signed with or encrypted to were made, replaced or forgotten.
    TokenKeys,
    /// The connection was lost and made again: anything may have happened.
    Reconnected,
}

#[derive(Debug)]
pub struct Listener(PgListener);

/// Listens for dirty marks, published revisions and changes of nodes and token keys.
pub async fn listen(db: &Db) -> Result<Listener> {
    let mut listener = PgListener::connect_with(db.pool()).await?;
    listener
        .listen_all([
            "tollgate_dirty",
            "tollgate_published",
            "tollgate_nodes",
            "tollgate_token_keys",
        ])
        .await?;
    Ok(Listener(listener))
}

impl Listener {
    /// Waits for the next notice. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Result<Notice> {
        let Some(notice) = self.0.try_recv().await? else {
            return Ok(Notice::Reconnected);
        };
        Ok(match notice.channel() {
            "tollgate_published" => {
                published(notice.payload()).map_or(Notice::Reconnected, Notice::Published)
            }
            "tollgate_nodes" => Notice::Nodes,
            "tollgate_token_keys" => Notice::TokenKeys,
            _ => Notice::Dirty,
        })
    }
}

fn published(payload: &str) -> Option<Version> {
    let (epoch, revision) = payload.split_once('.')?;
    Some(Version {
        epoch: epoch.parse().ok()?,
        revision: revision.parse().ok()?,
    })
}
