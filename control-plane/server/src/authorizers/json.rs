//! `/api/v1/authorizers`.

use axum::extract::State;
use axum::response::Response;
use domain::authorizer::{Authorizer, AuthorizerType};
use domain::id::AuthorizerId;
use domain::permission::Action;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::json::{self, At, Caller, Listed, PageQuery, Search, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListAuthorizers, routes!(list)))
        .routes(json::route(Action::ListAuthorizers, routes!(show)))
}

/// An authorizer. The one named `tollgate` takes the access tokens of this control plane.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Authorizer)]
struct AuthorizerView {
    #[schema(value_type = String, example = "atz_01jdq7m2k9e5v8r3x6t4w1z0ab")]
    id: AuthorizerId,
    name: String,
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "jwt")]
    authorizer_type: AuthorizerType,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl AuthorizerView {
    fn of(authorizer: &Authorizer) -> Self {
        Self {
            id: authorizer.id,
            name: authorizer.name.clone(),
            authorizer_type: authorizer.authorizer_type,
            created_at: authorizer.created_at,
        }
    }
}

/// Lists authorizers, oldest first.
#[utoipa::path(get, path = "/authorizers", tag = "authorizers", params(PageQuery),
    responses((status = 200, body = Listed<AuthorizerView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<PageQuery>,
) -> Result<Listed<AuthorizerView>, Stop> {
    let paging = query.parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (after, limit) = (paging.after(), paging.fetch());
    let found = super::list(&caller.authority, &mut tx, after, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.id.0,
        |one| AuthorizerView::of(&one),
    ))
}

/// Shows an authorizer.
#[utoipa::path(get, path = "/authorizers/{authorizer}", tag = "authorizers",
    params(("authorizer" = String, Path)), responses((status = 200, body = AuthorizerView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<AuthorizerId>,
) -> Result<Response, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(json::show(found.edition, &AuthorizerView::of(&found)))
}
