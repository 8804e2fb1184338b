//! A node that was revoked serves nothing any more; one whose control plane is away serves on.

use std::time::Duration;

use e2e::planes::Planes;
use e2e::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::PLANE;

#[tokio::test]
async fn a_revoked_node_refuses_everything_and_says_why_also_after_a_restart() {
    let mut planes = Planes::start(PLANE, 2).await;
    let shop = planes
        .shop(json!({ "rate_limit": 1000, "burst_limit": 1000 }))
        .await;
    let customer = planes.customer(&shop, "Acme").await;
    for node in 0..2 {
        planes
            .wait_for_status(node, &customer.key, StatusCode::OK)
            .await;
    }
    let health = planes.node_health(0).await.unwrap();
    let node = health["node_id"].as_str().expect("an enrolled node");
    let (status, answer) = planes
        .api(Method::DELETE, &format!("/nodes/{node}"), None)
        .await;
    assert!(status.is_success(), "{answer}");

    is_out_of_service(&planes, &customer.key).await;
    let other = planes.call(1, &customer.key).await.unwrap();
    assert_eq!(
        other.status(),
        StatusCode::OK,
        "the other node is not concerned"
    );

    planes.kill_control_plane().await;
    planes.kill_node(0).await;
    planes.spawn_node(0);
    is_out_of_service(&planes, &customer.key).await;
}

async fn is_out_of_service(planes: &Planes, key: &str) {
    let problem = until("the node refuses", Duration::from_secs(20), async || {
        let answer = planes.call(0, key).await?;
        let is_refused = answer.status() == StatusCode::SERVICE_UNAVAILABLE;
        let text = answer.text().await.ok()?;
        let problem: serde_json::Value = serde_json::from_str(&text).ok()?;
        // It may not know yet, right after its start.
        (is_refused && problem["code"] != "not_ready").then_some(problem)
    })
    .await;
    assert_eq!(problem["code"], "node_revoked", "{problem}");
    let ready = planes.http.get(planes.node_admin(0, "/readyz")).send();
    let ready = ready.await.unwrap();
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.text().await.unwrap().contains("revoked"));
    assert_eq!(planes.node_health(0).await.unwrap()["is_revoked"], true);
}
