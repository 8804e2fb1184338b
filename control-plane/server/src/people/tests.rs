//! Guarantees of sign-up, sign-in and lost passwords.

mod email_change;
mod passkeys;
mod second_step;
mod sign_ins;

use std::time::{Duration, Instant};

use domain::role::{PlatformRole, Role};

use web::language::Language;

use crate::Now;
use crate::testing::{Browser, PASSWORD, Stack};

const EMAIL: &str = "ada@example.com";

async fn sign_up(browser: &mut Browser, email: &str) -> u16 {
    let fields = [
        ("tenant_name", "Northwind"),
        ("email", email),
        ("password", PASSWORD),
    ];
    browser.submit("/signup", &fields).await.status
}

#[tokio::test]
async fn who_signs_up_owns_a_tenant_once_the_code_came_back() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    assert_eq!(sign_up(&mut browser, EMAIL).await, 303);
    // Nothing exists yet that could be signed in to.
    let early = stack
        .browser()
        .submit("/login", &[("email", EMAIL), ("password", PASSWORD)])
        .await;
    assert_eq!(early.status, 422);

    let code = stack.code_for(EMAIL).await;
    let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert!(
        done.location().starts_with("/t/ten_"),
        "{}",
        done.location()
    );
    let overview = browser.get(done.location()).await;
    assert!(overview.body.contains("Northwind is set up."));
    assert!(overview.body.contains("Take a plan"));
    // The message is shown once.
    let again = browser.get(done.location()).await;
    assert!(!again.body.contains("is set up."));
    let members = browser.get(&format!("{}/members", done.location())).await;
    assert!(members.body.contains("Owner"));
}

#[tokio::test]
async fn a_code_works_once_and_stands_few_guesses() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    sign_up(&mut browser, EMAIL).await;
    let code = stack.code_for(EMAIL).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let guess = browser.submit("/signup/confirm", &[("code", wrong)]).await;
        assert_eq!(guess.status, 422);
    }
    let late = browser.submit("/signup/confirm", &[("code", &code)]).await;
    assert_eq!(late.status, 422, "guessed too often");

    let shown = browser.get("/signup/confirm").await;
    let sent = browser
        .fill(&shown, "/signup/resend", &[("email", EMAIL)])
        .await;
    assert_eq!(sent.status, 303);
    let code = stack.code_for(EMAIL).await;
    let done = browser.submit("/signup/confirm", &[("code", &code)]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    let mut other = stack.browser();
    let token = other.token().await;
    let fields = [
        ("csrf_token", token.as_str()),
        ("email", EMAIL),
        ("code", &code),
    ];
    assert_eq!(other.post("/signup/confirm", &fields).await.status, 422);
}

#[tokio::test]
async fn a_sign_up_is_confirmed_only_in_the_browser_that_asked_for_it() {
    let stack = Stack::new().await;
    let (mut owner, mut intruder) = (stack.browser(), stack.browser());
    assert_eq!(sign_up(&mut owner, EMAIL).await, 303);
    assert_eq!(sign_up(&mut intruder, EMAIL).await, 303);
    // The owner has the code of the intruder's sign-up in the mailbox.
    let code = stack.code_for(EMAIL).await;
    let refused = owner.submit("/signup/confirm", &[("code", &code)]).await;
    assert_eq!(
        refused.status, 422,
        "the intruder's password must not come true"
    );
}

#[tokio::test]
async fn signing_up_tells_nobody_but_the_owner_that_there_is_an_account() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let (mut known, mut unknown) = (stack.browser(), stack.browser());
    assert_eq!(sign_up(&mut known, EMAIL).await, 303);
    assert_eq!(sign_up(&mut unknown, "new@example.com").await, 303);
    let texts = [
        known.get("/signup/confirm").await.body.replace(EMAIL, "X"),
        unknown
            .get("/signup/confirm")
            .await
            .body
            .replace("new@example.com", "X"),
    ];
    let without_token = |text: &str| {
        text.lines()
            .filter(|line| !line.contains("csrf_token"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(without_token(&texts[0]), without_token(&texts[1]));
    let mails = stack.mails_to(EMAIL).await;
    assert_eq!(mails[0].0, "You have a Tollgate account already");
}

#[tokio::test]
async fn a_refused_sign_in_looks_and_takes_the_same_for_everybody() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut bodies = Vec::new();
    for email in [EMAIL, "nobody@example.com"] {
        let mut browser = stack.browser();
        let shown = browser.get("/login").await;
        let started = Instant::now();
        let fields = [("email", email), ("password", "wrong password")];
        let refused = browser.fill(&shown, "/login", &fields).await;
        let took = started.elapsed();
        assert_eq!(refused.status, 422);
        assert!(took >= Duration::from_millis(400), "{took:?}");
        let body: Vec<String> = refused
            .body
            .lines()
            .filter(|line| !line.contains("csrf_token"))
            .map(|line| line.replace(email, "X"))
            .collect();
        bodies.push(body);
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn sign_in_pauses_after_wrong_passwords_and_its_owner_learns_of_it() {
    let stack = Stack::new().await;
    let user = stack.person(EMAIL, None).await;
    let mut browser = stack.browser();
    for _ in 0..5 {
        let fields = [("email", EMAIL), ("password", "wrong password")];
        assert_eq!(browser.submit("/login", &fields).await.status, 422);
    }
    let right = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(browser.submit("/login", &right).await.status, 422, "paused");
    let mails = stack.mails_to(EMAIL).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].1.contains("/forgot"));

    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let program = stack.program_of(operator, &[]).await;
    let events = program.get("/audit-events?action=users.lock").await;
    assert_eq!(events.body["items"].as_array().map(Vec::len), Some(1));
    let path = format!("/users/{user}/unlock");
    let unlocked = program.post(&path, serde_json::json!({})).await;
    assert_eq!(unlocked.status, 200, "{unlocked:?}");
    assert_eq!(browser.submit("/login", &right).await.status, 303);
}

#[tokio::test]
async fn many_guesses_at_once_are_not_more_than_five() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let app = stack.app.clone();
        tasks.spawn(async move {
            super::sign_in::with_password(
                &app,
                (EMAIL, "wrong password"),
                Language::English,
                Now::read(),
            )
            .await
        });
    }
    while let Some(done) = tasks.join_next().await {
        let verdict = done.expect("no panic").expect("no failure");
        assert!(matches!(verdict, super::sign_in::Verdict::Refused));
    }
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let email = domain::email::Email::parse(EMAIL).expect("an address");
    let user = store::users::find_by_email(&mut tx, &email)
        .await
        .expect("reads")
        .expect("exists");
    assert_eq!(user.failed_sign_ins, 5);
    assert!(user.is_locked(Now::read().0));
}

#[tokio::test]
async fn a_new_password_ends_every_session_token_and_pause() {
    let stack = Stack::new().await;
    let person = stack.person(EMAIL, Some(PlatformRole::Auditor)).await;
    let mut inside = stack.browser_of(EMAIL).await;
    assert_eq!(inside.get("/account").await.status, 200);
    let program = stack.program_of(person, &[]).await;
    assert_eq!(program.get("/plans").await.status, 200);

    let mut browser = stack.browser();
    let asked = browser.submit("/forgot", &[("email", EMAIL)]).await;
    assert_eq!(asked.location(), "/forgot/reset");
    let code = stack.code_for(EMAIL).await;
    let fields = [("code", code.as_str()), ("password", "another fine phrase")];
    let done = browser.submit("/forgot/reset", &fields).await;
    assert_eq!(done.location(), "/login", "{}", done.body);
    assert!(
        browser
            .get("/login")
            .await
            .body
            .contains("password is changed")
    );
    assert_eq!(inside.get("/account").await.status, 303, "signed out");
    assert_eq!(program.get("/plans").await.status, 401, "revoked");
    let mails = stack.mails_to(EMAIL).await;
    assert!(mails[0].1.contains("tokens are revoked"), "{}", mails[0].1);
    let old = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(browser.submit("/login", &old).await.status, 422);
    let new = [("email", EMAIL), ("password", "another fine phrase")];
    assert_eq!(browser.submit("/login", &new).await.status, 303);
}

#[tokio::test]
async fn who_changes_a_password_says_what_becomes_of_the_tokens() {
    let stack = Stack::new().await;
    let person = stack.person(EMAIL, Some(PlatformRole::Auditor)).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let (mut present, mut status) = (PASSWORD, 200);
    for (new, revoke_tokens) in [("a first fine phrase", ""), ("a second fine phrase", "on")] {
        let program = stack.program_of(person, &[]).await;
        let fields = [
            ("current_password", present),
            ("password", new),
            ("revoke_tokens", revoke_tokens),
        ];
        let done = browser.submit("/account", &fields).await;
        assert_eq!(done.status, 303, "{}", done.body);
        assert_eq!(program.get("/plans").await.status, status);
        (present, status) = (new, 401);
    }
}

#[tokio::test]
async fn asking_for_a_new_password_tells_nothing_about_an_address() {
    let stack = Stack::new().await;
    let mut browser = stack.browser();
    let asked = browser
        .submit("/forgot", &[("email", "nobody@example.com")])
        .await;
    assert_eq!(asked.location(), "/forgot/reset");
    assert!(stack.mails_to("nobody@example.com").await.is_empty());
}

#[tokio::test]
async fn nobody_gets_many_mails_whoever_asks() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let asked = stack.browser().submit("/forgot", &[("email", EMAIL)]).await;
        statuses.push(asked.status);
        if asked.status == 429 {
            let seconds: u64 = asked.header("retry-after").parse().expect("seconds");
            assert!((1..=301).contains(&seconds), "{seconds}");
        }
    }
    assert_eq!(statuses, [303, 303, 303, 429]);
}

#[tokio::test]
async fn signing_in_gives_the_session_another_id() {
    let stack = Stack::new().await;
    stack.person(EMAIL, Some(PlatformRole::Operator)).await;
    let mut browser = stack.browser();
    // A session that somebody else may know.
    browser.submit("/forgot", &[("email", EMAIL)]).await;
    let before = browser
        .cookie("tollgate_8080")
        .expect("a session")
        .to_owned();
    let right = [("email", EMAIL), ("password", PASSWORD)];
    assert_eq!(browser.submit("/login", &right).await.status, 303);
    let after = browser.cookie("tollgate_8080").expect("a session");
    assert_ne!(before, after);
    let mut other = stack.browser();
    other.set_cookie("tollgate_8080", &before);
    assert_eq!(other.get("/account").await.status, 303);
}

#[tokio::test]
async fn after_sign_in_one_comes_back_to_where_one_was_going() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, EMAIL, Role::Viewer).await;
    let mut browser = stack.browser();
    let path = format!("/t/{tenant}/keys");
    let stopped = browser.get(&path).await;
    assert_eq!(stopped.status, 303);
    let login = stopped.location().to_owned();
    let shown = browser.get(&login).await;
    let right = [("email", EMAIL), ("password", PASSWORD)];
    let done = browser.fill(&shown, "/login", &right).await;
    assert_eq!(done.location(), path);
    // Never to another site.
    let mut other = stack.browser();
    let shown = other.get("/login?next=%2F%2Fevil.example").await;
    let done = other.fill(&shown, "/login", &right).await;
    assert_eq!(done.location(), "/console");
}

#[tokio::test]
async fn a_session_ends_with_sign_out() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let session = browser
        .cookie("tollgate_8080")
        .expect("a session")
        .to_owned();
    let token = browser.token().await;
    let out = browser
        .post("/logout", &[("csrf_token", token.as_str())])
        .await;
    assert_eq!(out.location(), "/");
    browser.set_cookie("tollgate_8080", &session);
    assert_eq!(browser.get("/account").await.status, 303);
}

#[tokio::test]
async fn changing_the_password_needs_the_present_one_and_keeps_this_session_only() {
    let stack = Stack::new().await;
    stack.person(EMAIL, None).await;
    let mut here = stack.browser_of(EMAIL).await;
    let mut there = stack.browser_of(EMAIL).await;
    let wrong = [
        ("current_password", "wrong password"),
        ("password", "another fine phrase"),
    ];
    assert_eq!(here.submit("/account", &wrong).await.status, 422);
    let right = [
        ("current_password", PASSWORD),
        ("password", "another fine phrase"),
    ];
    assert_eq!(here.submit("/account", &right).await.status, 303);
    assert!(here.get("/account").await.body.contains("is changed"));
    assert_eq!(there.get("/account").await.status, 303);
}
