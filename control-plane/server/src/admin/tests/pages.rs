//! Through the pages.

use domain::role::{PlatformRole, Role};
use serde_json::json;

use super::{OPERATOR, api, id, operator};
use crate::testing::Stack;

#[tokio::test]
async fn operators_publish_an_api_without_leaving_the_pages() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let overview = browser.get("/admin").await;
    assert!(
        overview.body.contains("Add an upstream"),
        "{}",
        overview.body
    );
    let fields = [
        ("name", "orders-service"),
        ("target_url", "http://10.0.0.7:8080"),
        ("target_weight", "3"),
        ("target_url", "http://10.0.0.8:8080"),
        ("target_weight", "1"),
    ];
    let made = browser.submit("/admin/upstreams/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let list = browser.get("/admin/upstreams").await;
    assert!(list.body.contains("75 %") && list.body.contains("was created"));
    let upstreams = program.get("/upstreams").await;
    let upstream = id(&upstreams.body["items"][0]);
    let fields = [
        ("name", "Orders"),
        ("base_path", "/orders"),
        ("api_key_header", "x-api-key"),
        ("upstream_id", upstream.as_str()),
    ];
    let made = browser.submit("/admin/apis/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let api = made.location().to_owned();
    let fields = [
        ("methods", "GET"),
        ("methods", "POST"),
        ("path", "/v1/{id}"),
        ("api_key_required", "on"),
    ];
    let made = browser.submit(&format!("{api}/routes/new"), &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let shown = browser.get(&api).await;
    assert!(shown.body.contains("/v1/{id}") && shown.body.contains("POST"));
    let api_id = api.rsplit('/').next().unwrap_or_default();
    let fields = [
        ("name", "Free"),
        ("rate_limit", "0.5"),
        ("burst_limit", "10"),
        ("quota_limit", "10,000"),
        ("quota_period", "month"),
        ("api_ids", api_id),
        ("is_self_service", "on"),
    ];
    let made = browser.submit("/admin/plans/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let plans = program.get("/plans").await;
    let plan = &plans.body["items"][0];
    assert_eq!(plan["rate_limit"], 0.5, "{plan}");
    assert_eq!(plan["api_ids"], json!([api_id]));
    assert_eq!(plan["quota"]["limit"], 10_000);
}

#[tokio::test]
async fn a_form_that_is_wrong_comes_back_as_it_was_typed() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    program.post("/plans", json!({"name": "Free"})).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let fields = [("name", "Typed <name>"), ("rate_limit", "fast")];
    let wrong = browser.submit("/admin/plans/new", &fields).await;
    assert_eq!(wrong.status, 422);
    assert!(
        wrong.body.contains("Typed &#60;name&#62;"),
        "{}",
        wrong.body
    );
    assert!(wrong.body.contains("value=\"fast\""));
    let taken = browser
        .submit("/admin/plans/new", &[("name", "Free")])
        .await;
    assert_eq!(taken.status, 422);
    assert!(taken.body.contains("Another plan has this name."));
    let wrong = browser
        .submit("/admin/upstreams/new", &[("name", "x")])
        .await;
    assert_eq!(wrong.status, 422);
}

#[tokio::test]
async fn of_two_who_edit_one_plan_the_second_is_told_and_loses_nothing() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let plan = json!({"name": "Free", "rate_limit": 10, "burst_limit": 20});
    let plan = id(&program.post("/plans", plan).await.body);
    let page = format!("/admin/plans/{plan}");
    let (mut first, mut second) = (
        stack.browser_of(OPERATOR).await,
        stack.browser_of(OPERATOR).await,
    );
    let (at_first, at_second) = (first.get(&page).await, second.get(&page).await);
    let fields = [
        ("name", "Free"),
        ("rate_limit", "25"),
        ("burst_limit", "50"),
    ];
    let saved = first.fill(&at_first, &page, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let fields = [
        ("name", "Starter"),
        ("rate_limit", "10"),
        ("burst_limit", "50"),
    ];
    let told = second.fill(&at_second, &page, &fields).await;
    assert_eq!(told.status, 412, "{}", told.body);
    assert!(told.body.contains("Somebody else saved this"));
    assert!(told.body.contains("value=\"Starter\""));
    assert!(told.body.contains("id=\"f-rate_limit-saved\""));
    assert!(!told.body.contains("id=\"f-burst_limit-saved\""));
    let shown = program.get(&format!("/plans/{plan}")).await;
    assert_eq!(shown.body["name"], "Free");
    assert_eq!(shown.body["rate_limit"], 25);
    // Having seen it, the second puts theirs in its place.
    let saved = second.fill(&told, &page, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let shown = program.get(&format!("/plans/{plan}")).await;
    assert_eq!(shown.body["name"], "Starter");
}

#[tokio::test]
async fn every_edit_form_tells_who_was_overtaken() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let api = api(&program, "Orders", "/orders").await;
    let shown = program.get(&format!("/apis/{api}")).await;
    let upstream = shown.body["upstream_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let route = json!({"path": "/x"});
    let route = id(&program
        .post(&format!("/apis/{api}/routes"), route)
        .await
        .body);
    let tenant = stack.tenant("Northwind").await;
    let keys = format!("/tenants/{tenant}/api-keys");
    let key = id(&program.post(&keys, json!({"name": "main"})).await.body);
    let target = "http://10.0.0.9:80";
    let api_form = [
        ("name", "Typed"),
        ("base_path", "/orders"),
        ("api_key_header", "x-api-key"),
        ("upstream_id", upstream.as_str()),
    ];
    let forms = [
        (
            format!("/admin/apis/{api}"),
            format!("/apis/{api}"),
            json!({"name": "Saved"}),
            &api_form[..],
        ),
        (
            format!("/admin/apis/{api}/routes/{route}"),
            format!("/apis/{api}/routes/{route}"),
            json!({"path": "/saved"}),
            &[("path", "/typed")][..],
        ),
        (
            format!("/admin/upstreams/{upstream}"),
            format!("/upstreams/{upstream}"),
            json!({"name": "Saved"}),
            &[
                ("name", "Typed"),
                ("target_url", target),
                ("target_weight", "1"),
            ][..],
        ),
        (
            format!("/t/{tenant}/settings"),
            format!("/tenants/{tenant}"),
            json!({"name": "Saved"}),
            &[("name", "Typed")][..],
        ),
        (
            format!("/t/{tenant}/keys/{key}"),
            format!("{keys}/{key}"),
            json!({"name": "Saved"}),
            &[("name", "Typed")][..],
        ),
    ];
    let mut browser = stack.browser_of(OPERATOR).await;
    for (page, resource, patch, fields) in forms {
        let before = browser.get(&page).await;
        let saved = program.patch(&resource, patch).await;
        assert_eq!(saved.status, 200, "{saved:?}");
        let told = browser.fill(&before, &page, fields).await;
        assert_eq!(told.status, 412, "{page} {}", told.body);
        assert!(told.body.contains("Saved now:"), "{page}");
        assert!(told.body.to_lowercase().contains("typed\""), "{page}");
        let after = program.get(&resource).await;
        assert_eq!(after.etag(), saved.etag(), "{page} wrote");
        let mine = browser.fill(&told, &page, fields).await;
        assert_eq!(mine.status, 303, "{page} {}", mine.body);
    }
}

#[tokio::test]
async fn the_pages_say_all_that_the_api_can() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let api = api(&program, "Orders", "/orders").await;
    let shown = program.get(&format!("/apis/{api}")).await;
    let upstream = shown.body["upstream_id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let mut browser = stack.browser_of(OPERATOR).await;
    let fields = [
        ("name", "Orders 2"),
        ("base_path", "/orders"),
        ("api_key_header", "x-api-key"),
        ("upstream_id", upstream.as_str()),
        ("max_stale_ms", "60,000"),
    ];
    let saved = browser.submit(&format!("/admin/apis/{api}"), &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let shown = program.get(&format!("/apis/{api}")).await;
    assert_eq!(shown.body["max_stale_ms"], 60_000);

    let new = format!("/admin/apis/{api}/routes/new");
    let fields = [
        ("path", "/y"),
        ("body_bytes_max", "1,000"),
        ("lease_wait_ms", "7"),
        ("idle_timeout_ms", "900"),
        ("cors_allow_origins", "https://app.example.com"),
        ("cors_allow_methods", "GET POST"),
        ("cors_max_age_seconds", "60"),
        ("cors_allow_credentials", "on"),
    ];
    let saved = browser.submit(&new, &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let routes = program.get(&format!("/apis/{api}/routes")).await;
    let route = &routes.body["items"][0];
    assert_eq!(route["body_bytes_max"], 1_000, "{route}");
    assert_eq!(route["lease_wait_ms"], 7);
    assert_eq!(route["timeouts"]["idle_ms"], 900);
    let cors = &route["cors"];
    assert_eq!(cors["allow_origins"], json!(["https://app.example.com"]));
    assert_eq!(cors["allow_methods"], json!(["GET", "POST"]));
    assert_eq!(
        (&cors["max_age_seconds"], &cors["allow_credentials"]),
        (&json!(60), &json!(true))
    );
    let page = format!("/admin/apis/{api}/routes/{}", id(route));
    let shown = browser.get(&page).await;
    for field in ["body_bytes_max", "lease_wait_ms", "cors_allow_methods"] {
        assert!(
            shown.field(field).is_some_and(|value| !value.is_empty()),
            "{field}"
        );
    }
    let wrong = [("path", "/y"), ("lease_wait_ms", "99999")];
    let refused = browser.fill(&shown, &page, &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("id=\"f-lease_wait_ms-error\""));

    let fields = [
        ("name", "Grouped"),
        ("quota_limit", "10"),
        ("quota_group", "maps"),
    ];
    let made = browser.submit("/admin/plans/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let plans = program.get("/plans").await;
    assert_eq!(plans.body["items"][0]["quota"]["group"], "maps");
    let wrong = [
        ("name", "Other"),
        ("quota_limit", "10"),
        ("quota_group", "No!"),
    ];
    let refused = browser.submit("/admin/plans/new", &wrong).await;
    assert!(refused.body.contains("id=\"f-quota_group-error\""));
}

#[tokio::test]
async fn a_tenant_is_deleted_only_by_who_typed_its_name() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let page = format!("/admin/tenants/{tenant}/delete");
    let refused = browser
        .submit(&page, &[("confirmation", "northwind")])
        .await;
    assert_eq!(refused.status, 422);
    assert_eq!(program.get(&format!("/tenants/{tenant}")).await.status, 200);
    let done = browser
        .submit(&page, &[("confirmation", "Northwind")])
        .await;
    assert_eq!(done.status, 303, "{}", done.body);
    assert_eq!(program.get(&format!("/tenants/{tenant}")).await.status, 404);
}

#[tokio::test]
async fn an_enrolment_token_is_shown_in_one_answer_only() {
    let stack = Stack::new().await;
    operator(&stack).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let form = browser.get("/admin/nodes/enroll").await;
    let fields = [("name", "edge"), ("uses", "1"), ("lifetime", "1h")];
    let made = browser.fill(&form, "/admin/nodes/enroll", &fields).await;
    assert_eq!(made.status, 200, "{}", made.body);
    assert!(made.body.contains("tge_"));
    assert_eq!(made.header("cache-control"), "no-store");
    let again = browser.fill(&form, "/admin/nodes/enroll", &fields).await;
    assert_eq!(again.status, 409);
    assert!(!again.body.contains("tge_"));
    let list = browser.get("/admin/nodes").await;
    assert!(list.body.contains("edge") && !list.body.contains("tge_"));
}

/// Pages of operators without ids of things in them.
const PAGES: &[&str] = &[
    "/admin",
    "/admin/tenants",
    "/admin/requests",
    "/admin/plans",
    "/admin/plans/new",
    "/admin/apis",
    "/admin/apis/new",
    "/admin/upstreams",
    "/admin/upstreams/new",
    "/admin/nodes",
    "/admin/nodes/enroll",
    "/admin/audit",
    "/admin/outbox",
];

#[tokio::test]
async fn operator_pages_are_for_those_who_run_the_platform() {
    let stack = Stack::new().await;
    operator(&stack).await;
    let tenant = stack.tenant("Northwind").await;
    stack.member(tenant, "o@example.com", Role::Owner).await;
    let (mut operator, mut owner, mut stranger) = (
        stack.browser_of(OPERATOR).await,
        stack.browser_of("o@example.com").await,
        stack.browser(),
    );
    let of_tenant =
        ["", "/suspend", "/delete", "/export"].map(|step| format!("/admin/tenants/{tenant}{step}"));
    let pages = PAGES.iter().map(|page| (*page).to_owned()).chain(of_tenant);
    for page in pages {
        let seen = operator.get(&page).await;
        assert_eq!(seen.status, 200, "{page} {}", seen.body);
        let seen = owner.get(&page).await;
        assert_eq!(seen.status, 403, "{page}");
        let seen = stranger.get(&page).await;
        assert_eq!(seen.status, 303, "{page}");
        assert!(seen.location().starts_with("/login"), "{page}");
    }
    for page in [
        "/admin/plans/pln_x",
        "/admin/tenants/ten_x",
        "/admin/nothing",
    ] {
        assert_eq!(operator.get(page).await.status, 404, "{page}");
    }
    let steps = ["resume", "suspend", "subscriptions"]
        .map(|step| format!("/admin/tenants/{tenant}/{step}"));
    for step in steps {
        let token = owner.token().await;
        let seen = owner.post(&step, &[("csrf_token", &token)]).await;
        assert_eq!(seen.status, 403, "{step}");
    }
}

#[tokio::test]
async fn an_auditor_sees_all_and_changes_nothing() {
    let stack = Stack::new().await;
    stack
        .person("audit@example.com", Some(PlatformRole::Auditor))
        .await;
    let tenant = stack.tenant("Northwind").await;
    let mut auditor = stack.browser_of("audit@example.com").await;
    for page in PAGES {
        // With what stands in mails an auditor could sign in as others.
        let status = if *page == "/admin/outbox" { 403 } else { 200 };
        assert_eq!(auditor.get(page).await.status, status, "{page}");
    }
    let step = format!("/admin/tenants/{tenant}/suspend");
    let refused = auditor.submit(&step, &[]).await;
    assert_eq!(refused.status, 403);
    let refused = auditor
        .submit("/admin/plans/new", &[("name", "Free")])
        .await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

#[tokio::test]
async fn what_a_tenant_is_called_is_never_markup() {
    let stack = Stack::new().await;
    operator(&stack).await;
    let tenant = stack.tenant("<script>alert(1)</script>").await;
    let mut browser = stack.browser_of(OPERATOR).await;
    for page in [
        "/admin/tenants".to_owned(),
        format!("/admin/tenants/{tenant}"),
    ] {
        let seen = browser.get(&page).await;
        assert!(!seen.body.contains("<script>alert"), "{page}");
    }
}

#[tokio::test]
async fn a_route_that_names_a_scope_which_its_api_does_not_define_is_saved_with_a_warning() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let api = api(&program, "Orders", "/orders").await;
    let path = format!("/apis/{api}");
    let scopes = json!({"scopes": [{"name": "orders:read"}]});
    let defined = program.patch(&path, scopes).await;
    assert_eq!(defined.status, 200, "{}", defined.body);
    let mut browser = stack.browser_of(OPERATOR).await;
    let new = format!("/admin/apis/{api}/routes/new");
    for (route, scope, warns) in [("/a", "orders:read", false), ("/b", "orders:reed", true)] {
        let fields = [("path", route), ("scopes", scope)];
        let saved = browser.submit(&new, &fields).await;
        assert_eq!(saved.status, 303, "{}", saved.body);
        let shown = browser.get(saved.location()).await;
        let text = format!("does not define {scope}");
        assert_eq!(shown.body.contains(&text), warns, "{}", shown.body);
        let routes = program.get(&format!("{path}/routes")).await;
        let mut items = routes.body["items"].as_array().expect("a list").iter();
        let found = items.rfind(|one| one["path"] == route);
        let id = found.expect("a route")["id"].as_str().expect("an id");
        let editor = browser.get(&format!("/admin/apis/{api}/routes/{id}")).await;
        assert_eq!(editor.body.contains("This API does not define"), warns);
    }
}
