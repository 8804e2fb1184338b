//! People sign in through an OpenID provider that is not ours: the library oidc-provider.

use std::path::Path;
use std::process::Stdio;

use e2e::stack::Stack;
use e2e::visitor::{NewTenant, Seen, Visitor, unescaped};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::PLANE;

const CLIENT: &str = "tollgate";
const SECRET: &str = "a secret of one test";
const PASSWORD: &str = "a sentence that nobody guesses";

/// A running provider whose people are who the request's `login_hint` says.
struct Provider {
    issuer: String,
    _child: Child,
    /// It writes on: a pipe that nobody holds would end it.
    _lines: Lines<BufReader<ChildStdout>>,
}

impl Provider {
    async fn start(stack: &Stack) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/javascript/provider.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .env("CLIENT_ID", CLIENT)
            .env("CLIENT_SECRET", SECRET)
            .env(
                "CALLBACK",
                format!("{}/login/callback", stack.report.control_plane),
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the provider starts: tests/run installs what it needs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(issuer) = line.strip_prefix("issuer ") {
                return Self {
                    issuer: issuer.to_owned(),
                    _child: child,
                    _lines: lines,
                };
            }
        }
        panic!("the provider ended before it served");
    }

    /// What the person does there; where they are sent back to, as a path of ours.
    async fn agree(&self, stack: &Stack, address: &str) -> String {
        let mut there = Visitor::at(&self.issuer);
        let mut address = address.to_owned();
        for _ in 0..10 {
            if let Some(path) = address.strip_prefix(&stack.report.control_plane) {
                return path.to_owned();
            }
            let path = address.strip_prefix(&self.issuer).unwrap_or(&address);
            let seen = there.get(path).await;
            assert_eq!(seen.status, StatusCode::SEE_OTHER, "{path} {}", seen.body);
            address = seen.location;
        }
        panic!("the provider leads nowhere: {address}");
    }
}

async fn call(stack: &Stack, path: &str, body: &Value) -> Value {
    let url = format!("{}/api/v1{path}", stack.report.control_plane);
    let answer = reqwest::Client::new()
        .post(url)
        .bearer_auth(&stack.report.admin.api_token)
        .json(body)
        .send()
        .await
        .unwrap();
    let (status, body) = (answer.status(), answer.json().await.unwrap());
    assert!(status.is_success(), "{path} {status} {body}");
    body
}

/// Sets the provider up; its id here.
async fn set_up(stack: &Stack, place: &str, provider: &Provider, more: Value) -> String {
    let mut body = json!({
        "name": "Example ID", "issuer": provider.issuer, "client_id": CLIENT,
        "client_secret": SECRET, "makes_people": true,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let made = call(stack, &format!("{place}/identity-providers"), &body).await;
    made["id"].as_str().unwrap().to_owned()
}

/// Leaves for the provider as this person and comes back.
async fn come_in(
    (stack, provider): (&Stack, &Provider),
    visitor: &mut Visitor,
    id: &str,
    person: &str,
) -> Seen {
    let path = format!("/login/with/{id}?next=%2Faccount&login_hint={person}");
    let left = visitor.get(&path).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER, "{}", left.body);
    let back = provider.agree(stack, &left.location).await;
    visitor.get(&back).await
}

#[tokio::test]
async fn people_sign_in_through_a_provider_that_is_not_ours() {
    let stack = Stack::start(PLANE, &[]).await;
    let provider = Provider::start(&stack).await;
    let id = set_up(&stack, "", &provider, json!({})).await;
    let both = (&stack, &provider);
    let mut ada = Visitor::new(&stack.report);
    let page = ada.get("/login").await;
    assert!(
        page.body.contains("Continue with Example ID"),
        "{}",
        page.body
    );
    // Who comes first is made, and found the second time.
    for _ in 0..2 {
        let mut ada = Visitor::new(&stack.report);
        let seen = come_in(both, &mut ada, &id, "ada@acme.example").await;
        assert_eq!(seen.location, "/account", "{seen:?}");
        let account = ada.get("/account").await;
        assert!(
            account.body.contains("ada@acme.example"),
            "{}",
            account.body
        );
    }
    let seen = come_in(both, &mut ada, &id, "unknown@acme.example").await;
    assert!(seen.location.starts_with("/login"), "{seen:?}");
    let told = ada.get(&seen.location).await;
    assert!(
        told.body.contains("does not vouch for your email"),
        "{}",
        told.body
    );
    assert!(ada.get("/account").await.location.starts_with("/login"));
}

#[tokio::test]
async fn an_account_is_linked_by_a_proven_address_or_by_its_owner() {
    let stack = Stack::start(PLANE, &[]).await;
    let provider = Provider::start(&stack).await;
    let both = (&stack, &provider);
    let mut desk = Visitor::operator(&stack.report).await;
    let mut grace = Visitor::new(&stack.report);
    let new = NewTenant {
        name: "Acme",
        email: "grace@acme.example",
        password: PASSWORD,
    };
    let tenant = grace.sign_up(&mut desk, new).await;
    let plain = set_up(&stack, "", &provider, json!({})).await;
    // Not by whoever says so.
    let mut other = Visitor::new(&stack.report);
    let seen = come_in(both, &mut other, &plain, "grace@acme.example").await;
    let told = other.get(&seen.location).await;
    assert!(
        told.body.contains("Sign in with your password first"),
        "{}",
        told.body
    );
    // By its owner, under whatever address they have there.
    let token = grace.form_token().await;
    let path = format!("/account/providers/{plain}/connect");
    let sent = grace.post(&path, &[("csrf_token", &token)]).await;
    let address = unescaped(sent.between("content=\"0;url=", "\"").expect("a way on"));
    let back = provider
        .agree(
            &stack,
            &format!("{address}&login_hint=unnamed@elsewhere.example"),
        )
        .await;
    assert_eq!(grace.get(&back).await.location, "/account");
    let seen = come_in(both, &mut other, &plain, "unnamed@elsewhere.example").await;
    assert_eq!(seen.location, "/account");
    assert!(
        other
            .get("/account")
            .await
            .body
            .contains("grace@acme.example")
    );
    let path = format!("/account/providers/{plain}/disconnect");
    assert_eq!(grace.submit(&path, &path, &[]).await.location, "/account");
    let mut other = Visitor::new(&stack.report);
    let seen = come_in(both, &mut other, &plain, "unnamed@elsewhere.example").await;
    assert!(seen.location.starts_with("/login"), "{seen:?}");
    // By the tenant's own provider, once the domain is the tenant's.
    let place = format!("/tenants/{tenant}");
    let more = json!({ "name": "Acme ID", "domains": ["acme.example"] });
    let own = set_up(&stack, &place, &provider, more).await;
    let seen = come_in(both, &mut other, &own, "grace@acme.example").await;
    let told = other.get(&seen.location).await;
    assert!(told.body.contains("has not proven"), "{}", told.body);
    let domain = json!({ "domain": "acme.example" });
    let domain = call(&stack, &format!("{place}/domains"), &domain).await;
    let domain = domain["id"].as_str().unwrap();
    call(
        &stack,
        &format!("{place}/domains/{domain}/confirm"),
        &json!({}),
    )
    .await;
    for person in ["grace@acme.example", "edsger@acme.example"] {
        let mut other = Visitor::new(&stack.report);
        let seen = come_in(both, &mut other, &own, person).await;
        assert_eq!(seen.location, "/account", "{person}");
        assert!(other.get("/account").await.body.contains(person));
    }
}
