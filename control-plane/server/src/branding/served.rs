//! `/branding/…`: logos and stylesheets, at addresses whose content never changes.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::id::TenantId;
use http::header;

use crate::app::App;
use crate::problem::Problem;

const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// A picture runs nothing, also where somebody opens it as a page.
const POLICY: &str = "default-src 'none'; sandbox";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/branding/{file}", get(stylesheet))
        .route("/branding/{tenant}/{file}", get(logo))
}

async fn stylesheet(Path(file): Path<String>) -> Response {
    match web::brand::find_stylesheet(&file) {
        Some(text) => fixed("text/css; charset=utf-8", text.into_bytes()),
        None => Problem::not_found("file").into_response(),
    }
}

async fn logo(
    State(app): State<App>,
    Path((tenant, file)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let missing = || Problem::not_found("file");
    let tenant: TenantId = tenant.parse().map_err(|_| missing())?;
    let hash = file
        .strip_prefix("logo-")
        .and_then(|rest| rest.strip_suffix(".png"))
        .ok_or_else(missing)?;
    let mut tx = app.db.platform_tx().await?;
    let found = store::branding::all_tenants_find_logo(&mut tx, tenant, hash).await?;
    tx.commit().await?;
    Ok(fixed("image/png", found.ok_or_else(missing)?))
}

fn fixed(content_type: &'static str, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, FOR_EVER),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, bytes).into_response()
}
