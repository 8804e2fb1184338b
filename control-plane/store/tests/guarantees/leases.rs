//! Quota leases: never more than the limit, whatever happens to messages and processes.

use domain::id::{NodeId, TenantId};
use domain::plan::ApplyTo;
use domain::quota::Period;
use snapshot::lease::{Lease, LeaseItem, LeaseRequest, Outcome};
use store::leases::{self, DrawError};
use store::testing::World;
use store::{Db, nodes, plans};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// A month that the subscription did not begin in.
const NOW: OffsetDateTime = datetime!(2031-05-10 12:00 UTC);
const MONTH: OffsetDateTime = datetime!(2031-05-01 00:00 UTC);

fn item(tenant: TenantId, granted_total: u64, returned_total: u64, wanted: u64) -> LeaseItem {
    LeaseItem {
        tenant_id: tenant.to_bytes(),
        group: "default".to_owned(),
        granted_total,
        returned_total,
        wanted,
        ..LeaseItem::default()
    }
}

fn request(sequence: u64, items: Vec<LeaseItem>) -> LeaseRequest {
    LeaseRequest {
        incarnation: 1,
        sequence,
        items,
    }
}

async fn draw_at(
    db: &Db,
    node: NodeId,
    request: &LeaseRequest,
    now: OffsetDateTime,
) -> Result<Vec<Lease>, DrawError> {
    let mut tx = db.platform_tx().await.unwrap();
    let response = leases::draw_at(&mut tx, node, request, now).await?;
    tx.commit().await.unwrap();
    Ok(response.leases)
}

async fn draw(db: &Db, node: NodeId, request: &LeaseRequest) -> Lease {
    draw_at(db, node, request, NOW).await.unwrap().remove(0)
}

async fn limited(limit: u64) -> (World, TenantId, NodeId) {
    let world = World::new().await;
    let plan = world.plan(&World::quota(limit, Period::Month)).await;
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, plan).await;
    let node = world.node().await;
    (world, tenant, node)
}

#[tokio::test]
async fn a_lease_names_its_period_limit_and_time() {
    let (world, tenant, node) = limited(100).await;
    let lease = draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 30)])).await;
    assert_eq!(lease.outcome(), Outcome::Granted);
    assert_eq!(
        (lease.granted_total, lease.available, lease.limit),
        (30, 70, 100)
    );
    assert_eq!(lease.period_start_ms, MONTH.unix_timestamp() * 1000);
    let ends = (datetime!(2031-06-01 00:00 UTC) - NOW).whole_milliseconds();
    assert_eq!(
        (lease.starts_in_ms, i128::from(lease.ends_in_ms)),
        (0, ends)
    );

    let next = LeaseItem {
        is_for_next_period: true,
        ..item(tenant, 0, 0, 5)
    };
    let lease = draw(&world.db, node, &request(2, vec![next])).await;
    assert_eq!((lease.granted_total, lease.available), (5, 95));
    assert_eq!(i128::from(lease.starts_in_ms), ends);
    assert!(lease.ends_in_ms > lease.starts_in_ms);
}

#[tokio::test]
async fn a_repeated_or_reordered_request_changes_nothing() {
    let (world, tenant, node) = limited(100).await;
    let first = request(1, vec![item(tenant, 0, 0, 30)]);
    let second = request(2, vec![item(tenant, 30, 10, 20)]);
    let granted = draw(&world.db, node, &first).await;
    assert_eq!(draw(&world.db, node, &first).await, granted);
    let lease = draw(&world.db, node, &second).await;
    assert_eq!(
        (lease.granted_total, lease.returned_total, lease.available),
        (50, 10, 60)
    );
    for old in [&first, &second, &first] {
        let lease = draw(&world.db, node, old).await;
        assert_eq!(
            (lease.granted_total, lease.returned_total, lease.available),
            (50, 10, 60)
        );
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_granted() {
    let (world, tenant, node) = limited(10).await;
    let lease = draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 25)])).await;
    assert_eq!((lease.granted_total, lease.available), (10, 0));
    let lease = draw(&world.db, node, &request(2, vec![item(tenant, 10, 0, 1)])).await;
    assert_eq!(
        (lease.granted_total, lease.outcome()),
        (10, Outcome::Exhausted)
    );
    let stranger = world.tenant("without a plan").await;
    let lease = draw(&world.db, node, &request(3, vec![item(stranger, 0, 0, 1)])).await;
    assert_eq!(
        (lease.granted_total, lease.outcome()),
        (0, Outcome::NoQuota)
    );
}

#[tokio::test]
async fn a_fenced_process_draws_nothing() {
    let (world, tenant, node) = limited(10).await;
    let mut tx = world.db.platform_tx().await.unwrap();
    nodes::register_incarnation(&mut tx, node, 2).await.unwrap();
    tx.commit().await.unwrap();
    let refused = draw_at(
        &world.db,
        node,
        &request(1, vec![item(tenant, 0, 0, 1)]),
        NOW,
    )
    .await;
    assert!(matches!(refused, Err(DrawError::Fenced)));
    let newer = LeaseRequest {
        incarnation: 2,
        ..request(1, vec![item(tenant, 0, 0, 1)])
    };
    assert_eq!(draw(&world.db, node, &newer).await.granted_total, 1);
}

#[tokio::test]
async fn a_database_that_lost_its_last_writes_learns_the_totals_back() {
    let (world, tenant, node) = limited(100).await;
    let other = world.node().await;
    draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 60)])).await;
    draw(&world.db, other, &request(1, vec![item(tenant, 0, 0, 10)])).await;
    for statement in ["delete from quota_leases", "delete from quota_periods"] {
        sqlx::query(statement)
            .execute(store::testing::pool(&world.db))
            .await
            .unwrap();
    }
    // A restore also forgot the incarnation that the node runs as.
    let later = LeaseRequest {
        incarnation: 4,
        ..request(2, vec![item(tenant, 60, 5, 50)])
    };
    let lease = draw(&world.db, node, &later).await;
    assert_eq!(
        (lease.granted_total, lease.available),
        (105, 0),
        "45 were left by what is known"
    );
    let lease = draw(&world.db, other, &request(2, vec![item(tenant, 10, 0, 1)])).await;
    assert_eq!(
        (lease.granted_total, lease.outcome()),
        (10, Outcome::Exhausted)
    );
    let overdrawn: i64 = sqlx::query_scalar("select overdrawn from quota_periods")
        .fetch_one(store::testing::pool(&world.db))
        .await
        .unwrap();
    assert_eq!(overdrawn, 10);
    let fenced = draw_at(
        &world.db,
        node,
        &request(9, vec![item(tenant, 0, 0, 1)]),
        NOW,
    )
    .await;
    assert!(matches!(fenced, Err(DrawError::Fenced)));
}

#[tokio::test]
async fn a_period_that_is_over_grants_nothing_but_is_still_accounted() {
    let (world, tenant, node) = limited(10).await;
    draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 4)])).await;
    let late = LeaseItem {
        period_start_ms: MONTH.unix_timestamp() * 1000,
        ..item(tenant, 4, 3, 5)
    };
    let june = NOW + Duration::days(30);
    let lease = draw_at(&world.db, node, &request(2, vec![late]), june)
        .await
        .unwrap()
        .remove(0);
    assert_eq!(lease.outcome(), Outcome::PeriodOver);
    assert_eq!(
        (lease.granted_total, lease.returned_total, lease.ends_in_ms),
        (4, 3, 0)
    );
    let lease = draw_at(
        &world.db,
        node,
        &request(3, vec![item(tenant, 0, 0, 9)]),
        june,
    )
    .await
    .unwrap()
    .remove(0);
    assert_eq!(
        (lease.granted_total, lease.available),
        (9, 1),
        "June is new"
    );
    let made_up = LeaseItem {
        period_start_ms: 1_234_567_000_000,
        ..item(tenant, 4, 0, 5)
    };
    let lease = draw(&world.db, node, &request(4, vec![made_up])).await;
    assert_eq!(
        (lease.outcome(), lease.granted_total),
        (Outcome::PeriodOver, 4)
    );
}

#[tokio::test]
async fn a_lowered_limit_holds_within_the_period_and_a_raised_one_too() {
    let (world, tenant, node) = limited(10).await;
    let plan = {
        let mut tx = world.db.platform_tx().await.unwrap();
        plans::list(&mut tx, plans::Listed::All, None, 1)
            .await
            .unwrap()
            .remove(0)
    };
    let set_limit = async |limit| {
        let name = domain::plan::PlanName::parse(&plan.name).unwrap();
        let terms = World::quota(limit, Period::Month);
        let edit = plans::PlanEdit {
            name: &name,
            description: "",
            is_self_service: true,
            terms: &terms,
        };
        let mut tx = world.db.platform_tx().await.unwrap();
        plans::update(&mut tx, plan.id, &edit, ApplyTo::All, None)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    };
    draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 10)])).await;
    set_limit(25).await;
    let lease = draw(&world.db, node, &request(2, vec![item(tenant, 10, 0, 5)])).await;
    assert_eq!(
        (lease.granted_total, lease.limit, lease.available),
        (15, 25, 10)
    );
    set_limit(12).await;
    let lease = draw(&world.db, node, &request(3, vec![item(tenant, 15, 0, 100)])).await;
    assert_eq!(
        (lease.granted_total, lease.limit, lease.available),
        (15, 12, 0)
    );
    assert_eq!((lease.excess, lease.outcome()), (3, Outcome::Exhausted));
    let lease = draw(&world.db, node, &request(4, vec![item(tenant, 15, 7, 100)])).await;
    assert_eq!(
        (lease.granted_total, lease.excess, lease.available),
        (19, 0, 0),
        "8 were spent, and 4 more may be"
    );
    let june = NOW + Duration::days(30);
    let lease = draw_at(
        &world.db,
        node,
        &request(5, vec![item(tenant, 0, 0, 100)]),
        june,
    )
    .await
    .unwrap()
    .remove(0);
    assert_eq!((lease.granted_total, lease.limit), (12, 12));
}

#[tokio::test]
async fn a_clock_that_jumps_over_a_boundary_neither_grants_twice_nor_voids() {
    let (world, tenant, node) = limited(10).await;
    let boundary = datetime!(2031-06-01 00:00 UTC);
    let (may, june) = (boundary - Duration::MINUTE, boundary + Duration::MINUTE);
    let of_may = |granted, wanted| LeaseItem {
        period_start_ms: MONTH.unix_timestamp() * 1000,
        ..item(tenant, granted, 0, wanted)
    };
    let at = async |sequence, asked, now| {
        let mut leases = draw_at(&world.db, node, &request(sequence, vec![asked]), now)
            .await
            .unwrap();
        leases.remove(0)
    };
    let lease = at(1, item(tenant, 0, 0, 6), may).await;
    assert_eq!((lease.granted_total, lease.available), (6, 4));
    // Forward: June is drawn from, and May grants nothing, but keeps its books.
    let lease = at(2, item(tenant, 0, 0, 7), june).await;
    assert_eq!((lease.granted_total, lease.available), (7, 3));
    let lease = at(3, of_may(6, 4), june).await;
    assert_eq!(
        (lease.outcome(), lease.granted_total),
        (Outcome::PeriodOver, 6)
    );
    // Back again: what is left of May, and not what was granted once more.
    let lease = at(4, of_may(6, 9), may).await;
    assert_eq!((lease.granted_total, lease.available), (10, 0));
    // And what was drawn from June ahead of time stays drawn.
    let lease = at(5, item(tenant, 7, 0, 9), june).await;
    assert_eq!((lease.granted_total, lease.available), (10, 0));
}

#[tokio::test]
async fn an_answer_says_how_many_nodes_share_a_limit() {
    let (world, tenant, node) = limited(10).await;
    let (heard, silent) = (world.node().await, world.node().await);
    for (other, at) in [
        (heard, NOW - Duration::minutes(5)),
        (silent, NOW - Duration::hours(2)),
    ] {
        sqlx::query("update nodes set last_seen_at = $2 where id = $1")
            .bind(other.0)
            .bind(at)
            .execute(store::testing::pool(&world.db))
            .await
            .unwrap();
    }
    let mut tx = world.db.platform_tx().await.unwrap();
    let asked = request(1, vec![item(tenant, 0, 0, 1)]);
    let answer = leases::draw_at(&mut tx, node, &asked, NOW).await.unwrap();
    assert_eq!(answer.nodes, 2, "the one that asks and one that was heard");
}

#[tokio::test]
async fn the_offset_counts_in_the_first_period_only() {
    let world = World::new().await;
    let mut terms = World::quota(100, Period::Month);
    terms.quota.as_mut().unwrap().offset = 40;
    let plan = world.plan(&terms).await;
    let tenant = world.tenant("t").await;
    world.subscribe(tenant, plan).await;
    let node = world.node().await;
    let first = leases::draw(&world.db, node, &request(1, vec![item(tenant, 0, 0, 1)])).await;
    assert_eq!(first.unwrap().leases[0].limit, 60);
    let later = draw(&world.db, node, &request(2, vec![item(tenant, 0, 0, 1)])).await;
    assert_eq!(later.limit, 100);
}

#[tokio::test]
async fn a_malformed_request_is_refused_as_a_whole() {
    let (world, tenant, node) = limited(10).await;
    let bad_id = LeaseItem {
        tenant_id: vec![1, 2],
        ..item(tenant, 0, 0, 1)
    };
    let bad_start = LeaseItem {
        period_start_ms: i64::MIN,
        ..item(tenant, 0, 0, 1)
    };
    let twice = item(tenant, 0, 0, 1);
    for items in [vec![bad_id], vec![bad_start], vec![twice.clone(), twice]] {
        let refused = draw_at(&world.db, node, &request(1, items), NOW).await;
        assert!(
            matches!(refused, Err(DrawError::Malformed(_))),
            "{refused:?}"
        );
    }
}

/// Several nodes draw for several tenants at once, in batches of changing order, giving back,
/// losing answers and repeating themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_draws_never_exceed_the_limit() {
    const LIMIT: u64 = 500;
    const NODES: u64 = 6;
    let world = World::new().await;
    let plan = world.plan(&World::quota(LIMIT, Period::Month)).await;
    let mut tenants = Vec::new();
    for number in 0..5 {
        let tenant = world.tenant(&format!("t{number}")).await;
        world.subscribe(tenant, plan).await;
        tenants.push(tenant);
    }
    let mut running = Vec::new();
    for number in 0..NODES {
        let (db, node, tenants) = (world.db.clone(), world.node().await, tenants.clone());
        running.push(tokio::spawn(run_node(db, node, tenants, number)));
    }
    let mut spent = vec![0; tenants.len()];
    for one in running {
        for (sum, more) in spent.iter_mut().zip(one.await.unwrap()) {
            *sum += more;
        }
    }
    assert_eq!(
        spent,
        vec![LIMIT; tenants.len()],
        "all of it is spent, and no more"
    );
    let rows: Vec<(i64, i64, i64)> =
        sqlx::query_as("select granted, returned, overdrawn from quota_periods")
            .fetch_all(store::testing::pool(&world.db))
            .await
            .unwrap();
    for (granted, returned, overdrawn) in rows {
        assert_eq!((granted - returned, overdrawn), (LIMIT as i64, 0));
    }
}

#[derive(Default, Clone)]
struct Local {
    granted: u64,
    returned: u64,
    balance: u64,
    spent: u64,
    is_exhausted: bool,
}

/// Draws and spends until there is nothing left for anybody; returns what it spent per tenant.
async fn run_node(db: Db, node: NodeId, tenants: Vec<TenantId>, seed: u64) -> Vec<u64> {
    let mut state = vec![Local::default(); tenants.len()];
    let mut random = seed * 2 + 1;
    let mut next = move |below: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut sequence = 0;
    while state.iter().any(|one| !one.is_exhausted || one.balance > 0) {
        sequence += 1;
        let turn = next(tenants.len() as u64) as usize;
        let mut items = Vec::new();
        for offset in 0..tenants.len() {
            let place = (turn + offset) % tenants.len();
            let local = &mut state[place];
            // Give some back while others may still want it, never at the very end.
            if !local.is_exhausted && local.balance > 0 && next(4) == 0 {
                let back = 1 + next(local.balance);
                local.balance -= back;
                local.returned += back;
            }
            let used = next(local.balance + 1).max(local.balance.min(1));
            local.balance -= used;
            local.spent += used;
            let wanted = 1 + next(12);
            items.push((
                place,
                item(tenants[place], local.granted, local.returned, wanted),
            ));
        }
        let sent = request(
            sequence,
            items.iter().map(|(_, item)| item.clone()).collect(),
        );
        let mut response = leases::draw(&db, node, &sent).await.unwrap();
        if next(3) == 0 {
            response = leases::draw(&db, node, &sent).await.unwrap();
        }
        if next(5) == 0 {
            continue; // The answer is lost.
        }
        for ((place, _), lease) in items.iter().zip(response.leases) {
            let local = &mut state[*place];
            let more = lease.granted_total.saturating_sub(local.granted);
            local.granted += more;
            local.balance += more;
            local.is_exhausted = lease.outcome() == Outcome::Exhausted && local.balance == 0;
        }
    }
    state.into_iter().map(|one| one.spent).collect()
}
