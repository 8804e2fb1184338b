//! Shares of rates: never more than the whole, whatever becomes of messages and nodes.

use domain::id::{NodeId, SubscriptionId};
use domain::plan::{PlanTerms, Rate};
use snapshot::rate_share::{Share, ShareItem, ShareRequest, WHOLE};
use store::nodes;
use store::rate_shares::{LEASE, ShareError, ask_at};
use store::testing::World;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2031-05-10 12:00 UTC);

/// 100 per second, 500 at once: full in five seconds.
async fn world() -> (World, SubscriptionId, [NodeId; 2]) {
    let world = World::new().await;
    let terms = PlanTerms {
        rate: Some(Rate {
            per_second_milli: 100_000,
            burst: 500,
        }),
        ..PlanTerms::default()
    };
    let plan = world.plan(&terms).await;
    let tenant = world.tenant("t").await;
    let subscription = world.subscribe(tenant, plan).await;
    let nodes = [world.node().await, world.node().await];
    (world, subscription, nodes)
}

fn item(subscription: SubscriptionId, grant: u64, demand: u64) -> ShareItem {
    ShareItem {
        subscription_id: subscription.to_bytes(),
        demand_milli: demand * 1000,
        grant,
        is_released: false,
    }
}

async fn ask(
    world: &World,
    node: NodeId,
    item: ShareItem,
    now: OffsetDateTime,
) -> Result<Share, ShareError> {
    let request = ShareRequest {
        incarnation: 1,
        items: vec![item],
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    let mut response = ask_at(&mut tx, node, &request, now).await?;
    tx.commit().await.unwrap();
    Ok(response.shares.remove(0))
}

#[tokio::test]
async fn a_share_grows_only_when_the_others_was_told_to_have_shrunk() {
    let (world, subscription, [one, two]) = world().await;
    let first = ask(&world, one, item(subscription, 0, 0), NOW)
        .await
        .unwrap();
    assert_eq!(
        (first.part, first.missing_ms),
        (WHOLE, 0),
        "alone, and full"
    );
    let none = ask(&world, two, item(subscription, 0, 0), NOW)
        .await
        .unwrap();
    assert_eq!(none.part, 0, "the first may go by all of it");
    let busy = |grant| item(subscription, grant, 400);
    let less = ask(&world, one, busy(first.grant), NOW).await.unwrap();
    assert!(less.part < WHOLE);
    let still = ask(&world, two, busy(none.grant), NOW).await.unwrap();
    assert_eq!(still.part, 0, "the answer may not have come");
    let kept = ask(&world, one, busy(less.grant), NOW).await.unwrap();
    let some = ask(&world, two, busy(still.grant), NOW).await.unwrap();
    assert!(some.part > 0 && kept.part + some.part <= WHOLE);
    assert_eq!(some.missing_ms, 5_000, "it starts empty");
}

#[tokio::test]
async fn what_a_node_does_not_renew_goes_to_the_others() {
    let (world, subscription, [one, two]) = world().await;
    ask(&world, one, item(subscription, 0, 9), NOW)
        .await
        .unwrap();
    let late = NOW + LEASE + Duration::SECOND;
    let all = ask(&world, two, item(subscription, 0, 9), late)
        .await
        .unwrap();
    assert_eq!(all.part, WHOLE);
    // What the first held was spent when it ran out, for all that is known; some has grown since.
    assert!(
        (3_000..5_000).contains(&all.missing_ms),
        "{}",
        all.missing_ms
    );
    let much_later = late + Duration::MINUTE;
    let full = ask(&world, one, item(subscription, 0, 9), much_later)
        .await
        .unwrap();
    assert_eq!((full.part, full.missing_ms), (WHOLE, 0));
}

#[tokio::test]
async fn what_is_given_back_is_full_for_who_comes_next() {
    let (world, subscription, [one, two]) = world().await;
    let held = ask(&world, one, item(subscription, 0, 9), NOW)
        .await
        .unwrap();
    let released = ShareItem {
        is_released: true,
        ..item(subscription, held.grant, 0)
    };
    ask(&world, one, released, NOW).await.unwrap();
    let next = ask(&world, two, item(subscription, 0, 9), NOW)
        .await
        .unwrap();
    assert_eq!((next.part, next.missing_ms), (WHOLE, 0));
}

#[tokio::test]
async fn a_process_that_starts_anew_begins_with_nothing_in_its_bucket() {
    let (world, subscription, [one, _]) = world().await;
    ask(&world, one, item(subscription, 0, 9), NOW)
        .await
        .unwrap();
    let again = ask(&world, one, item(subscription, 0, 9), NOW)
        .await
        .unwrap();
    assert_eq!((again.part, again.missing_ms), (WHOLE, 5_000));
}

#[tokio::test]
async fn strangers_and_replaced_processes_get_nothing() {
    let (world, subscription, [one, _]) = world().await;
    let other = SubscriptionId(uuid::Uuid::from_u128(7));
    let share = ask(&world, one, item(other, 0, 9), NOW).await.unwrap();
    assert!(share.is_unknown && share.part == 0);
    let mut tx = world.db.platform_tx().await.unwrap();
    nodes::register_incarnation(&mut tx, one, 99).await.unwrap();
    tx.commit().await.unwrap();
    let refused = ask(&world, one, item(subscription, 0, 9), NOW).await;
    assert!(matches!(refused, Err(ShareError::Fenced)), "{refused:?}");
    let twice = ShareRequest {
        incarnation: 2,
        items: vec![item(subscription, 0, 1); 2],
    };
    let mut tx = world.db.platform_tx().await.unwrap();
    let refused = ask_at(&mut tx, one, &twice, NOW).await;
    assert!(matches!(refused, Err(ShareError::Malformed(_))));
}
