//! Guarantees of the list of browsers in which somebody is signed in.

use domain::role::PlatformRole;

use super::EMAIL;
use crate::testing::{PASSWORD, Stack};

#[tokio::test]
async fn another_browser_is_signed_out_from_here() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut here = stack.browser_of(EMAIL).await;
    let mut there = stack.browser_of(EMAIL).await;
    let shown = here.get("/account").await;
    assert_eq!(shown.body.matches("this browser").count(), 1);
    let path = shown
        .between("action=\"/account/sign-ins/", "\"")
        .expect("another");
    let path = format!("/account/sign-ins/{path}");
    let done = here.fill(&shown, &path, &[]).await;
    assert_eq!(done.location(), "/account", "{}", done.body);
    assert!(there.get("/account").await.location().starts_with("/login"));
    assert_eq!(here.get("/account").await.status, 200);
    // It is over: doing it again finds nothing.
    assert_eq!(here.fill(&shown, &path, &[]).await.status, 404);
}

#[tokio::test]
async fn nobody_ends_sign_ins_of_others() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    stack.person("eve@example.com", None).await;
    let mut ada = stack.browser_of(EMAIL).await;
    let mut also_ada = stack.browser_of(EMAIL).await;
    let mut eve = stack.browser_of("eve@example.com").await;
    let shown = ada.get("/account").await;
    let id = shown
        .between("action=\"/account/sign-ins/", "\"")
        .expect("another");
    let path = format!("/account/sign-ins/{id}");
    let page = eve.get("/account").await;
    assert_eq!(eve.fill(&page, &path, &[]).await.status, 404);
    assert_eq!(also_ada.get("/account").await.status, 200);
}

#[tokio::test]
async fn sign_out_everywhere_means_everywhere() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut here = stack.browser_of(EMAIL).await;
    let mut there = stack.browser_of(EMAIL).await;
    let done = here.submit("/account/sign-ins/end", &[]).await;
    assert_eq!(done.location(), "/login");
    for browser in [&mut here, &mut there] {
        assert!(
            browser
                .get("/account")
                .await
                .location()
                .starts_with("/login")
        );
    }
}

#[tokio::test]
async fn every_way_in_and_out_is_in_the_audit_log() {
    let stack = Stack::new().await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    stack.person(EMAIL, None).await;
    let mut browser = stack.browser();
    let wrong = [("email", EMAIL), ("password", "wrong wrong wrong")];
    assert_eq!(browser.submit("/login", &wrong).await.status, 422);
    let mut browser = stack.browser_of(EMAIL).await;
    let shown = browser.get("/account").await;
    browser.fill(&shown, "/logout", &[]).await;
    let program = stack.program_of(operator, &[]).await;
    for action in ["sessions.refuse", "sessions.begin", "sessions.end"] {
        let log = program.get(&format!("/audit-events?action={action}")).await;
        let items = log.body["items"].as_array().cloned().unwrap_or_default();
        let mine = items
            .iter()
            .filter(|event| event.to_string().contains(EMAIL));
        assert_eq!(mine.count(), 1, "{action} {items:?}");
    }
}

#[tokio::test]
async fn wrong_present_passwords_count_as_at_sign_in() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    for _ in 0..5 {
        let fields = [
            ("current_password", "wrong wrong wrong"),
            ("password", "quite another sentence"),
        ];
        assert_eq!(browser.submit("/account", &fields).await.status, 422);
    }
    let right = [
        ("current_password", PASSWORD),
        ("password", "quite another sentence"),
    ];
    assert_eq!(
        browser.submit("/account", &right).await.status,
        422,
        "it pauses"
    );
}
