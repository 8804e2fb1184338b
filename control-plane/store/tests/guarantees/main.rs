//! What the store promises, shown on a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod api_keys;
mod catalog;
mod constraints;
mod leases;
mod migrations;
mod nodes;
mod people;
mod publishing;
mod rate_shares;
mod transactions;
mod usage;

use time::OffsetDateTime;
use uuid::Uuid;

fn id<T: From<Uuid>>() -> T {
    Uuid::now_v7().into()
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
