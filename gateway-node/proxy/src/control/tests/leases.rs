//! Quota leases between a node and the store.

use std::time::Duration;

use policy::Fact;
use policy::quota::{Pace, QuotaSlot, QuotaTake};

use super::*;
use crate::control::testing::tenant_id;

const LONG: Duration = Duration::from_secs(5);
/// Shorter than the pause between draws that nobody waits for.
const SHORT: Duration = Duration::from_secs(1);

impl TestNode {
    fn slot(&self) -> Arc<QuotaSlot> {
        self.shared.registry.quota(tenant_id(), "default")
    }

    /// Spends one unit as a core would, asking again for as long as the store is away.
    async fn spend(&self, slot: &Arc<QuotaSlot>) -> bool {
        let mut again = tokio::time::interval(Duration::from_millis(5));
        let deadline = tokio::time::Instant::now() + 2 * LONG;
        while tokio::time::Instant::now() < deadline {
            match slot.take(self.shared.clock.mono_ns()) {
                QuotaTake::Taken(_) => return true,
                QuotaTake::Exhausted => return false,
                QuotaTake::Empty => {}
            }
            match self.shared.ask_for_lease(slot.clone(), LONG).await {
                Fact::LeaseArrived => {}
                Fact::StoreAway => drop(again.tick().await),
                Fact::LeaseExhausted => return false,
            }
        }
        panic!("neither granted nor refused");
    }

    async fn spend_all(&self, slot: &Arc<QuotaSlot>) -> u64 {
        let mut spent = 0;
        while self.spend(slot).await {
            spent += 1;
        }
        spent
    }
}

/// A state directory of a node that has enrolled, and its control plane.
async fn quota_world(limit: u64) -> (Arc<Fake>, TempDir) {
    let (fake, dir) = world().await;
    fake.publish(1);
    fake.state().quota.limit = limit;
    (fake, dir)
}

#[tokio::test]
async fn a_tenant_spends_its_quota_and_not_one_unit_more() {
    let (fake, dir) = quota_world(300).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        assert_eq!(node.spend_all(&node.slot()).await, 300);
        assert_eq!(fake.state().quota.outstanding(), 300);
    })
    .await;
}

/// Brings another limit into force, in the ledger first, as an edit of the plan does.
fn set_limit(fake: &Fake, limit: u64) {
    let mut state = fake.state();
    state.quota.limit = limit;
    state.quota.plan_version += 1;
    drop(state);
    fake.publish(1);
}

#[tokio::test]
async fn a_lowered_limit_recalls_what_the_node_holds() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        let mut spent = 0;
        while fake.state().quota.outstanding() < spent + 100 {
            assert!(node.spend(&slot).await);
            spent += 1;
        }
        set_limit(&fake, spent + 5);
        let watched = fake.clone();
        eventually("what the limit does not cover is back", move || {
            watched.state().quota.outstanding() <= spent + 5
        })
        .await;
        let mut more = 0;
        let shared = node.shared.clone();
        let deadline = tokio::time::Instant::now() + LONG;
        while more < 5 && tokio::time::Instant::now() < deadline {
            more += u64::from(node.spend(&slot).await);
        }
        assert_eq!(more, 5, "exactly up to the new limit");
        assert!(!node.spend(&slot).await);
        let known = slot.known(shared.clock.mono_ns()).unwrap();
        assert_eq!((known.limit, known.remaining), (spent + 5, 0));
    })
    .await;
}

#[tokio::test]
async fn a_raised_limit_is_used_at_once_by_a_tenant_that_had_used_up_its_own() {
    let (fake, dir) = quota_world(10).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        assert_eq!(node.spend_all(&slot).await, 10);
        set_limit(&fake, 15);
        let (clock, waiting) = (node.shared.clock, slot.clone());
        eventually("it may ask again", move || {
            waiting.take(clock.mono_ns()) != QuotaTake::Exhausted
        })
        .await;
        assert_eq!(node.spend_all(&slot).await, 5);
    })
    .await;
}

#[tokio::test]
async fn lost_answers_neither_lose_nor_double_a_unit() {
    let (fake, dir) = quota_world(300).await;
    for _ in 0..4 {
        fake.state().lost_answers.push_back(snapshot::lease::PATH);
    }
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        assert_eq!(node.spend_all(&node.slot()).await, 300);
        assert!(fake.state().lost_answers.is_empty());
    })
    .await;
}

#[tokio::test]
async fn requests_that_come_together_are_asked_for_in_one_call() {
    let (fake, dir) = quota_world(10_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let (slot, mut asking) = (node.slot(), tokio::task::JoinSet::new());
        for _ in 0..20 {
            assert_eq!(slot.take(node.shared.clock.mono_ns()), QuotaTake::Empty);
            let (shared, slot) = (node.shared.clone(), slot.clone());
            asking.spawn_local(async move { shared.ask_for_lease(slot, LONG).await });
        }
        for fact in asking.join_all().await {
            assert_eq!(fact, Fact::LeaseArrived);
        }
        assert_eq!(fake.state().quota.requests.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn requests_that_come_together_are_all_answered_where_units_come_in_part() {
    let (fake, dir) = quota_world(7).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        assert!(node.spend(&slot).await);
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (shared, slot) = (node.shared.clone(), slot.clone());
            asking.spawn_local(async move {
                let mut facts = Vec::new();
                while slot.take(shared.clock.mono_ns()) == QuotaTake::Empty {
                    facts.push(shared.ask_for_lease(slot.clone(), SHORT).await);
                }
                facts
            });
        }
        for facts in asking.join_all().await {
            assert!(!facts.contains(&Fact::StoreAway), "{facts:?}");
        }
        assert_eq!(fake.state().quota.requests.len(), 3, "a quarter at a time");
    })
    .await;
}

#[tokio::test]
async fn a_question_that_comes_after_its_answer_is_answered() {
    let (fake, dir) = quota_world(100).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let (slot, now) = (node.slot(), || node.shared.clock.mono_ns());
        let ask = async || node.shared.ask_for_lease(slot.clone(), SHORT).await;
        for _ in 0..2 {
            assert_eq!(slot.take(now()), QuotaTake::Empty);
        }
        assert_eq!(ask().await, Fact::LeaseArrived);
        assert_eq!(ask().await, Fact::LeaseArrived, "set aside for it before");
        // Another one took it meanwhile.
        while slot.balance(now()) > 0 {
            assert!(matches!(slot.take(now()), QuotaTake::Taken(_)));
        }
        assert_eq!(ask().await, Fact::LeaseArrived, "drawn anew");
        fake.state().quota.limit = 0;
        while slot.take(now()) != QuotaTake::Empty || ask().await != Fact::LeaseExhausted {}
        assert_eq!(ask().await, Fact::LeaseExhausted, "known before");
    })
    .await;
}

#[tokio::test]
async fn a_killed_process_leaves_its_balance_to_the_next_one() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        let mut spent = 0;
        // Draws grow with demand, until more is held than a second's worth.
        while fake.state().quota.outstanding() < spent + 100 {
            assert!(node.spend(&slot).await);
            spent += 1;
        }
        fake.go_away();
        node.kill(dir.path()).await;

        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(1).await;
        let slot = node.slot();
        assert!(node.spend(&slot).await, "with the control plane away");
        fake.come_back();
        let after = 1 + node.spend_all(&slot).await;
        let (total, outstanding) = (spent + after, fake.state().quota.outstanding());
        assert_eq!(outstanding, 1_000);
        assert!(total <= 1_000, "{total} spent");
        assert!(
            total > 500,
            "only {total} spent: the kill burnt more than memory"
        );
    })
    .await;
}

#[tokio::test]
async fn a_node_that_stops_gives_back_what_it_did_not_spend() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        for _ in 0..5 {
            assert!(node.spend(&slot).await);
        }
        assert!(fake.state().quota.outstanding() > 5);
        node.stop().await.unwrap();
        assert_eq!(fake.state().quota.outstanding(), 5);
    })
    .await;
}

#[tokio::test]
async fn units_taken_over_from_an_earlier_process_are_not_returned_as_the_new_ones() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let slot = node.slot();
        let mut spent = 0;
        while fake.state().quota.outstanding() < spent + 100 {
            assert!(node.spend(&slot).await);
            spent += 1;
        }
        node.kill(dir.path()).await;
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        node.serves(1).await;
        assert!(node.spend(&node.slot()).await);
        node.stop().await.unwrap();
        let state = fake.state();
        for (granted, returned, _) in state.quota.held.values() {
            assert!(returned <= granted, "{returned} of {granted}");
        }
        assert!(state.quota.outstanding() > spent);
    })
    .await;
}

#[tokio::test]
async fn a_request_learns_at_once_that_the_store_is_away() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        assert!(node.spend(&node.slot()).await);
        fake.go_away();
        let other = node.shared.registry.quota(tenant_id(), "other");
        assert_eq!(other.take(node.shared.clock.mono_ns()), QuotaTake::Empty);
        let fact = node.shared.ask_for_lease(other, LONG).await;
        assert_eq!(fact, Fact::StoreAway);
        let health = node.get("/healthz").await;
        let failing = "\"leases_failing_with\":\"control_plane_unreachable\"";
        assert!(health.contains(failing), "{health}");
    })
    .await;
}

#[tokio::test]
async fn what_was_admitted_beyond_leases_in_an_outage_is_charged_after_it() {
    let (fake, dir) = quota_world(1_000).await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let (slot, clock) = (node.slot(), node.shared.clock);
        assert!(node.spend(&slot).await);
        fake.go_away();
        loop {
            while let QuotaTake::Taken(_) = slot.take(clock.mono_ns()) {}
            if node.shared.ask_for_lease(slot.clone(), LONG).await == Fact::StoreAway {
                break;
            }
        }
        let drawn = fake.state().quota.outstanding();
        // A thousand units a second.
        let pace = Pace {
            limit: 1_000,
            period_ns: 1_000_000_000,
        };
        let sharing = slot.clone();
        eventually("the node has a share", move || {
            sharing.take_share(pace, clock.mono_ns()).is_some()
        })
        .await;
        fake.come_back();
        let watched = fake.clone();
        eventually("the store is told", move || {
            let state = watched.state();
            let items = state
                .quota
                .requests
                .iter()
                .flat_map(|request| &request.items);
            items.map(|item| item.granted_total).max() > Some(drawn)
        })
        .await;
    })
    .await;
}
