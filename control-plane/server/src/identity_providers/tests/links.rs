//! Whose account somebody gets.

use super::*;
use crate::clock::Now;
use crate::testing::PASSWORD;

const CONNECT_FIRST: &str = "Sign in with your password first";

#[tokio::test]
async fn who_comes_first_gets_an_account_and_finds_it_again() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    let shown = world.stack.browser().get("/login").await;
    assert!(
        shown.body.contains("Continue with Acme ID"),
        "{}",
        shown.body
    );
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    assert_eq!(seen.location(), "/account", "{}", seen.body);
    let account = browser.get("/account").await;
    assert!(account.body.contains(ADA) && account.body.contains("Disconnect"));
    let first = world.user(ADA).await.expect("was made");
    // The address there changes; the person is the same.
    world
        .issuer
        .say(&json!({ "email": "lovelace@acme.example" }));
    let mut browser = world.stack.browser();
    world.come_in(&mut browser, &provider).await;
    assert!(browser.get("/account").await.body.contains(ADA));
    assert_eq!(world.user(ADA).await, Some(first));
    assert!(world.user("lovelace@acme.example").await.is_none());
    // It is the only way in.
    let path = format!("/account/providers/{provider}/disconnect");
    browser.submit(&path, &[]).await;
    let shown = browser.get("/account").await;
    assert!(
        shown.body.contains("only way in to the account"),
        "{}",
        shown.body
    );
    let events = world
        .operator
        .get("/audit-events?action=users.create")
        .await;
    assert!(
        events.body.to_string().contains("Acme ID"),
        "{}",
        events.body
    );
}

#[tokio::test]
async fn a_subject_of_one_provider_is_nobody_at_another() {
    let world = World::new().await;
    let one = world.provider(None, json!({})).await;
    let other = FakeIssuer::start().await;
    let two = world
        .provider(
            None,
            json!({ "name": "Other ID", "issuer": other.url, "links_by_address": true }),
        )
        .await;
    world.come_in(&mut world.stack.browser(), &one).await;
    let ada = world.user(ADA).await;
    let eve = "eve@other.example";
    other.say(&json!({ "sub": "subject-1", "email": eve }));
    let mut browser = world.stack.browser();
    let left = browser.get(&format!("/login/with/{two}")).await;
    let seen = browser.get(&other.agree(left.location())).await;
    assert_eq!(seen.location(), "/console");
    assert!(world.user(eve).await.is_some());
    assert_ne!(world.user(eve).await, ada);
}

#[tokio::test]
async fn an_account_is_opened_by_its_address_only_to_providers_that_are_trusted_for_it() {
    let world = World::new().await;
    world.stack.person(ADA, None).await;
    let plain = world.provider(None, json!({})).await;
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &plain).await;
    world.turned_away(&mut browser, &seen, CONNECT_FIRST).await;
    let elsewhere = json!({ "name": "Elsewhere", "domains": ["sub.acme.example", "example"] });
    assert_eq!(world.ask_provider(None, elsewhere).await.0, 422);
    for (name, more) in [
        ("Of the domain", json!({ "domains": ["acme.example"] })),
        ("Of any", json!({ "links_by_address": true })),
    ] {
        let mut more = more;
        more["name"] = json!(name);
        let trusted = world.provider(None, more).await;
        let mut browser = world.stack.browser();
        let seen = world.come_in(&mut browser, &trusted).await;
        assert_eq!(seen.location(), "/account", "{name}");
        let mails = world.stack.mails_to(ADA).await;
        assert_eq!(
            mails[0].0,
            format!("{name} is connected to your Tollgate account")
        );
    }
}

#[tokio::test]
async fn who_is_signed_in_connects_and_disconnects_a_provider() {
    let world = World::new().await;
    world.stack.person(ADA, None).await;
    world.stack.person("eve@acme.example", None).await;
    let provider = world.provider(None, json!({})).await;
    let mut browser = world.stack.browser_of(ADA).await;
    let back = connect(&world, &mut browser, &provider).await;
    // Not in a browser of somebody else, who would get another's account connected.
    let mut eve = world.stack.browser_of("eve@acme.example").await;
    assert_eq!(eve.get(&back).await.location(), "/login");
    let seen = browser.get(&back).await;
    assert_eq!(seen.location(), "/account");
    let shown = browser.get("/account").await;
    assert!(
        shown.body.contains("Acme ID is connected."),
        "{}",
        shown.body
    );
    let mut other = world.stack.browser();
    assert_eq!(
        world.come_in(&mut other, &provider).await.location(),
        "/account"
    );
    assert!(other.get("/account").await.body.contains(ADA));
    // The same account there is nobody else's here.
    let back = connect(&world, &mut eve, &provider).await;
    assert_eq!(eve.get(&back).await.location(), "/account");
    let shown = eve.get("/account").await;
    assert!(
        shown.body.contains("connected to somebody already"),
        "{}",
        shown.body
    );

    let path = format!("/account/providers/{provider}/disconnect");
    assert_eq!(eve.get(&path).await.status, 404);
    assert_eq!(browser.submit(&path, &[]).await.location(), "/account");
    let mut other = world.stack.browser();
    let seen = world.come_in(&mut other, &provider).await;
    world.turned_away(&mut other, &seen, CONNECT_FIRST).await;
    let right = [("email", ADA), ("password", PASSWORD)];
    assert_eq!(other.submit("/login", &right).await.status, 303);
}

async fn connect(world: &World, browser: &mut Browser, provider: &str) -> String {
    let token = browser.token().await;
    let path = format!("/account/providers/{provider}/connect");
    assert_eq!(
        browser.post(&path, &[]).await.status,
        403,
        "a form of ours only"
    );
    let sent = browser.post(&path, &[("csrf_token", &token)]).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let address = sent.between("href=\"http://127", "\"").expect("an address");
    let address = format!("http://127{address}").replace("&#38;", "&");
    world.issuer.agree(&address)
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_looked_for_and_then_known() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    let issuer = domain::identity_provider::Issuer::parse(&world.issuer.url).expect("an issuer");
    // As if it had been read a minute ago.
    let before = Now(Now::read().0 - time::Duration::MINUTE);
    let named_by = crate::outbound::NamedBy::Operators;
    let read = world
        .stack
        .app
        .providers
        .read(&issuer, named_by, before)
        .await;
    read.expect("reads");
    let calls = world.issuer.calls("document");
    world.come_in(&mut world.stack.browser(), &provider).await;
    assert_eq!(world.issuer.calls("document"), calls, "remembered");
    world.issuer.rename_key();
    let mut browser = world.stack.browser();
    assert_eq!(
        world.come_in(&mut browser, &provider).await.location(),
        "/account"
    );
    assert_eq!(world.issuer.calls("document"), calls + 1);
    // Tokens with unknown keys do not make us ask without end.
    world.issuer.name_unknown_key();
    let seen = world.come_in(&mut world.stack.browser(), &provider).await;
    assert!(seen.location().starts_with("/login"));
    assert_eq!(world.issuer.calls("document"), calls + 1);
}
