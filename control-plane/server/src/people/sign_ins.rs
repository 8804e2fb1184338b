//! `/account/sign-ins`: where somebody is signed in, and how that ends.

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use domain::id::UserId;
use domain::permission::Action;
use serde_json::json;
use store::PlatformTx;
use store::sessions::Browser;
use uuid::Uuid;
use web::format::moment;
use web::layout::Tone;
use web::pages::account::SignInRow;
use web::pages::confirm::Confirm;

use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::page::{Answer, SignedIn, go_to, page};

/// The account's page shows this many.
const SHOWN_MAX: u32 = 50;

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/account/sign-ins/{id}/end", post(end_here))
        .route(
            "/account/sign-ins/end",
            get(show_end_all).post(end_all_here),
        )
}

/// Where a person is signed in.
pub(super) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
) -> Result<Vec<Browser>, ActionError> {
    authority.require_own(Action::ShowAccount, owner)?;
    Ok(store::sessions::list_of_user(tx, owner, SHOWN_MAX).await?)
}

pub(super) fn row(browser: &Browser, here: Uuid, now: Now) -> SignInRow {
    SignInRow {
        id: browser.login_id.to_string(),
        device: web::format::device(&browser.agent),
        address: browser.address.clone(),
        signed_in_at: moment(browser.signed_in_at, now.0),
        seen_at: moment(browser.seen_at, now.0),
        is_here: browser.login_id == here,
    }
}

/// Ends one of the person's own sign-ins.
async fn end(
    authority: &Authority,
    tx: &mut PlatformTx,
    (owner, login): (UserId, Uuid),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::EndSignIns, owner)?;
    let all = store::sessions::list_of_user(tx, owner, SHOWN_MAX).await?;
    let ended = all
        .iter()
        .find(|browser| browser.login_id == login)
        .ok_or(ActionError::NotFound("sign-in"))?;
    store::sessions::end(tx, login, now.0).await?;
    let before = json!({ "device": web::format::device(&ended.agent), "address": ended.address });
    let user = store::users::get(tx, owner).await?;
    let change = (super::subject(&user), Change::removed(&before));
    action::audit(tx, authority, Action::EndSignIns, change, now).await
}

/// Ends all of them, and everything that was given to applications.
async fn end_all(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::EndSignIns, owner)?;
    store::sessions::end_of_user(tx, owner, now.0).await?;
    let user = store::users::get(tx, owner).await?;
    let change = (
        super::subject(&user),
        Change::removed(&json!({ "device": "all" })),
    );
    action::audit(tx, authority, Action::EndSignIns, change, now).await
}

async fn end_here(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(login): Path<Uuid>,
    now: Now,
) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let one = (signed_in.person.user, login);
    end(&signed_in.authority(), &mut tx, one, now).await?;
    tx.commit().await?;
    signed_in
        .flash(Tone::Good, "That browser is signed out.")
        .await?;
    go_to("/account")
}

async fn show_end_all(signed_in: SignedIn) -> Answer {
    page(&Confirm {
        title: "Sign out everywhere?".to_owned(),
        intro: "Every browser and every application is signed out, this one too.".to_owned(),
        consequences: vec![
            "Applications that go on when you are away stop, too.".to_owned(),
            "Personal tokens stay: they are revoked one by one.".to_owned(),
        ],
        action: "/account/sign-ins/end".to_owned(),
        button: "Sign out everywhere".to_owned(),
        is_danger: true,
        ..Confirm::of_account(signed_in.shell())
    })
}

async fn end_all_here(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    let mut tx = app.db.platform_tx().await?;
    let owner = signed_in.person.user;
    end_all(&signed_in.authority(), &mut tx, owner, now).await?;
    tx.commit().await?;
    signed_in.session().flush().await?;
    go_to("/login")
}
