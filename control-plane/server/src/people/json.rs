//! `/api/v1/account`: who one is.

use axum::extract::State;
use domain::id::TenantId;
use domain::permission::Action;
use domain::role::{PlatformRole, Role};
use domain::tenant::Tenant;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::json::{self, Caller, Stop};
use crate::users::UserView;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(json::route(Action::ShowAccount, routes!(show_account)))
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
