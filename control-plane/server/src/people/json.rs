//! `/api/v1/account`: who one is; `/api/v1/users`: what operators do about people.

use axum::extract::State;
use axum::response::Response;
use domain::id::{TenantId, UserId};
use domain::permission::Action;
use domain::role::{PlatformRole, Role};
use domain::tenant::Tenant;
use domain::user::User;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Nothing, Stop};

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ShowAccount, routes!(show_account)))
        .routes(json::route(Action::UnlockUser, routes!(unlock)))
}

/// The person whose token calls.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountView {
    #[serde(flatten)]
    user: UserView,
    /// Null: none.
    #[schema(value_type = Option<String>, pattern = "^(operator|auditor)$")]
    platform_role: Option<PlatformRole>,
    /// By name.
    tenants: Vec<MembershipView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
struct MembershipView {
    #[schema(value_type = String)]
    id: TenantId,
    name: String,
    #[schema(value_type = String, pattern = "^(owner|admin|developer|viewer|user)$")]
    role: Role,
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

/// Shows whose token this is and which tenants they belong to.
#[utoipa::path(get, path = "/account", tag = "account",
    responses((status = 200, body = AccountView)))]
async fn show_account(
    State(app): State<App>,
    caller: Caller,
) -> Result<axum::Json<AccountView>, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::account(&caller.authority, &mut tx).await?;
    let membership = |(tenant, role): &(Tenant, Role)| MembershipView {
        id: tenant.id,
        name: tenant.name.clone(),
        role: *role,
    };
    Ok(axum::Json(AccountView {
        user: UserView::of(&found.user),
        platform_role: found.platform_role,
        tenants: found.tenants.iter().map(membership).collect(),
    }))
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
