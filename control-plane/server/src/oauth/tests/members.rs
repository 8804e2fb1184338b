//! What tokens say of members, and what becomes of tokens when members change.

use serde_json::json;

use super::*;

/// An owner's program, and the path of the member who uses the application.
async fn owner(world: &World) -> (Program, String) {
    let owner = world
        .stack
        .member(world.tenant, "owner@example.com", Role::Owner)
        .await;
    let owner = world.stack.program_of(owner, &[]).await;
    let members = format!("/tenants/{}/members", world.tenant);
    let list = owner.get(&members).await;
    let found = list.body["items"].as_array().expect("a list");
    let found = found.iter().find(|one| one["email"] == EMAIL);
    let id = found.expect("a member")["id"].as_str().expect("an id");
    (owner, format!("{members}/{id}"))
}

#[tokio::test]
async fn tokens_name_the_groups_of_a_person() {
    let world = World::new().await;
    let (owner, member) = owner(&world).await;
    let groups = format!("/tenants/{}/groups", world.tenant);
    for name in ["Drivers", "couriers", "Nobody's"] {
        let made = owner.post(&groups, json!({ "name": name })).await;
        let id = made.body["id"].as_str().expect("an id");
        if name != "Nobody's" {
            let member = member.rsplit('/').next().expect("an id");
            let path = format!("{groups}/{id}/members/{member}");
            let added = owner.send(http::Method::PUT, &path, &[], None).await;
            assert_eq!(added.status, 204, "{}", added.body);
        }
    }
    let tokens = world.tokens().await;
    let expected = json!(["couriers", "Drivers"]);
    assert_eq!(claims(&tokens["access_token"])["groups"], expected);
    assert_eq!(claims(&tokens["id_token"])["groups"], expected);
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.body["groups"], expected);
}

#[tokio::test]
async fn a_refresh_ends_with_what_a_member_loses_and_brings_what_they_gain() {
    let world = World::new().await;
    let (owner, member) = owner(&world).await;
    for (change, goes_on) in [
        (Some(json!({"role": "developer"})), true),
        (Some(json!({"role": "viewer"})), false),
        (Some(json!({"status": "disabled"})), false),
        (Some(json!({"status": "active"})), true),
        (None, false),
    ] {
        // Whoever is disabled gets no tokens to begin with.
        let is_enabling = change == Some(json!({"status": "active"}));
        let tokens = match is_enabling {
            true => Value::Null,
            false => world.tokens().await,
        };
        let done = match change.clone() {
            Some(change) => owner.patch(&member, change).await,
            None => owner.delete(&member).await,
        };
        assert!([200, 204].contains(&done.status), "{}", done.body);
        let Some(refresh) = tokens["refresh_token"].as_str() else {
            continue;
        };
        let reply = world.refresh(refresh).await;
        if goes_on {
            let roles = claims(&reply.body["access_token"])["roles"].clone();
            assert_eq!(roles, json!(["developer"]));
            continue;
        }
        refused(&reply, 400, "invalid_grant");
        let access = tokens["access_token"].as_str().expect("a token");
        assert_eq!(world.user_info(access).await.status, 401, "{change:?}");
    }
}

#[tokio::test]
async fn tokens_carry_what_the_tenant_keeps_of_a_person_where_the_application_may_know() {
    let world = World::new().await;
    let (owner, member) = owner(&world).await;
    let kept = json!({"attributes": {"team": "east", "cost_centre": "7"}});
    assert_eq!(owner.patch(&member, kept).await.status, 200);
    let tokens = world.tokens().await;
    let info = world.user_info(tokens["access_token"].as_str().expect("a token"));
    let info = info.await.body;
    for claims in [
        claims(&tokens["access_token"]),
        claims(&tokens["id_token"]),
        info,
    ] {
        assert_eq!(claims["custom:team"], "east", "{claims}");
        assert_eq!(claims["custom:cost_centre"], "7", "{claims}");
    }
    let request = world.request().with("scope", "openid orders:read");
    let seen = world.browser().await.get(&request.path()).await;
    let reply = world.exchange(&code_of(&seen), &[]).await;
    let id = claims(&reply.body["id_token"]);
    assert!(id.get("custom:team").is_none(), "{id}");
    let access = claims(&reply.body["access_token"]);
    assert_eq!(access["custom:team"], "east", "for the tenant's own APIs");

    let large = json!({"attributes": {"a": "x".repeat(2048), "b": "x".repeat(2048)}});
    let refused = owner.patch(&member, large).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(refused.body["errors"][0]["code"], "too_large");
}
