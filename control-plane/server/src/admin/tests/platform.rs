//! Through the API.

use domain::id::{ApiId, TenantId};
use domain::role::Role;
use serde_json::{Value, json};
use store::deployment;

use super::{OPERATOR, api, id, operator, upstream};
use crate::secret_box::Purpose;
use crate::testing::{Program, Stack};

async fn subscribed(operator: &Program, tenant: TenantId, plan: &str) -> Value {
    let path = format!("/tenants/{tenant}/subscriptions");
    let made = operator.post(&path, json!({ "plan_id": plan })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

#[tokio::test]
async fn an_upstream_stays_while_anything_points_there() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let api = api(&operator, "Orders", "/orders").await;
    let shown = operator.get(&format!("/apis/{api}")).await;
    let upstream = shown.body["upstream_id"].as_str().expect("an id");
    let refused = operator.delete(&format!("/upstreams/{upstream}")).await;
    assert_eq!((refused.status, refused.code()), (409, "upstream_in_use"));
    assert_eq!(operator.delete(&format!("/apis/{api}")).await.status, 204);
    assert_eq!(
        operator
            .delete(&format!("/upstreams/{upstream}"))
            .await
            .status,
        204
    );
    assert_eq!(
        operator.get(&format!("/upstreams/{upstream}")).await.status,
        404
    );
}

#[tokio::test]
async fn two_apis_do_not_share_a_place_nor_two_routes_a_request() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let orders = api(&operator, "Orders", "/orders").await;
    let upstream = upstream(&operator, "other").await;
    let body = json!({"name": "Orders 2", "base_path": "/orders", "upstream_id": upstream});
    let taken = operator.post("/apis", body).await;
    assert_eq!((taken.status, taken.code()), (409, "place_taken"));
    assert_eq!(taken.body["errors"][0]["pointer"], "/base_path");
    let routes = format!("/apis/{orders}/routes");
    let first = operator
        .post(&routes, json!({"path": "/v1/{id}", "methods": ["get"]}))
        .await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.body["methods"], json!(["GET"]));
    for body in [
        json!({"path": "/v1/{key}", "methods": ["GET", "POST"]}),
        json!({"path": "/v1/{any}"}),
    ] {
        let taken = operator.post(&routes, body).await;
        assert_eq!((taken.status, taken.code()), (409, "route_taken"));
    }
    let body = json!({"path": "/x", "upstream_id": "ups_00000000000000000000000001"});
    let unknown = operator.post(&routes, body).await;
    assert_eq!((unknown.status, unknown.code()), (422, "unknown_upstream"));
}

#[tokio::test]
async fn a_route_belongs_to_its_api() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let (one, other) = (
        api(&operator, "One", "/one").await,
        api(&operator, "Other", "/other").await,
    );
    let made = operator
        .post(&format!("/apis/{one}/routes"), json!({"path": "/x"}))
        .await;
    let route = id(&made.body);
    let elsewhere = format!("/apis/{other}/routes/{route}");
    assert_eq!(operator.get(&elsewhere).await.status, 404);
    assert_eq!(
        operator
            .patch(&elsewhere, json!({"path": "/y"}))
            .await
            .status,
        404
    );
    assert_eq!(operator.delete(&elsewhere).await.status, 404);
    let at = format!("/apis/{one}/routes/{route}");
    let patch = json!({"rate_limit": 0.5, "burst_limit": 2, "timeouts": {"connect_ms": 100}});
    let after = operator.patch(&at, patch).await;
    assert_eq!(after.body["rate_limit"], 0.5, "{}", after.body);
    assert_eq!(after.body["timeouts"]["connect_ms"], 100);
    let after = operator
        .patch(&at, json!({"rate_limit": null, "burst_limit": null}))
        .await;
    assert_eq!(after.body["rate_limit"], Value::Null);
    assert_eq!(after.body["timeouts"]["connect_ms"], 100);
}

#[tokio::test]
async fn a_change_of_a_plan_reaches_whom_it_says() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let api = api(&operator, "Orders", "/orders").await;
    let plan = json!({"name": "Free", "rate_limit": 1, "burst_limit": 1, "api_ids": [api]});
    let plan = id(&operator.post("/plans", plan).await.body);
    let tenant = stack.tenant("Northwind").await;
    subscribed(&operator, tenant, &plan).await;
    let version = async || {
        let held = operator
            .get(&format!("/tenants/{tenant}/subscriptions"))
            .await;
        held.body["items"][0]["plan_version"].as_u64()
    };
    assert_eq!(version().await, Some(1));
    let at = format!("/plans/{plan}");
    let for_new = json!({"rate_limit": 2, "apply_to": "new"});
    assert_eq!(operator.patch(&at, for_new).await.body["version"], 2);
    assert_eq!(version().await, Some(1));
    let for_all = json!({"rate_limit": 3});
    assert_eq!(operator.patch(&at, for_all).await.body["version"], 3);
    assert_eq!(version().await, Some(3));
    let wrong = operator.patch(&at, json!({"apply_to": "some"})).await;
    assert_eq!(wrong.body["errors"][0]["pointer"], "/apply_to");
}

#[tokio::test]
async fn a_retired_plan_keeps_its_tenants_and_takes_no_more() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let plan = id(&operator.post("/plans", json!({"name": "Free"})).await.body);
    let (old, new) = (stack.tenant("Old").await, stack.tenant("New").await);
    subscribed(&operator, old, &plan).await;
    assert_eq!(operator.delete(&format!("/plans/{plan}")).await.status, 204);
    assert_eq!(operator.delete(&format!("/plans/{plan}")).await.status, 204);
    let shown = operator.get(&format!("/plans/{plan}")).await;
    assert!(shown.body["retired_at"].is_string());
    let path = format!("/tenants/{new}/subscriptions");
    let refused = operator.post(&path, json!({ "plan_id": plan })).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let held = operator.get(&format!("/tenants/{old}/subscriptions")).await;
    assert_eq!(held.body["items"][0]["status"], "active");
}

#[tokio::test]
async fn a_tenant_moves_from_plan_to_plan_in_one_step() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let api = api(&operator, "Orders", "/orders").await;
    let free = json!({"name": "Free", "api_ids": [api]});
    let free = id(&operator.post("/plans", free).await.body);
    let pro = json!({"name": "Pro", "api_ids": [api]});
    let pro = id(&operator.post("/plans", pro).await.body);
    let tenant = stack.tenant("Northwind").await;
    let first = subscribed(&operator, tenant, &free).await;
    let path = format!("/tenants/{tenant}/subscriptions");
    let second = operator.post(&path, json!({ "plan_id": pro })).await;
    assert_eq!((second.status, second.code()), (409, "api_opened_twice"));
    let at = format!("{path}/{}", id(&first));
    let moved = operator.patch(&at, json!({ "plan_id": pro })).await;
    assert_eq!(
        (moved.status, &moved.body["plan_name"]),
        (200, &json!("Pro"))
    );
    let held = operator.get(&path).await;
    let active: Vec<&Value> = held.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|one| one["status"] == "active")
        .collect();
    assert_eq!(active.len(), 1, "{}", held.body);
}

#[tokio::test]
async fn a_suspended_tenant_may_look_and_change_nothing() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    let owner = stack.member(tenant, "o@example.com", Role::Owner).await;
    let owner = stack.program_of(owner, &[]).await;
    let at = format!("/tenants/{tenant}");
    assert_eq!(
        operator
            .post(&format!("{at}/suspend"), json!({}))
            .await
            .status,
        200
    );
    assert_eq!(owner.get(&at).await.body["status"], "suspended");
    let refused = owner.patch(&at, json!({"name": "x"})).await;
    assert_eq!((refused.status, refused.code()), (403, "tenant_suspended"));
    // Nor does its owner resume it.
    let refused = owner.patch(&at, json!({"status": "active"})).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let resumed = operator.patch(&at, json!({"status": "active"})).await;
    assert_eq!(resumed.body["status"], "active");
    assert_eq!(owner.patch(&at, json!({"name": "South"})).await.status, 200);
}

#[tokio::test]
async fn a_deleted_tenant_is_gone_but_for_what_the_log_tells() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, "o@example.com", Role::Owner).await;
    let key = json!({"name": "worker"});
    let key = operator
        .post(&format!("/tenants/{tenant}/api-keys"), key)
        .await;
    let value = key.body["value"].as_str().expect("a value").to_owned();
    let export = operator.get(&format!("/tenants/{tenant}/export")).await;
    assert_eq!(export.body["tenant"]["name"], "Northwind");
    assert_eq!(export.body["members"][0]["email"], "o@example.com");
    assert_eq!(export.body["api_keys"][0]["name"], "worker");
    assert!(!export.body.to_string().contains(&value));
    assert_eq!(
        operator.delete(&format!("/tenants/{tenant}")).await.status,
        204
    );
    assert_eq!(
        operator.get(&format!("/tenants/{tenant}")).await.status,
        404
    );
    let log = operator
        .get(&format!("/audit-events?subject={tenant}"))
        .await;
    let actions: Vec<&str> = log.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|event| event["action"].as_str())
        .collect();
    assert_eq!(actions.first(), Some(&"tenants.delete"), "{}", log.body);
    assert!(actions.contains(&"api_keys.create"), "{actions:?}");
}

#[tokio::test]
async fn tenants_are_found_by_part_of_their_name_or_by_id() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let north = stack.tenant("Northwind Freight").await;
    stack.tenant("Contoso 100%").await;
    let names = async |query: String| -> Vec<String> {
        let found = operator.get(&format!("/tenants?{query}")).await;
        let items = found.body["items"].as_array().expect("items").clone();
        items
            .iter()
            .map(|one| one["name"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(
        names("search=freight".to_owned()).await,
        ["Northwind Freight"]
    );
    assert_eq!(
        names(format!("search={north}")).await,
        ["Northwind Freight"]
    );
    assert_eq!(names("search=%25".to_owned()).await, ["Contoso 100%"]);
    assert_eq!(names("status=suspended".to_owned()).await, [""; 0]);
    assert_eq!(names(String::new()).await.len(), 2);
}

#[tokio::test]
async fn every_change_leaves_who_what_before_and_after() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let plan = id(&operator.post("/plans", json!({"name": "Free"})).await.body);
    operator
        .patch(&format!("/plans/{plan}"), json!({"name": "Starter"}))
        .await;
    let log = operator.get("/audit-events?action=plans.update").await;
    let event = &log.body["items"][0];
    assert_eq!(event["actor"]["label"], OPERATOR);
    assert_eq!(event["actor"]["kind"], "token");
    assert_eq!(event["subject"]["id"], Value::from(plan));
    assert_eq!(
        (&event["before"]["name"], &event["after"]["name"]),
        (&json!("Free"), &json!("Starter"))
    );
    assert!(event["request_id"].is_string());
    assert_eq!(log.body["items"].as_array().map(Vec::len), Some(1));
    for query in ["actor=OP@", "from=2020-01-01T00:00:00Z"] {
        let found = operator.get(&format!("/audit-events?{query}")).await;
        assert!(
            !found.body["items"].as_array().expect("items").is_empty(),
            "{query}"
        );
    }
    for query in ["actor=nobody", "to=2020-01-01T00:00:00Z"] {
        let found = operator.get(&format!("/audit-events?{query}")).await;
        assert_eq!(found.body["items"], json!([]), "{query}");
    }
}

#[tokio::test]
async fn a_tenants_log_tells_of_nobody_else() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let (own, other) = (stack.tenant("Own").await, stack.tenant("Other").await);
    let owner = stack.member(own, "o@example.com", Role::Owner).await;
    let owner = stack.program_of(owner, &[]).await;
    for tenant in [own, other] {
        let key = json!({"name": "worker"});
        operator
            .post(&format!("/tenants/{tenant}/api-keys"), key)
            .await;
    }
    operator.post("/plans", json!({"name": "Free"})).await;
    let log = owner.get(&format!("/tenants/{own}/audit-events")).await;
    let items = log.body["items"].as_array().expect("items");
    assert_eq!(items.len(), 1, "{}", log.body);
    assert_eq!(items[0]["tenant_id"], Value::from(own.to_string()));
}

#[tokio::test]
async fn revoking_a_node_rotates_what_it_knew() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let node = enrolled(&stack, &operator).await;
    let generations = async || {
        let mut tx = stack.app.db.platform_tx().await.expect("begins");
        let keys = deployment::list_data_keys(&mut tx).await.expect("keys");
        let peppers = deployment::list_peppers(&mut tx).await.expect("peppers");
        let opened: Vec<[u8; 32]> = peppers
            .iter()
            .map(|one| {
                stack
                    .app
                    .secrets
                    .open(Purpose::Pepper, &one.sealed)
                    .expect("opens")
            })
            .collect();
        (
            keys.iter().map(|key| key.generation).collect::<Vec<_>>(),
            opened,
        )
    };
    // Under which generation each key that opens tokens is published.
    let opening = async || {
        let mut tx = stack.app.db.compile_tx().await.expect("begins");
        let issuer = store::compile::own_issuer(&mut tx).await.expect("reads");
        let keys = issuer.expect("an issuer").encryption_keys;
        let secrets = keys.into_iter().filter_map(|key| key.secret);
        secrets.map(|secret| secret.generation).collect::<Vec<_>>()
    };
    crate::genesis::set_issuer(&stack.app.db, &stack.app.public_url)
        .await
        .expect("notes the issuer");
    let (before, old) = generations().await;
    assert_eq!(before, [1]);
    assert_eq!(opening().await, [1]);
    assert_eq!(operator.delete(&format!("/nodes/{node}")).await.status, 204);
    let (after, peppers) = generations().await;
    assert_eq!(after, [2, 1]);
    // Keys made before still work; those made from now on are hashed under the new one.
    assert_eq!((peppers.len(), peppers[1]), (2, old[0]));
    // Tokens that are out still open, and those that come are encrypted to what it never had.
    assert_eq!(opening().await, [2, 2]);
    let shown = operator.get(&format!("/nodes/{node}")).await;
    assert!(shown.body["revoked_at"].is_string());
    // Again changes nothing; a further node's end leaves two generations.
    assert_eq!(operator.delete(&format!("/nodes/{node}")).await.status, 204);
    assert_eq!(generations().await.0, [2, 1]);
    let second = enrolled(&stack, &operator).await;
    operator.delete(&format!("/nodes/{second}")).await;
    assert_eq!(generations().await.0, [3, 2]);
}

/// A node that enrolled with a token of its own.
async fn enrolled(stack: &Stack, operator: &Program) -> String {
    use snapshot::enrol::EnrolToken;
    use store::nodes::NewNode;
    let token = operator
        .post("/nodes/enroll-tokens", json!({"name": "edge"}))
        .await;
    let token = token.body["value"].as_str().expect("a token").to_owned();
    let token = EnrolToken::parse(&token).expect("its own form");
    let new = NewNode {
        id: uuid::Uuid::now_v7().into(),
        name: "edge-1",
        signing_key: crate::random::bytes(),
        seal_key: crate::random::bytes(),
        software_version: "test",
    };
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let now = crate::Now::read().0;
    let (node, _) = store::nodes::enrol(&mut tx, &token.hash(), &new, now)
        .await
        .expect("enrols");
    tx.commit().await.expect("commits");
    node.id.to_string()
}

#[tokio::test]
async fn a_revoked_token_enrols_nobody() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let made = operator
        .post("/nodes/enroll-tokens", json!({"name": "edge", "uses": 2}))
        .await;
    let token = snapshot::enrol::EnrolToken::parse(made.body["value"].as_str().expect("a token"));
    let at = format!("/nodes/enroll-tokens/{}", id(&made.body));
    assert_eq!(operator.delete(&at).await.status, 204);
    let new = store::nodes::NewNode {
        id: uuid::Uuid::now_v7().into(),
        name: "edge-1",
        signing_key: [1; 32],
        seal_key: [2; 32],
        software_version: "test",
    };
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let hash = token.expect("its own form").hash();
    let refused = store::nodes::enrol(&mut tx, &hash, &new, crate::Now::read().0).await;
    assert!(refused.is_err());
    for body in [
        json!({"name": "edge", "uses": 0}),
        json!({"name": "edge", "lifetime_seconds": 1}),
        json!({"name": "edge", "labels": {"a b": "c"}}),
    ] {
        let refused = operator.post("/nodes/enroll-tokens", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}");
    }
}

/// A tenant whose owner asked for a plan by approval while on a self-service one.
async fn waiting(stack: &Stack, operator: &Program) -> (TenantId, String) {
    let api: ApiId = api(operator, "Orders", "/orders")
        .await
        .parse()
        .expect("an id");
    let free = stack.plan("Free", true, &[api]).await;
    let scale = stack.plan("Scale", false, &[api]).await;
    let tenant = stack.tenant("Northwind").await;
    let owner = stack.member(tenant, "o@example.com", Role::Owner).await;
    let owner = stack.program_of(owner, &[]).await;
    subscribed(&owner, tenant, &free.to_string()).await;
    let asked = subscribed(&owner, tenant, &scale.to_string()).await;
    assert_eq!(asked["status"], "pending");
    (tenant, id(&asked))
}

#[tokio::test]
async fn an_approved_plan_takes_the_place_of_what_it_cannot_stand_beside() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let (tenant, request) = waiting(&stack, &operator).await;
    let listed = operator.get("/plan-requests").await;
    assert_eq!(listed.body["items"][0]["asked_by"], "o@example.com");
    let path = format!("/plan-requests/{request}/approve");
    let given = operator.post(&path, json!({})).await;
    assert_eq!(
        (given.status, &given.body["status"]),
        (200, &json!("active"))
    );
    let held = operator
        .get(&format!("/tenants/{tenant}/subscriptions"))
        .await;
    let active: Vec<&Value> = held.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|one| one["status"] == "active")
        .collect();
    assert_eq!(active.len(), 1, "{}", held.body);
    assert_eq!(active[0]["plan_name"], "Scale");
    assert_eq!(operator.post(&path, json!({})).await.status, 404);
    let (subject, _) = stack.mails_to("o@example.com").await.remove(0);
    assert!(subject.contains("approved"), "{subject}");
}

#[tokio::test]
async fn a_declined_request_changes_nothing_and_tells_why() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let (tenant, request) = waiting(&stack, &operator).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let list = browser.get("/admin/requests").await;
    assert!(list.body.contains("Northwind") && list.body.contains("Scale"));
    let path = format!("/admin/requests/{request}/decline");
    let done = browser
        .submit(&path, &[("reason", "Not this month.")])
        .await;
    assert_eq!(done.status, 303, "{}", done.body);
    let list = browser.get("/admin/requests").await;
    assert!(list.body.contains("Declined"), "{}", list.body);
    let held = operator
        .get(&format!("/tenants/{tenant}/subscriptions"))
        .await;
    let text = held.body.to_string();
    assert!(
        text.contains("\"active\"") && !text.contains("\"pending\""),
        "{text}"
    );
    let (_, body) = stack.mails_to("o@example.com").await.remove(0);
    assert!(body.contains("Not this month."), "{body}");
}
