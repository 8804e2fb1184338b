use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn machine() -> ClientTerms {
    ClientTerms {
        name: ClientName::parse("Worker").expect("a name"),
        grants: vec![Grant::ClientCredentials],
        redirect_uris: Vec::new(),
        ..terms()
    }
}

#[tokio::test]
async fn a_machine_gets_a_token_for_itself_with_its_secret_only() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&machine()).await;
    let program = world.program();
    let basic =
        |id: &str, secret: &str| format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let id = id.to_string();
    let grant = [
        ("grant_type", "client_credentials"),
        ("scope", "orders:read"),
    ];
    let right = basic(&id, &secret);
    let reply = program
        .form("/oauth2/token", &[("authorization", &right)], &grant)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.get("refresh_token").is_none() && reply.body.get("id_token").is_none());
    let access = claims(&reply.body["access_token"]);
    assert_eq!(access["sub"], id);
    assert_eq!(access["tenant_id"], world.tenant.to_string());
    assert_eq!(access["origin_jti"], access["jti"]);
    assert!(access.get("username").is_none() && access.get("auth_time").is_none());

    let wrong = basic(&id, "tgs_wrong");
    let reply = program
        .form("/oauth2/token", &[("authorization", &wrong)], &grant)
        .await;
    refused(&reply, 401, "invalid_client");
    let challenge = reply.headers["www-authenticate"].to_str().expect("text");
    assert!(challenge.starts_with("Basic "), "{challenge}");
    for (fields, status, error) in [
        (vec![("scope", "openid")], 400, "invalid_scope"),
        (vec![("scope", "admin")], 400, "invalid_scope"),
        (vec![("resource", "https://x")], 400, "invalid_target"),
        (
            vec![("client_secret", secret.as_str())],
            400,
            "invalid_request",
        ),
        (
            vec![("grant_type", "client_credentials")],
            400,
            "invalid_request",
        ),
    ] {
        let all: Vec<_> = [("grant_type", "client_credentials")]
            .into_iter()
            .chain(fields)
            .collect();
        let headers = [("authorization", right.as_str())];
        refused(
            &program.form("/oauth2/token", &headers, &all).await,
            status,
            error,
        );
    }
}

#[tokio::test]
async fn who_fails_too_often_waits_and_others_do_not() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&machine()).await;
    let id = id.to_string();
    let wrong = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", "tgs_wrong"),
    ];
    let mut statuses = Vec::new();
    for _ in 0..70 {
        let reply = world.program().form("/oauth2/token", &[], &wrong).await;
        statuses.push(reply.status);
        if reply.status == 429 {
            assert!(reply.headers.contains_key("retry-after"));
        }
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 60);
    assert_eq!(statuses.last(), Some(&429));
    let right = [
        ("grant_type", "client_credentials"),
        ("client_id", id.as_str()),
        ("client_secret", secret.as_str()),
    ];
    let reply = world.program().form("/oauth2/token", &[], &right).await;
    assert_eq!(reply.status, 429, "the same address");
}

#[tokio::test]
async fn introspection_tells_its_own_tenant_only() {
    let world = World::new().await;
    let (id, secret) = world.confidential(&terms()).await;
    let id = id.to_string();
    let tokens = world.tokens().await;
    let access = tokens["access_token"].as_str().expect("a token");
    let ask = |id: &str, secret: &str, token: &str| {
        let fields = [
            ("client_id", id.to_owned()),
            ("client_secret", secret.to_owned()),
            ("token", token.to_owned()),
        ];
        let program = world.program();
        async move {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            program.form("/oauth2/introspect", &[], &fields).await
        }
    };
    let reply = ask(&id, &secret, access).await;
    assert_eq!(reply.body["active"], true);
    assert_eq!(reply.body["sub"], world.user.to_string());
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
    for token in ["x", tokens["id_token"].as_str().expect("a token"), "tgr_x"] {
        let reply = ask(&id, &secret, token).await;
        assert_eq!(reply.body, serde_json::json!({ "active": false }));
    }
    let elsewhere = world.stack.tenant("Elsewhere").await;
    let other = client(&world.stack, elsewhere, ClientKind::Confidential, &terms()).await;
    let plain = PlainClientSecret::mint(&random::bytes());
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    store::oauth_clients::insert_secret(&mut tx, elsewhere, other, &plain)
        .await
        .expect("a secret");
    tx.commit().await.expect("commits");
    let reply = ask(&other.to_string(), plain.reveal(), access).await;
    assert_eq!(reply.body, serde_json::json!({ "active": false }));
    let public = world.client.to_string();
    let fields = [("client_id", public.as_str()), ("token", access)];
    let reply = world
        .program()
        .form("/oauth2/introspect", &[], &fields)
        .await;
    refused(&reply, 401, "invalid_client");
}

#[tokio::test]
async fn tokens_that_are_no_access_tokens_of_ours_open_nothing() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let access = tokens["access_token"].as_str().expect("a token");
    let id_token = tokens["id_token"].as_str().expect("a token");
    let parts: Vec<&str> = access.split('.').collect();
    let none = base64url(br#"{"alg":"none","typ":"at+jwt"}"#);
    let unsigned = format!("{none}.{}.", parts[1]);
    let tampered = format!("{}.{}.{}", parts[0], base64url(b"{}"), parts[2]);
    for token in [
        id_token,
        &unsigned,
        &tampered,
        "x",
        "a.b.c",
        &"a".repeat(9000),
    ] {
        assert_eq!(world.user_info(token).await.status, 401, "{token}");
    }
    let nothing = world.program().fetch("/oauth2/userInfo").await;
    assert_eq!(nothing.status, 401);
    assert_eq!(
        nothing.headers["www-authenticate"],
        "Bearer realm=\"tollgate\""
    );
}
