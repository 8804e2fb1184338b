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

#[tokio::test]
async fn a_quota_that_is_lowered_or_raised_holds_in_the_running_period() {
    const WITHIN: Duration = Duration::from_secs(20);
    let planes = Planes::start(PLANE, 1).await;
    let quota = |limit: u64| json!({ "quota": { "limit": limit, "period": "month" } });
    let shop = planes.shop(quota(40)).await;
    let customer = planes.customer(&shop, "Acme").await;
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
    let mut admitted = 1;
    while admitted < 10 {
        let answer = planes.call(0, &customer.key).await.unwrap();
        admitted += u64::from(answer.status() == StatusCode::OK);
    }
    let plan = format!("/plans/{}", shop.plan_id);
    let (status, answer) = planes.api(Method::PATCH, &plan, Some(quota(5))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    // What passes until the node has heard of it counts too.
    let used_up = async |what: &str, admitted: &mut u64| {
        until(what, WITHIN, async || {
            let answer = planes.call(0, &customer.key).await?;
            *admitted += u64::from(answer.status() == StatusCode::OK);
            (answer.status() == StatusCode::TOO_MANY_REQUESTS).then_some(())
        })
        .await;
    };
    used_up("the lowered quota holds", &mut admitted).await;
    assert!(admitted < 40, "{admitted}");

    let raised = admitted + 3;
    let (status, answer) = planes.api(Method::PATCH, &plan, Some(quota(raised))).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    planes
        .wait_for_status(0, &customer.key, StatusCode::OK)
        .await;
    admitted += 1;
    used_up("the raised quota is used up", &mut admitted).await;
    assert!(admitted <= raised, "{admitted} of {raised}");
}
