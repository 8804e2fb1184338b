//! Setting providers up.

use domain::role::Role;

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_provider_is_said_in_words_when_it_is_set_up() {
    let world = World::new().await;
    let url = world.issuer.url.clone();
    for (document, text) in [
        (
            json!({ "issuer": "https://other.example" }),
            "says that the issuer is https://other.example",
        ),
        (
            json!({ "issuer": url, "response_types_supported": ["id_token"] }),
            "response type code",
        ),
        (
            json!({
                "response_types_supported": ["code"],
                "id_token_signing_alg_values_supported": ["HS256", "none"],
            }),
            "no signature of ID tokens that is taken here",
        ),
        (
            json!({
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint": "http://id.example/token",
            }),
            "names http://id.example/token as token_endpoint, which cannot be used",
        ),
        (
            json!({ "token_endpoint": "http://169.254.169.254/token" }),
            "as token_endpoint, which cannot be used",
        ),
        (
            json!({ "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/nothing") }),
            "/nothing cannot be read: it answered with status 404",
        ),
    ] {
        world.issuer.describe(&document);
        let (status, body) = world.ask_provider(None, json!({})).await;
        assert_eq!(status, 422, "{body}");
        assert_eq!(body["errors"][0]["pointer"], "/issuer", "{body}");
        assert_eq!(body["errors"][0]["code"], "unusable");
        let message = body["errors"][0]["message"].as_str().expect("a message");
        assert!(message.contains(text), "{message}");
    }
    let (status, body) = world
        .ask_provider(None, json!({ "issuer": "http://127.0.0.1:9" }))
        .await;
    assert_eq!(status, 422);
    assert!(
        body.to_string().contains("there is no connection to it"),
        "{body}"
    );
    // Switched off, it may be wrong for now.
    let off = json!({ "issuer": "http://127.0.0.1:9", "is_enabled": false });
    let id = world.provider(None, off).await;
    let path = format!("/login/with/{id}");
    assert_eq!(world.stack.browser().get(&path).await.status, 404);
}

#[tokio::test]
async fn a_client_secret_is_kept_sealed_and_shown_to_nobody() {
    let world = World::new().await;
    let id = world.provider(None, json!({})).await;
    let path = format!("/identity-providers/{id}");
    let shown = world.operator.get(&path).await;
    assert_eq!(shown.body["has_client_secret"], true);
    assert_eq!(
        shown.body["redirect_uri"],
        "http://localhost:8080/login/callback"
    );
    let log = world.operator.get("/audit-events").await;
    let mut operator = world.stack.browser_of("op@acme.example").await;
    let page = operator.get(&format!("/admin{path}")).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in [shown.body.to_string(), log.body.to_string(), page.body] {
        assert!(!text.contains("with % and"), "{text}");
    }
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let stored = store::identity_providers::get(&mut tx, None, id.parse().expect("an id")).await;
    let sealed = stored
        .expect("reads")
        .sealed_client_secret
        .expect("a secret");
    assert!(
        !sealed
            .windows(8)
            .any(|part| part == &SECRET.as_bytes()[..8])
    );
    tx.commit().await.expect("commits");
    // An edit that says nothing of it keeps it; an empty one takes it away.
    let kept = world
        .operator
        .patch(&path, json!({ "name": "Renamed" }))
        .await;
    assert_eq!(kept.body["has_client_secret"], true, "{}", kept.body);
    let seen = world.come_in(&mut world.stack.browser(), &id).await;
    assert_eq!(seen.location(), "/account");
    let gone = world
        .operator
        .patch(&path, json!({ "client_secret": "" }))
        .await;
    assert_eq!(gone.body["has_client_secret"], false, "{}", gone.body);
    // People are linked to the issuer.
    let other = json!({ "issuer": "https://accounts.google.com", "is_enabled": false });
    let refused = world.operator.patch(&path, other).await;
    assert_eq!(
        refused.body["errors"][0]["code"], "fixed",
        "{}",
        refused.body
    );
    assert_eq!(world.operator.delete(&path).await.status, 204);
    assert_eq!(world.operator.get(&path).await.status, 404);
}

#[tokio::test]
async fn pages_set_a_provider_up_and_keep_what_was_typed() {
    let world = World::new().await;
    let tenant = world.stack.tenant("Acme").await;
    world
        .stack
        .member(tenant, "owner@acme.example", Role::Owner)
        .await;
    world
        .stack
        .member(tenant, "dev@acme.example", Role::Developer)
        .await;
    let base = format!("/t/{tenant}/identity-providers");
    let mut owner = world.stack.browser_of("owner@acme.example").await;
    let mut fields = vec![
        ("name", "Acme ID"),
        ("issuer", "http://id.example"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scopes", "email, profile"),
        ("domains", "acme.example"),
        ("groups", "drv = Drivers"),
        ("name_claim", "name"),
        ("makes_people", "on"),
        ("role", "user"),
        ("is_enabled", "on"),
    ];
    let wrong = owner.submit(&format!("{base}/new"), &fields).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("Use https"), "{}", wrong.body);
    assert!(wrong.body.contains("drv = Drivers") && !wrong.body.contains("with % and"));
    let url = world.issuer.url.clone();
    fields[1] = ("issuer", &url);
    let made = owner.submit(&format!("{base}/new"), &fields).await;
    assert_eq!(
        (made.status, made.location()),
        (303, base.as_str()),
        "{}",
        made.body
    );
    let list = owner.get(&base).await;
    assert!(list.body.contains("Acme ID is set up."), "{}", list.body);
    let id = list.between(&format!("{base}/idp_"), "\"").expect("a link");
    let place = format!("{base}/idp_{id}");
    let edited = [
        ("name", "Acme"),
        ("client_id", "c"),
        ("scopes", "email"),
        ("role", "viewer"),
    ];
    let saved = owner.submit(&place, &edited).await;
    assert_eq!(saved.location(), base, "{}", saved.body);
    // Of those who may not, nobody is shown anything, and nothing is called for them.
    let mut developer = world.stack.browser_of("dev@acme.example").await;
    let calls = world.issuer.calls("document");
    for path in [&base, &place, &format!("{base}/new")] {
        assert_eq!(developer.get(path).await.status, 403, "{path}");
    }
    let token = developer.token().await;
    let mut sent = fields.clone();
    sent.push(("csrf_token", &token));
    assert_eq!(
        developer.post(&format!("{base}/new"), &sent).await.status,
        403
    );
    assert_eq!(world.issuer.calls("document"), calls);
    // Another tenant's, and the platform's, are not there.
    let other = world.stack.tenant("Contoso").await;
    world
        .stack
        .member(other, "eve@contoso.example", Role::Owner)
        .await;
    let mut eve = world.stack.browser_of("eve@contoso.example").await;
    let path = format!("/t/{other}/identity-providers/idp_{id}");
    assert_eq!(eve.get(&path).await.status, 404);
    assert_eq!(eve.get("/admin/identity-providers").await.status, 403);
    let gone = owner.submit(&format!("{place}/delete"), &[]).await;
    assert_eq!(gone.location(), base);
}
