//! What is withdrawn in the control plane stops at the nodes within a second.

use std::time::{Duration, Instant};

use e2e::planes::Planes;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::PLANE;

/// The time in which a change reaches a node. Not asserted tightly where machines are slow.
async fn time_until(planes: &Planes, key: &str, status: StatusCode) -> Duration {
    let started = Instant::now();
    planes.wait_for_status(0, key, status).await;
    started.elapsed()
}

#[tokio::test]
async fn revoked_keys_and_suspended_tenants_are_refused_by_the_node() {
    let planes = Planes::start(PLANE, 1).await;
    let shop = planes
        .shop(json!({ "rate_limit": 1000, "burst_limit": 1000 }))
        .await;
    let customer = planes.customer(&shop, "Acme").await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;

    let tenant = format!("/tenants/{}", customer.tenant_id);
    let suspended = json!({ "status": "suspended" });
    let (status, answer) = planes.api(Method::PATCH, &tenant, Some(suspended)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let took = time_until(&planes, &customer.key, StatusCode::FORBIDDEN).await;
    println!("suspension reached the node after {took:?}");
    let active = json!({ "status": "active" });
    planes.api(Method::PATCH, &tenant, Some(active)).await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;

    let key = format!("{tenant}/api-keys/{}", customer.key_id);
    let (status, answer) = planes.api(Method::DELETE, &key, None).await;
    assert!(status.is_success(), "{status} {answer}");
    let took = time_until(&planes, &customer.key, StatusCode::UNAUTHORIZED).await;
    println!("revocation reached the node after {took:?}");
}
