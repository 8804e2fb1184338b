//! `/api/v1/users`.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::Response;
use domain::email::Email;
use domain::id::{TenantId, UserId};
use domain::member::{MemberStatus, Standing};
use domain::password::NewPassword;
use domain::permission::Action;
use domain::role::{PlatformRole, Role};
use domain::tenant::Tenant;
use domain::user::{PersonName, User};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Found, import};
use crate::action::ActionError;
use crate::app::App;
use crate::clock::Now;
use crate::json::{self, At, Caller, Creation, Listed, Made, Nothing, PageQuery, Search, Stop};
use crate::people::NewPerson;
use crate::problem::Problem;

pub(crate) fn api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(json::route(Action::ListUsers, routes!(list)))
        .routes(json::route(Action::ListUsers, routes!(show)))
        .routes(json::route(Action::CreateUser, routes!(create)))
        .routes(json::route(Action::ImportUsers, routes!(import_here)))
        .routes(json::route(Action::DisableUser, routes!(disable)))
        .routes(json::route(Action::EnableUser, routes!(enable)))
        .routes(json::route(Action::UnlockUser, routes!(unlock)))
        .routes(json::route(Action::ResetPassword, routes!(reset_password)))
        .routes(json::route(Action::SignOutUser, routes!(sign_out)))
        .routes(json::route(
            Action::ResetSecondStep,
            routes!(reset_second_step),
        ))
}

/// What a list of people is narrowed to.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct UsersQuery {
    /// The start of an address or a name, or an id.
    search: Option<String>,
    /// `next_cursor` of the page before; none: the first page.
    cursor: Option<String>,
    /// Items on a page, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What can be said of a person when their account is made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUserInput {
    email: String,
    #[serde(default)]
    name: String,
    /// 15 to 256 characters. With one the address counts as confirmed. Without: they are told by
    /// mail how to set one, which confirms the address.
    password: Option<String>,
}

impl std::fmt::Debug for NewUserInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewUserInput(…)")
    }
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub(crate) struct UserView {
    #[schema(value_type = String)]
    id: UserId,
    email: String,
    name: String,
    /// Null: never. Nobody signs in before.
    #[serde(with = "time::serde::rfc3339::option")]
    email_confirmed_at: Option<OffsetDateTime>,
    /// Whether a password is set.
    has_password: bool,
    /// Wrong passwords in a row.
    failed_sign_ins: u32,
    /// Until when sign-in by password pauses after wrong ones.
    #[serde(with = "time::serde::rfc3339::option")]
    locked_until: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    last_signed_in_at: Option<OffsetDateTime>,
    /// Since when this person comes in nowhere; null: they do.
    #[serde(with = "time::serde::rfc3339::option")]
    disabled_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
}

impl UserView {
    pub(crate) fn of(user: &User) -> Self {
        Self {
            id: user.id,
            email: user.email.clone(),
            name: user.name.clone(),
            email_confirmed_at: user.email_confirmed_at,
            has_password: user.password_hash.is_some(),
            failed_sign_ins: user.failed_sign_ins,
            locked_until: user.locked_until,
            disabled_at: user.disabled_at,
            last_signed_in_at: user.last_signed_in_at,
            created_at: user.created_at,
        }
    }
}

/// A person, with where they belong.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserDetail)]
struct UserDetailView {
    #[serde(flatten)]
    user: UserView,
    /// Null: none.
    #[schema(value_type = Option<String>, pattern = "^(operator|auditor)$")]
    platform_role: Option<PlatformRole>,
    /// By name.
    tenants: Vec<StandingView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Standing)]
struct StandingView {
    #[schema(value_type = String)]
    id: TenantId,
    name: String,
    #[schema(value_type = String, pattern = "^(owner|admin|developer|viewer|user)$")]
    role: Role,
    #[schema(value_type = String, pattern = "^(active|disabled)$")]
    status: MemberStatus,
}

impl UserDetailView {
    fn of(found: &Found) -> Self {
        let standing = |(tenant, standing): &(Tenant, Standing)| StandingView {
            id: tenant.id,
            name: tenant.name.clone(),
            role: standing.role,
            status: standing.status,
        };
        Self {
            user: UserView::of(&found.user),
            platform_role: found.platform_role,
            tenants: found.tenants.iter().map(standing).collect(),
        }
    }
}

/// Lists people, the newest first.
#[utoipa::path(get, path = "/users", tag = "users", params(UsersQuery),
    responses((status = 200, body = Listed<UserView>)))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Search(query): Search<UsersQuery>,
) -> Result<Listed<UserView>, Stop> {
    let paging = PageQuery {
        cursor: query.cursor,
        limit: query.limit,
    }
    .parse()?;
    let mut tx = app.db.platform_tx().await?;
    let (before, limit) = (paging.after(), paging.fetch());
    let text = query.search.as_deref();
    let found = super::list(&caller.authority, &mut tx, text, before, limit).await?;
    Ok(Listed::new(
        found,
        paging,
        |one| one.user.id.0,
        |one| UserView::of(&one.user),
    ))
}

/// Shows a person with their tenants.
#[utoipa::path(get, path = "/users/{user}", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserDetailView)))]
async fn show(
    State(app): State<App>,
    caller: Caller,
    At(id): At<UserId>,
) -> Result<Json<UserDetailView>, Stop> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&caller.authority, &mut tx, id).await?;
    Ok(Json(UserDetailView::of(&found)))
}

/// Creates a person, who belongs to no tenant yet.
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUserInput,
    responses((status = 201, body = UserView)))]
async fn create(
    State(app): State<App>,
    now: Now,
    creation: Creation<NewUserInput>,
) -> Result<Response, Stop> {
    let (mut work, caller, input) = creation.begin(&app).await?;
    let new = parse(&app, &input).await?;
    let made = super::create(&app, &caller.authority, work.platform()?, new, now).await?;
    let place = Made {
        path: format!("/users/{}", made.id),
        edition: 0,
    };
    let answer = work.created(place, &UserView::of(&made)).await?;
    app.mailer.wake();
    Ok(answer)
}

/// Imports up to 1,000 people from another system, in at most 2 MiB: a JSON array, or with the type
/// `application/x-ndjson` one object on each line. Each is judged by itself: `lines` says of each
/// whether it was created, existed before or was refused, and why. All that is taken is taken in one
/// transaction. Nobody gets a mail; who exists already stays as they are, but for a membership that
/// they do not have yet.
#[utoipa::path(post, path = "/users/import", tag = "users", operation_id = "import",
    request_body = Vec<import::PersonInput>, responses((status = 200, body = import::Report)))]
async fn import_here(State(app): State<App>, now: Now, request: Request) -> Result<Response, Stop> {
    let bytes_max = import::BYTES_MAX;
    let creation = Creation::read(request, &app, bytes_max, import::from_body).await?;
    let (mut work, caller, lines) = creation.begin(&app).await?;
    let report = import::import(&caller.authority, work.platform()?, lines, now).await?;
    work.done(0, &report).await
}

async fn parse(app: &App, input: &NewUserInput) -> Result<NewPerson, Stop> {
    let mut errors = Vec::new();
    let mut keep = |error| errors.push(error);
    let name = PersonName::parse(&input.name).map_err(&mut keep);
    let email = Email::parse(&input.email).map_err(&mut keep);
    let password = match (&email, &input.password) {
        (Ok(email), Some(raw)) => NewPassword::parse(raw, email).map(Some).map_err(&mut keep),
        _ => Ok(None),
    };
    let (Ok(name), Ok(email), Ok(password)) = (name, email, password) else {
        return Err(ActionError::Invalid(errors).into());
    };
    let password_hash = match &password {
        Some(password) => {
            let hash = app.passwords.hash(password).await;
            Some(hash.map_err(|cause| Problem::internal(&cause))?)
        }
        None => None,
    };
    Ok(NewPerson {
        email,
        name,
        is_email_confirmed: password_hash.is_some(),
        password_hash,
        role: None,
    })
}

/// Shuts a person out everywhere: sessions and what applications were given end, personal tokens are
/// revoked, and nodes refuse their access tokens within about a second. Nobody disables themselves,
/// and the last operator stays.
#[utoipa::path(post, path = "/users/{user}/disable", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn disable(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let user = super::disable(&caller.authority, work.platform()?, id, now).await?;
    work.done(0, &UserView::of(&user)).await
}

/// Lets a disabled person in again. What was ended stays ended.
#[utoipa::path(post, path = "/users/{user}/enable", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn enable(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let user = super::enable(&caller.authority, work.platform()?, id, now).await?;
    work.done(0, &UserView::of(&user)).await
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

/// Mails a person a code with which they set a new password. The present one works until then.
#[utoipa::path(post, path = "/users/{user}/reset-password", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn reset_password(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let tx = work.platform()?;
    let user = super::reset_password(&app, &caller.authority, tx, id, now).await?;
    let answer = work.done(0, &UserView::of(&user)).await?;
    app.mailer.wake();
    Ok(answer)
}

/// Ends every session of a person and what their applications were given. Personal tokens stay.
#[utoipa::path(post, path = "/users/{user}/sign-out", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn sign_out(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let user = super::sign_out(&caller.authority, work.platform()?, id, now).await?;
    work.done(0, &UserView::of(&user)).await
}

/// Turns the second step of somebody's sign-in off, who lost their authenticator and their recovery
/// codes. They are told by mail.
#[utoipa::path(post, path = "/users/{user}/reset-second-step", tag = "users",
    params(("user" = String, Path)), responses((status = 200, body = UserView)))]
async fn reset_second_step(
    State(app): State<App>,
    At(id): At<UserId>,
    now: Now,
    creation: Creation<Nothing>,
) -> Result<Response, Stop> {
    let (mut work, caller, _) = creation.begin(&app).await?;
    let tx = work.platform()?;
    let user = super::reset_second_step(&app, &caller.authority, tx, id, now).await?;
    let answer = work.done(0, &UserView::of(&user)).await?;
    app.mailer.wake();
    Ok(answer)
}
