//! Counts: each batch once, in order, into minutes and hours alike.

use domain::id::{ApiKeyId, NodeId, RouteId, TenantId};
use domain::plan::PlanTerms;
use domain::quota::Period;
use domain::usage::{By, Group, GroupKey, StatusClass};
use snapshot::usage::{Class, LATENCY_BUCKETS, RouteLatency, UsageBatch, UsageCount};
use store::testing::World;
use store::usage::{self, BatchError};
use store::usage_reports::{self, Range};
use store::{Db, api_keys};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2031-05-10 12:34 UTC);

struct Place {
    tenant: TenantId,
    key: ApiKeyId,
    route: RouteId,
}

fn count(place: &Place, class: Class, at: OffsetDateTime, count: u64) -> UsageCount {
    UsageCount {
        tenant_id: place.tenant.to_bytes(),
        key_id: place.key.to_bytes(),
        route_id: place.route.to_bytes(),
        class: class as i32,
        minute: (at.unix_timestamp() / 60) as u32,
        count,
    }
}

fn batch(sequence: u64, counts: Vec<UsageCount>) -> UsageBatch {
    UsageBatch {
        incarnation: 1,
        sequence,
        counts,
        ..UsageBatch::default()
    }
}

async fn apply(db: &Db, node: NodeId, batch: &UsageBatch) -> Result<u64, BatchError> {
    let mut tx = db.platform_tx().await.unwrap();
    let applied = usage::apply(&mut tx, node, batch, NOW).await?;
    tx.commit().await.unwrap();
    Ok(applied)
}

async fn furnished() -> (World, NodeId, Place) {
    let world = World::new().await;
    let (api, route) = world.api("/a").await;
    let plan = world
        .plan(&PlanTerms {
            api_ids: vec![api],
            ..World::quota(100, Period::Month)
        })
        .await;
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, plan).await;
    let (key, _) = world.key(tenant, "k").await;
    let node = world.node().await;
    (world, node, Place { tenant, key, route })
}

const DAY: Range = Range {
    from: datetime!(2031-05-10 00:00 UTC),
    to: datetime!(2031-05-11 00:00 UTC),
};

async fn report(
    world: &World,
    place: &Place,
    by: By,
    group: Option<Group>,
) -> Vec<domain::usage::UsageRow> {
    let mut tx = world.db.tenant_tx(place.tenant).await.unwrap();
    usage_reports::list(&mut tx, place.tenant, DAY, (by, group), 100)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_batch_is_applied_once_and_in_order() {
    let (world, node, place) = furnished().await;
    let one = batch(1, vec![count(&place, Class::Admitted, NOW, 5)]);
    assert_eq!(apply(&world.db, node, &one).await.unwrap(), 1);
    assert_eq!(apply(&world.db, node, &one).await.unwrap(), 1, "repeated");
    let three = batch(3, one.counts.clone());
    assert_eq!(
        apply(&world.db, node, &three).await.unwrap(),
        1,
        "too early"
    );
    let two = batch(2, one.counts.clone());
    assert_eq!(apply(&world.db, node, &two).await.unwrap(), 2);
    assert_eq!(apply(&world.db, node, &three).await.unwrap(), 3);
    let rows = report(&world, &place, By::Day, None).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].counts.admitted, 15);
    let minutes: i64 = sqlx::query_scalar("select sum(count)::bigint from usage_minutes")
        .fetch_one(store::testing::pool(&world.db))
        .await
        .unwrap();
    assert_eq!(minutes, 15, "minutes and hours agree");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_sent_many_times_at_once_counts_once() {
    let (world, node, place) = furnished().await;
    let one = batch(1, vec![count(&place, Class::Admitted, NOW, 5)]);
    let mut running = Vec::new();
    for _ in 0..8 {
        let (db, one) = (world.db.clone(), one.clone());
        running.push(tokio::spawn(async move {
            apply(&db, node, &one).await.unwrap()
        }));
    }
    for running in running {
        assert_eq!(running.await.unwrap(), 1);
    }
    assert_eq!(
        report(&world, &place, By::Day, None).await[0]
            .counts
            .admitted,
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_count_the_same_minute_together() {
    let (world, _, place) = furnished().await;
    let mut running = Vec::new();
    for _ in 0..5 {
        let (db, node) = (world.db.clone(), world.node().await);
        let mut counts: Vec<UsageCount> = [Class::Admitted, Class::Success]
            .iter()
            .flat_map(|class| {
                (0..20).map(|back| count(&place, *class, NOW - Duration::minutes(back), 1))
            })
            .collect();
        if running.len() % 2 == 0 {
            counts.reverse();
        }
        running.push(tokio::spawn(async move {
            for sequence in 1..=10 {
                let applied = apply(&db, node, &batch(sequence, counts.clone()))
                    .await
                    .unwrap();
                assert_eq!(applied, sequence);
            }
        }));
    }
    for one in running {
        one.await.unwrap();
    }
    let rows = report(&world, &place, By::Day, None).await;
    assert_eq!(
        (rows[0].counts.admitted, rows[0].counts.success),
        (1000, 1000)
    );
}

#[tokio::test]
async fn a_report_is_split_by_time_and_by_key_route_or_status() {
    let (world, node, place) = furnished().await;
    let earlier = NOW - Duration::HOUR;
    let nobody = UsageCount {
        key_id: Vec::new(),
        route_id: Vec::new(),
        ..count(&place, Class::Denied, NOW, 3)
    };
    let counts = vec![
        count(&place, Class::Admitted, NOW, 10),
        count(&place, Class::GivenBack, NOW, 1),
        count(&place, Class::Success, NOW, 8),
        count(&place, Class::ServerError, NOW, 1),
        count(&place, Class::Admitted, earlier, 4),
        nobody,
    ];
    apply(&world.db, node, &batch(1, counts)).await.unwrap();
    let hours = report(&world, &place, By::Hour, None).await;
    let admitted: Vec<_> = hours
        .iter()
        .map(|row| (row.at.hour(), row.counts.admitted))
        .collect();
    assert_eq!(admitted, [(11, 4), (12, 9)]);
    let keys = report(&world, &place, By::Day, Some(Group::Key)).await;
    let by_key: Vec<_> = keys
        .iter()
        .map(|row| (row.group, row.counts.denied))
        .collect();
    assert_eq!(
        by_key,
        [
            (GroupKey::Key(None), 3),
            (GroupKey::Key(Some(place.key)), 0)
        ]
    );
    let statuses = report(&world, &place, By::Day, Some(Group::Status)).await;
    let by_status: Vec<_> = statuses.iter().map(|row| row.group).collect();
    assert_eq!(
        by_status,
        [
            StatusClass::Success,
            StatusClass::ServerError,
            StatusClass::Denied
        ]
        .map(GroupKey::Status)
    );
    let mut tx = world
        .db
        .tenant_tx(world.tenant("other").await)
        .await
        .unwrap();
    let foreign = usage_reports::list(&mut tx, place.tenant, DAY, (By::Day, None), 10)
        .await
        .unwrap();
    assert!(foreign.is_empty());
}

#[tokio::test]
async fn keys_show_when_they_were_last_used() {
    let (world, node, place) = furnished().await;
    let earlier = NOW - Duration::HOUR;
    for (sequence, at) in [(1, NOW), (2, earlier)] {
        let counts = vec![count(&place, Class::Admitted, at, 1)];
        apply(&world.db, node, &batch(sequence, counts))
            .await
            .unwrap();
    }
    let mut tx = world.db.tenant_tx(place.tenant).await.unwrap();
    let key = api_keys::get(&mut tx, place.tenant, place.key)
        .await
        .unwrap();
    assert_eq!(key.last_used_at, Some(NOW));
    assert_eq!(key.edition, 1, "being used is no edit");
}

#[tokio::test]
async fn what_is_too_old_or_unknown_is_dropped_and_said_so() {
    let (world, node, place) = furnished().await;
    let counts = vec![
        count(&place, Class::Admitted, NOW - Duration::days(40), 7),
        count(&place, Class::Success, NOW - Duration::days(40), 7),
        count(&place, Class::Admitted, NOW + Duration::days(2), 5),
        UsageCount {
            class: 77,
            ..count(&place, Class::Admitted, NOW, 1)
        },
    ];
    let sent = UsageBatch {
        dropped: 100,
        ..batch(1, counts)
    };
    assert_eq!(apply(&world.db, node, &sent).await.unwrap(), 1);
    let mut tx = world.db.platform_tx().await.unwrap();
    assert_eq!(usage::sum_dropped(&mut tx).await.unwrap(), 113);
    assert_eq!(
        usage::find_applied(&mut tx, node, 1).await.unwrap(),
        Some(1)
    );
}

#[tokio::test]
async fn minutes_of_a_clock_that_jumped_make_no_partitions_and_are_told_as_dropped() {
    let (world, node, place) = furnished().await;
    let partitions = async || {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from pg_class where relispartition and relkind = 'r'",
        )
        .fetch_one(store::testing::pool(&world.db))
        .await
        .unwrap();
        count
    };
    assert_eq!(apply(&world.db, node, &batch(1, vec![])).await.unwrap(), 1);
    let before = partitions().await;
    let minute = |minute, count_of| UsageCount {
        minute,
        ..count(&place, Class::Admitted, NOW, count_of)
    };
    let counts = vec![minute(0, 2), minute(u32::MAX, 3), minute(u32::MAX / 2, 4)];
    let jumped = batch(2, counts);
    assert_eq!(apply(&world.db, node, &jumped).await.unwrap(), 2);
    assert_eq!(partitions().await, before);
    // Hours apart, as clocks may be, every count is kept.
    let near = [Duration::hours(-20), Duration::hours(20)];
    let near = near.map(|apart| count(&place, Class::Admitted, NOW + apart, 5));
    let kept = batch(3, near.to_vec());
    assert_eq!(apply(&world.db, node, &kept).await.unwrap(), 3);
    assert!(partitions().await <= before + 12, "of three days at most");
    let mut tx = world.db.platform_tx().await.unwrap();
    assert_eq!(usage::sum_dropped(&mut tx).await.unwrap(), 9);
}

#[tokio::test]
async fn a_malformed_batch_is_refused_as_a_whole() {
    let (world, node, place) = furnished().await;
    let bad = UsageCount {
        tenant_id: vec![1],
        ..count(&place, Class::Admitted, NOW, 1)
    };
    let sent = batch(1, vec![count(&place, Class::Admitted, NOW, 1), bad]);
    assert!(matches!(
        apply(&world.db, node, &sent).await,
        Err(BatchError::Malformed(_))
    ));
    assert!(report(&world, &place, By::Day, None).await.is_empty());
}

#[tokio::test]
async fn latencies_add_up_by_bucket() {
    let (world, node, place) = furnished().await;
    let latency = |minutes: i64| {
        let mut buckets = vec![0; LATENCY_BUCKETS];
        (buckets[2], buckets[20]) = (3, 1);
        RouteLatency {
            route_id: place.route.to_bytes(),
            minute: ((NOW - Duration::minutes(minutes)).unix_timestamp() / 60) as u32,
            buckets,
            sum_us: 1_000,
        }
    };
    for sequence in 1..=2 {
        let sent = UsageBatch {
            latencies: vec![latency(0), latency(1)],
            ..batch(sequence, Vec::new())
        };
        apply(&world.db, node, &sent).await.unwrap();
    }
    let mut tx = world.db.platform_tx().await.unwrap();
    let routes = usage_reports::list_latencies(&mut tx, DAY).await.unwrap();
    assert_eq!(routes.len(), 1);
    assert_eq!(
        (
            routes[0].buckets[2],
            routes[0].buckets[20],
            routes[0].sum_us
        ),
        (12, 4, 4_000)
    );
}

#[tokio::test]
async fn a_quota_shows_what_is_used_and_what_nodes_hold() {
    let (world, node, place) = furnished().await;
    let draw = snapshot::lease::LeaseRequest {
        incarnation: 1,
        sequence: 1,
        items: vec![snapshot::lease::LeaseItem {
            tenant_id: place.tenant.to_bytes(),
            group: "default".to_owned(),
            wanted: 40,
            ..snapshot::lease::LeaseItem::default()
        }],
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    store::leases::draw_at(&mut tx, node, &draw, NOW)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let counts = vec![
        count(&place, Class::Admitted, NOW, 12),
        count(&place, Class::GivenBack, NOW, 2),
    ];
    apply(&world.db, node, &batch(1, counts)).await.unwrap();
    let mut tx = world.db.tenant_tx(place.tenant).await.unwrap();
    let quotas = usage_reports::list_quotas(&mut tx, place.tenant, NOW)
        .await
        .unwrap();
    assert_eq!(quotas.len(), 1);
    let quota = &quotas[0];
    assert_eq!(
        (quota.limit, quota.used, quota.held, quota.remaining()),
        (100, 10, 30, 90)
    );
    assert_eq!(quota.period_end, datetime!(2031-06-01 00:00 UTC));
}

#[tokio::test]
async fn old_partitions_go_and_new_ones_come() {
    let (world, node, place) = furnished().await;
    let counts = vec![count(&place, Class::Admitted, NOW, 5)];
    apply(&world.db, node, &batch(1, counts)).await.unwrap();
    let sums = "select (select count(*) from usage_minutes), (select count(*) from usage_hours)";
    for (days, expected) in [(34, (1, 1)), (37, (0, 1)), (470, (0, 0))] {
        let mut tx = world.db.platform_tx().await.unwrap();
        usage::keep_partitions(&mut tx, NOW + Duration::days(days))
            .await
            .unwrap();
        let found: (i64, i64) = sqlx::query_as(sums).fetch_one(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(found, expected, "after {days} days");
    }
}
