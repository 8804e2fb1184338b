//! APIs that nodes are told to refuse, and why: the same check that publishing makes.

use std::collections::HashMap;

use domain::id::ApiId;

use crate::action::ActionError;
use crate::app::App;

/// Of these APIs, those that do not compile, with a sentence for people.
pub async fn refusals(app: &App, ids: &[ApiId]) -> Result<HashMap<ApiId, String>, ActionError> {
    let mut tx = app.db.compile_tx().await?;
    let rows = store::compile::apis(&mut tx, ids).await?;
    Ok(rows
        .iter()
        .filter_map(|row| {
            let code = domain::compile::refusal(row)?;
            Some((row.id, sentence(code).to_owned()))
        })
        .collect())
}

fn sentence(code: &str) -> &'static str {
    match code {
        "routes_conflict" => "Two routes match the same requests: nodes could not tell them apart.",
        "path_template_invalid" => "A route's path is not a template that nodes understand.",
        "cors_any_origin_with_credentials" => {
            "CORS allows credentials from any origin, which browsers refuse."
        }
        _ => "It cannot be served as it is.",
    }
}
