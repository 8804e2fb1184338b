//! Guarantees about the language that an application's people read on their way.

use store::testing::execute;

use super::*;
use crate::testing::PASSWORD;

/// The application's request with these wishes.
fn wanted(world: &World, ui_locales: &str) -> String {
    let path = world.request().path();
    match ui_locales {
        "" => path,
        tags => format!("{path}&ui_locales={tags}"),
    }
}

fn lang(seen: &Seen) -> &str {
    seen.between("<html lang=\"", "\"").expect("a page")
}

#[tokio::test]
async fn the_application_asks_for_a_language_then_the_person_and_then_the_browser() {
    let world = World::new().await;
    for (ui_locales, cookie, accept, expected) in [
        ("fr-CA+fr", "de", "de", "fr"),
        ("nl", "de", "fr", "de"),
        ("", "fr", "de", "fr"),
        ("", "xx", "de-CH, en;q=0.9", "de"),
        ("", "", "nl, fr;q=0.2, en;q=0.1", "fr"),
        ("", "", "nl", "en"),
        ("", "", "", "en"),
    ] {
        let mut browser = world.stack.browser();
        browser.accept_language = accept;
        if !cookie.is_empty() {
            browser.set_cookie("tollgate_language_8080", cookie);
        }
        let sent = browser.get(&wanted(&world, ui_locales)).await;
        assert_eq!(sent.status, 303, "{}", sent.body);
        let login = browser.get(sent.location()).await;
        assert_eq!(lang(&login), expected, "{ui_locales} {cookie} {accept}");
        assert_eq!(login.header("content-language"), expected);
        assert_eq!(login.header("vary"), "accept-language, cookie");
    }
}

#[tokio::test]
async fn the_language_stays_on_the_whole_way_and_in_its_mails() {
    let world = World::new().await;
    let sql = "update oauth_clients set serves = 'any_tenant' where $1 > 0.0";
    execute(&world.stack.app.db, sql, 1.0).await;
    let mut browser = world.stack.browser();
    let sent = browser.get(&wanted(&world, "de")).await;
    let login = browser.get(sent.location()).await;
    let link = |seen: &Seen, path: &str| {
        let query = seen.between(&format!("href=\"{path}?"), "\"");
        format!("{path}?{}", query.expect("a link onward"))
    };

    let fields = [("email", EMAIL), ("password", "wrong wrong wrong")];
    let refused = browser.fill(&login, "/login", &fields).await;
    assert_eq!(refused.status, 422);
    assert_eq!(lang(&refused), "de");
    assert!(refused.body.contains("Passwort stimmt nicht"));

    let sign_up = browser.get(&link(&login, "/signup")).await;
    let short = [
        ("tenant_name", ""),
        ("email", "new@example.com"),
        ("password", "x"),
    ];
    let refused = browser.fill(&sign_up, "/signup", &short).await;
    assert!(refused.body.contains("mindestens 15 Zeichen"));
    assert!(refused.body.contains("Namen Ihrer Firma"));
    let fields = [
        ("tenant_name", "Contoso"),
        ("email", "new@example.com"),
        ("password", PASSWORD),
    ];
    let asked = browser.fill(&refused, "/signup", &fields).await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    let confirm = browser.get(asked.location()).await;
    assert_eq!(lang(&confirm), "de");
    let mails = world.stack.mails_to("new@example.com").await;
    assert!(mails[0].0.starts_with("Ihr Tollgate-Code: "), "{mails:?}");
    assert!(mails[0].1.contains("Er gilt 15 Minuten"), "{mails:?}");
    let code = world.stack.code_for("new@example.com").await;
    let done = browser
        .fill(&confirm, "/signup/confirm", &[("code", &code)])
        .await;
    // Back to the application, not into the console.
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.body.contains("/oauth2/authorize?"));
    assert!(done.body.contains("Es geht weiter"));

    let forgot = browser.get(&link(&login, "/forgot")).await;
    assert_eq!(lang(&forgot), "de");
    let asked = browser.fill(&forgot, "/forgot", &[("email", EMAIL)]).await;
    let reset = browser.get(asked.location()).await;
    assert!(reset.body.contains("Neues Passwort festlegen"));
    let code = world.stack.code_for(EMAIL).await;
    let fields = [("code", code.as_str()), ("password", PASSWORD)];
    let done = browser.fill(&reset, "/forgot/reset", &fields).await;
    assert_eq!(done.status, 303, "{}", done.body);
    let login = browser.get(done.location()).await;
    assert!(login.body.contains("Ihr Passwort ist geändert"));
    let mails = world.stack.mails_to(EMAIL).await;
    assert_eq!(mails[0].0, "Ihr Tollgate-Passwort wurde geändert");
    let fields = [("email", EMAIL), ("password", PASSWORD)];
    let done = browser.fill(&login, "/login", &fields).await;
    assert!(done.body.contains("Es geht weiter"), "{}", done.body);
}

#[tokio::test]
async fn what_a_person_picks_counts_at_once_and_from_then_on() {
    let world = World::new().await;
    let mut browser = world.stack.browser();
    let sent = browser.get(&wanted(&world, "de")).await;
    let login = browser.get(sent.location()).await;
    let token = login.field("csrf_token").expect("a form").to_owned();
    let back = login.field("back").expect("a switch").replace("&#38;", "&");
    let picked = [
        ("csrf_token", token.as_str()),
        ("back", back.as_str()),
        ("language", "fr"),
    ];
    let went = browser.post("/language", &picked).await;
    assert_eq!(went.status, 303, "{}", went.body);
    let cookie = went.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age="] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert_eq!(lang(&browser.get(went.location()).await), "fr");
    assert_eq!(lang(&browser.get("/login").await), "fr");

    let mut stranger = world.stack.browser();
    let without = [("back", "/login"), ("language", "fr")];
    assert_eq!(stranger.post("/language", &without).await.status, 403);
    let elsewhere = [picked[0], ("back", "//evil.example"), picked[2]];
    let went = browser.post("/language", &elsewhere).await;
    assert_eq!(went.location(), "/login");
    let unknown = [picked[0], ("back", "/forgot"), ("language", "xx")];
    let went = browser.post("/language", &unknown).await;
    assert_eq!(went.location(), "/forgot");
    assert!(went.header("set-cookie").is_empty());
}

#[tokio::test]
async fn problems_on_the_way_are_told_in_the_language_and_the_console_is_in_english() {
    let world = World::new().await;
    let mut browser = world.stack.browser();
    browser.accept_language = "de";
    let wrong = browser.get("/oauth2/authorize?client_id=nobody").await;
    assert_eq!(wrong.status, 400);
    assert_eq!(lang(&wrong), "de");
    assert!(wrong.body.contains("falschen Link"), "{}", wrong.body);
    assert!(wrong.body.contains("client_id is not one of a client here"));
    let gone = browser.get("/invitations/nothing").await;
    assert!(gone.body.contains("Diese Einladung gilt nicht mehr"));
    let expired = browser.post("/login", &[("email", EMAIL)]).await;
    assert_eq!(expired.status, 403);
    assert!(expired.body.contains("Dieses Formular ist abgelaufen"));

    let mut person = world.browser().await;
    person.accept_language = "de";
    let account = person.get("/account").await;
    assert_eq!(lang(&account), "en");
    assert_eq!(account.header("content-language"), "en");
    assert!(account.header("vary").is_empty());
    let missing = person.get("/t/ten_1").await;
    assert_eq!(lang(&missing), "en");
    assert_eq!(lang(&person.get("/").await), "en");
}

#[tokio::test]
async fn consent_is_asked_for_in_the_language_of_the_request() {
    let world = World::new().await;
    let other = world.stack.tenant("Contoso").await;
    let mut tx = world.stack.app.db.platform_tx().await.expect("begins");
    let id = Uuid::now_v7().into();
    store::members::insert(&mut tx, other, id, world.user, Role::User)
        .await
        .expect("a member");
    tx.commit().await.expect("commits");
    let terms = ClientTerms {
        serves: Serves::AnyTenant,
        ..terms()
    };
    let name = ClientName::parse("Anybody's app").expect("a name");
    let terms = ClientTerms { name, ..terms };
    let any = client(&world.stack, world.tenant, ClientKind::Public, &terms).await;
    let mut browser = world.browser().await;
    let path = format!("{}&ui_locales=fr", Request::of(any).path());
    let asked = browser.get(&path).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    assert!(asked.body.contains("Autoriser"), "{}", asked.body);
    assert!(asked.body.contains("Savoir qui vous êtes"));
    let token = asked.field("csrf_token").expect("a form").to_owned();
    let request = asked.field("request").expect("it").replace("&#38;", "&");
    let nothing = [
        ("csrf_token", token.as_str()),
        ("request", request.as_str()),
        ("decision", "allow"),
    ];
    let again = browser.post("/oauth2/consent", &nothing).await;
    assert_eq!(again.status, 422);
    assert_eq!(lang(&again), "fr");
    assert!(again.body.contains("Choisissez-en un."));
    let back = again.field("back").expect("a switch");
    assert!(back.starts_with("/oauth2/authorize?"), "{back}");
}

#[tokio::test]
async fn the_discovery_document_names_the_languages() {
    let world = World::new().await;
    let seen = world
        .stack
        .browser()
        .get("/.well-known/openid-configuration")
        .await;
    let document: Value = serde_json::from_str(&seen.body).expect("JSON");
    let expected = serde_json::json!(["en", "de", "fr"]);
    assert_eq!(document["ui_locales_supported"], expected);
}
