use super::*;
use crate::oauth::parameters::with_query;

async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.get("/account").await.status == 200
}

#[tokio::test]
async fn an_application_signs_its_person_out_and_they_come_back_to_it() {
    let world = World::new().await;
    let mut browser = world.browser().await;
    let code = code_of(&browser.get(&world.request().path()).await);
    let tokens = world.exchange(&code, &[]).await.body;
    let hint = tokens["id_token"].as_str().expect("a token");
    let pairs = [
        ("id_token_hint", hint),
        ("post_logout_redirect_uri", GOODBYE),
        ("state", "a b"),
    ];
    let seen = browser.get(&with_query("/logout", pairs)).await;
    assert_eq!(seen.status, 303, "{}", seen.body);
    assert_eq!(seen.location(), format!("{GOODBYE}?state=a+b"));
    assert!(!is_signed_in(&mut browser).await);
    // What the application got in that session ended with it.
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    refused(&world.refresh(refresh).await, 400, "invalid_grant");
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.status, 401);
}

#[tokio::test]
async fn offline_access_outlives_the_session() {
    let world = World::new().await;
    let mut browser = world.browser().await;
    let request = world.request().with("scope", "openid offline_access");
    let code = code_of(&browser.get(&request.path()).await);
    let tokens = world.exchange(&code, &[]).await.body;
    let id = world.client.to_string();
    let pairs = [("client_id", id.as_str()), ("logout_uri", GOODBYE)];
    let seen = browser.get(&with_query("/logout", pairs)).await;
    assert_eq!(seen.location(), GOODBYE);
    assert!(!is_signed_in(&mut browser).await);
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    assert_eq!(world.refresh(refresh).await.status, 200);
}

#[tokio::test]
async fn who_did_not_ask_is_asked_and_nobody_is_sent_elsewhere() {
    let world = World::new().await;
    let mut browser = world.browser().await;
    let shown = browser.get("/logout").await;
    assert_eq!(shown.status, 200);
    assert!(is_signed_in(&mut browser).await);
    let id = world.client.to_string();
    for pairs in [
        vec![("logout_uri", GOODBYE)],
        vec![
            ("client_id", id.as_str()),
            ("logout_uri", "https://evil.example"),
        ],
        vec![("client_id", "cli_x"), ("logout_uri", GOODBYE)],
        vec![("id_token_hint", "a.b.c")],
    ] {
        let seen = browser.get(&with_query("/logout", pairs)).await;
        assert_eq!((seen.status, seen.location()), (400, ""));
        assert!(is_signed_in(&mut browser).await);
    }
    // Somebody else's token: the person is asked.
    let other = world
        .stack
        .member(world.tenant, "bob@example.com", Role::User)
        .await;
    let mut bob = world.stack.browser_of("bob@example.com").await;
    let code = code_of(&bob.get(&world.request().path()).await);
    let tokens = world.exchange(&code, &[]).await.body;
    let hint = tokens["id_token"].as_str().expect("a token");
    assert_eq!(claims(&tokens["id_token"])["sub"], other.to_string());
    let shown = browser
        .get(&with_query("/logout", [("id_token_hint", hint)]))
        .await;
    assert_eq!(shown.status, 200);
    let request = shown.field("request").expect("a request").to_owned();
    let seen = browser
        .fill(&shown, "/logout", &[("request", &request)])
        .await;
    assert_eq!(seen.status, 303);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_client_that_the_person_never_used_signs_nobody_out_unasked() {
    let world = World::new().await;
    let mut browser = world.browser().await;
    let id = world.client.to_string();
    let pairs = [("client_id", id.as_str()), ("logout_uri", GOODBYE)];
    let shown = browser.get(&with_query("/logout", pairs)).await;
    assert_eq!(shown.status, 200, "asks");
    assert!(is_signed_in(&mut browser).await);
}
