//! Guarantees of API keys, on their pages and in JSON.

use domain::id::TenantId;
use domain::role::Role;
use serde_json::json;

use crate::testing::{Browser, Program, Stack};

const EMAIL: &str = "ada@example.com";

async fn stack() -> (Stack, TenantId, Browser) {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, EMAIL, Role::Developer).await;
    let browser = stack.browser_of(EMAIL).await;
    (stack, tenant, browser)
}

async fn program(stack: &Stack, tenant: TenantId, role: Role) -> Program {
    let user = stack.member(tenant, "api@example.com", role).await;
    stack.program_of(user, &[]).await
}

#[tokio::test]
async fn a_keys_value_is_shown_once() {
    let (_stack, tenant, mut browser) = stack().await;
    let path = format!("/t/{tenant}/keys/new");
    let form = browser.get(&path).await;
    let fields = [("name", "billing")];
    let made = browser.fill(&form, &path, &fields).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert_eq!(made.header("cache-control"), "no-store");
    let value = made.between("<code>tg_live_", "</code>").expect("a value");
    assert_eq!(value.len(), 36);

    // Reloading the answer sends the same form again.
    let again = browser.fill(&form, &path, &fields).await;
    assert_eq!(again.status, 409);
    assert!(again.body.contains("This was sent before"));
    let list = browser.get(&format!("/t/{tenant}/keys")).await;
    assert!(!list.body.contains(value));
    assert_eq!(list.body.matches("row-link").count(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_stands_beside_its_field() {
    let (_stack, tenant, mut browser) = stack().await;
    let path = format!("/t/{tenant}/keys/new");
    let fields = [("name", "billing"), ("expires_at", "2001-01-01T00:00")];
    let refused = browser.submit(&path, &fields).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Choose a time in the future"));
    // What was typed stands there again, and sending it mended works.
    assert!(refused.body.contains("value=\"billing\""));
    let mended = [("name", "billing")];
    assert_eq!(browser.fill(&refused, &path, &mended).await.status, 200);
    let taken = browser.submit(&path, &[("name", "Billing")]).await;
    assert_eq!(taken.status, 422);
    assert!(taken.body.contains("has this name"));
}

#[tokio::test]
async fn rotating_keeps_the_key_and_revoking_asks_first() {
    let (_stack, tenant, mut browser) = stack().await;
    let keys = format!("/t/{tenant}/keys");
    browser
        .submit(&format!("{keys}/new"), &[("name", "billing")])
        .await;
    let list = browser.get(&keys).await;
    let id = list
        .between(&format!("href=\"{keys}/key_"), "\"")
        .expect("a key")
        .to_owned();
    let key = format!("{keys}/key_{id}");

    let rotated = browser
        .submit(&format!("{key}/rotate"), &[("grace", "24h")])
        .await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    assert!(rotated.body.contains("The old value works until"));
    assert!(browser.get(&key).await.body.contains("Rotation under way"));

    let asked = browser.get(&format!("{key}/revoke")).await;
    assert!(asked.body.contains("What will happen"));
    let done = browser.fill(&asked, &format!("{key}/revoke"), &[]).await;
    assert_eq!(done.location(), keys);
    let shown = browser.get(&key).await;
    assert!(shown.body.contains("Revoked"));
    assert!(!shown.body.contains("/rotate"));
    let again = browser.fill(&asked, &format!("{key}/revoke"), &[]).await;
    assert_eq!(again.status, 409);
}

#[tokio::test]
async fn changes_keep_what_the_form_does_not_show() {
    let (stack, tenant, mut browser) = stack().await;
    let program = program(&stack, tenant, Role::Owner).await;
    let made = program
        .post(
            &format!("/tenants/{tenant}/api-keys"),
            json!({"name": "tight", "rate_limit": 0.5, "burst_limit": 2,
                "expires_at": "2099-01-01T00:00:07Z"}),
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.body["id"].as_str().expect("an id");
    let path = format!("/t/{tenant}/keys/{id}");
    let fields = [
        ("name", "tighter"),
        ("expires_at", "2099-01-01T00:00"),
        ("allowed_ips", "203.0.113.7"),
    ];
    let saved = browser.submit(&path, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let shown = program
        .get(&format!("/tenants/{tenant}/api-keys/{id}"))
        .await;
    assert_eq!(shown.body["name"], "tighter");
    assert_eq!(shown.body["rate_limit"], 0.5);
    assert_eq!(shown.body["expires_at"], "2099-01-01T00:00:07Z");
    assert_eq!(shown.body["allowed_ips"], json!(["203.0.113.7/32"]));
    assert!(shown.body.get("value").is_none());
}

#[tokio::test]
async fn a_repeated_creation_makes_one_key_and_hides_its_value() {
    let (stack, tenant, _) = stack().await;
    let program = program(&stack, tenant, Role::Developer).await;
    let path = format!("/tenants/{tenant}/api-keys");
    let call = |name: &'static str| {
        program.send(
            http::Method::POST,
            &path,
            &[("idempotency-key", "one")],
            Some(json!({ "name": name })),
        )
    };
    let first = call("billing").await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(first.body["value"].as_str().is_some());
    let second = call("billing").await;
    assert_eq!(
        (second.status, second.code()),
        (409, "secret_already_shown")
    );
    assert_eq!(second.body["id"], first.body["id"]);
    let other = call("other").await;
    assert_eq!(
        (other.status, other.code()),
        (409, "idempotency_key_reused")
    );
    let list = program.get(&path).await;
    assert_eq!(list.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn an_edit_over_what_one_has_not_seen_is_refused() {
    let (stack, tenant, _) = stack().await;
    let program = program(&stack, tenant, Role::Developer).await;
    let path = format!("/tenants/{tenant}/api-keys");
    let made = program.post(&path, json!({"name": "billing"})).await;
    let one = format!("{path}/{}", made.body["id"].as_str().expect("an id"));
    let seen = made.etag().to_owned();
    let patch = |tag: String, name: &'static str| {
        let (program, one) = (&program, &one);
        async move {
            let headers = [("if-match", tag.as_str())];
            let body = Some(json!({ "name": name }));
            program.send(http::Method::PATCH, one, &headers, body).await
        }
    };
    let first = patch(seen.clone(), "first").await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_ne!(first.etag(), seen);
    let second = patch(seen, "second").await;
    assert_eq!((second.status, second.code()), (412, "edited_meanwhile"));
    let blind = program.patch(&one, json!({"is_enabled": false})).await;
    assert_eq!(blind.status, 200);
    assert_eq!(blind.body["name"], "first");
}

#[tokio::test]
async fn roles_and_scopes_hold_in_json() {
    let (stack, tenant, _) = stack().await;
    let viewer = stack
        .member(tenant, "viewer@example.com", Role::Viewer)
        .await;
    let owner = stack.member(tenant, "owner@example.com", Role::Owner).await;
    let other = stack.tenant("Other").await;
    let outsider = stack.member(other, "out@example.com", Role::Owner).await;
    let path = format!("/tenants/{tenant}/api-keys");
    let body = || json!({"name": "billing"});
    for (program, status) in [
        (stack.stranger(), 401),
        (stack.program_of(viewer, &[]).await, 403),
        (stack.program_of(outsider, &[]).await, 404),
        (stack.program_of(owner, &["api_keys.list"]).await, 403),
        (stack.program_of(owner, &["api_keys.create"]).await, 201),
    ] {
        let reply = program.post(&path, body()).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
}

#[tokio::test]
async fn a_value_of_another_system_is_imported_once_and_never_shown_again() {
    let (stack, tenant, _) = stack().await;
    let program = program(&stack, tenant, Role::Developer).await;
    let path = format!("/tenants/{tenant}/api-keys");
    let value = "kZ8r-1mQx0Yt_7LwB3nVsPaE";
    let made = program
        .post(&path, json!({"name": "old", "value": value}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["prefix"], "kZ8r");
    let again = program
        .post(&path, json!({"name": "again", "value": value}))
        .await;
    assert_eq!((again.status, again.code()), (409, "value_taken"));
    let weak = program
        .post(&path, json!({"name": "weak", "value": "a".repeat(30)}))
        .await;
    assert_eq!(weak.status, 422);
    assert_eq!(weak.body["errors"][0]["pointer"], "/value");
}

#[tokio::test]
async fn a_suspended_tenants_people_look_but_change_nothing() {
    let (stack, tenant, mut browser) = stack().await;
    let new = format!("/t/{tenant}/keys/new");
    let form = browser.get(&new).await;
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let status = domain::tenant::TenantStatus::Suspended;
    store::tenants::all_tenants_set_status(&mut tx, tenant, status, None)
        .await
        .expect("suspends");
    tx.commit().await.expect("commits");
    let list = browser.get(&format!("/t/{tenant}/keys")).await;
    assert_eq!(list.status, 200);
    assert!(list.body.contains("This tenant is suspended"));
    assert!(!list.body.contains("keys/new"));
    let refused = browser.fill(&form, &new, &[("name", "late")]).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("The tenant is suspended"));
}
