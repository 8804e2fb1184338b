//! Access tokens that gateway nodes alone can read.

use domain::encryption_key::{KNOWN_BEFORE, OPENS_AFTER};
use domain::role::PlatformRole;
use serde_json::json;
use snapshot::jwe;

use super::*;
use crate::oauth::encryption;
use crate::{Now, random};

fn encrypting() -> ClientTerms {
    ClientTerms {
        grants: vec![
            Grant::AuthorizationCode,
            Grant::RefreshToken,
            Grant::ClientCredentials,
        ],
        encrypts_access_tokens: true,
        ..terms()
    }
}

/// A token of a client for itself.
async fn machine_token(world: &World, id: &str, secret: &str) -> String {
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ];
    let reply = world.program().form("/oauth2/token", &[], &fields).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["access_token"]
        .as_str()
        .expect("text")
        .to_owned()
}

async fn is_active(world: &World, (id, secret): (&str, &str), token: &str) -> bool {
    let fields = [
        ("client_id", id),
        ("client_secret", secret),
        ("token", token),
    ];
    let reply = world
        .program()
        .form("/oauth2/introspect", &[], &fields)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["active"] == true
}

#[tokio::test]
async fn an_encrypted_token_says_nothing_to_others_and_works_here() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&encrypting()).await;
    let client = id.to_string();
    let browser = &mut world.browser().await;
    let code = code_of(&browser.get(&Request::of(id).path()).await);
    let proof = [
        ("client_id", Some(client.as_str())),
        ("client_secret", Some(&secret)),
    ];
    let reply = world.exchange(&code, &proof).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let access = reply.body["access_token"].as_str().expect("a token");
    assert_eq!(access.split('.').count(), 5, "{access}");
    let part = domain::token::from_base64url(access.split('.').next().expect("parts"));
    let header: Value = serde_json::from_slice(&part.expect("base64url")).expect("JSON");
    assert_eq!(
        (
            &header["alg"],
            &header["enc"],
            &header["cty"],
            &header["typ"]
        ),
        (
            &json!("ECDH-ES"),
            &json!("A256GCM"),
            &json!("JWT"),
            &json!("at+jwt")
        )
    );
    // The id token is for the application, and binds the token as it is sent.
    let id_claims = claims(&reply.body["id_token"]);
    assert_eq!(id_claims["at_hash"], half_hash(access));

    assert_eq!(world.user_info(access).await.body["email"], EMAIL);
    let proof = (client.as_str(), secret.as_str());
    assert!(is_active(&world, proof, access).await);
    let fields = [
        ("client_id", client.as_str()),
        ("client_secret", &secret),
        ("token", access),
    ];
    let revoked = world.program().form("/oauth2/revoke", &[], &fields).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);
    assert!(!is_active(&world, proof, access).await);
    assert_eq!(world.user_info(access).await.status, 401);
}

#[tokio::test]
async fn what_somebody_else_encrypted_is_worth_what_it_holds() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&encrypting()).await;
    let id = id.to_string();
    let proof = (id.as_str(), secret.as_str());
    let good = world.tokens().await;
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let keys = store::encryption_keys::list_live(&mut tx, Now::read().0).await;
    let key = keys.expect("reads").remove(0);
    tx.commit().await.expect("commits");
    let public = key.public_key.as_slice().try_into().expect("a point");
    let encrypt = |text: &str| jwe::seal(text, &key.kid, public, random::bytes()).expect("seals");
    let text = |name: &str| good[name].as_str().expect("a token").to_owned();
    let access = text("access_token");
    assert!(is_active(&world, proof, &encrypt(&access)).await);
    let parts: Vec<&str> = access.split('.').collect();
    let none = base64url(br#"{"alg":"none","typ":"at+jwt"}"#);
    for inner in [
        text("id_token"),
        text("refresh_token"),
        format!("{none}.{}.", parts[1]),
        format!("{}.{}.{}", parts[0], base64url(b"{}"), parts[2]),
        encrypt(&access),
        String::new(),
    ] {
        assert!(!is_active(&world, proof, &encrypt(&inner)).await, "{inner}");
        assert_eq!(world.user_info(&encrypt(&inner)).await.status, 401);
    }
    let cut = encrypt(&access);
    let cut = &cut[..cut.len() - 4];
    assert!(!is_active(&world, proof, cut).await);
    let nowhere = jwe::seal(&access, "unknown", public, random::bytes()).expect("seals");
    assert!(!is_active(&world, proof, &nowhere).await);
}

#[tokio::test]
async fn keys_change_hands_when_every_node_can_have_the_new_one() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&encrypting()).await;
    let (id, app) = (id.to_string(), &world.stack.app);
    let before = machine_token(&world, &id, &secret).await;
    let now = Now::read();
    let mut tx = app.db.platform_tx().await.expect("begins");
    let next = encryption::rotate(&mut tx, &app.secrets, now)
        .await
        .expect("rotates");
    tx.commit().await.expect("commits");
    app.token_keys
        .reload(&app.db, &app.secrets, now)
        .await
        .expect("reads");
    let kid_at = |at| {
        let token = app.token_keys.encrypt("a.b.c", at).expect("encrypts");
        let read = jwe::Encrypted::parse(token.as_bytes()).expect("a token");
        read.kid().to_owned()
    };
    assert_ne!(kid_at(now.0), next.kid);
    assert_eq!(kid_at(now.0 + KNOWN_BEFORE), next.kid);
    assert!(is_active(&world, (&id, &secret), &before).await);
    let mut tx = app.db.platform_tx().await.expect("begins");
    let mut live = async |at| {
        let found = store::encryption_keys::list_live(&mut tx, at).await;
        found.expect("reads").len()
    };
    let last = now.0 + KNOWN_BEFORE + OPENS_AFTER;
    assert_eq!(live(last - time::Duration::SECOND).await, 2);
    assert_eq!(live(last + time::Duration::SECOND).await, 1);
}

#[tokio::test]
async fn operators_replace_the_key_and_a_client_asks_for_encryption() {
    let stack = Stack::new().await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let program = stack.program_of(operator, &[]).await;
    let listed = program.get("/token-keys").await.body;
    let of_kind = |listed: &Value| {
        let items = listed["items"].as_array().expect("items").clone();
        let items = items
            .into_iter()
            .filter(|key| key["algorithm"] == "ECDH-ES");
        items.collect::<Vec<Value>>()
    };
    assert_eq!(of_kind(&listed).len(), 1, "{listed}");
    let made = program
        .post("/token-keys", json!({ "algorithm": "ECDH-ES" }))
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    let listed = program.get("/token-keys").await.body;
    let keys = of_kind(&listed);
    assert_eq!(keys.len(), 2, "{listed}");
    assert!(keys[0]["verifies_until"].is_string() && keys[1]["verifies_until"].is_null());
    let mut browser = stack.browser_of("op@example.com").await;
    let page = browser.get("/admin/token-keys").await.body;
    assert!(page.contains("Encrypts") && page.contains("Next"), "{page}");
    let sent = [("algorithm", "ECDH-ES"), ("is_compromised", "on")];
    assert_eq!(browser.submit("/admin/token-keys", &sent).await.status, 303);
    // What signs is shown to all; what encrypts is not.
    let jwks = stack.stranger().fetch("/.well-known/jwks.json").await.body;
    assert_eq!(jwks["keys"].as_array().map(Vec::len), Some(3), "{jwks}");

    let tenant = stack.tenant("Northwind").await;
    let clients = format!("/tenants/{tenant}/oauth-clients");
    let body = json!({ "name": "App", "redirect_uris": [CALLBACK] });
    let made = program.post(&clients, body).await.body;
    assert_eq!(made["encrypts_access_tokens"], false, "{made}");
    let client = format!("{clients}/{}", made["id"].as_str().expect("an id"));
    let changed = program
        .patch(&client, json!({ "encrypts_access_tokens": true }))
        .await;
    assert_eq!(
        changed.body["encrypts_access_tokens"], true,
        "{}",
        changed.body
    );
}
