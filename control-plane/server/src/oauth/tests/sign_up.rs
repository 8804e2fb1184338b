//! People who come from an application and have no account.

use store::testing::execute;

use super::*;
use crate::testing::PASSWORD;

const NEW: &str = "grace@example.com";

/// A world whose client takes these.
async fn open_to(sign_up: SignUp, serves: Serves) -> World {
    let world = World::new().await;
    let terms = ClientTerms {
        name: ClientName::parse("Open app").expect("a name"),
        sign_up,
        serves,
        sign_up_domains: vec!["example.com".to_owned()],
        ..terms()
    };
    let client = client(&world.stack, world.tenant, ClientKind::Public, &terms).await;
    World { client, ..world }
}

/// The page of sign-up that an application's request leads to.
async fn from_application(world: &World, browser: &mut Browser) -> (String, Seen) {
    let request = world.request().with("prompt", "create");
    let stopped = browser.get(&request.path()).await;
    let path = stopped.location().to_owned();
    assert!(path.starts_with("/signup?next="), "{path}");
    let shown = browser.get(&path).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    (path, shown)
}

async fn ask(browser: &mut Browser, shown: &Seen, email: &str) -> Seen {
    let next = shown.field("next").expect("where to go on").to_owned();
    let next = next.replace("&#38;", "&");
    let fields = [
        ("email", email),
        ("password", PASSWORD),
        ("name", "Grace"),
        ("next", next.as_str()),
    ];
    browser.fill(shown, "/signup", &fields).await
}

async fn role(world: &World, email: &str) -> Option<Role> {
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let email = domain::email::Email::parse(email).expect("an address");
    let found = store::members::find_by_email(&mut tx, world.tenant, &email).await;
    found.expect("reads").map(|member| member.standing.role)
}

#[tokio::test]
async fn who_comes_from_an_application_signs_up_without_a_tenant_and_goes_on_to_it() {
    for (sign_up, email) in [(SignUp::Anybody, "g@example.org"), (SignUp::Domains, NEW)] {
        let world = open_to(sign_up, Serves::OwnTenant).await;
        let mut browser = world.stack.browser();
        let (_, shown) = from_application(&world, &mut browser).await;
        assert!(shown.body.contains("Open app"), "{}", shown.body);
        assert!(!shown.body.contains("tenant_name"), "{}", shown.body);
        let asked = ask(&mut browser, &shown, email).await;
        assert!(
            asked.location().starts_with("/signup/confirm?next="),
            "{}",
            asked.body
        );
        assert_eq!(role(&world, email).await, None, "nothing exists yet");

        // In another browser the code is worth nothing.
        let code = world.stack.code_for(email).await;
        let mut other = world.stack.browser();
        let token = other.token().await;
        let fields = [
            ("csrf_token", token.as_str()),
            ("email", email),
            ("code", &code),
        ];
        assert_eq!(other.post("/signup/confirm", &fields).await.status, 422);

        let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
        assert_eq!(done.status, 200, "{}", done.body);
        let next = done.between("url=", "\"").expect("a page that leads on");
        let seen = browser.get(&next.replace("&#38;", "&")).await;
        let tokens = world.exchange(&code_of(&seen), &[]).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let claims = claims(&tokens.body["id_token"]);
        assert_eq!(claims["email"], email);
        assert_eq!(claims["name"], "Grace");
        assert_eq!(claims["roles"], serde_json::json!(["user"]));
        assert_eq!(role(&world, email).await, Some(Role::User));
        let console = browser.get("/console").await;
        assert_eq!(console.location(), "/account", "no tenant was made");
    }
}

#[tokio::test]
async fn an_application_that_takes_nobody_says_so_and_offers_no_sign_up() {
    let world = World::new().await;
    let mut browser = world.stack.browser();
    let (path, shown) = from_application(&world, &mut browser).await;
    assert!(shown.body.contains("is for those who are invited"));
    let login = browser.get(&path.replace("/signup", "/login")).await;
    assert!(!login.body.contains("/signup"), "{}", login.body);
    assert!(browser.get("/login").await.body.contains("/signup"));

    let token = login.field("csrf_token").expect("a form");
    let next = login.field("next").expect("where to go on");
    let next = next.replace("&#38;", "&");
    let fields = [
        ("csrf_token", token),
        ("email", NEW),
        ("password", PASSWORD),
        ("tenant_name", "Mine"),
        ("next", next.as_str()),
    ];
    let sent = browser.post("/signup", &fields).await;
    assert_eq!(sent.status, 422, "{}", sent.body);
    assert!(world.stack.mails_to(NEW).await.is_empty());
}

#[tokio::test]
async fn sign_up_at_an_application_tells_nobody_who_has_an_account() {
    let world = open_to(SignUp::Domains, Serves::OwnTenant).await;
    let mut bodies = Vec::new();
    for email in [EMAIL, NEW] {
        let mut browser = world.stack.browser();
        let (_, shown) = from_application(&world, &mut browser).await;
        let asked = ask(&mut browser, &shown, email).await;
        assert!(
            asked.location().starts_with("/signup/confirm?next="),
            "{}",
            asked.body
        );
        let body = browser.get("/signup/confirm").await.body;
        let lines = body.lines().filter(|line| !line.contains("csrf_token"));
        bodies.push(lines.collect::<String>().replace(email, "X"));
    }
    assert_eq!(bodies[0], bodies[1]);
    // Of other domains nobody comes in, with an account or without.
    world.stack.person("eve@example.org", None).await;
    for email in ["eve@example.org", "new@example.org"] {
        let mut browser = world.stack.browser();
        let (_, shown) = from_application(&world, &mut browser).await;
        let asked = ask(&mut browser, &shown, email).await;
        assert_eq!(asked.status, 422);
        assert!(asked.body.contains("f-email-error"), "{}", asked.body);
        assert!(world.stack.mails_to(email).await.is_empty());
    }
}

#[tokio::test]
async fn an_application_that_closed_meanwhile_makes_nobody_a_member() {
    let world = open_to(SignUp::Anybody, Serves::OwnTenant).await;
    let mut browser = world.stack.browser();
    let (_, shown) = from_application(&world, &mut browser).await;
    ask(&mut browser, &shown, NEW).await;
    let sql = "update oauth_clients set sign_up = 'nobody' where $1 > 0.0";
    execute(&world.stack.app.db, sql, 1.0).await;
    let code = world.stack.code_for(NEW).await;
    let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
    let next = done.between("url=", "\"").expect("a page that leads on");
    let seen = browser.get(&next.replace("&#38;", "&")).await;
    assert_eq!(answer(&seen, "error").as_deref(), Some("access_denied"));
    assert_eq!(role(&world, NEW).await, None);
}

#[tokio::test]
async fn at_an_application_for_any_tenant_one_makes_a_tenant_and_comes_back() {
    let world = open_to(SignUp::Nobody, Serves::AnyTenant).await;
    let mut browser = world.stack.browser();
    let (_, shown) = from_application(&world, &mut browser).await;
    assert!(shown.body.contains("tenant_name"), "{}", shown.body);
    let next = shown.field("next").expect("where to go on");
    let next = next.replace("&#38;", "&");
    let fields = [
        ("email", NEW),
        ("password", PASSWORD),
        ("tenant_name", "Contoso"),
        ("next", next.as_str()),
    ];
    let asked = browser.fill(&shown, "/signup", &fields).await;
    assert!(
        asked.location().starts_with("/signup/confirm?next="),
        "{}",
        asked.body
    );
    let code = world.stack.code_for(NEW).await;
    let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
    let next = done.between("url=", "\"").expect("a page that leads on");
    let seen = browser.get(&next.replace("&#38;", "&")).await;
    assert!(seen.body.contains("Open app"), "asks: {}", seen.body);
}

#[tokio::test]
async fn a_sign_up_leads_to_pages_of_ours_only() {
    let world = open_to(SignUp::Anybody, Serves::OwnTenant).await;
    for next in [
        "//evil.example/oauth2/authorize?x",
        "https://evil.example",
        "/t/ten_1",
    ] {
        let mut browser = world.stack.browser();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let shown = browser.get(&format!("/signup?{query}")).await;
        assert!(shown.body.contains("tenant_name"), "{next}");
        assert_eq!(shown.field("next"), None, "{next}");
    }
}
