use super::*;
use crate::Now;

fn refresh_token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.body["refresh_token"].as_str();
    token.expect("a refresh token").to_owned()
}

/// As if the tokens had been turned this much earlier.
async fn age(world: &World, seconds: f64) {
    let sql = "update oauth_grants set rotated_at = rotated_at - make_interval(secs => $1)";
    store::testing::execute(&world.stack.app.db, sql, seconds).await;
}

#[tokio::test]
async fn a_refresh_token_is_replaced_by_each_use_and_the_same_sign_in_goes_on() {
    let world = World::new().await;
    let first = world.tokens().await;
    let token = first["refresh_token"].as_str().expect("a token");
    let reply = world.refresh(token).await;
    let second = refresh_token(&reply);
    assert_ne!(second, token);
    let (old, new) = (
        claims(&first["access_token"]),
        claims(&reply.body["access_token"]),
    );
    for name in ["sub", "origin_jti", "auth_time", "tenant_id", "scope"] {
        assert_eq!(old[name], new[name], "{name}");
    }
    assert_ne!(old["jti"], new["jti"]);
    let id = claims(&reply.body["id_token"]);
    assert!(id.get("nonce").is_none());
    assert_eq!(id["auth_time"], new["auth_time"]);
    refresh_token(&world.refresh(&second).await);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_and_a_replay_ends_the_family() {
    let world = World::new().await;
    let first = world.tokens().await;
    let token = first["refresh_token"].as_str().expect("a token");
    let second = refresh_token(&world.refresh(token).await);
    assert_eq!(refresh_token(&world.refresh(token).await), second);
    age(&world, 31.0).await;
    refused(&world.refresh(token).await, 400, "invalid_grant");
    refused(&world.refresh(&second).await, 400, "invalid_grant");
    let access = first["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.status, 401);
}

#[tokio::test]
async fn a_token_two_places_back_is_a_replay_at_once() {
    let world = World::new().await;
    let first = world.tokens().await;
    let token = first["refresh_token"].as_str().expect("a token");
    let second = refresh_token(&world.refresh(token).await);
    let third = refresh_token(&world.refresh(&second).await);
    refused(&world.refresh(token).await, 400, "invalid_grant");
    refused(&world.refresh(&third).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_its_clients_own_and_cannot_be_made_up() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"].as_str().expect("a token");
    let (other, secret) = world.confidential(&terms()).await;
    let other = other.to_string();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", other.as_str()),
        ("client_secret", secret.as_str()),
        ("refresh_token", token),
    ];
    let reply = world.program().form("/oauth2/token", &[], &fields).await;
    refused(&reply, 400, "invalid_grant");
    let last = if token.ends_with('A') { "B" } else { "A" };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    refused(&world.refresh(&forged).await, 400, "invalid_grant");
    refused(&world.refresh("tgr_").await, 400, "invalid_grant");
    // None of that harmed it.
    refresh_token(&world.refresh(token).await);
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let id = world.client.to_string();
    let with_scope = |scope| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", id.as_str()),
            ("refresh_token", token.as_str()),
            ("scope", scope),
        ];
        let program = world.program();
        async move { program.form("/oauth2/token", &[], &fields).await }
    };
    refused(&with_scope("orders:write").await, 400, "invalid_scope");
    let reply = with_scope("orders:read").await;
    assert_eq!(reply.body["scope"], "orders:read");
    assert!(reply.body.get("id_token").is_none());
}

#[tokio::test]
async fn a_revoked_token_ends_what_it_stands_for() {
    let world = World::new().await;
    let id = world.client.to_string();
    let revoke = |token: &str| {
        let fields = [("client_id", id.clone()), ("token", token.to_owned())];
        let program = world.program();
        async move {
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            program.form("/oauth2/revoke", &[], &fields).await
        }
    };
    let tokens = world.tokens().await;
    let access = tokens["access_token"].as_str().expect("a token");
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    assert_eq!(revoke(access).await.status, 200);
    assert_eq!(world.user_info(access).await.status, 401);
    let reply = world.refresh(refresh).await;
    let next = refresh_token(&reply);
    let access = reply.body["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.status, 200);
    assert_eq!(revoke(&next).await.status, 200);
    refused(&world.refresh(&next).await, 400, "invalid_grant");
    assert_eq!(world.user_info(access).await.status, 401);
    // What is not there is as good as revoked; who asks has to be somebody.
    for token in ["tgr_x", "nonsense", &next] {
        assert_eq!(revoke(token).await.status, 200);
    }
    let nobody = [("token", next.as_str())];
    let reply = world.program().form("/oauth2/revoke", &[], &nobody).await;
    refused(&reply, 401, "invalid_client");
}

#[tokio::test]
async fn a_new_password_ends_what_applications_were_given() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let mut browser = world.browser().await;
    let fields = [
        ("current_password", crate::testing::PASSWORD),
        ("password", "another horse battery"),
    ];
    let seen = browser.submit("/account", &fields).await;
    assert_eq!(seen.status, 303, "{}", seen.body);
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    refused(&world.refresh(refresh).await, 400, "invalid_grant");
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.status, 401);
}

#[tokio::test]
async fn who_is_disabled_everywhere_gets_no_tokens_and_has_none() {
    let world = World::new().await;
    let (client, secret) = world.confidential(&super::terms()).await;
    let (tokens, code) = (world.tokens().await, world.code().await);
    let mut browser = world.browser().await;
    let introspect = async |token: &str| {
        let id = client.to_string();
        let fields = [
            ("client_id", id.as_str()),
            ("client_secret", secret.as_str()),
            ("token", token),
        ];
        let reply = world
            .program()
            .form("/oauth2/introspect", &[], &fields)
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body["active"].clone()
    };
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(introspect(access).await, true);
    // Only that: each door looks by itself, whatever was revoked beside.
    let sql = "update users set disabled_at = now() - make_interval(secs => $1)";
    store::testing::execute(&world.stack.app.db, sql, 1.0).await;
    assert_eq!(introspect(access).await, false);
    assert_eq!(world.user_info(access).await.status, 401);
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    refused(&world.refresh(refresh).await, 400, "invalid_grant");
    refused(&world.exchange(&code, &[]).await, 400, "invalid_grant");
    let seen = browser.get(&world.request().path()).await;
    assert_eq!(super::answer(&seen, "code"), None, "{}", seen.location());
}

#[tokio::test]
async fn grants_end_when_they_were_to() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let token = tokens["refresh_token"].as_str().expect("a token");
    let sql = "update oauth_grants set expires_at = now() - make_interval(secs => $1)";
    store::testing::execute(&world.stack.app.db, sql, 1.0).await;
    refused(&world.refresh(token).await, 400, "invalid_grant");
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    store::oauth_grants::delete_expired(&mut tx, Now::read().0, 10)
        .await
        .expect("deletes");
    tx.commit().await.expect("commits");
    refused(&world.refresh(token).await, 400, "invalid_grant");
}
