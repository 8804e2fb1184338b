//! What nodes counted. A batch is applied once and in order; minutes and hours are written
//! together, so that hours need no job and are never behind.

use std::collections::BTreeMap;

use domain::id::NodeId;
use snapshot::usage::{COUNTS_MAX, Class, LATENCY_BUCKETS, UsageBatch};
use time::{Date, Duration, OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::nodes::{FenceError, check_incarnation};
use crate::rows::{signed, unsigned};
use crate::{Error, PlatformTx, Result};

/// How long minutes are kept.
pub const MINUTES_KEPT: Duration = Duration::days(35);
/// How long hours are kept.
pub const HOURS_KEPT: Duration = Duration::days(400);
/// Partitions are made this far ahead.
const AHEAD: Duration = Duration::days(3);

/// Why a batch is refused.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The text says what is wrong with it; sending it again is no use.
    #[error("a usage batch is malformed: {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<sqlx::Error> for BatchError {
    fn from(cause: sqlx::Error) -> Self {
        BatchError::Store(cause.into())
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CountKey {
    tenant: Uuid,
    at: OffsetDateTime,
    key: Uuid,
    route: Uuid,
    class: i16,
}

type Counts = BTreeMap<CountKey, u64>;
type Latencies = BTreeMap<(Uuid, OffsetDateTime), ([u64; LATENCY_BUCKETS], u64)>;

/// A batch as it goes into the tables.
#[derive(Default)]
struct Parsed {
    minutes: Counts,
    hours: Counts,
    latency_minutes: Latencies,
    latency_hours: Latencies,
    first_day: Option<Date>,
    last_day: Option<Date>,
    /// Counted, but for an instant that is not kept, or of a class that is not known.
    dropped: u64,
}

/// Applies a batch if it is the next of its incarnation, and returns the highest sequence that is
/// applied: a repeated batch and one that came too early change nothing. An incarnation that was
/// fenced may still send what it had counted.
pub async fn apply(
    tx: &mut PlatformTx,
    node: NodeId,
    batch: &UsageBatch,
    now: OffsetDateTime,
) -> std::result::Result<u64, BatchError> {
    if batch.counts.len() > COUNTS_MAX || batch.latencies.len() > COUNTS_MAX {
        return Err(BatchError::Malformed("too many counts"));
    }
    if batch.incarnation == 0 || batch.sequence == 0 {
        return Err(BatchError::Malformed("incarnation or sequence"));
    }
    match check_incarnation(tx, node, batch.incarnation).await {
        Ok(()) | Err(FenceError::Fenced) => {}
        Err(FenceError::Store(cause)) => return Err(cause.into()),
    }
    let applied = lock_progress(tx, node, batch.incarnation).await?;
    if applied.checked_add(1) != Some(batch.sequence) {
        return Ok(applied);
    }
    let parsed = parse(batch, now)?;
    if let (Some(first), Some(last)) = (parsed.first_day, parsed.last_day) {
        ensure_partitions(tx, first, last).await?;
    }
    add_minutes(tx, &parsed.minutes).await?;
    add_hours(tx, &parsed.hours).await?;
    add_latency_minutes(tx, &parsed.latency_minutes).await?;
    add_latency_hours(tx, &parsed.latency_hours).await?;
    note_last_used(tx, &parsed.minutes).await?;
    sqlx::query!(
        "update usage_batches set applied_sequence = $3, dropped = dropped + $4, updated_at = $5
        where node_id = $1 and incarnation = $2",
        node.0,
        signed(batch.incarnation),
        signed(batch.sequence),
        signed(batch.dropped.saturating_add(parsed.dropped).min(1 << 50)),
        now
    )
    .execute(&mut **tx)
    .await?;
    Ok(batch.sequence)
}

/// The row that one batch after the other of an incarnation goes through.
async fn lock_progress(tx: &mut PlatformTx, node: NodeId, incarnation: u64) -> Result<u64> {
    sqlx::query!(
        "insert into usage_batches (node_id, incarnation) values ($1, $2)
        on conflict (node_id, incarnation) do nothing",
        node.0,
        signed(incarnation)
    )
    .execute(&mut **tx)
    .await?;
    let applied = sqlx::query_scalar!(
        "select applied_sequence from usage_batches where node_id = $1 and incarnation = $2
        for update",
        node.0,
        signed(incarnation)
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(unsigned(applied))
}

fn parse(batch: &UsageBatch, now: OffsetDateTime) -> std::result::Result<Parsed, BatchError> {
    let mut parsed = Parsed::default();
    for count in &batch.counts {
        let class = Class::try_from(count.class).unwrap_or(Class::Unspecified);
        let Some(at) = minute(count.minute, now).filter(|_| class != Class::Unspecified) else {
            // Each request is admitted or refused once; what else is said of it is not one more.
            if !is_completion(class) {
                parsed.dropped = parsed.dropped.saturating_add(count.count);
            }
            continue;
        };
        parsed.note_day(at);
        let tenant = id(&count.tenant_id)?;
        let (key, route) = (id(&count.key_id)?, id(&count.route_id)?);
        for (counts, at) in [(&mut parsed.minutes, at), (&mut parsed.hours, hour(at))] {
            let place = CountKey {
                tenant,
                at,
                key,
                route,
                class: class as i16,
            };
            let sum = counts.entry(place).or_default();
            *sum = sum.saturating_add(count.count);
        }
    }
    for latency in &batch.latencies {
        let Some(at) = minute(latency.minute, now) else {
            continue;
        };
        let buckets: [u64; LATENCY_BUCKETS] = latency
            .buckets
            .as_slice()
            .try_into()
            .map_err(|_| BatchError::Malformed("latency buckets"))?;
        parsed.note_day(at);
        let route = id(&latency.route_id)?;
        for (latencies, at) in [
            (&mut parsed.latency_minutes, at),
            (&mut parsed.latency_hours, hour(at)),
        ] {
            let (sums, sum_us) = latencies.entry((route, at)).or_default();
            for (sum, more) in sums.iter_mut().zip(buckets) {
                *sum = sum.saturating_add(more);
            }
            *sum_us = sum_us.saturating_add(latency.sum_us);
        }
    }
    Ok(parsed)
}

impl Parsed {
    fn note_day(&mut self, at: OffsetDateTime) {
        let day = at.date();
        self.first_day = Some(self.first_day.map_or(day, |first| first.min(day)));
        self.last_day = Some(self.last_day.map_or(day, |last| last.max(day)));
    }
}

fn is_completion(class: Class) -> bool {
    match class {
        Class::Success
        | Class::Redirect
        | Class::ClientError
        | Class::ServerError
        | Class::Aborted
        | Class::GivenBack => true,
        Class::Unspecified
        | Class::Admitted
        | Class::Throttled
        | Class::QuotaExceeded
        | Class::Denied => false,
    }
}

/// The instant of a minute that is kept; clocks of nodes may be a day ahead.
fn minute(minutes: u32, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::from_unix_timestamp(i64::from(minutes) * 60).ok()?;
    let is_kept = at > now - MINUTES_KEPT && at < now + Duration::DAY;
    is_kept.then_some(at)
}

fn hour(at: OffsetDateTime) -> OffsetDateTime {
    at - Duration::minutes(i64::from(at.minute()))
}

/// Empty stands for none, which the tables write as zero.
fn id(bytes: &[u8]) -> std::result::Result<Uuid, BatchError> {
    if bytes.is_empty() {
        return Ok(Uuid::nil());
    }
    Uuid::from_slice(bytes).map_err(|_| BatchError::Malformed("id"))
}

/// The columns of counts, in the order of their keys, so that two batches never wait for each
/// other.
struct Columns {
    tenants: Vec<Uuid>,
    instants: Vec<OffsetDateTime>,
    keys: Vec<Uuid>,
    routes: Vec<Uuid>,
    classes: Vec<i16>,
    counts: Vec<i64>,
}

fn columns(counts: &Counts) -> Columns {
    Columns {
        tenants: counts.keys().map(|key| key.tenant).collect(),
        instants: counts.keys().map(|key| key.at).collect(),
        keys: counts.keys().map(|key| key.key).collect(),
        routes: counts.keys().map(|key| key.route).collect(),
        classes: counts.keys().map(|key| key.class).collect(),
        counts: counts.values().map(|count| signed(*count)).collect(),
    }
}

async fn add_minutes(tx: &mut PlatformTx, counts: &Counts) -> Result<()> {
    let columns = columns(counts);
    sqlx::query!(
        "insert into usage_minutes (tenant_id, minute, key_id, route_id, class, count)
        select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::smallint[], $6::bigint[])
        on conflict (tenant_id, minute, key_id, route_id, class)
            do update set count = usage_minutes.count + excluded.count",
        &columns.tenants,
        &columns.instants,
        &columns.keys,
        &columns.routes,
        &columns.classes,
        &columns.counts
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn add_hours(tx: &mut PlatformTx, counts: &Counts) -> Result<()> {
    let columns = columns(counts);
    sqlx::query!(
        "insert into usage_hours (tenant_id, hour, key_id, route_id, class, count)
        select * from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::uuid[], $5::smallint[], $6::bigint[])
        on conflict (tenant_id, hour, key_id, route_id, class)
            do update set count = usage_hours.count + excluded.count",
        &columns.tenants,
        &columns.instants,
        &columns.keys,
        &columns.routes,
        &columns.classes,
        &columns.counts
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Buckets of all rows one after the other: PostgreSQL's arrays of arrays must not be ragged, and
/// the driver binds none.
struct LatencyColumns {
    routes: Vec<Uuid>,
    instants: Vec<OffsetDateTime>,
    buckets: Vec<i64>,
    sums: Vec<i64>,
}

fn latency_columns(latencies: &Latencies) -> LatencyColumns {
    LatencyColumns {
        routes: latencies.keys().map(|(route, _)| *route).collect(),
        instants: latencies.keys().map(|(_, at)| *at).collect(),
        buckets: latencies
            .values()
            .flat_map(|(buckets, _)| buckets.iter().map(|count| signed(*count)))
            .collect(),
        sums: latencies.values().map(|(_, sum)| signed(*sum)).collect(),
    }
}

async fn add_latency_minutes(tx: &mut PlatformTx, latencies: &Latencies) -> Result<()> {
    let columns = latency_columns(latencies);
    sqlx::query!(
        "insert into latency_minutes (route_id, minute, buckets, sum_us)
        select route_id, at, ($3::bigint[])[(place - 1) * 21 + 1 : place * 21], sum_us
        from unnest($1::uuid[], $2::timestamptz[], $4::bigint[]) with ordinality
            as added (route_id, at, sum_us, place)
        on conflict (route_id, minute) do update
            set buckets = add_buckets(latency_minutes.buckets, excluded.buckets),
                sum_us = latency_minutes.sum_us + excluded.sum_us",
        &columns.routes,
        &columns.instants,
        &columns.buckets,
        &columns.sums
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn add_latency_hours(tx: &mut PlatformTx, latencies: &Latencies) -> Result<()> {
    let columns = latency_columns(latencies);
    sqlx::query!(
        "insert into latency_hours (route_id, hour, buckets, sum_us)
        select route_id, at, ($3::bigint[])[(place - 1) * 21 + 1 : place * 21], sum_us
        from unnest($1::uuid[], $2::timestamptz[], $4::bigint[]) with ordinality
            as added (route_id, at, sum_us, place)
        on conflict (route_id, hour) do update
            set buckets = add_buckets(latency_hours.buckets, excluded.buckets),
                sum_us = latency_hours.sum_us + excluded.sum_us",
        &columns.routes,
        &columns.instants,
        &columns.buckets,
        &columns.sums
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes when keys were last used, to the minute; in the order of ids, so that two batches never
/// wait for each other.
async fn note_last_used(tx: &mut PlatformTx, minutes: &Counts) -> Result<()> {
    let mut used: BTreeMap<(Uuid, Uuid), OffsetDateTime> = BTreeMap::new();
    for place in minutes.keys().filter(|place| !place.key.is_nil()) {
        let last = used.entry((place.tenant, place.key)).or_insert(place.at);
        *last = (*last).max(place.at);
    }
    let tenants: Vec<Uuid> = used.keys().map(|(tenant, _)| *tenant).collect();
    let keys: Vec<Uuid> = used.keys().map(|(_, key)| *key).collect();
    let instants: Vec<OffsetDateTime> = used.into_values().collect();
    sqlx::query!(
        "with used as (
            select k.id, k.tenant_id, used.at
            from unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) as used (tenant_id, key_id, at)
            join api_keys k on k.tenant_id = used.tenant_id and k.id = used.key_id
            where k.last_used_at is null or k.last_used_at < used.at
            order by k.id for update of k
        )
        update api_keys k set last_used_at = greatest(k.last_used_at, used.at)
        from used where k.tenant_id = used.tenant_id and k.id = used.id",
        &tenants,
        &keys,
        &instants
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn ensure_partitions(tx: &mut PlatformTx, first: Date, last: Date) -> Result<i32> {
    let made = sqlx::query_scalar!(
        r#"select usage_ensure_partitions($1, $2) as "made!""#,
        first,
        last
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(made)
}

/// Makes the partitions of the coming days and drops those that are past keeping. To be called a
/// few times a day.
pub async fn keep_partitions(tx: &mut PlatformTx, now: OffsetDateTime) -> Result<()> {
    let today = now.to_offset(UtcOffset::UTC).date();
    ensure_partitions(tx, today, (now + AHEAD).date()).await?;
    sqlx::query!(
        "select usage_drop_partitions($1, $2)",
        (now - MINUTES_KEPT).date(),
        (now - HOURS_KEPT).date()
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(())
}

/// How far the batches of a node's process are applied.
pub async fn find_applied(
    tx: &mut PlatformTx,
    node: NodeId,
    incarnation: u64,
) -> Result<Option<u64>> {
    let applied = sqlx::query_scalar!(
        "select applied_sequence from usage_batches where node_id = $1 and incarnation = $2",
        node.0,
        signed(incarnation)
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(applied.map(unsigned))
}

/// Requests whose counts were lost, of all nodes.
pub async fn sum_dropped(tx: &mut PlatformTx) -> Result<u64> {
    let dropped = sqlx::query_scalar!(
        r#"select coalesce(sum(dropped), 0)::bigint as "dropped!" from usage_batches"#
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(unsigned(dropped))
}
