//! `/admin/users/…`: the list and a person's page. What is done to a person is in `steps.rs`.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::routing::{get, post};
use domain::id::UserId;
use domain::member::MemberStatus;
use domain::permission::Action;
use domain::role::PlatformRole;
use domain::user::{User, UserState};
use store::users::ListedUser;
use web::format::{moment, relative, thousands};
use web::forms::FormErrors;
use web::forms::users::UserQuery;
use web::layout::{Badge, OperatorTab, Tone};
use web::pages::users::{UserDetail, UserRow, UserTenant, Users};

use super::steps;
use crate::app::App;
use crate::clock::Now;
use crate::json::At;
use crate::members::role_text;
use crate::page::{Answer, Failure, IMPORT_FORM_BYTES_MAX, Operator, page};

const PAGE_SIZE: u32 = 50;

pub(crate) fn pages() -> Router<App> {
    Router::new()
        .route("/admin/users", get(show_list))
        .route(
            "/admin/users/new",
            get(steps::show_new).post(steps::create_here),
        )
        .route(
            "/admin/users/import",
            get(steps::show_import)
                .post(steps::import_here)
                .layer(DefaultBodyLimit::max(IMPORT_FORM_BYTES_MAX)),
        )
        .route("/admin/users/{user}", get(show_one))
        .route(
            "/admin/users/{user}/disable",
            get(steps::show_disable).post(steps::disable_here),
        )
        .route("/admin/users/{user}/enable", post(steps::enable_here))
        .route("/admin/users/{user}/unlock", post(steps::unlock_here))
        .route(
            "/admin/users/{user}/reset-password",
            post(steps::reset_password_here),
        )
        .route("/admin/users/{user}/sign-out", post(steps::sign_out_here))
        .route(
            "/admin/users/{user}/reset-second-step",
            post(steps::reset_second_step_here),
        )
}

async fn show_list(
    State(app): State<App>,
    operator: Operator,
    now: Now,
    Query(query): Query<UserQuery>,
) -> Answer {
    let before: Option<UserId> = query.cursor().and_then(|cursor| cursor.parse().ok());
    let text = query.search();
    let mut tx = app.db.platform_tx().await?;
    let authority = &operator.authority;
    let limit = PAGE_SIZE + 1;
    let mut found = super::list(authority, &mut tx, text.as_deref(), before, limit).await?;
    tx.commit().await?;
    let has_more = found.len() > PAGE_SIZE as usize;
    found.truncate(PAGE_SIZE as usize);
    let next = found.last().filter(|_| has_more).map(|one| one.user.id);
    page(&Users {
        shell: operator.shell(OperatorTab::Users),
        users: found.iter().map(|one| row(one, now)).collect(),
        next_href: next.map(|id| href(&query, Some(id))),
        first_href: before.map(|_| href(&query, None)),
        may_create: authority.may(Action::CreateUser),
        may_import: authority.may(Action::ImportUsers),
        query,
    })
}

/// The same list from another place on.
fn href(query: &UserQuery, cursor: Option<UserId>) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    if !query.q.is_empty() {
        pairs.append_pair("q", &query.q);
    }
    if let Some(cursor) = cursor {
        pairs.append_pair("cursor", &cursor.to_string());
    }
    format!("/admin/users?{}", pairs.finish())
}

fn row(listed: &ListedUser, now: Now) -> UserRow {
    let user = &listed.user;
    UserRow {
        id: user.id.to_string(),
        email: user.email.clone(),
        name: user.name.clone(),
        badge: badge(user, now),
        tenants: thousands(listed.tenants),
        last_signed_in_at: user.last_signed_in_at.map(|at| moment(at, now.0)),
    }
}

fn badge(user: &User, now: Now) -> Badge {
    match user.state(now.0) {
        UserState::Disabled => Badge::new(Tone::Danger, "Disabled"),
        UserState::Paused(until) => {
            let text = format!("Sign-in pauses, ends {}", relative(until, now.0));
            Badge::new(Tone::Warning, text)
        }
        UserState::Unconfirmed => Badge::new(Tone::Neutral, "Never confirmed"),
        UserState::Active => Badge::new(Tone::Good, "Active"),
    }
}

async fn show_one(
    State(app): State<App>,
    operator: Operator,
    At(id): At<UserId>,
    now: Now,
) -> Answer {
    page(&detail(&app, &operator, id, FormErrors::default(), now).await?)
}

/// A person's page, with what was wrong with a step.
pub(super) async fn detail(
    app: &App,
    operator: &Operator,
    id: UserId,
    errors: FormErrors,
    now: Now,
) -> Result<UserDetail, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let found = super::get(&operator.authority, &mut tx, id).await?;
    let has_second_step = store::authenticators::is_confirmed(&mut tx, id).await?;
    let passkeys = store::passkeys::count(&mut tx, id).await?;
    tx.commit().await?;
    let user = found.user;
    let tenants = found
        .tenants
        .into_iter()
        .map(|(tenant, standing)| UserTenant {
            id: tenant.id.to_string(),
            name: tenant.name,
            role: role_text(standing.role).to_owned(),
            is_disabled: standing.status == MemberStatus::Disabled,
        });
    let role = found.platform_role.map(|role| match role {
        PlatformRole::Operator => "Operator".to_owned(),
        PlatformRole::Auditor => "Auditor".to_owned(),
    });
    let password = match &user.password_hash {
        None => "none",
        Some(hash) if hash.starts_with("$argon2id$") => "set",
        Some(_) => "set elsewhere",
    };
    Ok(UserDetail {
        shell: operator.shell(OperatorTab::Users),
        id: user.id.to_string(),
        badge: badge(&user, now),
        created_at: moment(user.created_at, now.0),
        last_signed_in_at: user.last_signed_in_at.map(|at| moment(at, now.0)),
        platform_role: role,
        password: password.to_owned(),
        has_second_step,
        passkeys,
        lock: super::lock(&user, now),
        disabled_at: user.disabled_at.map(|at| moment(at, now.0)),
        tenants: tenants.collect(),
        is_you: operator.person.user == user.id,
        may_change: operator.authority.may(Action::DisableUser),
        errors,
        email: user.email,
        name: user.name,
    })
}
