//! Guarantees about what operators do about people.

use domain::id::UserId;
use domain::role::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::testing::{PASSWORD, Program, Stack};

const EMAIL: &str = "ada@example.com";
const OPERATOR: &str = "op@example.com";

async fn operator(stack: &Stack) -> Program {
    let user = stack.person(OPERATOR, Some(PlatformRole::Operator)).await;
    stack.program_of(user, &[]).await
}

async fn step(program: &Program, user: UserId, step: &str) -> Value {
    let reply = program
        .post(&format!("/users/{user}/{step}"), json!({}))
        .await;
    assert_eq!(reply.status, 200, "{step} {}", reply.body);
    reply.body
}

async fn signs_in(stack: &Stack, email: &str, password: &str) -> u16 {
    let fields = [("email", email), ("password", password)];
    stack.browser().submit("/login", &fields).await.status
}

#[tokio::test]
async fn who_is_disabled_comes_in_nowhere_until_they_are_enabled() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let user = stack.person(EMAIL, Some(PlatformRole::Auditor)).await;
    let mut inside = stack.browser_of(EMAIL).await;
    let program = stack.program_of(user, &[]).await;
    // Asked for before, comes back after.
    let mut lost = stack.browser();
    lost.submit("/forgot", &[("email", EMAIL)]).await;
    let code = stack.code_for(EMAIL).await;

    let disabled = step(&operator, user, "disable").await;
    assert!(disabled["disabled_at"].is_string(), "{disabled}");
    assert_eq!(inside.get("/admin").await.status, 303, "signed out");
    assert_eq!(program.get("/plans").await.code(), "token_invalid");
    let mut refused = Vec::new();
    for password in [PASSWORD, "some other password"] {
        let mut browser = stack.browser();
        let fields = [("email", EMAIL), ("password", password)];
        let seen = browser.submit("/login", &fields).await;
        assert_eq!(seen.status, 422);
        let token = seen.field("csrf_token").expect("a form").to_owned();
        refused.push(seen.body.replace(&token, ""));
    }
    assert_eq!(refused[0], refused[1], "the answer tells nothing");

    let new = [("code", code.as_str()), ("password", "another fine phrase")];
    assert_eq!(lost.submit("/forgot/reset", &new).await.status, 422);
    let mails = stack.mails_to(EMAIL).await.len();
    let asked = stack.browser().submit("/forgot", &[("email", EMAIL)]).await;
    assert_eq!(asked.location(), "/forgot/reset");
    assert_eq!(stack.mails_to(EMAIL).await.len(), mails);
    let path = format!("/users/{user}/reset-password");
    let refused = operator.post(&path, json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "user_disabled"));

    let enabled = step(&operator, user, "enable").await;
    assert!(enabled["disabled_at"].is_null(), "{enabled}");
    assert_eq!(signs_in(&stack, EMAIL, PASSWORD).await, 303);
    assert_eq!(inside.get("/admin").await.status, 303, "ended for good");
    assert_eq!(program.get("/plans").await.status, 401, "revoked for good");
}

/// What was saved or made at the moment when somebody was disabled is caught at the door.
#[tokio::test]
async fn a_session_or_token_that_outlived_the_disabling_opens_nothing() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let user = stack.member(tenant, EMAIL, Role::Owner).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let program = stack.program_of(user, &[]).await;
    let path = format!("/t/{tenant}");
    assert_eq!(browser.get(&path).await.status, 200);
    let sql = "update users set disabled_at = now() - make_interval(secs => $1)";
    store::testing::execute(&stack.app.db, sql, 1.0).await;
    assert_eq!(browser.get(&path).await.status, 303);
    assert_eq!(browser.get("/account").await.status, 303);
    assert_eq!(program.get("/account").await.code(), "token_invalid");
}

#[tokio::test]
async fn disabling_has_nodes_refuse_all_of_a_persons_access_tokens() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let user = stack.person(EMAIL, None).await;
    step(&operator, user, "disable").await;
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let of = store::revocations::TokenOf {
        jti: uuid::Uuid::now_v7(),
        grant: uuid::Uuid::now_v7(),
        tenant: uuid::Uuid::now_v7().into(),
        client: uuid::Uuid::now_v7().into(),
        user: Some(user),
        issued_at_s: crate::Now::read().unix_seconds() - 1,
    };
    let covers = store::revocations::covers(&mut tx, &of).await;
    assert!(covers.expect("reads"));
    // Enabled again, the watermark stays: old tokens stay refused, new ones work.
    store::users::enable(&mut tx, user).await.expect("enables");
    let covers = store::revocations::covers(&mut tx, &of).await;
    assert!(covers.expect("reads"));
    let new = store::revocations::TokenOf {
        issued_at_s: of.issued_at_s + 60,
        ..of
    };
    let covers = store::revocations::covers(&mut tx, &new).await;
    assert!(!covers.expect("reads"));
}

#[tokio::test]
async fn nobody_disables_themselves() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let own = operator.get("/account").await.body["id"].clone();
    let path = format!("/users/{}/disable", own.as_str().expect("an id"));
    let refused = operator.post(&path, json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "own_account"));
    let mut browser = stack.browser_of(OPERATOR).await;
    let page = format!("/admin/users/{}/disable", own.as_str().expect("an id"));
    let refused = browser.submit(&page, &[]).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("ask another operator"));
    assert_eq!(operator.get("/users").await.status, 200);
}

#[tokio::test]
async fn auditors_look_at_people_and_change_nothing() {
    let stack = Stack::new().await;
    let user = stack.person(EMAIL, None).await;
    let auditor = stack
        .person("audit@example.com", Some(PlatformRole::Auditor))
        .await;
    let program = stack.program_of(auditor, &[]).await;
    assert_eq!(program.get("/users").await.status, 200);
    for step in [
        "disable",
        "enable",
        "unlock",
        "reset-password",
        "reset-second-step",
        "sign-out",
    ] {
        let refused = program
            .post(&format!("/users/{user}/{step}"), json!({}))
            .await;
        assert_eq!(refused.status, 403, "{step}");
    }
    let mut browser = stack.browser_of("audit@example.com").await;
    let list = browser.get("/admin/users").await;
    assert!(list.body.contains(EMAIL) && !list.body.contains("/admin/users/new"));
    let path = format!("/admin/users/{user}");
    let shown = browser.get(&path).await;
    assert_eq!(shown.status, 200);
    assert!(!shown.body.contains(&format!("action=\"{path}")));
    let token = browser.token().await;
    for step in ["disable", "reset-password", "reset-second-step", "sign-out"] {
        let fields = [("csrf_token", token.as_str())];
        let sent = browser.post(&format!("{path}/{step}"), &fields).await;
        assert_eq!(sent.status, 403, "{step}");
    }
    assert_eq!(browser.get(&format!("{path}/disable")).await.status, 403);
    assert_eq!(browser.get("/admin/users/new").await.status, 403);
}

#[tokio::test]
async fn a_pause_after_wrong_passwords_is_seen_by_its_person_and_by_operators() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let user = stack.person(EMAIL, None).await;
    let mut inside = stack.browser_of(EMAIL).await;
    let calm = inside.get("/account").await;
    assert!(!calm.body.contains("pauses until"));
    for _ in 0..5 {
        assert_eq!(signs_in(&stack, EMAIL, "some other password").await, 422);
    }
    let seen = inside.get("/account").await;
    assert!(seen.body.contains("pauses until"), "{}", seen.body);
    assert!(seen.body.contains("5 wrong passwords"), "{}", seen.body);
    let listed = operator.get("/users?search=ada").await;
    let item = &listed.body["items"][0];
    assert_eq!(item["failed_sign_ins"], 5);
    assert!(item["locked_until"].is_string(), "{item}");
    let mut desk = stack.browser_of(OPERATOR).await;
    assert!(desk.get("/admin/users").await.body.contains("pauses"));
    let path = format!("/admin/users/{user}");
    let shown = desk.get(&path).await;
    assert!(shown.body.contains("5 wrong passwords"), "{}", shown.body);
    let lifted = desk.fill(&shown, &format!("{path}/unlock"), &[]).await;
    assert_eq!(lifted.location(), path);
    assert_eq!(signs_in(&stack, EMAIL, PASSWORD).await, 303);
}

#[tokio::test]
async fn who_is_made_without_a_password_sets_one_by_mail_which_confirms_the_address() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let made = operator
        .post(
            "/users",
            json!({ "email": "Grace@Example.com", "name": "Grace" }),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["has_password"], false);
    assert!(made.body["email_confirmed_at"].is_null());
    let email = "grace@example.com";
    let (_, body) = stack.mails_to(email).await.remove(0);
    let (_, link) = body.split_once("http://localhost:8080").expect("our site");
    let (_, link) = link.split_once("http://localhost:8080").expect("a link");
    let link = link.split_whitespace().next().expect("a path");
    assert_eq!(signs_in(&stack, email, "").await, 422);

    let mut browser = stack.browser();
    let shown = browser.get(link).await;
    assert_eq!(shown.status, 200, "{link}");
    assert!(shown.body.contains(email));
    browser.fill(&shown, "/forgot", &[("email", email)]).await;
    let code = stack.code_for(email).await;
    let fields = [("code", code.as_str()), ("password", "another fine phrase")];
    assert_eq!(browser.submit("/forgot/reset", &fields).await.status, 303);
    assert_eq!(signs_in(&stack, email, "another fine phrase").await, 303);

    let taken = operator.post("/users", json!({ "email": email })).await;
    assert_eq!((taken.status, taken.code()), (409, "email_taken"));
    let weak = json!({ "email": "x@example.com", "password": "passwordpassword" });
    let weak = operator.post("/users", weak).await;
    assert_eq!(weak.body["errors"][0]["code"], "too_common");
    let set = json!({ "email": "alan@example.com", "password": PASSWORD });
    assert_eq!(operator.post("/users", set).await.status, 201);
    assert_eq!(signs_in(&stack, "alan@example.com", PASSWORD).await, 303);
}

#[tokio::test]
async fn a_mailed_reset_works_from_the_link_in_the_mail_and_not_too_often() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let user = stack.person(EMAIL, None).await;
    step(&operator, user, "reset-password").await;
    assert_eq!(signs_in(&stack, EMAIL, PASSWORD).await, 303, "until then");
    let (_, body) = stack.mails_to(EMAIL).await.remove(0);
    let (_, link) = body.split_once("http://localhost:8080").expect("a link");
    let link = link.split_whitespace().next().expect("a path");
    let code = stack.code_for(EMAIL).await;
    let mut browser = stack.browser();
    let shown = browser.get(link).await;
    assert_eq!(shown.status, 200, "{link}");
    let fields = [("code", code.as_str()), ("password", "another fine phrase")];
    let done = browser.fill(&shown, "/forgot/reset", &fields).await;
    assert_eq!(done.location(), "/login", "{}", done.body);
    assert_eq!(signs_in(&stack, EMAIL, "another fine phrase").await, 303);
    let path = format!("/users/{user}/reset-password");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(operator.post(&path, json!({})).await.status);
    }
    assert_eq!(statuses, [200, 200, 409]);
}

#[tokio::test]
async fn people_are_found_by_how_their_address_or_name_begins() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    for (email, name) in [
        ("grace@example.com", "Grace Hopper"),
        ("alan@example.com", "Alan 50%_off"),
        ("gr_x@example.com", ""),
    ] {
        let input = json!({ "email": email, "name": name });
        assert_eq!(operator.post("/users", input).await.status, 201);
    }
    let found = async |text: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("search", text)
            .finish();
        let reply = operator.get(&format!("/users?{query}")).await;
        let items = reply.body["items"].as_array().expect("items").clone();
        let email = |item: Value| item["email"].as_str().expect("an address").to_owned();
        items.into_iter().map(email).collect::<Vec<_>>()
    };
    assert_eq!(found("GR").await, ["gr_x@example.com", "grace@example.com"]);
    assert_eq!(found("gr_").await, ["gr_x@example.com"], "not a wildcard");
    assert_eq!(found("alan 50%").await, ["alan@example.com"]);
    assert_eq!(found("hopper").await, [""; 0]);
    let page = operator.get("/users?limit=2").await;
    let cursor = page.body["next_cursor"].as_str().expect("there is more");
    let rest = operator
        .get(&format!("/users?limit=2&cursor={cursor}"))
        .await;
    assert_eq!(rest.body["items"].as_array().map(Vec::len), Some(2));
    assert!(rest.body["next_cursor"].is_null());
}

#[tokio::test]
async fn a_password_that_is_too_short_today_still_signs_in_and_is_not_set_again() {
    let stack = Stack::new().await;
    let user = stack.person(EMAIL, None).await;
    // As it was stored when fewer characters were asked for.
    let hash = stack.app.passwords.renewed("short one", "").await;
    let hash = hash.expect("hashes").expect("a hash of ours");
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let now = crate::Now::read().0;
    store::users::set_password(&mut tx, user, Some(hash.as_str()), now)
        .await
        .expect("sets");
    tx.commit().await.expect("commits");
    let mut browser = stack.browser();
    let fields = [("email", EMAIL), ("password", "short one")];
    assert_eq!(browser.submit("/login", &fields).await.status, 303);
    let again = [
        ("current_password", "short one"),
        ("password", "short one too"),
    ];
    let refused = browser.submit("/account", &again).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("at least 15 characters"));
}
