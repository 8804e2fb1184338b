//! The admin listener.

use super::*;

#[tokio::test]
async fn a_node_without_a_snapshot_is_alive_and_not_ready() {
    let (fake, dir) = world().await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        let health = node.get("/healthz").await;
        assert!(health.starts_with("HTTP/1.1 200"), "{health}");
        assert!(health.contains("\"is_ready\":false") && health.contains("\"snapshot\":null"));
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 503"));
        let metrics = node.get("/metrics").await;
        assert!(metrics.contains("tollgate_node_ready 0"), "{metrics}");
        fake.publish(1);
        node.serves(1).await;
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 200"));
        let metrics = node.get("/metrics").await;
        assert!(
            metrics.contains("tollgate_node_snapshot_revision 1"),
            "{metrics}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_draining_node_is_not_ready() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        let draining = &node.shared.is_draining;
        draining.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(node.get("/readyz").await.starts_with("HTTP/1.1 503"));
    })
    .await;
}

#[tokio::test]
async fn a_revoked_node_serves_nothing_and_says_so_also_after_a_restart() {
    let (fake, dir) = world().await;
    fake.publish(1);
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        node.serves(1).await;
        fake.state().is_revoked = true;
        fake.publish(2);
        let shared = node.shared.clone();
        eventually("the node is without a snapshot", move || {
            shared.snapshot.load().is_none()
        })
        .await;
        let check = async |node: &TestNode| {
            let ready = node.get("/readyz").await;
            assert!(ready.starts_with("HTTP/1.1 503"), "{ready}");
            assert!(ready.contains("revoked"), "{ready}");
            assert!(node.get("/healthz").await.contains("\"is_revoked\":true"));
            let metrics = node.get("/metrics").await;
            assert!(metrics.contains("tollgate_node_revoked 1"), "{metrics}");
        };
        check(&node).await;
        node.stop().await.unwrap();
        fake.go_away();
        let node = TestNode::start(&fake, dir.path()).await;
        let shared = node.shared.clone();
        eventually("the node knows", move || {
            shared.is_revoked.load(std::sync::atomic::Ordering::Relaxed)
        })
        .await;
        check(&node).await;
    })
    .await;
}

#[tokio::test]
async fn the_admin_listener_answers_get_and_head_of_three_paths() {
    let (fake, dir) = world().await;
    local(async {
        let node = TestNode::start(&fake, dir.path()).await;
        for (method, path, status) in [
            ("GET", "/", 404),
            ("GET", "/healthz/", 404),
            ("HEAD", "/healthz", 200),
            ("POST", "/healthz", 405),
            ("DELETE", "/metrics", 405),
        ] {
            let answer = node.request(method, path).await;
            let expected = format!("HTTP/1.1 {status}");
            assert!(answer.starts_with(&expected), "{method} {path}: {answer}");
        }
    })
    .await;
}
