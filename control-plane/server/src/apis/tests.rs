//! What tokens can be for, as an API's operators say.

use domain::role::PlatformRole;
use serde_json::json;

use crate::testing::Stack;

#[tokio::test]
async fn a_scope_is_defined_described_and_stays_while_a_route_needs_it() {
    let stack = Stack::new().await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let program = stack.program_of(operator, &[]).await;
    let target = json!({ "name": "orders", "targets": [{ "url": "http://127.0.0.1:9" }] });
    let upstream = program.post("/upstreams", target).await;
    let scopes = json!([
        { "name": "orders:write", "description": "Change your orders" },
        { "name": "orders:read" },
    ]);
    let api = json!({ "name": "Orders", "upstream_id": upstream.body["id"], "scopes": scopes });
    let api = program.post("/apis", api).await;
    assert_eq!(api.status, 201, "{api:?}");
    assert_eq!(api.body["scopes"][0]["name"], "orders:read");
    assert_eq!(api.body["scopes"][1]["description"], "Change your orders");
    let path = format!("/apis/{}", api.body["id"].as_str().expect("an id"));
    let route = json!({ "path": "/v1/orders", "scopes": ["orders:read"] });
    let route = program.post(&format!("{path}/routes"), route).await;
    assert_eq!(route.status, 201, "{route:?}");

    let refused = program.patch(&path, json!({ "scopes": [] })).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let error = &refused.body["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!("/scopes"), &json!("in_use"))
    );
    let message = error["message"].as_str().expect("a text");
    assert!(message.contains("orders:read (by /v1/orders)"), "{message}");

    let kept = json!({ "scopes": [{ "name": "orders:read", "description": "See orders" }] });
    let kept = program.patch(&path, kept).await;
    assert_eq!(kept.status, 200, "{kept:?}");
    assert_eq!(
        kept.body["scopes"],
        json!([{ "name": "orders:read", "description": "See orders" }])
    );
    let reserved = json!({ "scopes": [{ "name": "orders:read" }, { "name": "openid" }] });
    let reserved = program.patch(&path, reserved).await;
    assert_eq!(reserved.body["errors"][0]["pointer"], "/scopes/1");
}
