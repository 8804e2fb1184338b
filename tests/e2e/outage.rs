//! What goes on when the control plane is gone.

use std::path::PathBuf;
use std::time::Duration;

use e2e::planes::{Planes, admitted_total};
use e2e::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::PLANE;

#[tokio::test]
async fn a_node_serves_on_without_its_control_plane_also_after_a_restart() {
    let mut planes = Planes::start(PLANE, 1).await;
    let shop = planes
        .shop(json!({ "rate_limit": 1000, "burst_limit": 1000 }))
        .await;
    let customer = planes.customer(&shop, "Acme").await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
    planes.kill_control_plane().await;
    assert_eq!(
        planes.call(0, &customer.key).await.unwrap().status(),
        StatusCode::OK
    );
    planes.kill_node(0).await;
    planes.start_node(0).await;
    let mut admitted = 0;
    for _ in 0..20 {
        assert_eq!(
            planes.call(0, &customer.key).await.unwrap().status(),
            StatusCode::OK
        );
        admitted += 1;
    }
    planes.start_control_plane().await;

    // The usage of the outage arrives, once.
    let path = format!("/tenants/{}/usage?by=hour&group=key", customer.tenant_id);
    let total = until(
        "the outage's usage arrives",
        Duration::from_secs(30),
        async || {
            let (_, usage) = planes.api(Method::GET, &path, None).await;
            let total = admitted_total(&usage);
            (total >= admitted).then_some(total)
        },
    )
    .await;
    // Before the kill at least one and at most a handful were counted; none of the 20 twice.
    assert!((admitted..admitted + 20).contains(&total), "{total}");
}

#[tokio::test]
async fn a_new_node_waits_for_its_control_plane() {
    let mut planes = Planes::start(PLANE, 0).await;
    let shop = planes.shop(json!({})).await;
    let customer = planes.customer(&shop, "Acme").await;
    planes.kill_control_plane().await;
    let node = planes.add_node();
    planes.spawn_node(node);
    let health = until("the node is alive", Duration::from_secs(20), async || {
        planes.node_health(node).await
    })
    .await;
    assert_eq!(health["is_ready"], false, "{health}");
    let ready = planes.http.get(planes.node_admin(node, "/readyz")).send();
    assert_eq!(
        ready.await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    let answer = planes.call(node, &customer.key).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    planes.start_control_plane().await;
    planes.node_is_ready(node).await;
    planes
        .wait_for_status(node, &customer.key, StatusCode::OK)
        .await;
}

#[tokio::test]
async fn a_flipped_byte_in_the_stored_snapshot_is_noticed_and_that_copy_not_used() {
    let mut planes = Planes::start(PLANE, 1).await;
    let shop = planes
        .shop(json!({ "rate_limit": 1000, "burst_limit": 1000 }))
        .await;
    let customer = planes.customer(&shop, "Acme").await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
    planes.kill_control_plane().await;
    planes.kill_node(0).await;
    for file in files_below(&planes.state_dir(0).join("chunks")) {
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    }
    planes.spawn_node(0);
    let health = until("the node is alive", Duration::from_secs(20), async || {
        planes.node_health(0).await
    })
    .await;
    assert_eq!(health["is_ready"], false, "{health}");
    // With the control plane back, the node fetches what it needs.
    planes.start_control_plane().await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
}

fn files_below(folder: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the node keeps chunks") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    assert!(!found.is_empty());
    found
}
