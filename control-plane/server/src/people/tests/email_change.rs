//! Guarantees of changing an account's address.

use super::EMAIL;
use crate::testing::{PASSWORD, Stack};

const NEW: &str = "ada@new.example.com";

#[tokio::test]
async fn a_new_address_is_used_once_its_mailbox_confirmed_it_and_the_old_one_is_told() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let mut elsewhere = stack.browser_of(EMAIL).await;
    let asked = browser.submit("/account/email", &[("email", NEW)]).await;
    assert_eq!(asked.location(), "/account/email/confirm", "{}", asked.body);
    assert!(elsewhere.get("/account").await.body.contains(EMAIL));
    let code = stack.code_for(NEW).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let path = "/account/email/confirm";
    let seen = browser
        .submit(path, &[("code", wrong), ("email", NEW)])
        .await;
    assert_eq!(seen.status, 422);
    let seen = browser
        .submit(path, &[("code", &code), ("email", NEW)])
        .await;
    assert_eq!(seen.location(), "/account", "{}", seen.body);
    for browser in [&mut browser, &mut elsewhere] {
        let shown = browser.get("/account").await;
        assert!(shown.body.contains(NEW) && !shown.body.contains(EMAIL));
    }
    let (subject, body) = &stack.mails_to(EMAIL).await[0];
    assert!(subject.contains("another address") && body.contains(NEW));
    for (email, status) in [(EMAIL, 422), (NEW, 303)] {
        let fields = [("email", email), ("password", PASSWORD)];
        assert_eq!(
            stack.browser().submit("/login", &fields).await.status,
            status
        );
    }
}

#[tokio::test]
async fn who_has_an_address_is_told_only_at_that_address() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    stack.person("bob@example.com", None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let asked = browser
        .submit("/account/email", &[("email", "bob@example.com")])
        .await;
    assert_eq!(asked.location(), "/account/email/confirm");
    let (subject, _) = &stack.mails_to("bob@example.com").await[0];
    assert!(subject.contains("stays yours"), "{subject}");
}

#[tokio::test]
async fn a_code_is_for_the_account_that_asked_for_it() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    stack.person("eve@example.com", None).await;
    let mut ada = stack.browser_of(EMAIL).await;
    ada.submit("/account/email", &[("email", NEW)]).await;
    let code = stack.code_for(NEW).await;
    let mut eve = stack.browser_of("eve@example.com").await;
    let shown = eve.get("/account/email").await;
    let fields = [("code", code.as_str()), ("email", NEW)];
    let seen = eve.fill(&shown, "/account/email/confirm", &fields).await;
    assert_eq!(seen.status, 422);
}

#[tokio::test]
async fn an_account_without_password_starts_with_a_passkey() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    let fields = [
        ("tenant_name", "Northwind"),
        ("email", NEW),
        ("passkey", "1"),
    ];
    let asked = browser.submit("/signup", &fields).await;
    assert_eq!(asked.location(), "/signup/confirm", "{}", asked.body);
    let code = stack.code_for(NEW).await;
    let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
    let next = done.location().to_owned();
    assert!(next.starts_with("/account/passkeys/new?next="), "{next}");
    assert_eq!(browser.get(&next).await.status, 200);
    for password in ["", " ", PASSWORD] {
        let fields = [("email", NEW), ("password", password)];
        assert_eq!(stack.browser().submit("/login", &fields).await.status, 422);
    }
    // Neither can be the last way in that is taken away.
    let removed = browser.submit("/account/password/remove", &[]).await;
    assert_eq!(removed.status, 422, "{}", removed.body);
}
