//! Routes that ask for tokens.

use serde_json::json;

use super::{OPERATOR, api, id, operator};
use crate::testing::Stack;

#[tokio::test]
async fn a_route_takes_tokens_by_the_authorizer_that_is_there_from_the_start() {
    let stack = Stack::new().await;
    let operator = operator(&stack).await;
    let listed = operator.get("/authorizers").await.body;
    assert_eq!(
        listed["items"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    let own = &listed["items"][0];
    assert_eq!(
        (&own["name"], &own["type"]),
        (&json!("tollgate"), &json!("jwt"))
    );
    let own = id(own);
    let shown = operator.get(&format!("/authorizers/{own}")).await;
    assert_eq!(shown.body["id"], own);

    let orders = api(&operator, "Orders", "/orders").await;
    let routes = format!("/apis/{orders}/routes");
    let body = json!({ "path": "/v1", "api_key_required": false, "authorizer_id": own });
    let made = operator.post(&routes, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["authorizer_id"], own);
    let nowhere = json!({
        "path": "/v2",
        "authorizer_id": "atz_00000000000000000000000001",
    });
    let refused = operator.post(&routes, nowhere).await;
    assert_eq!(
        (refused.status, refused.code()),
        (422, "unknown_authorizer")
    );
    assert_eq!(refused.body["errors"][0]["pointer"], "/authorizer_id");
    let route = format!("{routes}/{}", id(&made.body));
    let without = operator
        .patch(&route, json!({ "authorizer_id": null }))
        .await;
    assert_eq!(without.body["authorizer_id"], json!(null));
}

#[tokio::test]
async fn operators_choose_on_the_page_whether_a_route_takes_tokens() {
    let stack = Stack::new().await;
    let program = operator(&stack).await;
    let mut browser = stack.browser_of(OPERATOR).await;
    let own = id(&program.get("/authorizers").await.body["items"][0]);
    let orders = api(&program, "Orders", "/orders").await;
    let page = format!("/admin/apis/{orders}/routes/new");
    let form = browser.get(&page).await.body;
    assert!(
        form.contains("Tollgate token") && form.contains(&own),
        "{form}"
    );
    let fields = [("path", "/v1"), ("authorizer_id", own.as_str())];
    let made = browser.submit(&page, &fields).await;
    assert_eq!(made.status, 303, "{}", made.body);
    let routes = program.get(&format!("/apis/{orders}/routes")).await.body;
    let route = &routes["items"][0];
    assert_eq!(route["authorizer_id"], own, "{routes}");
    let shown = browser.get(&format!("/admin/apis/{orders}")).await.body;
    assert!(shown.contains(">token<"), "{shown}");
    let page = format!("/admin/apis/{orders}/routes/{}", id(route));
    let filled = browser.get(&page).await.body;
    assert!(
        filled.contains(&format!("value=\"{own}\" selected")),
        "{filled}"
    );
    let wrong = [("path", "/v1"), ("authorizer_id", "atz_other")];
    let refused = browser.submit(&page, &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("Choose one of the authorizers."));
}
