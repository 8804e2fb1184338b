//! Guarantees of the frame around every page.

use domain::role::{PlatformRole, Role};

use crate::testing::Stack;

#[tokio::test]
async fn a_form_is_accepted_from_our_own_pages_only() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, "ada@example.com", Role::Owner).await;
    let mut browser = stack.browser_of("ada@example.com").await;
    let path = format!("/t/{tenant}/settings");
    let shown = browser.get(&path).await;
    let token = shown.field("csrf_token").expect("a token").to_owned();

    let without = browser.post(&path, &[("name", "Evil")]).await;
    assert_eq!(without.status, 403);
    assert!(without.body.contains("This form has expired"));
    let wrong = [("name", "Evil"), ("csrf_token", "AAAA")];
    assert_eq!(browser.post(&path, &wrong).await.status, 403);
    // Another visitor's token does not fit.
    let foreign = stack.browser().token().await;
    let foreign = [("name", "Evil"), ("csrf_token", foreign.as_str())];
    assert_eq!(browser.post(&path, &foreign).await.status, 403);
    let right = [("name", "Southwind"), ("csrf_token", token.as_str())];
    browser.site = Some("cross-site");
    assert_eq!(browser.post(&path, &right).await.status, 403);
    browser.site = Some("same-site");
    assert_eq!(browser.post(&path, &right).await.status, 403);
    browser.site = None;
    assert_eq!(browser.post(&path, &right).await.status, 403);

    browser.site = Some("same-origin");
    assert!(browser.get(&path).await.body.contains("Northwind"));
    assert_eq!(browser.post(&path, &right).await.status, 303);
    assert!(browser.get(&path).await.body.contains("Southwind"));
}

#[tokio::test]
async fn every_page_is_private_and_runs_no_code_but_ours() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    for path in [
        "/",
        "/login",
        "/signup",
        "/nothing-here",
        "/t/ten_1",
        "/account",
    ] {
        let seen = browser.get(path).await;
        assert!(
            seen.header("content-security-policy")
                .contains("default-src 'none'"),
            "{path}"
        );
        assert_eq!(seen.header("cache-control"), "no-store", "{path}");
        assert_eq!(seen.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(seen.header("x-frame-options"), "DENY", "{path}");
        assert!(!seen.header("x-request-id").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn showing_forms_to_strangers_writes_nothing() {
    let stack = Stack::new().await;
    for path in ["/", "/login", "/signup", "/forgot"] {
        let mut browser = stack.browser();
        assert_eq!(browser.get(path).await.status, 200, "{path}");
        assert!(browser.cookie("tollgate_8080").is_none(), "{path}");
        assert!(browser.cookie("tollgate_form_8080").is_some(), "{path}");
    }
}

#[tokio::test]
async fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let stack = Stack::new().await;
    stack.person("ada@example.com", None).await;
    let mut browser = stack.browser();
    let shown = browser.get("/login").await;
    let fields = [
        ("email", "ada@example.com"),
        ("password", crate::testing::PASSWORD),
    ];
    let signed_in = browser.fill(&shown, "/login", &fields).await;
    for seen in [shown, signed_in] {
        let cookie = seen.header("set-cookie");
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        assert!(cookie.contains("SameSite=Lax"), "{cookie}");
        assert!(cookie.contains("Path=/"), "{cookie}");
    }
}

#[tokio::test]
async fn another_tenants_pages_are_not_there() {
    let stack = Stack::new().await;
    let mine = stack.tenant("Mine").await;
    let theirs = stack.tenant("Theirs").await;
    stack.member(mine, "ada@example.com", Role::Owner).await;
    let mut browser = stack.browser_of("ada@example.com").await;
    for path in ["", "/keys", "/keys/new", "/usage", "/plans", "/settings"] {
        let own = browser.get(&format!("/t/{mine}{path}")).await;
        assert_eq!(own.status, 200, "{path}: {}", own.body);
        let other = browser.get(&format!("/t/{theirs}{path}")).await;
        assert_eq!(other.status, 404, "{path}");
        assert!(!other.body.contains("Theirs"));
    }
    assert_eq!(browser.get("/t/nonsense").await.status, 404);
}

#[tokio::test]
async fn pages_send_strangers_to_sign_in_and_let_roles_do_what_they_may() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack
        .member(tenant, "viewer@example.com", Role::Viewer)
        .await;
    stack.member(tenant, "user@example.com", Role::User).await;
    let new_key = format!("/t/{tenant}/keys/new");
    let stranger = stack.browser().get(&new_key).await;
    assert_eq!(stranger.status, 303);
    assert!(stranger.location().starts_with("/login?next="));

    let mut viewer = stack.browser_of("viewer@example.com").await;
    assert_eq!(viewer.get(&new_key).await.status, 403);
    let list = viewer.get(&format!("/t/{tenant}/keys")).await;
    assert_eq!(list.status, 200);
    assert!(!list.body.contains("keys/new"));
    assert_eq!(viewer.get("/admin").await.status, 403);

    let mut user = stack.browser_of("user@example.com").await;
    assert_eq!(user.get(&format!("/t/{tenant}")).await.status, 404);
    let home = user.get("/console").await;
    assert_eq!(home.location(), "/account");
}

#[tokio::test]
async fn who_runs_the_platform_sees_every_tenant() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    stack
        .person("audit@example.com", Some(PlatformRole::Auditor))
        .await;
    let path = format!("/t/{tenant}/settings");
    let mut operator = stack.browser_of("op@example.com").await;
    assert!(operator.get(&path).await.body.contains("name=\"name\""));
    let mut auditor = stack.browser_of("audit@example.com").await;
    let shown = auditor.get(&path).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.body.contains("name=\"name\""));
    let token = auditor.token().await;
    let fields = [("name", "Changed"), ("csrf_token", token.as_str())];
    assert_eq!(auditor.post(&path, &fields).await.status, 403);
}

#[tokio::test]
async fn static_files_are_kept_for_ever() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    let css = web::assets::url("app.css");
    let seen = browser.get(&css).await;
    assert_eq!(seen.status, 200);
    assert!(seen.header("cache-control").contains("immutable"));
    assert_eq!(browser.get("/static/app.00000000.css").await.status, 404);
}
