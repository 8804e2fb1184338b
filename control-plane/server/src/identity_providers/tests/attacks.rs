//! What is no answer of the provider to this browser signs nobody in.

use super::*;
use crate::clock::Now;

const FAILED: &str = "does not work at the moment";
const OVER: &str = "was begun in another browser";

#[tokio::test]
async fn a_token_that_is_not_the_answer_signs_nobody_in() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    let now = Now::read().unix_seconds();
    for (claims, signature) in [
        (json!({ "nonce": "another" }), Signature::Honest),
        (json!({ "nonce": null }), Signature::Honest),
        (json!({ "aud": "another" }), Signature::Honest),
        (json!({ "aud": [] }), Signature::Honest),
        (json!({ "aud": [CLIENT, "another"] }), Signature::Honest),
        (
            json!({ "aud": [CLIENT, "another"], "azp": "another" }),
            Signature::Honest,
        ),
        (json!({ "azp": "another" }), Signature::Honest),
        (
            json!({ "iss": "https://accounts.google.com" }),
            Signature::Honest,
        ),
        (json!({ "iss": [world.issuer.url] }), Signature::Honest),
        (json!({ "iss": null }), Signature::Honest),
        (json!({ "exp": now - 120 }), Signature::Honest),
        (json!({ "exp": null }), Signature::Honest),
        (json!({ "exp": (now + 300).to_string() }), Signature::Honest),
        (json!({ "iat": now + 3600 }), Signature::Honest),
        (json!({ "nbf": now + 3600 }), Signature::Honest),
        (json!({ "sub": null }), Signature::Honest),
        (json!({ "sub": "" }), Signature::Honest),
        (json!({ "sub": 1 }), Signature::Honest),
        (json!({ "sub": "x".repeat(256) }), Signature::Honest),
        (json!({}), Signature::None),
        (json!({}), Signature::Hmac),
        (json!({}), Signature::OtherKey),
        (json!({}), Signature::Critical),
    ] {
        let said = ["nonce", "aud", "azp", "iss", "exp", "iat", "nbf"];
        world.issuer.forget(&said);
        world.issuer.say(&json!({ "sub": "subject-1" }));
        world.issuer.say(&claims);
        world.issuer.sign(signature);
        let mut browser = world.stack.browser();
        let seen = world.come_in(&mut browser, &provider).await;
        world.turned_away(&mut browser, &seen, FAILED).await;
        assert!(world.user(ADA).await.is_none(), "{claims} {signature:?}");
    }
}

#[tokio::test]
async fn several_audiences_are_taken_where_the_token_is_for_us() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    world
        .issuer
        .say(&json!({ "aud": [CLIENT, "another"], "azp": CLIENT }));
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    assert_eq!(seen.location(), "/account");
}

#[tokio::test]
async fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    let (mut owner, mut other) = (world.stack.browser(), world.stack.browser());
    let back = world.on_the_way(&mut owner, &provider).await;
    // A link with somebody else's answer, sent to a victim who is on the way, too.
    world.on_the_way(&mut other, &provider).await;
    let seen = other.get(&back).await;
    world.turned_away(&mut other, &seen, OVER).await;
    assert_eq!(
        world.issuer.calls("token"),
        0,
        "the code is shown to nobody"
    );
    assert_eq!(owner.get(&back).await.location(), "/account");
    let mut again = world.stack.browser();
    let session = owner.cookie("tollgate_8080").expect("a session").to_owned();
    let seen = owner.get(&back).await;
    assert_eq!(seen.location(), "/login");
    assert_eq!(world.issuer.calls("token"), 1);
    // Nor in a session that is a copy of the one before sign-in.
    again.set_cookie("tollgate_8080", &session);
    assert_eq!(again.get(&back).await.location(), "/login");
    for path in [
        "/login/callback",
        "/login/callback?code=x",
        "/login/callback?state=x&state=y",
    ] {
        let mut browser = world.stack.browser();
        let seen = browser.get(path).await;
        world.turned_away(&mut browser, &seen, OVER).await;
    }
}

#[tokio::test]
async fn a_provider_does_not_answer_in_the_place_of_another() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    for (iss, text) in [(Some("https://evil.example"), OVER), (None, OVER)] {
        let mut browser = world.stack.browser();
        let left = browser.get(&format!("/login/with/{provider}")).await;
        let back = world.issuer.agree(left.location());
        let changed = match iss {
            Some(iss) => {
                let (rest, _) = back.split_once("&iss=").expect("names itself");
                format!("{rest}&iss={iss}")
            }
            None => back.split_once("&iss=").expect("names itself").0.to_owned(),
        };
        let seen = browser.get(&changed).await;
        world.turned_away(&mut browser, &seen, text).await;
    }
    assert_eq!(world.issuer.calls("token"), 0);
}

#[tokio::test]
async fn an_address_that_is_not_called_verified_with_true_is_not_believed() {
    let world = World::new().await;
    let provider = world
        .provider(None, json!({ "links_by_address": true }))
        .await;
    let text = "does not vouch for your email address";
    world.stack.person("grace@acme.example", None).await;
    for email in [ADA, "grace@acme.example"] {
        for verified in [
            json!(null),
            json!("false"),
            json!("true"),
            json!(1),
            json!(false),
        ] {
            world
                .issuer
                .say(&json!({ "email": email, "email_verified": verified }));
            let mut browser = world.stack.browser();
            let seen = world.come_in(&mut browser, &provider).await;
            world.turned_away(&mut browser, &seen, text).await;
        }
    }
    world
        .issuer
        .say(&json!({ "email": null, "email_verified": true }));
    world
        .issuer
        .tell(json!({ "sub": "another", "email": ADA, "email_verified": true }));
    let mut browser = world.stack.browser();
    let seen = world.come_in(&mut browser, &provider).await;
    world.turned_away(&mut browser, &seen, FAILED).await;
    assert!(world.user(ADA).await.is_none());
    // Of the same person it is taken.
    world.issuer.say(&json!({ "email_verified": null }));
    world
        .issuer
        .tell(json!({ "sub": "subject-1", "email": ADA, "email_verified": true }));
    assert_eq!(
        world.come_in(&mut browser, &provider).await.location(),
        "/account"
    );
    assert!(world.user(ADA).await.is_some());
}

#[tokio::test]
async fn what_a_provider_says_in_place_of_a_code_is_not_repeated() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    for (error, text) in [
        ("access_denied", "it was not allowed there"),
        ("<script>", "did not sign you in"),
    ] {
        let mut browser = world.stack.browser();
        let left = browser.get(&format!("/login/with/{provider}")).await;
        let state = left.location().split("state=").nth(1).expect("a state");
        let state = state.split('&').next().expect("a state");
        let back = answer(&[
            ("error", error),
            ("error_description", "call this number"),
            ("state", state),
            ("iss", &world.issuer.url),
        ]);
        let seen = browser.get(&back).await;
        world.turned_away(&mut browser, &seen, text).await;
    }
}

#[tokio::test]
async fn a_link_on_another_site_begins_no_sign_in() {
    let world = World::new().await;
    let provider = world.provider(None, json!({})).await;
    let path = format!("/login/with/{provider}?next=%2Faccount");
    for site in ["cross-site", "same-site"] {
        let mut browser = world.stack.browser();
        browser.site = Some(site);
        let seen = browser.get(&path).await;
        assert_eq!(seen.location(), "/login?next=%2Faccount", "{site}");
    }
    let mut browser = world.stack.browser();
    let left = browser.get(&path).await;
    assert!(left.location().starts_with(&world.issuer.url), "{left:?}");
}
