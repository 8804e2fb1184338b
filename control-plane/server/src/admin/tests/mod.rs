//! Guarantees of what operators do.

mod pages;
mod platform;
mod tokens;

use domain::role::PlatformRole;
use serde_json::{Value, json};

use crate::testing::{Program, Stack};

pub(crate) const OPERATOR: &str = "op@example.com";

pub(crate) async fn operator(stack: &Stack) -> Program {
    let user = stack.person(OPERATOR, Some(PlatformRole::Operator)).await;
    stack.program_of(user, &[]).await
}

#[track_caller]
pub(crate) fn id(body: &Value) -> String {
    body["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

pub(crate) async fn upstream(operator: &Program, name: &str) -> String {
    let targets = json!([{"url": "http://10.0.0.7:8080"}]);
    let made = operator
        .post("/upstreams", json!({"name": name, "targets": targets}))
        .await;
    id(&made.body)
}

pub(crate) async fn api(operator: &Program, name: &str, base_path: &str) -> String {
    let upstream = upstream(operator, &format!("{name} upstream")).await;
    let body = json!({"name": name, "base_path": base_path, "upstream_id": upstream});
    id(&operator.post("/apis", body).await.body)
}
