//! Quotas are exact across nodes.

use std::time::Duration;

use e2e::planes::{Planes, admitted_total};
use e2e::wait::until;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::PLANE;

#[tokio::test]
async fn two_nodes_together_admit_exactly_the_quota() {
    let planes = Planes::start(PLANE, 2).await;
    let quota = json!({ "limit": 40, "period": "month" });
    let shop = planes.shop(json!({ "quota": quota })).await;
    let customer = planes.customer(&shop, "Acme").await;
    for node in 0..2 {
        planes
            .wait_for_status(node, "tg_live_nobody", StatusCode::UNAUTHORIZED)
            .await;
    }
    let mut admitted = 0;
    let refused = until(
        "the quota is used up on both nodes",
        Duration::from_secs(30),
        async || {
            let mut refused = Vec::new();
            for node in 0..2 {
                let answer = planes.call(node, &customer.key).await?;
                match answer.status() {
                    StatusCode::OK => admitted += 1,
                    StatusCode::TOO_MANY_REQUESTS => refused.push(answer),
                    // A lease on its way, or a node that has not heard of the key yet.
                    _ => {}
                }
            }
            (refused.len() == 2).then(|| refused.remove(0))
        },
    )
    .await;
    assert_eq!(admitted, 40);
    assert!(refused.headers().contains_key("retry-after"));
    let problem: serde_json::Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(problem["code"], "quota_exceeded");
    assert_eq!(problem["message"], "Limit Exceeded");

    // What the tenant is shown agrees, as soon as the nodes have reported.
    let path = format!("/tenants/{}/usage?by=hour&group=key", customer.tenant_id);
    until(
        "the usage is reported",
        Duration::from_secs(20),
        async || {
            let (status, usage) = planes.api(Method::GET, &path, None).await;
            assert_eq!(status, StatusCode::OK, "{usage}");
            (admitted_total(&usage) == 40).then_some(())
        },
    )
    .await;
}
