//! Guarantees of registering clients.

use domain::role::Role;
use serde_json::json;

use crate::testing::Stack;

const EMAIL: &str = "ada@example.com";

async fn define_scope(stack: &Stack) {
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let upstream = domain::id::UpstreamId(uuid::Uuid::now_v7());
    let name = domain::upstream::UpstreamName::parse("orders").expect("a name");
    store::upstreams::insert(&mut tx, upstream, &name, &[])
        .await
        .expect("an upstream");
    let api = domain::id::ApiId(uuid::Uuid::now_v7());
    let terms = domain::api::ApiTerms {
        name: domain::api::ApiName::parse("orders").expect("a name"),
        hosts: Vec::new(),
        base_path: domain::api::BasePath::parse("/orders").expect("a path"),
        upstream_id: upstream,
        api_key_header: domain::api::KeyHeader::parse("x-api-key").expect("a header"),
        audience: None,
        cors: None,
        max_stale_ms: None,
        scopes: vec![domain::scope::ApiScope::parse("orders:read", "Read orders").expect("valid")],
    };
    store::apis::insert(&mut tx, api, &terms)
        .await
        .expect("an API");
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn a_client_is_registered_changed_and_ended_by_api() {
    let stack = Stack::new().await;
    define_scope(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    let user = stack.member(tenant, EMAIL, Role::Developer).await;
    let program = stack.program_of(user, &[]).await;
    let path = format!("/tenants/{tenant}/oauth-clients");
    let new = json!({
        "name": "Worker", "kind": "confidential", "grants": ["client_credentials"],
        "scopes": ["orders:read"],
    });
    let made = program.post(&path, new.clone()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let again = program.post(&path, new).await;
    assert_eq!((again.status, again.code()), (409, "name_taken"));
    let id = made.body["id"].as_str().expect("an id").to_owned();
    let first = made.body["secrets"][0]["value"]
        .as_str()
        .expect("a secret")
        .to_owned();
    assert!(first.starts_with("tgs_"));
    let shown = program.get(&format!("{path}/{id}")).await;
    assert!(
        shown.body["secrets"][0].get("value").is_none(),
        "{}",
        shown.body
    );

    let stack_ref = &stack;
    let token = |secret: String| {
        let id = id.clone();
        async move {
            let fields = [
                ("grant_type", "client_credentials"),
                ("client_id", id.as_str()),
                ("client_secret", secret.as_str()),
            ];
            stack_ref
                .stranger()
                .form("/oauth2/token", &[], &fields)
                .await
                .status
        }
    };
    assert_eq!(token(first.clone()).await, 200);
    let added = program
        .post(&format!("{path}/{id}/secrets"), json!({}))
        .await;
    assert_eq!(added.status, 201, "{}", added.body);
    let second = added.body["value"].as_str().expect("a secret").to_owned();
    assert_eq!(
        (token(first.clone()).await, token(second.clone()).await),
        (200, 200)
    );
    let third = program
        .post(&format!("{path}/{id}/secrets"), json!({}))
        .await;
    assert_eq!(
        (third.status, third.code()),
        (422, "invalid"),
        "{}",
        third.body
    );
    let old = made.body["secrets"][0]["id"].as_str().expect("an id");
    let gone = program.delete(&format!("{path}/{id}/secrets/{old}")).await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        (token(first).await, token(second.clone()).await),
        (401, 200)
    );

    let off = program
        .patch(&format!("{path}/{id}"), json!({ "is_enabled": false }))
        .await;
    assert_eq!(off.status, 200, "{}", off.body);
    assert_eq!(token(second.clone()).await, 401);
    assert_eq!(program.delete(&format!("{path}/{id}")).await.status, 204);
    assert_eq!(program.get(&format!("{path}/{id}")).await.status, 404);
    assert_eq!(token(second).await, 401);
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_by_field() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let user = stack.member(tenant, EMAIL, Role::Owner).await;
    let program = stack.program_of(user, &[]).await;
    let path = format!("/tenants/{tenant}/oauth-clients");
    let good = json!({ "name": "App", "redirect_uris": ["https://app.example.com/cb"] });
    for (change, pointer) in [
        (json!({ "redirect_uris": [] }), "/redirect_uris"),
        (
            json!({ "redirect_uris": ["http://app.example.com"] }),
            "/redirect_uris/0",
        ),
        (json!({ "grants": ["client_credentials"] }), "/grants"),
        (json!({ "grants": ["password"] }), "/grants/0"),
        (json!({ "grants": [] }), "/grants"),
        (json!({ "requires_pkce": false }), "/requires_pkce"),
        (json!({ "scopes": ["orders:read"] }), "/scopes"),
        (json!({ "sign_up": "domains" }), "/sign_up_domains"),
        (
            json!({ "access_token_seconds": 5 }),
            "/access_token_seconds",
        ),
        (json!({ "kind": "secret" }), "/kind"),
    ] {
        let mut input = good.clone();
        for (name, value) in change.as_object().expect("an object") {
            input[name] = value.clone();
        }
        let reply = program.post(&path, input).await;
        assert_eq!(reply.status, 422, "{change} {}", reply.body);
        assert_eq!(
            reply.body["errors"][0]["pointer"], pointer,
            "{}",
            reply.body
        );
    }
    assert_eq!(program.post(&path, good).await.status, 201);
}

#[tokio::test]
async fn a_client_is_registered_in_the_console_and_its_secret_shown_once() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, EMAIL, Role::Admin).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let path = format!("/t/{tenant}/oauth-clients");
    assert!(browser.get(&path).await.body.contains("No clients yet"));
    let fields = [
        ("name", "Orders app"),
        ("kind", "confidential"),
        ("serves", "own_tenant"),
        ("sign_up", "nobody"),
        ("grants", "authorization_code"),
        ("redirect_uris", "https://app.example.com/cb"),
        ("requires_pkce", "on"),
        ("signing_algorithm", "ES256"),
        ("access_token_seconds", "600"),
        ("id_token_seconds", "600"),
        ("refresh_token_seconds", "86400"),
    ];
    let wrong: Vec<_> = fields
        .iter()
        .map(|(name, value)| match *name {
            "redirect_uris" => ("redirect_uris", "ftp://x"),
            name => (name, *value),
        })
        .collect();
    let seen = browser.submit(&format!("{path}/new"), &wrong).await;
    assert_eq!(seen.status, 422);
    assert!(
        seen.body.contains("ftp://x"),
        "nothing that was typed is lost"
    );
    let seen = browser.submit(&format!("{path}/new"), &fields).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let secret = seen
        .between("<code>tgs_", "</code>")
        .expect("a secret")
        .to_owned();
    let id = seen
        .between("<code>cli_", "</code>")
        .expect("an id")
        .to_owned();
    let shown = browser.get(&format!("{path}/cli_{id}")).await;
    assert!(!shown.body.contains(&secret));
    assert!(shown.body.contains("value=\"600\""), "{}", shown.body);
    let renamed = [("name", "Orders"), ("is_enabled", "on")];
    let all: Vec<_> = fields
        .iter()
        .filter(|(name, _)| *name != "name" && *name != "kind")
        .chain(&renamed)
        .copied()
        .collect();
    let place = format!("{path}/cli_{id}");
    let seen = browser.fill(&shown, &place, &all).await;
    assert_eq!(seen.status, 303, "{}", seen.body);
    // Filled from what is not saved any more.
    let seen = browser.fill(&shown, &place, &all).await;
    assert_eq!(seen.status, 412);
    let seen = browser.submit(&format!("{place}/delete"), &[]).await;
    assert_eq!(seen.status, 303);
    assert_eq!(browser.get(&place).await.status, 404);
}
