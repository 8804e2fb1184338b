//! Guarantees of the API's frame.

use std::collections::HashSet;

use domain::id::{TenantId, UserId};
use domain::permission::{self, Action, Authority, Reach};
use domain::role::{PlatformRole, Role};
use http::Method;
use serde_json::json;
use uuid::Uuid;

use super::openapi::{DescribedRoute, routes};
use crate::testing::{Program, Reply, Stack};

/// A path of the route with ids that name nothing, but for the tenant.
fn path(route: &DescribedRoute, tenant: TenantId) -> String {
    let prefixes = [
        ("tenant", ""),
        ("authorizer", "atz"),
        ("upstream", "ups"),
        ("api", "api"),
        ("route", "rte"),
        ("plan", "pln"),
        ("node", "nod"),
        ("token", "enr"),
        ("subscription", "sub"),
        ("request", "sub"),
        ("key", "key"),
        ("member", "mem"),
        ("group", "grp"),
        ("provider", "idp"),
        ("domain", "dom"),
        ("invitation", "inv"),
        ("client", "cli"),
        ("user", "usr"),
    ];
    let mut path = route.path.replace("{tenant}", &tenant.to_string());
    for (name, prefix) in prefixes {
        let id = UserId(Uuid::now_v7()).to_string();
        let id = id.replacen("usr", prefix, 1);
        path = path.replace(&format!("{{{name}}}"), &id);
    }
    path = path.replace("{secret}", &Uuid::now_v7().to_string());
    assert!(!path.contains('{'), "{path}");
    path.trim_start_matches(super::PREFIX).to_owned()
}

async fn call(program: &Program, route: &DescribedRoute, tenant: TenantId) -> Reply {
    let body = match route.method {
        Method::POST | Method::PATCH | Method::PUT => Some(json!({})),
        _ => None,
    };
    let path = path(route, tenant);
    program.send(route.method.clone(), &path, &[], body).await
}

#[tokio::test]
async fn no_route_answers_without_a_token_that_works() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let stranger = stack.stranger();
    assert!(routes().len() > 30);
    for route in routes() {
        let reply = call(&stranger, &route, tenant).await;
        assert_eq!(reply.status, 401, "{route:?} {}", reply.body);
        assert!(reply.headers.contains_key("www-authenticate"), "{route:?}");
        assert_eq!(reply.code(), "token_missing", "{route:?}");
        let id = reply.headers["x-request-id"].to_str().expect("ASCII");
        assert_eq!(reply.body["request_id"], id, "{route:?}");
    }
    for credentials in ["Bearer tgp_x", "Basic dXNlcjpwYXNz", "Bearer tg_live_x", ""] {
        let headers = [("authorization", credentials)];
        let reply = stranger.send(Method::GET, "/plans", &headers, None).await;
        assert_eq!(reply.status, 401, "{credentials}");
    }
}

/// The sweep: what the table of permissions refuses, every route refuses; what it allows, no
/// route refuses for lack of a right.
#[tokio::test]
async fn every_route_keeps_to_the_table_of_permissions() {
    let stack = Stack::new().await;
    let own = stack.tenant("Northwind").await;
    let other = stack.tenant("Contoso").await;
    let mut people = Vec::new();
    for role in Role::ALL {
        let email = format!("{role}@northwind.example");
        let user = stack.member(own, &email, *role).await;
        people.push((Authority::Member(*role), stack.program_of(user, &[]).await));
    }
    for role in PlatformRole::ALL {
        let user = stack
            .person(&format!("{role}@example.com"), Some(*role))
            .await;
        people.push((
            Authority::Platform(*role),
            stack.program_of(user, &[]).await,
        ));
    }
    for route in routes() {
        for (authority, program) in &people {
            // One's own account is there for everybody.
            let may =
                route.action.reach() == Reach::Own || permission::may(*authority, route.action);
            // Those that delete the tenant itself come to a name that is not there.
            let tenant = match (route.action, may) {
                (Action::DeleteTenant, true) => TenantId(Uuid::now_v7()),
                _ => own,
            };
            let reply = call(program, &route, tenant).await;
            let who = format!("{authority:?} {route:?} {}", reply.body);
            match may {
                false => assert_eq!((reply.status, reply.code()), (403, "forbidden"), "{who}"),
                true => assert!(![401, 403, 500].contains(&reply.status), "{who}"),
            }
            if let (Authority::Member(_), Reach::Tenant) = (authority, route.action.reach()) {
                let reply = call(program, &route, other).await;
                assert_eq!(reply.status, 404, "{authority:?} {route:?} {}", reply.body);
            }
        }
    }
}

#[tokio::test]
async fn a_token_does_what_its_scopes_name_and_never_more_than_its_person() {
    let stack = Stack::new().await;
    let tenant = stack.tenant("Northwind").await;
    let operator = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let viewer = stack.member(tenant, "v@example.com", Role::Viewer).await;
    let reader = stack.program_of(operator, &["plans.list"]).await;
    assert_eq!(reader.get("/plans").await.status, 200);
    assert_eq!(reader.get("/apis").await.status, 403);
    let writer = stack
        .program_of(viewer, &["plans.create", "tenant.rename"])
        .await;
    assert_eq!(
        writer.post("/plans", json!({"name": "Free"})).await.status,
        403
    );
    let own = format!("/tenants/{tenant}");
    assert_eq!(writer.patch(&own, json!({"name": "x"})).await.status, 403);
    assert_eq!(writer.get(&own).await.status, 403);
}

async fn operator(stack: &Stack) -> Program {
    let user = stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    stack.program_of(user, &[]).await
}

#[tokio::test]
async fn a_creation_with_one_key_takes_place_once() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let send = |name: &'static str, key: &'static str| {
        let headers = [("idempotency-key", key)];
        let body = json!({ "name": name });
        let operator = &operator;
        async move {
            operator
                .send(Method::POST, "/plans", &headers, Some(body))
                .await
        }
    };
    let first = send("Free", "a").await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = send("Free", "a").await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);
    assert_eq!(again.etag(), first.etag());
    assert!(!first.headers.contains_key("idempotent-replayed"));
    let other = send("Pro", "a").await;
    assert_eq!(
        (other.status, other.code()),
        (409, "idempotency_key_reused")
    );
    let plans = operator.get("/plans").await;
    assert_eq!(plans.body["items"].as_array().map(Vec::len), Some(1));
    // A creation that failed leaves its key free.
    assert_eq!(send("Free", "b").await.code(), "name_taken");
    assert_eq!(send("Pro", "b").await.status, 201);
    // Somebody else's key is another key.
    let colleague = stack
        .person("op2@example.com", Some(PlatformRole::Operator))
        .await;
    let colleague = stack.program_of(colleague, &[]).await;
    let headers = [("idempotency-key", "a")];
    let body = Some(json!({"name": "Scale"}));
    let theirs = colleague.send(Method::POST, "/plans", &headers, body).await;
    assert_eq!(theirs.status, 201, "{}", theirs.body);
}

#[tokio::test]
async fn two_calls_at_once_with_one_key_make_one_thing() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let send = || {
        let body = Some(json!({"name": "Free"}));
        operator.send(Method::POST, "/plans", &[("idempotency-key", "a")], body)
    };
    let (one, two) = tokio::join!(send(), send());
    assert_eq!((one.status, two.status), (201, 201));
    assert_eq!(one.body["id"], two.body["id"]);
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let send = || {
        let body = Some(json!({"name": "edge"}));
        operator.send(
            Method::POST,
            "/nodes/enroll-tokens",
            &[("idempotency-key", "k")],
            body,
        )
    };
    let first = send().await;
    assert_eq!(first.status, 201, "{}", first.body);
    let value = first.body["value"].as_str().expect("a token");
    assert!(value.starts_with("tge_"), "{value}");
    assert_eq!(first.headers["cache-control"], "no-store");
    let again = send().await;
    assert_eq!((again.status, again.code()), (409, "secret_already_shown"));
    assert_eq!(again.body["id"], first.body["id"]);
    assert!(!again.body.to_string().contains(value));
    let listed = operator.get("/nodes/enroll-tokens").await;
    assert!(!listed.body.to_string().contains("tge_"), "{}", listed.body);
    let log = operator.get("/audit-events").await;
    assert!(!log.body.to_string().contains("tge_"), "{}", log.body);
}

#[tokio::test]
async fn an_edit_of_what_was_not_seen_is_refused() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let made = operator.post("/plans", json!({"name": "Free"})).await;
    let at = format!("/plans/{}", made.body["id"].as_str().expect("an id"));
    let patch = |tag: String, name: &'static str| {
        let (operator, at) = (&operator, &at);
        async move {
            let headers = [("if-match", tag.as_str())];
            let body = Some(json!({ "name": name }));
            operator.send(Method::PATCH, at, &headers, body).await
        }
    };
    let first = made.etag().to_owned();
    let edited = patch(first.clone(), "Starter").await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    assert_ne!(edited.etag(), first);
    for stale in [first.as_str(), "\"x\"", "W/\"1\""] {
        let refused = patch(stale.to_owned(), "Lost").await;
        assert_eq!((refused.status, refused.code()), (412, "edited_meanwhile"));
    }
    let headers = [("if-match", first.as_str())];
    let refused = operator.send(Method::DELETE, &at, &headers, None).await;
    assert_eq!(refused.status, 412);
    // Without it, and with *, the latest edit wins.
    assert_eq!(patch("*".to_owned(), "Pro").await.status, 200);
    assert_eq!(
        operator.patch(&at, json!({"name": "Scale"})).await.status,
        200
    );
    let shown = operator.get(&at).await;
    assert_eq!(shown.body["name"], "Scale");
    let sent = operator.patch(&at, json!({"description": "x"})).await;
    assert_eq!(sent.body["name"], "Scale");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_with_its_place() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let post = |body| operator.post("/plans", body);
    let unknown = post(json!({"name": "Free", "rate": 1})).await;
    assert_eq!(unknown.status, 422);
    assert_eq!(unknown.body["errors"][0]["pointer"], "/rate");
    assert_eq!(unknown.body["errors"][0]["code"], "unknown_field");
    let nested = post(json!({"name": "Free", "quota": {"limit": 1, "period": "year"}})).await;
    assert_eq!(nested.body["errors"][0]["pointer"], "/quota/period");
    // All that is wrong is told at once.
    let both = post(json!({"name": "", "rate_limit": 1, "scopes": ["a b"]})).await;
    let pointers: HashSet<&str> = both.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .filter_map(|error| error["pointer"].as_str())
        .collect();
    assert_eq!(
        pointers,
        HashSet::from(["/name", "/burst_limit", "/scopes/0"])
    );
    let headers = [("content-type", "text/plain")];
    let kind = operator.send(Method::POST, "/plans", &headers, None).await;
    assert_eq!((kind.status, kind.code()), (415, "unsupported_media_type"));
    let large = post(json!({"name": "x".repeat(super::input::BODY_BYTES_MAX)})).await;
    assert_eq!((large.status, large.code()), (413, "body_too_large"));
    assert_eq!(operator.get("/plans/pln_x").await.code(), "not_found");
    assert_eq!(operator.get("/plans?limit=0").await.status, 422);
    assert_eq!(operator.get("/plans?limt=1").await.status, 422);
    assert_eq!(operator.get("/plans?cursor=x").await.status, 422);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let missing = operator.get("/nothing").await;
    assert_eq!((missing.status, missing.code()), (404, "not_found"));
    assert!(missing.body["request_id"].is_string());
    let method = operator.send(Method::PUT, "/plans", &[], None).await;
    assert_eq!((method.status, method.code()), (405, "method_not_allowed"));
    assert!(method.headers.contains_key("allow"));
}

#[tokio::test]
async fn a_browser_that_is_signed_in_is_no_caller_of_the_api() {
    let stack = Stack::new().await;
    stack
        .person("op@example.com", Some(PlatformRole::Operator))
        .await;
    let mut browser = stack.browser_of("op@example.com").await;
    assert_eq!(browser.get("/api/v1/plans").await.status, 401);
    assert_eq!(browser.get("/api/v1/openapi.json").await.status, 200);
}

#[tokio::test]
async fn lists_are_walked_to_their_end_by_cursor() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let mut made = Vec::new();
    for place in 0..5 {
        let plan = operator
            .post("/plans", json!({"name": format!("Plan {place}")}))
            .await;
        made.push(plan.body["id"].clone());
    }
    let (mut found, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = operator.get(&format!("/plans{query}")).await;
        let items = page.body["items"].as_array().expect("items").clone();
        assert!(items.len() <= 2);
        found.extend(items.into_iter().map(|item| item["id"].clone()));
        match page.body["next_cursor"].as_str() {
            Some(cursor) => query = format!("?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(found, made);
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_names_every_operation_once() {
    let stack = Stack::new().await;
    let document = stack.stranger().get("/openapi.json").await.body;
    let version = document["openapi"].as_str().expect("a version");
    assert!(version.starts_with("3.1"), "{version}");
    let mut seen = HashSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        assert!(path.starts_with(super::PREFIX), "{path}");
        for (method, operation) in item.as_object().expect("an item") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(seen.insert(id.to_owned()), "{method} {path}: {id} again");
            assert!(operation["summary"].is_string(), "{id}");
            assert!(operation["responses"]["401"].is_object(), "{id}");
            assert!(
                operation["security"][0]["personal_token"].is_array(),
                "{id}"
            );
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        let schemas = &document["components"]["schemas"];
        assert!(schemas[name].is_object(), "{name} is not described");
    }
}
