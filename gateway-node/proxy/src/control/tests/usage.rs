//! Usage on its way to the control plane.

use super::*;
use crate::control::counts::admitted;

fn report(node: &TestNode, tenant: u128, count: u64) {
    assert!(node.shared.report(|| admitted(tenant, 7, count)));
}

async fn counts(fake: &Arc<Fake>, expected: u64) {
    let fake = fake.clone();
    eventually(&format!("{expected} requests are counted"), move || {
        fake.state().counted() == expected
    })
    .await;
}

#[tokio::test]
async fn what_the_cores_count_arrives() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        report(&node, 1, 5);
        report(&node, 2, 6);
        counts(&fake, 11).await;
        report(&node, 1, 1);
        counts(&fake, 12).await;
        let metrics = node.get("/metrics").await;
        let line = "tollgate_node_requests_total{route=\"none\",class=\"admitted\"} 12";
        assert!(metrics.contains(line), "{metrics}");
    })
    .await;
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_counted_once() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        fake.state().lost_answers.push_back(snapshot::usage::PATH);
        report(&node, 1, 5);
        counts(&fake, 5).await;
        report(&node, 1, 2);
        counts(&fake, 7).await;
        assert!(fake.state().lost_answers.is_empty());
    })
    .await;
}

#[tokio::test]
async fn usage_of_an_outage_arrives_once_also_after_a_restart() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        report(&node, 1, 1);
        counts(&fake, 1).await;
        // The control plane takes this one, and the node never hears of it.
        fake.state().lost_answers.push_back(snapshot::usage::PATH);
        report(&node, 1, 10);
        counts(&fake, 11).await;
        fake.go_away();
        report(&node, 2, 100);
        spooled(&node, 1).await;
        node.stop().await.unwrap();
        let node = TestNode::start_with(config(&fake, dir.path())).await;
        report(&node, 3, 1_000);
        fake.come_back();
        counts(&fake, 1_111).await;
        report(&node, 3, 1);
        counts(&fake, 1_112).await;
        assert_eq!(
            fake.state().usage.len(),
            2,
            "both incarnations have batches"
        );
    })
    .await;
}

/// Waits until the node says that it holds at least this many batches.
async fn spooled(node: &TestNode, batches: usize) {
    let waiting = async {
        loop {
            let health = node.get("/healthz").await;
            let found = health.split("\"batches\":").nth(1).unwrap();
            let found: usize = found.split(',').next().unwrap().parse().unwrap();
            if found >= batches {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await;
    assert!(waited.is_ok(), "no {batches} batches in the spool");
}
