//! Guarantees of taking, asking for and changing plans.

use domain::id::{ApiId, TenantId};
use domain::role::{PlatformRole, Role};
use serde_json::json;

use crate::testing::{Program, Stack};

const EMAIL: &str = "ada@example.com";
const ENDED: &str = r#""status":"ended""#;

async fn api(operator: &Program, name: &str) -> ApiId {
    let body =
        json!({"name": format!("{name}-upstream"), "targets": [{"url": "http://10.0.0.1:80"}]});
    let upstream = operator.post("/upstreams", body).await;
    assert_eq!(upstream.status, 201, "{upstream:?}");
    let body = json!({"name": name, "hosts": [], "base_path": format!("/{name}"),
        "upstream_id": upstream.body["id"]});
    let api = operator.post("/apis", body).await;
    assert_eq!(api.status, 201, "{api:?}");
    let id = api.body["id"].as_str().expect("an id");
    id.parse().expect("an API's id")
}

async fn stack() -> (Stack, TenantId, Program) {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, EMAIL, Role::Owner).await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let program = stack.program_of(operator, &[]).await;
    (stack, tenant, program)
}

#[tokio::test]
async fn a_self_service_plan_is_in_force_at_once() {
    let (stack, tenant, operator) = stack().await;
    let orders = api(&operator, "orders").await;
    let plan = stack.plan("Free", true, &[orders]).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let path = format!("/t/{tenant}/plans");
    let plan = plan.to_string();
    let taken = browser.submit(&path, &[("plan_id", &plan)]).await;
    assert_eq!(taken.location(), path, "{}", taken.body);
    let shown = browser.get(&path).await;
    assert!(shown.body.contains("Free is yours"));
    assert!(shown.body.contains("Active now"));
    let overview = browser.get(&format!("/t/{tenant}")).await;
    assert!(overview.body.contains("Free"));
    // A second click changes nothing and says why.
    let again = browser.fill(&shown, &path, &[("plan_id", &plan)]).await;
    assert_eq!(again.status, 303);
    assert!(browser.get(&path).await.body.contains("already"));
}

#[tokio::test]
async fn a_plan_by_approval_waits_with_the_tenants_message() {
    let (stack, tenant, operator) = stack().await;
    let plan = stack.plan("Scale", false, &[]).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let path = format!("/t/{tenant}/plans/{plan}/request");
    let message = "We launch in three countries.";
    let asked = browser.submit(&path, &[("message", message)]).await;
    assert_eq!(asked.status, 303, "{}", asked.body);
    let shown = browser.get(&format!("/t/{tenant}/plans")).await;
    assert!(shown.body.contains(message));
    assert!(shown.body.contains("Waiting for approval"));
    let list = operator
        .get(&format!("/tenants/{tenant}/subscriptions"))
        .await;
    assert_eq!(list.body["items"][0]["status"], "pending");

    let id = list.body["items"][0]["id"].as_str().expect("an id");
    let withdraw = format!("/t/{tenant}/plans/requests/{id}/withdraw");
    let done = browser.fill(&shown, &withdraw, &[]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    let shown = browser.get(&format!("/t/{tenant}/plans")).await;
    assert!(shown.body.contains("is withdrawn"));
}

#[tokio::test]
async fn a_request_that_was_approved_meanwhile_is_not_withdrawn() {
    let (stack, tenant, operator) = stack().await;
    let plan = stack.plan("Scale", false, &[]).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let path = format!("/t/{tenant}/plans/{plan}/request");
    browser.submit(&path, &[("message", "Please.")]).await;
    let shown = browser.get(&format!("/t/{tenant}/plans")).await;
    let path = format!("/tenants/{tenant}/subscriptions");
    let list = operator.get(&path).await;
    let id = list.body["items"][0]["id"].as_str().expect("an id");
    let approved = operator
        .post(&format!("/plan-requests/{id}/approve"), json!({}))
        .await;
    assert_eq!(approved.status, 200, "{approved:?}");
    let withdraw = format!("/t/{tenant}/plans/requests/{id}/withdraw");
    assert_eq!(browser.fill(&shown, &withdraw, &[]).await.status, 303);
    let shown = browser.get(&format!("/t/{tenant}/plans")).await;
    assert!(shown.body.contains("was approved meanwhile"));
    assert_eq!(
        operator.get(&path).await.body["items"][0]["status"],
        "active"
    );
}

#[tokio::test]
async fn changing_over_ends_what_cannot_stand_beside_the_new_plan() {
    let (stack, tenant, operator) = stack().await;
    let orders = api(&operator, "orders").await;
    let free = stack.plan("Free", true, &[orders]).await;
    let pro = stack.plan("Pro", true, &[orders]).await;
    let user = stack.member(tenant, "api@example.com", Role::Admin).await;
    let program = stack.program_of(user, &[]).await;
    let path = format!("/tenants/{tenant}/subscriptions");
    let first = program
        .post(&path, json!({"plan_id": free.to_string()}))
        .await;
    assert_eq!(first.status, 201, "{first:?}");
    assert_eq!(first.body["status"], "active");
    let refused = program
        .post(&path, json!({"plan_id": pro.to_string()}))
        .await;
    assert_eq!((refused.status, refused.code()), (409, "api_opened_twice"));

    let mut browser = stack.browser_of(EMAIL).await;
    let switch = format!("/t/{tenant}/plans/{pro}/switch");
    let asked = browser.get(&switch).await;
    assert!(
        asked
            .body
            .contains("Your subscription to Free (orders) ends now.")
    );
    let done = browser.fill(&asked, &switch, &[]).await;
    assert_eq!(done.status, 303, "{}", done.body);
    // What ended can be taken again, and what is in force be ended.
    let plans = browser.get(&format!("/t/{tenant}/plans")).await;
    let end = plans
        .between(&format!("href=\"/t/{tenant}/subscriptions/"), "\"")
        .expect("a way to end it");
    let end = format!("/t/{tenant}/subscriptions/{end}");
    let asked = browser.get(&end).await;
    assert!(asked.body.contains("End Pro?"));
    let list = program.get(&path).await;
    let states: Vec<(&str, &str)> = list.body["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|one| {
            (
                one["plan_name"].as_str().expect("a name"),
                one["status"].as_str().expect("a status"),
            )
        })
        .collect();
    assert_eq!(states, [("Free", "ended"), ("Pro", "active")]);
}

#[tokio::test]
async fn nothing_ends_that_its_confirmation_did_not_name() {
    let (stack, tenant, operator) = stack().await;
    let (orders, maps) = (api(&operator, "orders").await, api(&operator, "maps").await);
    let free = stack.plan("Free", true, &[orders]).await;
    let mapping = stack.plan("Mapping", true, &[maps]).await;
    let pro = stack.plan("Pro", true, &[orders, maps]).await;
    let path = format!("/tenants/{tenant}/subscriptions");
    let taken = |plan: domain::id::PlanId| json!({"plan_id": plan.to_string()});
    operator.post(&path, taken(free)).await;
    let mut browser = stack.browser_of(EMAIL).await;
    let switch = format!("/t/{tenant}/plans/{pro}/switch");
    let asked = browser.get(&switch).await;
    operator.post(&path, taken(mapping)).await;
    let refused = browser.fill(&asked, &switch, &[]).await;
    assert_eq!(refused.location(), switch, "{}", refused.body);
    let asked = browser.get(&switch).await;
    assert!(asked.body.contains("Mapping (maps) ends now."));
    let states = operator.get(&path).await.body.to_string();
    assert!(!states.contains(ENDED), "{states}");
}

#[tokio::test]
async fn approving_says_which_subscription_ends_before_it_does() {
    let (stack, tenant, operator) = stack().await;
    let orders = api(&operator, "orders").await;
    let free = stack.plan("Free", true, &[orders]).await;
    let scale = stack.plan("Scale", false, &[orders]).await;
    let path = format!("/tenants/{tenant}/subscriptions");
    let mut owner = stack.browser_of(EMAIL).await;
    let request = format!("/t/{tenant}/plans/{scale}/request");
    owner.submit(&request, &[("message", "Please.")]).await;
    let list = operator.get(&path).await;
    let asked = list.body["items"][0]["id"].as_str().expect("an id");
    let approve = format!("/admin/requests/{asked}/approve");
    let mut desk = stack.browser_of("op@example.com").await;
    let before = desk.get(&approve).await;
    assert!(
        before.body.contains("Nothing else ends."),
        "{}",
        before.body
    );
    // Meanwhile the tenant takes a plan that cannot stand beside it.
    operator
        .post(&path, json!({"plan_id": free.to_string()}))
        .await;
    let refused = desk.fill(&before, &approve, &[]).await;
    assert_eq!(refused.location(), approve, "{}", refused.body);
    let shown = desk.get("/admin/requests").await;
    assert!(shown.body.contains("Free (orders)"), "{}", shown.body);
    assert!(owner.get(&request).await.body.contains("Free (orders)"));
    let before = desk.get(&approve).await;
    assert!(before.body.contains("subscription to Free (orders) ends"));
    let done = desk.fill(&before, &approve, &[]).await;
    assert_eq!(done.location(), "/admin/requests", "{}", done.body);
    let states = operator.get(&path).await.body.to_string();
    assert!(states.contains(ENDED), "{states}");
    let ended = operator.get("/audit-events?action=subscriptions.end").await;
    assert_eq!(ended.body["items"][0]["after"]["replaced_by"], "Scale");
    let given = operator
        .get("/audit-events?action=plan_requests.approve")
        .await;
    assert_eq!(given.body["items"][0]["after"]["ended"][0], "Free");
}

#[tokio::test]
async fn only_admins_and_owners_choose_plans() {
    let (stack, tenant, _) = stack().await;
    let plan = stack.plan("Free", true, &[]).await;
    stack
        .member(tenant, "dev@example.com", Role::Developer)
        .await;
    let mut browser = stack.browser_of("dev@example.com").await;
    let path = format!("/t/{tenant}/plans");
    let shown = browser.get(&path).await;
    assert!(!shown.body.contains("name=\"plan_id\""));
    let token = browser.token().await;
    let plan = plan.to_string();
    let fields = [("plan_id", plan.as_str()), ("csrf_token", &token)];
    assert_eq!(browser.post(&path, &fields).await.status, 403);
}

#[tokio::test]
async fn an_unknown_or_retired_plan_is_not_taken() {
    let (stack, tenant, operator) = stack().await;
    let plan = stack.plan("Old", true, &[]).await;
    let retired = operator.delete(&format!("/plans/{plan}")).await;
    assert_eq!(retired.status, 204, "{retired:?}");
    let path = format!("/tenants/{tenant}/subscriptions");
    let unknown = domain::id::PlanId(uuid::Uuid::now_v7());
    for (plan, code) in [(plan, "plan_retired"), (unknown, "unknown_plan")] {
        let refused = operator
            .post(&path, json!({"plan_id": plan.to_string()}))
            .await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["code"], code);
        assert_eq!(refused.body["errors"][0]["pointer"], "/plan_id");
    }
}
