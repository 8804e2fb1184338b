//! Access tokens from the token endpoint to the upstream, and how soon a revoked one stops.

use std::time::{Duration, Instant};

use e2e::planes::{Customer, Planes};
use e2e::wait::until;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::PLANE;

/// A machine of the customer's, which gets tokens for itself.
struct Machine {
    id: String,
    secret: String,
}

async fn machine(planes: &Planes, customer: &Customer, algorithm: &str) -> Machine {
    let clients = format!("/tenants/{}/oauth-clients", customer.tenant_id);
    let client = json!({
        "name": format!("machine {algorithm}"),
        "kind": "confidential",
        "grants": ["client_credentials"],
        "signing_algorithm": algorithm,
    });
    let made = planes.create(&clients, client).await;
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned()
    };
    Machine {
        id: text(&made["id"]),
        secret: text(&made["secrets"][0]["value"]),
    }
}

/// From now on its tokens are for nodes' eyes only.
async fn encrypt(planes: &Planes, customer: &Customer, machine: &Machine) {
    let tenant = &customer.tenant_id;
    let path = format!("/tenants/{tenant}/oauth-clients/{}", machine.id);
    let change = json!({ "encrypts_access_tokens": true });
    let (status, answer) = planes.api(Method::PATCH, &path, Some(change)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn post(planes: &Planes, machine: &Machine, path: &str, body: String) -> Response {
    let url = format!("{}{path}", planes.control_plane_url());
    let request = planes
        .http
        .post(url)
        .basic_auth(&machine.id, Some(&machine.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    request.send().await.expect("the control plane answers")
}

async fn token(planes: &Planes, machine: &Machine) -> String {
    let body = "grant_type=client_credentials".to_owned();
    let answer = post(planes, machine, "/oauth2/token", body).await;
    let text = answer.text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let token = answer["access_token"].as_str();
    token.unwrap_or_else(|| panic!("{text}")).to_owned()
}

async fn call(planes: &Planes, path: &str, token: &str, key: Option<&str>) -> (StatusCode, Value) {
    let url = format!("{}/shop/{path}", planes.gateway(0));
    let mut request = planes.http.get(url).bearer_auth(token);
    if let Some(key) = key {
        request = request.header("x-api-key", key);
    }
    let answer = request.send().await.expect("the node answers");
    let status = answer.status();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Waits until the node answers a call with the token like this; returns what it said and how long
/// it took.
async fn wait_for(planes: &Planes, token: &str, status: StatusCode) -> (Value, Duration) {
    let started = Instant::now();
    let what = format!("the node answers a token with {status}");
    let said = until(&what, Duration::from_secs(10), async || {
        let (found, said) = call(planes, "token/item", token, None).await;
        (found == status).then_some(said)
    });
    (said.await, started.elapsed())
}

fn header<'a>(echo: &'a Value, name: &str) -> Option<&'a str> {
    let headers = echo["headers"].as_array().expect("an echo");
    let found = headers.iter().find(|pair| pair[0] == name);
    found.and_then(|pair| pair[1].as_str())
}

/// An API whose routes take tokens, with a key or without; two customers of it.
async fn customers(planes: &Planes) -> (Customer, Customer) {
    let api = planes.shop_api(&planes.upstream_url()).await;
    let (_, authorizers) = planes.api(Method::GET, "/authorizers", None).await;
    let own = &authorizers["items"][0]["id"];
    for (path, needs_key) in [("/token/{rest+}", false), ("/both/{rest+}", true)] {
        let route = json!({
            "path": path,
            "api_key_required": needs_key,
            "authorizer_id": own,
        });
        planes.create(&format!("/apis/{api}/routes"), route).await;
    }
    let terms = json!({ "scopes": ["shop:read", "shop:write"] });
    let shop = planes.shop_plan("Shop plan", &api, terms).await;
    let (acme, other) = (
        planes.customer(&shop, "Acme").await,
        planes.customer(&shop, "Other").await,
    );
    for customer in [&acme, &other] {
        planes
            .wait_for_status(0, &customer.key, StatusCode::OK)
            .await;
    }
    (acme, other)
}

#[tokio::test]
async fn an_encrypted_token_reaches_the_upstream_whatever_becomes_of_nodes_and_keys() {
    let mut planes = Planes::start(PLANE, 2).await;
    let (acme, _) = customers(&planes).await;
    let machine = machine(&planes, &acme, "ES256").await;
    encrypt(&planes, &acme, &machine).await;
    let first = token(&planes, &machine).await;
    assert_eq!(first.split('.').count(), 5, "{first}");
    let (echo, _) = wait_for(&planes, &first, StatusCode::OK).await;
    assert_eq!(
        header(&echo, "x-tollgate-subject"),
        Some(machine.id.as_str())
    );
    assert_eq!(header(&echo, "authorization"), None);
    let cut = &first[..first.len() - 4];
    let (status, said) = call(&planes, "token/item", cut, None).await;
    assert_eq!(
        (status, &said["code"]),
        (StatusCode::UNAUTHORIZED, &json!("token_invalid"))
    );

    // Another node is revoked: what it could open is sealed anew, and there is a key that it never
    // had. This one, started anew, opens what was encrypted before.
    let health = planes.node_health(1).await.unwrap();
    let node = health["node_id"].as_str().expect("an enrolled node");
    let path = format!("/nodes/{node}");
    let (status, answer) = planes.api(Method::DELETE, &path, None).await;
    assert!(status.is_success(), "{answer}");
    let (_, listed) = planes.api(Method::GET, "/token-keys", None).await;
    let keys = listed["items"].as_array().expect("keys");
    let encrypting = keys.iter().filter(|key| key["algorithm"] == "ECDH-ES");
    assert_eq!(encrypting.count(), 2, "{listed}");
    let second = token(&planes, &machine).await;
    wait_for(&planes, &second, StatusCode::OK).await;
    planes.kill_node(0).await;
    planes.start_node(0).await;
    wait_for(&planes, &first, StatusCode::OK).await;

    let answer = post(
        &planes,
        &machine,
        "/oauth2/revoke",
        format!("token={first}"),
    )
    .await;
    assert_eq!(answer.status(), StatusCode::OK);
    let (said, _) = wait_for(&planes, &first, StatusCode::UNAUTHORIZED).await;
    assert_eq!(said["code"], "token_revoked");
    wait_for(&planes, &second, StatusCode::OK).await;
}

#[tokio::test]
async fn a_machines_token_reaches_the_upstream_until_it_is_revoked() {
    let planes = Planes::start(PLANE, 1).await;
    let (acme, other) = customers(&planes).await;
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let machine = machine(&planes, &acme, algorithm).await;
        let token = token(&planes, &machine).await;
        let (echo, _) = wait_for(&planes, &token, StatusCode::OK).await;
        assert_eq!(
            header(&echo, "x-tollgate-tenant-id"),
            Some(acme.tenant_id.as_str())
        );
        assert_eq!(
            header(&echo, "x-tollgate-subject"),
            Some(machine.id.as_str())
        );
        // The token has no scopes, so the plan's are not the caller's.
        assert_eq!(header(&echo, "x-tollgate-scopes"), None);
        assert_eq!(header(&echo, "x-tollgate-key-id"), None);
        assert_eq!(header(&echo, "authorization"), None);

        let (status, said) = call(&planes, "both/item", &token, None).await;
        assert_eq!(
            (status, &said["code"]),
            (StatusCode::UNAUTHORIZED, &json!("api_key_missing"))
        );
        let (status, echo) = call(&planes, "both/item", &token, Some(&acme.key)).await;
        assert_eq!(status, StatusCode::OK, "{echo}");
        assert_eq!(
            header(&echo, "x-tollgate-key-id"),
            Some(acme.key_id.as_str())
        );
        assert_eq!(header(&echo, "x-api-key"), None);
        let (status, said) = call(&planes, "both/item", &token, Some(&other.key)).await;
        assert_eq!(
            (status, &said["code"]),
            (StatusCode::FORBIDDEN, &json!("credentials_disagree"))
        );

        let answer = post(
            &planes,
            &machine,
            "/oauth2/revoke",
            format!("token={token}"),
        )
        .await;
        assert_eq!(answer.status(), StatusCode::OK);
        let (said, took) = wait_for(&planes, &token, StatusCode::UNAUTHORIZED).await;
        assert_eq!(said["code"], "token_revoked");
        println!("revocation of a token reached the node after {took:?}");
    }

    let machine = machine(&planes, &other, "RS256").await;
    let token = token(&planes, &machine).await;
    wait_for(&planes, &token, StatusCode::OK).await;
    let tenant = format!("/tenants/{}", other.tenant_id);
    let suspended = json!({ "status": "suspended" });
    let (status, answer) = planes.api(Method::PATCH, &tenant, Some(suspended)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    wait_for(&planes, &token, StatusCode::FORBIDDEN).await;
}
