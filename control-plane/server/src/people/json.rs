//! `/api/v1/users`: what operators do about people.

use axum::extract::State;
use axum::response::Response;
use domain::id::UserId;
use domain::permission::Action;
use domain::user::User;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Creation, Nothing, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(json::route(Action::UnlockUser, routes!(unlock)))
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
struct UserView {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: String,
    /// Until when sign-in pauses after wrong passwords.
    #[serde(with = "time::serde::rfc3339::option")]
    locked_until: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_signed_in_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl UserView {
    fn of(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            locked_until: user.locked_until,
            last_signed_in_at: user.last_signed_in_at,
            created_at: user.created_at,
        }
    }
}

/// Ends a pause of sign-in that wrong passwords brought about.
#[utoipa::path(post, path = "/users/{user}/unlock", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn unlock(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let user = super::unlock(&caller.authority, work.platform()?, id, now).await?;
    // People have no edition: nothing about them is edited by others.
    work.done(0, &UserView::of(&user)).await
}
