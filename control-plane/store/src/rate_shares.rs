//! Shares of rates: what nodes hold of each subscription's rate. The rule is in
//! `domain::rate_share`; here it is applied under a lock per subscription, so that of several nodes
//! that ask at once each sees what the one before was given.

use std::collections::{BTreeMap, BTreeSet};

use domain::id::{NodeId, SubscriptionId};
use domain::rate_share::{Ask, Holder, Terms, allot};
use snapshot::rate_share::{ITEMS_MAX, Share, ShareItem, ShareRequest, ShareResponse};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::nodes::{FenceError, check_incarnation};
use crate::rows::{signed, signed_small, small, unsigned};
use crate::{Db, Error, PlatformTx};

/// How long a share is held without being asked for again.
pub const LEASE: Duration = Duration::seconds(5);
/// The database's clock and a node's run apart by less than this in the time of a lease.
const MARGIN: Duration = Duration::milliseconds(100);
/// A node that was not seen for so long is not there.
const LIVE_WITHIN: Duration = Duration::seconds(60);
/// A call that gave way to an edit of plans is made again this often.
const ATTEMPTS_MAX: u32 = 4;
/// Demand that is not one any more.
const DEMAND_MILLI_MAX: u64 = 1_000_000_000_000;

/// Why a whole request is refused.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("a newer process of the node took over")]
    Fenced,
    /// The text says what is wrong with the request.
    #[error("a request for shares is malformed: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<FenceError> for ShareError {
    fn from(cause: FenceError) -> Self {
        match cause {
            FenceError::Fenced => ShareError::Fenced,
            FenceError::Store(cause) => ShareError::Store(cause),
        }
    }
}

impl From<sqlx::Error> for ShareError {
    fn from(cause: sqlx::Error) -> Self {
        ShareError::Store(cause.into())
    }
}

/// Answers a node's request, an entry per item in the order asked, by the database's clock.
pub async fn ask(
    db: &Db,
    node: NodeId,
    request: &ShareRequest,
) -> Result<ShareResponse, ShareError> {
    let mut attempt = 1;
    loop {
        let mut tx = db.platform_tx().await?;
        let now = sqlx::query_scalar!(r#"select now() as "now!""#)
            .fetch_one(&mut *tx)
            .await?;
        let result = match ask_at(&mut tx, node, request, now).await {
            Ok(response) => tx.commit().await.map(|()| response).map_err(Into::into),
            Err(cause) => Err(cause),
        };
        match result {
            Err(ShareError::Store(Error::Contended(_))) if attempt < ATTEMPTS_MAX => attempt += 1,
            result => return result,
        }
    }
}

/// The same inside a transaction and at a given instant. Shares of a subscription that are in force
/// by it never add up to more than the whole, whatever was repeated, reordered or lost.
pub async fn ask_at(
    tx: &mut PlatformTx,
    node: NodeId,
    request: &ShareRequest,
    now: OffsetDateTime,
) -> Result<ShareResponse, ShareError> {
    let ids = read_ids(&request.items)?;
    check_incarnation(tx, node, request.incarnation).await?;
    let terms = lock_terms(tx, &ids).await?;
    let rows = load(tx, terms.keys()).await?;
    let (mut shares, mut kept, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for (item, id) in request.items.iter().zip(&ids) {
        let Some((tenant, terms)) = terms.get(id) else {
            shares.push(unknown(item));
            continue;
        };
        let own = rows.iter().find(|row| row.is(*id, node));
        let others = || {
            rows.iter()
                .filter(|row| row.subscription == *id && row.node != node)
        };
        if item.is_released {
            gone.push(*id);
            shares.push(Share {
                subscription_id: item.subscription_id.clone(),
                ..Share::default()
            });
            continue;
        }
        let answer = decide(*terms, own, &others().collect::<Vec<_>>(), (item, now));
        kept.push((
            *tenant,
            Row {
                subscription: *id,
                node,
                incarnation: request.incarnation,
                ..answer.0
            },
        ));
        shares.push(answer.1);
    }
    delete(tx, node, &gone).await?;
    save(tx, &kept).await?;
    let live_nodes = count_live(tx, node, now).await?;
    Ok(ShareResponse { shares, live_nodes })
}

/// What a node holds.
#[derive(Debug, Clone)]
struct Row {
    subscription: Uuid,
    node: NodeId,
    incarnation: u64,
    demand_milli: u64,
    grant: u64,
    part: u32,
    counted: u32,
    expires_at: OffsetDateTime,
}

impl Row {
    fn is(&self, subscription: Uuid, node: NodeId) -> bool {
        self.subscription == subscription && self.node == node
    }
}

fn decide(
    terms: Terms,
    own: Option<&Row>,
    others: &[&Row],
    (item, now): (&ShareItem, OffsetDateTime),
) -> (Row, Share) {
    let in_force = |row: &&Row| now < row.expires_at;
    let own_in_force = own.filter(in_force);
    let held = own_in_force.map_or(0, |row| {
        if row.grant == item.grant {
            row.part
        } else {
            row.counted
        }
    });
    let holders: Vec<Holder> = others
        .iter()
        .copied()
        .filter(in_force)
        .map(|row| Holder {
            demand_milli: row.demand_milli,
            counted: row.counted,
        })
        .collect();
    let demand_milli = item.demand_milli.min(DEMAND_MILLI_MAX);
    let ask = Ask {
        demand_milli: (item.grant > 0).then_some(demand_milli),
        held,
    };
    let part = allot(terms, &holders, ask);
    let grant = own.map_or(0, |row| row.grant) + 1;
    let row = Row {
        subscription: Uuid::nil(),
        node: NodeId(Uuid::nil()),
        incarnation: 0,
        demand_milli,
        grant,
        part,
        counted: held.max(part),
        expires_at: now + LEASE + MARGIN,
    };
    let share = Share {
        subscription_id: item.subscription_id.clone(),
        part,
        grant,
        lease_ms: u64::try_from(LEASE.whole_milliseconds()).unwrap_or(0),
        missing_ms: missing_ms(terms, own, others, now),
        is_unknown: false,
    };
    (row, share)
}

/// How long a bucket that begins now needs to become full: what others hold may be spent, and what
/// somebody held last was spent when it ran out, for all that is known.
fn missing_ms(terms: Terms, own: Option<&Row>, others: &[&Row], now: OffsetDateTime) -> u64 {
    let held = others
        .iter()
        .copied()
        .chain(own)
        .filter(|row| row.counted > 0);
    match held.map(|row| row.expires_at).max() {
        None => 0,
        Some(last) => {
            let since = (now - last).whole_milliseconds().max(0);
            let since = u64::try_from(since).unwrap_or(u64::MAX);
            terms.window_ms().saturating_sub(since)
        }
    }
}

fn unknown(item: &ShareItem) -> Share {
    Share {
        subscription_id: item.subscription_id.clone(),
        is_unknown: true,
        ..Share::default()
    }
}

fn read_ids(items: &[ShareItem]) -> Result<Vec<Uuid>, ShareError> {
    if items.len() > ITEMS_MAX {
        return Err(ShareError::Malformed("too many items"));
    }
    let mut seen = BTreeSet::new();
    items
        .iter()
        .map(|item| {
            let id = SubscriptionId::from_bytes(&item.subscription_id)
                .map_err(|_| ShareError::Malformed("subscription id"))?;
            if !seen.insert(id.0) {
                return Err(ShareError::Malformed("two items of one subscription"));
            }
            Ok(id.0)
        })
        .collect()
}

/// The tenants and rates of those that are active and have a rate, locked in the order of their
/// ids until the transaction ends. Served by the primary keys.
async fn lock_terms(
    tx: &mut PlatformTx,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, (Uuid, Terms)>, ShareError> {
    let rows = sqlx::query!(
        r#"select s.id, s.tenant_id, v.rate_milli as "rate_milli!", v.burst as "burst!"
        from subscriptions s
        join plan_versions v on v.plan_id = s.plan_id and v.version = s.plan_version
        where s.id = any($1) and s.status = 'active' and v.rate_milli is not null
        order by s.id
        for no key update of s"#,
        ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let terms = rows.into_iter().map(|row| {
        let terms = Terms {
            per_second_milli: unsigned(row.rate_milli),
            burst: unsigned(row.burst),
        };
        (row.id, (row.tenant_id, terms))
    });
    Ok(terms.collect())
}

/// All that is held of these, run out or not. Served by the primary key.
async fn load(
    tx: &mut PlatformTx,
    ids: impl Iterator<Item = &Uuid>,
) -> Result<Vec<Row>, ShareError> {
    let ids: Vec<Uuid> = ids.copied().collect();
    let rows = sqlx::query!(
        "select subscription_id, node_id, incarnation, demand_milli, grant_no, part, counted,
            expires_at
        from rate_shares where subscription_id = any($1)
        order by subscription_id, node_id",
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    let rows = rows.into_iter().map(|row| Row {
        subscription: row.subscription_id,
        node: row.node_id.into(),
        incarnation: unsigned(row.incarnation),
        demand_milli: unsigned(row.demand_milli),
        grant: unsigned(row.grant_no),
        part: small(row.part),
        counted: small(row.counted),
        expires_at: row.expires_at,
    });
    Ok(rows.collect())
}

async fn save(tx: &mut PlatformTx, rows: &[(Uuid, Row)]) -> Result<(), ShareError> {
    if rows.is_empty() {
        return Ok(());
    }
    let tenants: Vec<Uuid> = rows.iter().map(|(tenant, _)| *tenant).collect();
    let ids: Vec<Uuid> = rows.iter().map(|(_, row)| row.subscription).collect();
    let nodes: Vec<Uuid> = rows.iter().map(|(_, row)| row.node.0).collect();
    let parts: Vec<i32> = rows.iter().map(|(_, row)| signed_small(row.part)).collect();
    let counted: Vec<i32> = rows
        .iter()
        .map(|(_, row)| signed_small(row.counted))
        .collect();
    let expiries: Vec<OffsetDateTime> = rows.iter().map(|(_, row)| row.expires_at).collect();
    let numbers = |read: fn(&Row) -> u64| -> Vec<i64> {
        rows.iter().map(|(_, row)| signed(read(row))).collect()
    };
    sqlx::query!(
        "insert into rate_shares (tenant_id, subscription_id, node_id, incarnation, demand_milli,
            grant_no, part, counted, expires_at)
        select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[],
            $6::bigint[], $7::integer[], $8::integer[], $9::timestamptz[])
        on conflict (subscription_id, node_id) do update
            set incarnation = excluded.incarnation, demand_milli = excluded.demand_milli,
                grant_no = excluded.grant_no, part = excluded.part, counted = excluded.counted,
                expires_at = excluded.expires_at",
        &tenants,
        &ids,
        &nodes,
        &numbers(|row| row.incarnation),
        &numbers(|row| row.demand_milli),
        &numbers(|row| row.grant),
        &parts,
        &counted,
        &expiries
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn delete(tx: &mut PlatformTx, node: NodeId, ids: &[Uuid]) -> Result<(), ShareError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from rate_shares where subscription_id = any($1) and node_id = $2",
        ids,
        node.0
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Nodes that were seen of late, and the asking one.
async fn count_live(
    tx: &mut PlatformTx,
    asking: NodeId,
    now: OffsetDateTime,
) -> Result<u32, ShareError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from nodes
        where revoked_at is null and (last_seen_at > $1 or id = $2)"#,
        now - LIVE_WITHIN,
        asking.0
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX).max(1))
}

/// Forgets what ran out before then; returns how many. Served by `rate_shares_expiry`.
pub async fn all_tenants_delete_before(
    tx: &mut PlatformTx,
    before: OffsetDateTime,
    limit: u32,
) -> crate::Result<u64> {
    let deleted = sqlx::query!(
        "delete from rate_shares where (subscription_id, node_id) in (
            select subscription_id, node_id from rate_shares where expires_at < $1 limit $2
        )",
        before,
        i64::from(limit)
    )
    .execute(&mut **tx)
    .await?;
    Ok(deleted.rows_affected())
}
