use super::*;

/// What the application is told.
async fn told(world: &World, request: Request) -> String {
    let seen = world.browser().await.get(&request.path()).await;
    assert!(
        seen.location().starts_with(CALLBACK),
        "{} {}",
        seen.location(),
        seen.body
    );
    assert_eq!(answer(&seen, "state").as_deref(), Some("s t&ate"));
    assert_eq!(
        answer(&seen, "iss").as_deref(),
        Some("http://localhost:8080")
    );
    assert_eq!(answer(&seen, "code"), None);
    answer(&seen, "error").expect("an error")
}

#[tokio::test]
async fn each_mistake_of_a_request_has_its_code() {
    let world = World::new().await;
    let request = world.request();
    for (request, error) in [
        (request.clone().without("response_type"), "invalid_request"),
        (
            request.clone().with("response_type", "token"),
            "unsupported_response_type",
        ),
        (
            request.clone().with("response_type", "code id_token"),
            "unsupported_response_type",
        ),
        (
            request.clone().with("response_mode", "fragment"),
            "invalid_request",
        ),
        (
            request.clone().without("code_challenge_method"),
            "invalid_request",
        ),
        (
            request.clone().with("code_challenge_method", "plain"),
            "invalid_request",
        ),
        (request.clone().without("code_challenge"), "invalid_request"),
        (
            request.clone().with("code_challenge", "short"),
            "invalid_request",
        ),
        (
            request
                .clone()
                .without("code_challenge")
                .without("code_challenge_method"),
            "invalid_request",
        ),
        (
            request.clone().with("scope", "openid admin"),
            "invalid_scope",
        ),
        (
            request.clone().with("request", "x"),
            "request_not_supported",
        ),
        (
            request.clone().with("request_uri", "https://x"),
            "request_uri_not_supported",
        ),
        (
            request.clone().with("prompt", "none login"),
            "invalid_request",
        ),
        (request.clone().with("prompt", "dance"), "invalid_request"),
        (request.clone().with("max_age", "-1"), "invalid_request"),
        (
            request.clone().with("resource", "https://unknown.example"),
            "invalid_target",
        ),
        (request.clone().with("tenant", "x"), "invalid_request"),
        (
            request
                .clone()
                .with("tenant", "ten_00000000000000000000000001"),
            "access_denied",
        ),
    ] {
        assert_eq!(
            told(&world, request.clone()).await,
            error,
            "{}",
            request.path()
        );
    }
}

#[tokio::test]
async fn nothing_is_redirected_to_where_the_client_did_not_register() {
    let world = World::new().await;
    let request = world.request();
    let mut browser = world.browser().await;
    for request in [
        request
            .clone()
            .with("redirect_uri", "https://evil.example/callback"),
        request
            .clone()
            .with("redirect_uri", "https://app.example.com/callback/"),
        request
            .clone()
            .with("redirect_uri", "https://app.example.com/callback?x=1"),
        request.clone().with(
            "redirect_uri",
            "https://app.example.com@evil.example/callback",
        ),
        request.clone().with("redirect_uri", "//evil.example"),
        request
            .clone()
            .with("redirect_uri", "http://127.0.0.1:80@evil.example/cb"),
        request.clone().without("redirect_uri"),
        request.clone().without("client_id"),
        request
            .clone()
            .with("client_id", "cli_00000000000000000000000001"),
        request.clone().with("client_id", "x"),
        request.clone().and("redirect_uri", "https://evil.example"),
        request
            .clone()
            .and("client_id", "cli_00000000000000000000000001"),
        request.clone().and("state", "another"),
    ] {
        let seen = browser.get(&request.path()).await;
        assert_eq!(seen.status, 400, "{}", request.path());
        assert_eq!(seen.location(), "");
        assert!(seen.body.contains("<h1>"), "{}", seen.body);
        assert!(!seen.body.contains("href=\"https://evil"));
        assert_eq!(seen.header("x-frame-options"), "DENY");
    }
    let native = request.with("redirect_uri", "http://127.0.0.1:49152/cb");
    let seen = browser.get(&native.path()).await;
    assert!(
        seen.location()
            .starts_with("http://127.0.0.1:49152/cb?code=")
    );
}

#[tokio::test]
async fn prompt_none_never_shows_a_page() {
    let world = World::new().await;
    let request = world.request().with("prompt", "none");
    let seen = world.stack.browser().get(&request.path()).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("login_required"));
    let seen = world.browser().await.get(&request.path()).await;
    code_of(&seen);
}

#[tokio::test]
async fn who_is_to_sign_in_anew_gets_no_code_before_they_did() {
    let world = World::new().await;
    let mut browser = world.browser().await;
    for (name, value) in [
        ("prompt", "login"),
        ("max_age", "0"),
        ("prompt", "select_account"),
    ] {
        let request = world.request().with(name, value);
        let seen = browser.get(&request.path()).await;
        assert!(
            seen.location().starts_with("/login?next="),
            "{}",
            seen.location()
        );
        let login = seen.location().to_owned();
        // Though they are signed in, the form is shown.
        let shown = browser.get(&login).await;
        assert_eq!(shown.status, 200);
        let next = shown
            .field("next")
            .expect("carried on")
            .replace("&#38;", "&");
        assert!(!next.contains("prompt="), "{next}");
        let fields = [
            ("email", EMAIL),
            ("password", crate::testing::PASSWORD),
            ("next", next.as_str()),
        ];
        let seen = browser.fill(&shown, "/login", &fields).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        code_of(&browser.get(&next).await);
    }
    // A sign-in that is young enough will do.
    let seen = browser
        .get(&world.request().with("max_age", "600").path())
        .await;
    code_of(&seen);
}

#[tokio::test]
async fn a_client_of_another_tenant_is_allowed_first_and_remembered() {
    let world = World::new().await;
    let publisher = world.stack.tenant("Harbour Data").await;
    let other = ClientTerms {
        serves: Serves::AnyTenant,
        name: ClientName::parse("Fleet Analytics").expect("a name"),
        ..terms()
    };
    let id = client(&world.stack, publisher, ClientKind::Public, &other).await;
    let request = Request::of(id);
    let mut browser = world.browser().await;
    let silent = request.clone().with("prompt", "none");
    let seen = browser.get(&silent.path()).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("consent_required"));

    let shown = browser.get(&request.path()).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("Fleet Analytics") && shown.body.contains("Harbour Data"));
    assert!(shown.body.contains("See your email address"));
    let asked = shown
        .field("request")
        .expect("a request")
        .replace("&#38;", "&");
    let no = [("request", asked.as_str()), ("decision", "deny")];
    let seen = browser.fill(&shown, "/oauth2/consent", &no).await;
    assert!(seen.body.contains("error=access_denied"), "{}", seen.body);
    let strange = browser.post("/oauth2/consent", &no).await;
    assert_eq!(strange.status, 403, "a form of another site is refused");

    let yes = [("request", asked.as_str()), ("decision", "allow")];
    let seen = browser.fill(&shown, "/oauth2/consent", &yes).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    code_of(&browser.get(&request.path()).await);
    // Another scope is another question.
    let more = request.clone().with("scope", "openid orders:write");
    assert_eq!(browser.get(&more.path()).await.status, 200);
    let again = request.with("prompt", "consent");
    assert_eq!(browser.get(&again.path()).await.status, 200);
}

#[tokio::test]
async fn who_belongs_to_several_tenants_chooses_one() {
    let world = World::new().await;
    let second = world.stack.tenant("Southwind").await;
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let member = Uuid::now_v7().into();
    store::members::insert(&mut tx, second, member, world.user, Role::Developer)
        .await
        .expect("a member");
    tx.commit().await.expect("commits");
    let any = ClientTerms {
        serves: Serves::AnyTenant,
        name: ClientName::parse("Both").expect("a name"),
        ..terms()
    };
    let id = client(&world.stack, world.tenant, ClientKind::Public, &any).await;
    let mut browser = world.browser().await;
    let request = Request::of(id);
    let shown = browser.get(&request.path()).await;
    assert!(shown.body.contains("Southwind"), "{}", shown.body);
    let asked = shown
        .field("request")
        .expect("a request")
        .replace("&#38;", "&");
    let chosen = second.to_string();
    let yes = [
        ("request", asked.as_str()),
        ("tenant", chosen.as_str()),
        ("decision", "allow"),
    ];
    let seen = browser.fill(&shown, "/oauth2/consent", &yes).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let seen = browser.get(&request.with("tenant", &chosen).path()).await;
    let id = id.to_string();
    let reply = world
        .exchange(&code_of(&seen), &[("client_id", Some(&id))])
        .await;
    let access = claims(&reply.body["access_token"]);
    assert_eq!(access["tenant_id"], chosen);
    assert_eq!(access["roles"], serde_json::json!(["developer"]));
}

#[tokio::test]
async fn a_client_that_is_open_to_a_domain_makes_its_people_users() {
    let world = World::new().await;
    let open = ClientTerms {
        name: ClientName::parse("Open").expect("a name"),
        sign_up: SignUp::Domains,
        sign_up_domains: vec!["friend.example".to_owned()],
        ..terms()
    };
    let id = client(&world.stack, world.tenant, ClientKind::Public, &open).await;
    world.stack.person("bob@friend.example", None).await;
    world.stack.person("eve@evil.example", None).await;
    let mut eve = world.stack.browser_of("eve@evil.example").await;
    let seen = eve.get(&Request::of(id).path()).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("access_denied"));
    let mut bob = world.stack.browser_of("bob@friend.example").await;
    // Nobody is made a member, or told of, before they said so themselves.
    let silent = Request::of(id).with("prompt", "none").path();
    let seen = bob.get(&silent).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("consent_required"));
    let shown = bob.get(&Request::of(id).path()).await;
    assert!(
        shown.body.contains("You become a user of"),
        "{}",
        shown.body
    );
    let asked = shown
        .field("request")
        .expect("a request")
        .replace("&#38;", "&");
    let no = [("request", asked.as_str()), ("decision", "deny")];
    bob.fill(&shown, "/oauth2/consent", &no).await;
    let seen = bob.get(&silent).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("consent_required"));
    let yes = [("request", asked.as_str()), ("decision", "allow")];
    let gone_on = bob.fill(&shown, "/oauth2/consent", &yes).await;
    assert_eq!(gone_on.status, 200, "{}", gone_on.body);
    code_of(&bob.get(&Request::of(id).path()).await);
    let console = bob.get(&format!("/t/{}", world.tenant)).await;
    assert_eq!(console.status, 404, "users have no console");
}

#[tokio::test]
async fn a_form_comes_to_the_same_place() {
    let world = World::new().await;
    let request = world.request();
    let fields: Vec<(&str, &str)> = request
        .0
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut browser = world.browser().await;
    browser.site = Some("cross-site");
    let seen = browser.post("/oauth2/authorize", &fields).await;
    assert_eq!(
        (seen.status, seen.location()),
        (303, request.path().as_str())
    );
    code_of(
        &browser
            .get(&request.path().replace("oauth2", "oauth"))
            .await,
    );
}
