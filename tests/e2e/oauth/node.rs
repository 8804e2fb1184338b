use std::time::{Duration, Instant};

use domain::token::base64url;
use e2e::stack::Stack;
use e2e::visitor::Visitor;
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::Value;

use super::{CALLBACK, demo, sign_in};
use crate::PLANE;

pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Tokens of a sign-in in this browser.
async fn tokens(stack: &Stack, visitor: &mut Visitor) -> Value {
    let (demo, base) = (demo(stack), &stack.report.control_plane);
    let url = format!(
        "{base}/oauth2/authorize?response_type=code&client_id={}&redirect_uri={}&scope=openid\
         &code_challenge={CHALLENGE}&code_challenge_method=S256&state=s",
        demo.oauth_client_id, CALLBACK
    );
    let callback = sign_in(stack, visitor, &url).await;
    let (_, code) = callback.split_once("code=").expect("a code");
    let code = code.split('&').next().expect("a code");
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", demo.oauth_client_id.as_str()),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    let answer = reqwest::Client::new()
        .post(format!("{base}/oauth2/token"))
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

async fn call(stack: &Stack, token: &str) -> (StatusCode, Value) {
    let answer = reqwest::Client::new()
        .get(format!("{}/demo/people/me", stack.gateway()))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or_default())
}

/// The first requests of a period draw the tenant's quota, which a busy machine answers late.
async fn is_let_in(stack: &Stack, token: &str) -> Value {
    until("the token is let in", Duration::from_secs(20), async || {
        let (status, seen) = call(stack, token).await;
        let is_drawing = status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(is_drawing || status == StatusCode::OK, "{status} {seen}");
        (!is_drawing).then_some(seen)
    })
    .await
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("a token")
}

#[tokio::test]
async fn a_token_opens_its_api_on_a_node_until_it_is_revoked() {
    let stack = Stack::start(PLANE, &[]).await;
    let mut visitor = Visitor::new(&stack.report);
    let first = tokens(&stack, &mut visitor).await;
    let access = text(&first, "access_token");
    let seen = is_let_in(&stack, access).await;
    // The demo upstream answers with what it got.
    let got = seen.to_string();
    assert!(got.contains(&demo(&stack).tenant_id), "{got}");
    assert!(got.contains("usr_"), "{got}");
    assert!(!got.contains(access), "the token stays at the node");

    // Nothing else passes for it.
    let (head, rest) = access.split_once('.').expect("three parts");
    let (claims, signature) = rest.split_once('.').expect("three parts");
    let none = base64url(br#"{"alg":"none","typ":"at+jwt"}"#);
    for wrong in [
        text(&first, "id_token").to_owned(),
        text(&first, "refresh_token").to_owned(),
        format!("{none}.{claims}."),
        format!("{head}.{}.{signature}", base64url(b"{}")),
        format!("{access}x"),
        "x".to_owned(),
    ] {
        let (status, seen) = call(&stack, &wrong).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}: {seen}");
    }
    // It was remembered, and is good still.
    is_let_in(&stack, access).await;

    let client = demo(&stack).oauth_client_id.clone();
    let revoke = async |token: &str| {
        let url = format!("{}/oauth2/revoke", stack.report.control_plane);
        let fields = [("client_id", client.as_str()), ("token", token)];
        let answer = reqwest::Client::new().post(url).form(&fields).send().await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    };
    let refused = async |token: &str, how: &str| {
        let started = Instant::now();
        until(how, Duration::from_secs(20), async || {
            let (status, answer) = call(&stack, token).await;
            (status == StatusCode::UNAUTHORIZED).then(|| {
                assert_eq!(answer["code"], "token_revoked", "{answer}");
            })
        })
        .await;
        println!("{how}: refused after {:?}", started.elapsed());
    };
    revoke(access).await;
    refused(access, "a revoked token").await;

    let second = tokens(&stack, &mut visitor).await;
    let access = text(&second, "access_token");
    is_let_in(&stack, access).await;
    revoke(text(&second, "refresh_token")).await;
    refused(access, "a token of a revoked grant").await;

    let third = tokens(&stack, &mut visitor).await;
    let access = text(&third, "access_token");
    is_let_in(&stack, access).await;
    let csrf = visitor.form_token().await;
    visitor.post("/logout", &[("csrf_token", &csrf)]).await;
    refused(access, "a token of a session that was signed out").await;
}

#[tokio::test]
async fn what_was_begun_goes_on_after_the_control_plane_restarted() {
    let mut stack = Stack::start(PLANE, &[]).await;
    let mut visitor = Visitor::new(&stack.report);
    let before = tokens(&stack, &mut visitor).await;
    stack.stop().await;
    stack.restart().await;
    // The session, the grant and the keys are the same ones.
    let mut again = tokens(&stack, &mut visitor).await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", demo(&stack).oauth_client_id.as_str()),
        ("refresh_token", text(&before, "refresh_token")),
    ];
    let url = format!("{}/oauth2/token", stack.report.control_plane);
    let answer = reqwest::Client::new().post(url).form(&fields).send().await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    again["refreshed"] = answer.json::<Value>().await.unwrap()["access_token"].clone();
    for token in [
        text(&before, "access_token"),
        text(&again, "access_token"),
        text(&again, "refreshed"),
    ] {
        is_let_in(&stack, token).await;
    }
}
