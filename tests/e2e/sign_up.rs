//! From signing up to the first request, by what a person sees and does.

use std::time::Duration;

use e2e::browser::Browser;
use e2e::stack::Stack;
use e2e::visitor::{NewTenant, Visitor};
use e2e::wait::until;
use reqwest::StatusCode;

use crate::PLANE;

const PASSWORD: &str = "a sentence that nobody guesses";
/// A change reaches the nodes within about a second; machines that run tests can be slow.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// Nodes report usage every few seconds.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);
const CALLS: usize = 5;

async fn call(stack: &Stack, key: &str) -> StatusCode {
    let request = reqwest::Client::new().get(format!("{}/demo/hello", stack.gateway()));
    let answer = request.header("x-api-key", key).send().await;
    answer.expect("the node answers").status()
}

async fn wait_for(stack: &Stack, key: &str, status: StatusCode) {
    until(
        &format!("the node answers {status}"),
        KNOWN_WITHIN,
        async || (call(stack, key).await == status).then_some(()),
    )
    .await;
}

#[tokio::test]
async fn a_stranger_signs_up_and_calls_the_api_within_one_visit() {
    let stack = Stack::start(PLANE, &[]).await;
    let console = stack.report.control_plane.clone();
    let browser = Browser::start().await;

    let tenant = sign_up(&stack, &browser).await;
    browser.follow("Plans").await;
    browser.press("Choose Free").await;
    assert!(browser.text("[role=status]").await.contains("Free"));

    browser.follow("API keys").await;
    browser.follow("Create an API key").await;
    browser.fill("name", "billing-worker").await;
    browser.press("Create key").await;
    let key = browser.text("#key-value").await;
    assert!(browser.text("#key-curl").await.contains(&key));
    wait_for(&stack, &key, StatusCode::OK).await;
    // A tenant's first calls may find the node without a share of its quota yet: 503 and again.
    for _ in 1..CALLS {
        wait_for(&stack, &key, StatusCode::OK).await;
    }

    browser.follow("I have copied it").await;
    assert!(
        !browser.html().await.contains(&key),
        "the value is shown once"
    );
    browser.follow("Usage").await;
    until("the calls are counted", COUNTED_WITHIN, async || {
        browser.press("Show").await;
        let page = browser.text("main").await;
        let row = format!("\n2xx Success {CALLS} ");
        page.contains(&row).then_some(())
    })
    .await;
    browser.follow("billing-worker").await;
    browser.follow("Revoke…").await;
    browser.press("Revoke key").await;
    wait_for(&stack, &key, StatusCode::UNAUTHORIZED).await;

    browser.click("summary[aria-label^='Account of']").await;
    browser.press("Sign out").await;
    assert_eq!(browser.path().await, "/");
    browser.open(&format!("{console}/t/{tenant}/keys")).await;
    assert_eq!(browser.path().await, "/login");
    browser.close().await;
}

async fn sign_up(stack: &Stack, browser: &Browser) -> String {
    browser.open(&stack.report.control_plane).await;
    browser.follow("Sign up").await;
    browser.fill("tenant_name", "Northwind Freight").await;
    browser.fill("email", "ada@northwind.example").await;
    browser.fill("password", PASSWORD).await;
    browser.press("Sign up").await;
    assert_eq!(browser.path().await, "/signup/confirm");
    let mut operator = Visitor::operator(&stack.report).await;
    let code = operator.mailed_code("ada@northwind.example").await;
    browser.fill("code", &code).await;
    browser.press("Confirm").await;
    let path = browser.path().await;
    let tenant = path.strip_prefix("/t/").expect("the tenant's console");
    tenant.to_owned()
}

#[tokio::test]
async fn signing_up_to_the_first_request_works_without_scripts() {
    let stack = Stack::start(PLANE, &[]).await;
    let mut operator = Visitor::operator(&stack.report).await;
    let mut visitor = Visitor::new(&stack.report);
    let new = NewTenant {
        name: "Contoso",
        email: "grace@contoso.example",
        password: PASSWORD,
    };
    let tenant = visitor.sign_up(&mut operator, new).await;

    let plans = format!("/t/{tenant}/plans");
    let free = stack.report.demo.as_ref().unwrap().plan_id.as_str();
    let token = visitor.form_token().await;
    let choice = [("csrf_token", token.as_str()), ("plan_id", free)];
    assert_eq!(visitor.post(&plans, &choice).await.location, plans);

    let page = format!("/t/{tenant}/keys/new");
    let made = visitor.submit(&page, &page, &[("name", "worker")]).await;
    let key = made.copyable("key-value");
    wait_for(&stack, key, StatusCode::OK).await;

    let id = made.between(&format!("/t/{tenant}/keys/key_"), "\"");
    let revoke = format!("/t/{tenant}/keys/key_{}/revoke", id.unwrap());
    let revoked = visitor.submit(&revoke, &revoke, &[]).await;
    assert_eq!(revoked.status, StatusCode::SEE_OTHER, "{revoked:?}");
    wait_for(&stack, key, StatusCode::UNAUTHORIZED).await;

    let keys = format!("/t/{tenant}/keys");
    let left = visitor.submit(&keys, "/logout", &[]).await;
    assert_eq!(left.location, "/");
    assert!(visitor.get(&keys).await.location.starts_with("/login?"));
}
