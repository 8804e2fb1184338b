//! Guarantees of the import, through the router.

use domain::role::{PlatformRole, Role};
use serde_json::{Value, json};

use crate::testing::{PASSWORD, Program, Stack};

const OPERATOR: &str = "op@example.com";
/// Of [`PASSWORD`], with few rounds.
const DJANGO: &str =
    "pbkdf2_sha256$1000$vKlMfRwSGqzO0yUq$frkqPDuw8X9V/YwafkzaSrRXbWmRVy5KF7YaWafQMao=";

async fn operator(stack: &Stack) -> Program {
    let user = stack.person(OPERATOR, Some(PlatformRole::Operator)).await;
    stack.program_of(user, &[]).await
}

/// Of each line: what came of it, and which field was wrong.
fn statuses(report: &Value) -> Vec<(&str, &str)> {
    let lines = report["lines"].as_array().expect("lines").iter();
    let of = |line| {
        let line: &Value = line;
        let field = line["errors"][0]["pointer"].as_str();
        (
            line["status"].as_str().unwrap_or_default(),
            field.unwrap_or_default(),
        )
    };
    lines.map(of).collect()
}

async fn signs_in(stack: &Stack, email: &str) -> u16 {
    let fields = [("email", email), ("password", PASSWORD)];
    stack.browser().submit("/login", &fields).await.status
}

async fn stored_hash(stack: &Stack, email: &str) -> String {
    let email = domain::email::Email::parse(email).expect("an address");
    let mut tx = stack.app.db.platform_tx().await.expect("begins");
    let user = store::users::find_by_email(&mut tx, &email).await;
    let user = user.expect("reads").expect("is there");
    user.password_hash.expect("a password")
}

#[tokio::test]
async fn every_line_is_judged_by_itself_and_told_of() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    stack
        .member(tenant, "known@example.com", Role::Viewer)
        .await;
    let nowhere = domain::id::TenantId(uuid::Uuid::now_v7());
    let lines = json!([
        { "email": "Ada@Example.com", "name": "Ada", "email_confirmed": true,
          "password_hash": DJANGO, "tenant_id": tenant, "role": "developer",
          "attributes": { "plan": "gold" } },
        { "email": "ada@example.com" },
        { "email": "known@example.com", "password_hash": DJANGO, "tenant_id": tenant, "role": "owner" },
        { "email": "nobody" },
        { "email": "a@example.com", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99" },
        { "email": "b@example.com", "tenant_id": tenant },
        { "email": "c@example.com", "role": "owner" },
        { "email": "d@example.com", "tenant_id": nowhere, "role": "owner" },
        { "email": "e@example.com", "attributes": { "Bad Name": "x" }, "tenant_id": tenant, "role": "user" },
        { "email": "f@example.com", "platform_role": "operator" },
    ]);
    let reply = operator.post("/users/import", lines).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(
        statuses(&reply.body),
        [
            ("created", ""),
            ("exists", ""),
            ("exists", ""),
            ("refused", "/email"),
            ("refused", "/password_hash"),
            ("refused", "/role"),
            ("refused", "/tenant_id"),
            ("refused", "/tenant_id"),
            ("refused", "/attributes/Bad Name"),
            ("refused", "/platform_role"),
        ],
        "{}",
        reply.body
    );
    let counts = [
        &reply.body["created"],
        &reply.body["existing"],
        &reply.body["refused"],
    ];
    assert_eq!(counts, [1, 2, 7]);
    assert_eq!(reply.body["lines"][0]["membership"], "created");
    assert_eq!(reply.body["lines"][2]["membership"], "exists");
    let listed = operator.get("/users").await;
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(3));
    let members = operator.get(&format!("/tenants/{tenant}/members")).await;
    let members = members.body["items"].as_array().expect("items").clone();
    let role = |email: &str| {
        let found = members.iter().find(|one| one["email"] == email);
        found.map(|one| (one["role"].clone(), one["attributes"].clone()))
    };
    let ada = (json!("developer"), json!({ "plan": "gold" }));
    assert_eq!(role("ada@example.com"), Some(ada));
    let known = role("known@example.com").map(|(role, _)| role);
    assert_eq!(
        known,
        Some(json!("viewer")),
        "who is there stays as they are"
    );
    assert!(stack.mails_to("ada@example.com").await.is_empty());
    let log = operator.get("/audit-events").await.body.to_string();
    assert!(
        log.contains("users.import") && !log.contains("pbkdf2"),
        "{log}"
    );
}

#[tokio::test]
async fn with_the_first_sign_in_an_imported_hash_becomes_one_of_ours() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let lines = format!(
        "{}\n\n{}\n",
        json!({ "email": "ada@example.com", "email_confirmed": true, "password_hash": DJANGO }),
        json!({ "email": "unconfirmed@example.com", "password_hash": DJANGO }),
    );
    let kind = "application/x-ndjson";
    let reply = operator.text("/users/import", kind, &lines).await;
    assert_eq!(reply.body["created"], 2, "{}", reply.body);
    assert_eq!(reply.body["lines"][1]["line"], 3);
    assert_eq!(stored_hash(&stack, "ada@example.com").await, DJANGO);
    assert_eq!(signs_in(&stack, "ada@example.com").await, 303);
    let renewed = stored_hash(&stack, "ada@example.com").await;
    assert!(
        renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{renewed}"
    );
    assert_eq!(signs_in(&stack, "ada@example.com").await, 303);
    assert_eq!(stored_hash(&stack, "ada@example.com").await, renewed);
    // The address is not proven, the password right or not.
    assert_eq!(signs_in(&stack, "unconfirmed@example.com").await, 422);
    assert_eq!(stored_hash(&stack, "unconfirmed@example.com").await, DJANGO);
}

#[tokio::test]
async fn an_import_has_bounds_and_takes_place_once() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let many: Vec<Value> = (0..1_001)
        .map(|number| json!({ "email": format!("p{number}@example.com") }))
        .collect();
    let refused = operator.post("/users/import", json!(many)).await;
    assert_eq!(refused.code(), "wrong_number_of_lines");
    let refused = operator.post("/users/import", json!({})).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    let large = format!("[\"{}\"]", "x".repeat(super::BYTES_MAX));
    let kind = "application/json";
    let refused = operator.text("/users/import", kind, &large).await;
    assert_eq!((refused.status, refused.code()), (413, "body_too_large"));
    let refused = operator.text("/users/import", "text/csv", "email").await;
    assert_eq!(refused.status, 415);

    let send = async || {
        let headers = [("idempotency-key", "a")];
        let body = Some(json!(many[..1_000]));
        operator
            .send(http::Method::POST, "/users/import", &headers, body)
            .await
    };
    let first = send().await;
    assert_eq!(first.body["created"], 1_000);
    let again = send().await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.headers["idempotent-replayed"], "true");
}

#[tokio::test]
async fn operators_import_what_they_paste_and_see_what_came_of_it() {
    let stack = Stack::new().await;
    operator(&stack).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let page = "/admin/users/import";
    let wrong = browser.submit(page, &[("people", "name\nAda")]).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.body.contains("names no column email"),
        "{}",
        wrong.body
    );
    // Larger than any other form.
    let mut people = "email,name\nnobody,<b>\n".to_owned();
    for number in 0..900 {
        people += &format!("p{number}@example.com,{}\n", "%".repeat(100));
    }
    let seen = browser.submit(page, &[("people", &people)]).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let summary = "900 created, 0 known before, 1 refused.";
    assert!(seen.body.contains(summary), "{}", seen.body);
    assert!(seen.body.contains("email: Enter an email address"));
    assert!(!seen.body.contains("<b>"));
    // Others are held to the common bound.
    let token = seen.field("csrf_token").expect("a form").to_owned();
    let name = "x".repeat(300 << 10);
    let fields = [("csrf_token", token.as_str()), ("name", name.as_str())];
    let large = browser.post("/admin/users/new", &fields).await;
    assert_eq!(large.status, 413);
    let mut stranger = stack.browser();
    let token = stranger.token().await;
    let fields = [("csrf_token", token.as_str()), ("people", name.as_str())];
    assert_eq!(stranger.post(page, &fields).await.status, 413);
}
