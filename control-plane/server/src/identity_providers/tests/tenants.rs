//! A tenant's provider has power over the tenant's own addresses, and over nothing else.

use domain::role::Role;

use super::*;

const NOT_PROVEN: &str = "has not proven that the domain is theirs";

/// A tenant with a provider for `acme.example`.
async fn own(world: &World, more: Value) -> (TenantId, String) {
    let tenant = world.stack.tenant("Acme").await;
    let mut all = json!({ "domains": ["acme.example"], "role": "viewer" });
    for (name, value) in more.as_object().expect("an object") {
        all[name] = value.clone();
    }
    let provider = world.provider(Some(tenant), all).await;
    (tenant, provider)
}

#[tokio::test]
async fn people_of_a_proven_domain_become_members_in_the_role_that_was_chosen() {
    let world = World::new().await;
    let (tenant, provider) = own(&world, json!({})).await;
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    world.turned_away(&mut browser, &seen, NOT_PROVEN).await;
    assert!(world.user(ADA).await.is_none());
    world.domain(tenant, "acme.example").await;
    let seen = world.come_in(&mut browser, &provider).await;
    assert_eq!(seen.location(), "/account", "{}", seen.body);
    assert_eq!(browser.get(&format!("/t/{tenant}")).await.status, 200);
    let members = world
        .operator
        .get(&format!("/tenants/{tenant}/members"))
        .await;
    assert_eq!(
        members.body["items"][0]["role"], "viewer",
        "{}",
        members.body
    );
    for address in [
        "eve@other.example",
        "eve@sub.acme.example",
        "eve@acme.example.evil.example",
    ] {
        world
            .issuer
            .say(&json!({ "sub": address, "email": address }));
        let mut browser = world.stack.browser();
        let seen = world.come_in(&mut browser, &provider).await;
        world.turned_away(&mut browser, &seen, NOT_PROVEN).await;
        assert!(world.user(address).await.is_none());
    }
    // Who lost the domain signs nobody in any more.
    let domains = world
        .operator
        .get(&format!("/tenants/{tenant}/domains"))
        .await;
    let id = domains.body["items"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let path = format!("/tenants/{tenant}/domains/{id}");
    assert_eq!(world.operator.delete(&path).await.status, 204);
    world
        .issuer
        .say(&json!({ "sub": "subject-1", "email": ADA }));
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    world.turned_away(&mut browser, &seen, NOT_PROVEN).await;
}

#[tokio::test]
async fn a_tenants_provider_opens_no_account_that_is_more_than_the_tenants() {
    let world = World::new().await;
    let (tenant, provider) = own(&world, json!({})).await;
    world.domain(tenant, "acme.example").await;
    let other = world.stack.tenant("Contoso").await;
    world
        .stack
        .member(other, "grace@acme.example", Role::Owner)
        .await;
    world.stack.member(tenant, ADA, Role::Developer).await;
    for (address, text) in [
        ("op@acme.example", "runs the platform"),
        ("grace@acme.example", "Sign in with your password first"),
    ] {
        world
            .issuer
            .say(&json!({ "sub": address, "email": address }));
        let mut browser = world.stack.browser();
        let seen = world.come_in(&mut browser, &provider).await;
        world.turned_away(&mut browser, &seen, text).await;
    }
    // Its own members keep the role that they have.
    world.issuer.say(&json!({ "sub": ADA, "email": ADA }));
    let seen = world.come_in(&mut world.stack.browser(), &provider).await;
    assert_eq!(seen.location(), "/account");
    let members = world
        .operator
        .get(&format!("/tenants/{tenant}/members"))
        .await;
    assert_eq!(members.body["items"][0]["role"], "developer");
    // Who is disabled stays out, and so do all where the tenant is suspended.
    let member = members.body["items"][0]["id"].as_str().expect("an id");
    let path = format!("/tenants/{tenant}/members/{member}");
    let off = world
        .operator
        .patch(&path, json!({ "status": "disabled" }))
        .await;
    assert_eq!(off.status, 200, "{}", off.body);
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    world
        .turned_away(&mut browser, &seen, "membership is disabled")
        .await;
    let path = format!("/tenants/{tenant}/suspend");
    assert_eq!(world.operator.post(&path, json!({})).await.status, 200);
    assert_eq!(
        browser.get(&format!("/login/with/{provider}")).await.status,
        404
    );
}

#[tokio::test]
async fn groups_that_a_provider_rules_over_follow_it_and_others_stay() {
    let world = World::new().await;
    let groups =
        json!({ "groups_claim": "groups", "groups": { "drv": "Drivers", "adm": "Office" } });
    let (tenant, provider) = own(&world, groups).await;
    world.domain(tenant, "acme.example").await;
    for name in ["Drivers", "Office", "By hand"] {
        let path = format!("/tenants/{tenant}/groups");
        let made = world.operator.post(&path, json!({ "name": name })).await;
        assert_eq!(made.status, 201);
    }
    let in_groups = async || {
        let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
        let user = world.user(ADA).await.expect("exists");
        let holder = store::oauth_grants::find_holder(&mut tx, tenant, user).await;
        holder.expect("reads").expect("a member").groups
    };
    world
        .issuer
        .say(&json!({ "groups": ["drv", "By hand", "unknown"] }));
    world.come_in(&mut world.stack.browser(), &provider).await;
    assert_eq!(in_groups().await, ["Drivers"]);
    let list = world
        .operator
        .get(&format!("/tenants/{tenant}/groups"))
        .await;
    let by_hand = list.body["items"][2]["id"].as_str().expect("an id");
    let members = world
        .operator
        .get(&format!("/tenants/{tenant}/members"))
        .await;
    let member = members.body["items"][0]["id"].as_str().expect("an id");
    let path = format!("/tenants/{tenant}/groups/{by_hand}/members/{member}");
    let put = world
        .operator
        .send(http::Method::PUT, &path, &[], None)
        .await;
    assert_eq!(put.status, 204);
    world.issuer.say(&json!({ "groups": ["adm"] }));
    world.come_in(&mut world.stack.browser(), &provider).await;
    let mut found = in_groups().await;
    found.sort();
    assert_eq!(found, ["By hand", "Office"]);
}

#[tokio::test]
async fn the_sign_in_page_offers_a_tenants_provider_to_its_people_only() {
    let world = World::new().await;
    let (tenant, provider) = own(&world, json!({})).await;
    let button = format!("/login/with/{provider}");
    let mut browser = world.stack.browser();
    assert!(!browser.get("/login").await.body.contains(&button));
    let client = json!({ "name": "App", "redirect_uris": ["https://a.example/cb"] });
    let path = format!("/tenants/{tenant}/oauth-clients");
    let client = world.operator.post(&path, client).await;
    let id = client.body["id"].as_str().expect("an id");
    let next = format!(
        "/oauth2/authorize?client_id={id}&response_type=code&redirect_uri=https%3A%2F%2Fa.example%2Fcb"
    );
    let path = crate::oauth::with_query("/login", [("next", next.as_str())]);
    assert!(browser.get(&path).await.body.contains(&button));
    // By the address, once the domain is proven.
    let typed = [("email", ADA), ("way", "domain")];
    let refused = browser.submit("/login", &typed).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("No organisation signs in"),
        "{}",
        refused.body
    );
    world.domain(tenant, "acme.example").await;
    let sent = browser.submit("/login", &typed).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert!(sent.body.contains(&button), "{}", sent.body);
}
