use super::*;
use crate::Now;

#[tokio::test]
async fn a_person_signs_in_to_an_application_and_it_gets_tokens_that_say_who_they_are() {
    let world = World::new().await;
    let mut browser = world.stack.browser();
    let path = world.request().path();
    let seen = browser.get(&path).await;
    assert_eq!(seen.status, 303);
    assert!(
        seen.location().starts_with("/login?next="),
        "{}",
        seen.location()
    );
    let login = seen.location().to_owned();
    let fields = [("email", EMAIL), ("password", crate::testing::PASSWORD)];
    let shown = browser.get(&login).await;
    // The page's forms stay on this site; the way to the application is a page of its own.
    let mut all = fields.to_vec();
    let next = shown
        .field("next")
        .expect("carried on")
        .replace("&#38;", "&");
    all.push(("next", &next));
    let seen = browser.fill(&shown, "/login", &all).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(
        seen.body.contains("http-equiv=\"refresh\""),
        "{}",
        seen.body
    );

    let seen = browser.get(&path).await;
    assert_eq!(answer(&seen, "state").as_deref(), Some("s t&ate"));
    assert_eq!(
        answer(&seen, "iss").as_deref(),
        Some("http://localhost:8080")
    );
    let reply = world.exchange(&code_of(&seen), &[]).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.headers["cache-control"], "no-store");
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    assert!(
        !reply
            .headers
            .contains_key("access-control-allow-credentials")
    );
    assert_eq!(reply.body["token_type"], "Bearer");
    assert_eq!(reply.body["expires_in"], 3600);
    assert!(reply.body["refresh_token"].is_string());

    let access = claims(&reply.body["access_token"]);
    let now = Now::read().unix_seconds();
    for (name, value) in [
        ("iss", "http://localhost:8080".to_owned()),
        ("sub", world.user.to_string()),
        ("client_id", world.client.to_string()),
        ("tenant_id", world.tenant.to_string()),
        ("scope", "openid email profile orders:read".to_owned()),
        ("token_use", "access".to_owned()),
        ("username", EMAIL.to_owned()),
    ] {
        assert_eq!(access[name], value, "{name}");
    }
    assert_eq!(access["roles"], serde_json::json!(["user"]));
    assert_eq!(access["groups"], serde_json::json!([]));
    let iat = access["iat"].as_i64().expect("a number");
    assert!((now - 5..=now).contains(&iat));
    assert_eq!(access["nbf"], iat);
    assert_eq!(access["exp"], iat + 3600);
    assert!(access["auth_time"].as_i64().expect("a number") <= iat);

    let id = claims(&reply.body["id_token"]);
    assert_eq!(id["aud"], world.client.to_string());
    assert_eq!(id["nonce"], "n-0S6");
    assert_eq!(id["exp"], id["iat"].as_i64().expect("a number") + 1800);
    assert_eq!(id["email"], EMAIL);
    assert_eq!(id["email_verified"], true);
    assert_eq!(id["tenant_id"], world.tenant.to_string());
    assert_eq!(id["origin_jti"], access["origin_jti"]);
    let token = reply.body["access_token"].as_str().expect("a token");
    assert_eq!(id["at_hash"], half_hash(token));

    let info = world.user_info(token).await;
    assert_eq!(info.status, 200, "{}", info.body);
    assert_eq!(info.body["sub"], world.user.to_string());
    assert_eq!(info.body["email"], EMAIL);
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_address_and_its_verifier() {
    let world = World::new().await;
    let (other, secret) = world.confidential(&terms()).await;
    let other = other.to_string();
    let code = world.code().await;
    type Mistake<'a> = (&'a [(&'a str, Option<&'a str>)], u16, &'a str);
    let mistakes: &[Mistake<'_>] = &[
        (&[("code", Some("tgc_x"))], 400, "invalid_grant"),
        (&[("code", None)], 400, "invalid_request"),
        (&[("grant_type", None)], 400, "invalid_request"),
        (
            &[("grant_type", Some("password"))],
            400,
            "unsupported_grant_type",
        ),
        (
            &[("grant_type", Some("client_credentials"))],
            400,
            "unauthorized_client",
        ),
        (
            &[("redirect_uri", Some("https://app.example.com/other"))],
            400,
            "invalid_grant",
        ),
        (&[("redirect_uri", None)], 400, "invalid_grant"),
        (
            &[("code_verifier", Some(&VERIFIER[1..]))],
            400,
            "invalid_grant",
        ),
        (&[("code_verifier", None)], 400, "invalid_grant"),
        (&[("client_id", None)], 401, "invalid_client"),
        (&[("client_id", Some("cli_nobody"))], 401, "invalid_client"),
        (&[("client_secret", Some("tgs_x"))], 401, "invalid_client"),
        (&[("client_id", Some(&other))], 401, "invalid_client"),
        (
            &[
                ("client_id", Some(&other)),
                ("client_secret", Some(&secret)),
            ],
            400,
            "invalid_grant",
        ),
    ];
    for (changes, status, error) in mistakes {
        let reply = world.exchange(&code, changes).await;
        assert_eq!(reply.body["error"], *error, "{changes:?} {}", reply.body);
        assert_eq!(reply.status, *status, "{changes:?}");
    }
    // None of that used it up.
    let tokens = world.exchange(&code, &[]).await;
    assert_eq!(tokens.status, 200, "{}", tokens.body);
    let access = tokens.body["access_token"].as_str().expect("a token");
    assert_eq!(world.user_info(access).await.status, 200);

    refused(&world.exchange(&code, &[]).await, 400, "invalid_grant");
    // Whoever came second: what the first one got is over.
    let refresh = tokens.body["refresh_token"].as_str().expect("a token");
    refused(&world.refresh(refresh).await, 400, "invalid_grant");
    let info = world.user_info(access).await;
    assert_eq!(info.status, 401);
    let challenge = info.headers["www-authenticate"].to_str().expect("text");
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
}

#[tokio::test]
async fn of_many_exchanges_at_once_one_gets_tokens() {
    let world = World::new().await;
    let code = world.code().await;
    let (a, b, c, d) = tokio::join!(
        world.exchange(&code, &[]),
        world.exchange(&code, &[]),
        world.exchange(&code, &[]),
        world.exchange(&code, &[])
    );
    let mut statuses = [a, b, c, d].map(|reply| reply.status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400]);
}

#[tokio::test]
async fn who_left_the_tenant_gets_no_more_tokens() {
    let world = World::new().await;
    let tokens = world.tokens().await;
    let code = world.code().await;
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let member = store::members::find_by_user(&mut tx, world.tenant, world.user).await;
    let member = member.expect("reads").expect("a member");
    let (at, now) = ((world.tenant, member.id), Now::read().0);
    let held = store::members::hold(&mut tx, at, None, None, now).await;
    let gone = store::members::delete(&mut tx, held.expect("holds"), now).await;
    gone.expect("goes");
    tx.commit().await.expect("commits");
    refused(&world.exchange(&code, &[]).await, 400, "invalid_grant");
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    refused(&world.refresh(refresh).await, 400, "invalid_grant");
    let seen = world.browser().await.get(&world.request().path()).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn each_client_has_its_algorithm() {
    let world = World::new().await;
    for algorithm in SigningAlgorithm::ALL {
        let terms = ClientTerms {
            name: ClientName::parse(algorithm.as_str()).expect("a name"),
            signing_algorithm: *algorithm,
            ..terms()
        };
        let id = client(&world.stack, world.tenant, ClientKind::Public, &terms).await;
        let seen = world.browser().await.get(&Request::of(id).path()).await;
        let id = id.to_string();
        let reply = world
            .exchange(&code_of(&seen), &[("client_id", Some(&id))])
            .await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let jwks = world.program().fetch("/.well-known/jwks.json").await.body;
        for name in ["access_token", "id_token"] {
            let token = reply.body[name].as_str().expect("a token");
            let header = jsonwebtoken::decode_header(token).expect("a header");
            let key = jwks["keys"]
                .as_array()
                .expect("keys")
                .iter()
                .find(|key| key["kid"] == header.kid.clone().expect("a kid"))
                .expect("the key is shown");
            assert_eq!(key["alg"], algorithm.as_str());
            assert!(key.get("d").is_none() && key.get("p").is_none());
        }
    }
}
