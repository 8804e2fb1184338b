//! Passkeys (Web Authentication, level 3): `/account/passkeys` to have some, `/login/passkey` to
//! sign in with one, without a password or another step: the device verifies its owner.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use axum_extra::extract::Form;
use domain::id::UserId;
use domain::passkey::{PASSKEYS_MAX, Passkey, PasskeyName};
use domain::permission::Action;
use domain::user::User;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::PlatformTx;
use store::passkeys::NewPasskey;
use tower_sessions::Session;
use uuid::Uuid;
use web::forms::FormErrors;
use web::forms::passkeys::{NewPasskeyForm, PasskeySignInForm};
use web::language::Message;
use web::layout::Tone;
use web::pages::confirm::Confirm;
use web::pages::passkeys::NewPasskey as NewPasskeyPage;
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, Passkey as Credential, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential,
};

use super::pages::{enter, refuse_passkey, wait_with_passkey};
use super::way;
use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::page::{
    Anonymous, Answer, Failure, SignedIn, amr, form_errors, go_on, go_to, invalid, own_path, page,
};
use crate::problem::Problem;
use crate::throttle::{self, Network, TooMany};

/// Entries of the session: what a device was asked, and when.
const REGISTRATION: &str = "passkey_registration";
const SIGN_IN: &str = "passkey_sign_in";
/// Seconds in which a device has to answer.
const ANSWER_WITHIN: i64 = 600;

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/login/passkey/options", post(sign_in_options))
        .route("/login/passkey", post(sign_in))
        .route("/account/passkeys/new", get(show_new))
        .route("/account/passkeys/options", post(registration_options))
        .route("/account/passkeys", post(create_here))
        .route(
            "/account/passkeys/{id}/remove",
            get(show_remove).post(remove_here),
        )
        .route(
            "/account/password/remove",
            get(show_remove_password).post(remove_password_here),
        )
}

/// What a device was asked, kept until it answers.
#[derive(Serialize, Deserialize)]
struct Asked<T> {
    at: i64,
    state: T,
}

async fn remember<T: Serialize>(
    session: &Session,
    entry: &str,
    state: T,
    now: Now,
) -> Result<(), Failure> {
    let at = now.unix_seconds();
    Ok(session.insert(entry, Asked { at, state }).await?)
}

/// What was asked; a question is answered once.
async fn take<T: DeserializeOwned>(
    session: &Session,
    entry: &str,
    now: Now,
) -> Result<Option<T>, Failure> {
    let asked: Option<Asked<T>> = session.remove(entry).await?;
    Ok(asked
        .filter(|asked| now.unix_seconds() - asked.at <= ANSWER_WITHIN)
        .map(|asked| asked.state))
}

/// Browsers have no passkeys for addresses that are numbers.
fn webauthn(app: &App) -> Result<&Webauthn, Failure> {
    app.webauthn.as_deref().ok_or_else(|| {
        Problem::new(
            http::StatusCode::NOT_FOUND,
            "passkeys_unavailable",
            "passkeys need a public URL with a name, such as https://console.example.com",
        )
        .into()
    })
}

/// A person's passkeys.
pub(super) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    owner: UserId,
) -> Result<Vec<Passkey>, ActionError> {
    authority.require_own(Action::ShowAccount, owner)?;
    Ok(store::passkeys::list(tx, owner, PASSKEYS_MAX).await?)
}

/// Keeps what a device made.
async fn create(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    (owner, name, credential): (UserId, PasskeyName, Credential),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangePasskeys, owner)?;
    if store::passkeys::count(tx, owner).await? >= PASSKEYS_MAX {
        return Err(domain::conflict::Conflict::TooManyPasskeys.into());
    }
    let stored = to_value(&credential)?;
    let new = NewPasskey {
        id: Uuid::now_v7(),
        user: owner,
        credential_id: credential.cred_id().as_ref(),
        name: &name,
        credential: &stored,
    };
    store::passkeys::insert(tx, &new).await?;
    let change = Change::created(&json!({ "passkey": name.as_str() }));
    let told = format!(
        "The passkey “{}” now signs in to your account.",
        name.as_str()
    );
    tell(authority, (app, tx), owner, (change, &told), now).await
}

/// Takes one away, if another way in is left.
async fn remove(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    (owner, id): (UserId, Uuid),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangePasskeys, owner)?;
    let passkey = store::passkeys::get(tx, owner, id).await?;
    let user = store::users::get(tx, owner).await?;
    let is_only_key = store::passkeys::count(tx, owner).await? < 2;
    let is_linked = store::identity_links::count(tx, owner).await? > 0;
    if user.password_hash.is_none() && is_only_key && !is_linked {
        return Err(domain::conflict::Conflict::LastWayIn.into());
    }
    store::passkeys::delete(tx, owner, id).await?;
    let change = Change::removed(&json!({ "passkey": passkey.name }));
    let told = format!(
        "The passkey “{}” no longer signs in to your account.",
        passkey.name
    );
    tell(authority, (app, tx), owner, (change, &told), now).await
}

/// Takes the password away from somebody who has a passkey.
async fn remove_password(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    owner: UserId,
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangePassword, owner)?;
    let is_linked = store::identity_links::count(tx, owner).await? > 0;
    if store::passkeys::count(tx, owner).await? == 0 && !is_linked {
        return Err(domain::conflict::Conflict::LastWayIn.into());
    }
    store::users::set_password(tx, owner, None, now.0).await?;
    let change = Change::removed(&json!({ "password": "set" }));
    let told = "Your account has no password any more: passkeys sign in to it.";
    tell(authority, (app, tx), owner, (change, told), now).await
}

async fn tell(
    authority: &Authority,
    (app, tx): (&App, &mut PlatformTx),
    owner: UserId,
    (change, told): (Change, &str),
    now: Now,
) -> Result<(), ActionError> {
    let user = store::users::get(tx, owner).await?;
    let about = (super::subject(&user), change);
    action::audit(tx, authority, Action::ChangePasskeys, about, now).await?;
    let url = &app.public_url;
    let body = format!(
        "{told}\n\nIf that was not you, set a new password at once, which signs everybody out: \
         {url}/forgot\nThen remove passkeys that you do not know at {url}/account\n"
    );
    let subject = "How you sign in to Tollgate changed";
    super::write_to(tx, &user, subject, &body).await
}

/// A person's credential, if the device's answer is right.
async fn find_signer(
    tx: &mut PlatformTx,
    webauthn: &Webauthn,
    (answer, state): (&PublicKeyCredential, DiscoverableAuthentication),
    now: Now,
) -> Result<Option<(User, &'static str)>, ActionError> {
    let Ok((user, credential_id)) = webauthn.identify_discoverable_authentication(answer) else {
        return Ok(None);
    };
    let user = UserId(user);
    let Some((id, stored)) = store::passkeys::find_credential(tx, user, credential_id).await?
    else {
        return Ok(None);
    };
    let mut credential: Credential = serde_json::from_value(stored).map_err(|_| unreadable())?;
    let judged = webauthn.finish_discoverable_authentication_v2(answer, state, credential.clone());
    let Ok(result) = judged else {
        return Ok(None);
    };
    if !result.user_verified() {
        return Ok(None);
    }
    let found = store::users::get(tx, user).await?;
    if found.email_confirmed_at.is_none() || found.is_disabled() {
        return Ok(None);
    }
    credential.update_credential(&result);
    store::passkeys::note_use(tx, id, &to_value(&credential)?, now.0).await?;
    store::users::note_sign_in(tx, user, now.0).await?;
    let kind = match result.backup_eligible() {
        true => amr::SOFTWARE_KEY,
        false => amr::HARDWARE_KEY,
    };
    Ok(Some((found, kind)))
}

fn unreadable() -> store::Error {
    store::Error::Corrupt { what: "passkey" }
}

fn to_value(credential: &Credential) -> Result<Value, ActionError> {
    Ok(serde_json::to_value(credential).map_err(|_| unreadable())?)
}

async fn sign_in_options(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
) -> Result<Response, Failure> {
    let network = Network::from(address);
    if let Err(TooMany(wait)) = throttle::QUESTIONS.take(&app, network, now).await? {
        let seconds = wait.whole_seconds() + 1;
        let detail = format!("passkeys were asked for too often; wait {seconds} seconds");
        let status = http::StatusCode::TOO_MANY_REQUESTS;
        return Err(Problem::new(status, "too_many_attempts", detail).into());
    }
    let started = webauthn(&app)?.start_discoverable_authentication();
    let (options, state) = started.map_err(|cause| Problem::internal(&cause))?;
    remember(visitor.session(), SIGN_IN, state, now).await?;
    Ok(Json(options).into_response())
}

async fn sign_in(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<PasskeySignInForm>,
) -> Answer {
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return wait_with_passkey(&app, &visitor, &form.next, wait, now).await;
    }
    let state = take(visitor.session(), SIGN_IN, now).await?;
    let answer = serde_json::from_str(&form.credential).ok();
    let (Some(state), Some(answer)) = (state, answer) else {
        return refuse_passkey(&app, &visitor, &form.next, now).await;
    };
    let mut tx = app.db.platform_tx().await?;
    let signer = find_signer(&mut tx, webauthn(&app)?, (&answer, state), now).await?;
    let Some((user, kind)) = signer else {
        drop(tx);
        return refuse_passkey(&app, &visitor, &form.next, now).await;
    };
    tx.commit().await?;
    throttle::ATTEMPTS.give_back(&app, network).await?;
    let amr = [kind, amr::SEVERAL_FACTORS];
    enter(&app, &visitor, (&user, &amr), &form.next, now).await
}

#[derive(Default, Deserialize)]
struct Onward {
    #[serde(default)]
    next: String,
}

async fn show_new(
    State(app): State<App>,
    signed_in: SignedIn,
    now: Now,
    axum::extract::Query(onward): axum::extract::Query<Onward>,
) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/passkeys/new", now) {
        return sign_in;
    }
    webauthn(&app)?;
    page(&new_page(
        &signed_in,
        NewPasskeyForm {
            next: onward.next,
            ..NewPasskeyForm::default()
        },
        FormErrors::default(),
    ))
}

fn new_page(signed_in: &SignedIn, form: NewPasskeyForm, errors: FormErrors) -> NewPasskeyPage {
    let next = own_path(&form.next).unwrap_or_default().to_owned();
    NewPasskeyPage {
        shell: signed_in.shell(),
        email: signed_in.person.email.clone(),
        form: NewPasskeyForm { next, ..form },
        errors,
    }
}

async fn registration_options(
    State(app): State<App>,
    signed_in: SignedIn,
    now: Now,
) -> Result<Response, Failure> {
    let webauthn = webauthn(&app)?;
    let person = &signed_in.person;
    let mut tx = app.db.platform_tx().await?;
    let known = store::passkeys::list_credential_ids(&mut tx, person.user, PASSKEYS_MAX).await?;
    tx.commit().await?;
    let (id, email) = (person.user.0, person.email.as_str());
    let started = webauthn.start_passkey_registration(id, email, email, Some(known));
    let (options, state) = started.map_err(|cause| Problem::internal(&cause))?;
    remember(signed_in.session(), REGISTRATION, state, now).await?;
    let mut options = serde_json::to_value(options).map_err(|cause| Problem::internal(&cause))?;
    // Found by the device alone, so that nobody has to type an address first.
    if let Some(selection) = options.pointer_mut("/publicKey/authenticatorSelection") {
        selection["residentKey"] = "required".into();
        selection["requireResidentKey"] = true.into();
    }
    Ok(Json(options).into_response())
}

async fn create_here(
    State(app): State<App>,
    signed_in: SignedIn,
    now: Now,
    Form(form): Form<NewPasskeyForm>,
) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/passkeys/new", now) {
        return sign_in;
    }
    let name = match PasskeyName::parse(form.name_or_default()) {
        Ok(name) => name,
        Err(error) => {
            let errors = FormErrors::of("name", error.message);
            return invalid(&new_page(&signed_in, form, errors));
        }
    };
    let state: Option<PasskeyRegistration> = take(signed_in.session(), REGISTRATION, now).await?;
    let answer: Option<RegisterPublicKeyCredential> = serde_json::from_str(&form.credential).ok();
    let webauthn = webauthn(&app)?;
    let made = state
        .zip(answer)
        .and_then(|(state, answer)| webauthn.finish_passkey_registration(&answer, &state).ok());
    let Some(credential) = made else {
        let errors = FormErrors::of_message(FormErrors::FORM, Message::new("error-passkey-made"));
        return invalid(&new_page(&signed_in, form, errors));
    };
    let mut tx = app.db.platform_tx().await?;
    let new = (signed_in.person.user, name, credential);
    if let Err(cause) = create(&signed_in.authority(), &app, &mut tx, new, now).await {
        return invalid(&new_page(&signed_in, form, form_errors(cause)?));
    }
    tx.commit().await?;
    app.mailer.wake();
    let text = signed_in.language().say(&Message::new("passkey-ready"));
    signed_in.flash(Tone::Good, &text).await?;
    match own_path(&form.next) {
        Some(next) if way::is_to_application(next) => go_on(signed_in.shell(), next.to_owned()),
        next => go_to(next.unwrap_or("/account")),
    }
}

async fn show_remove(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<Uuid>,
    now: Now,
) -> Answer {
    if let Some(sign_in) = signed_in.stale(&format!("/account/passkeys/{id}/remove"), now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let found = store::passkeys::get(&mut tx, signed_in.person.user, id).await;
    tx.commit().await?;
    page(&removal(&signed_in, &found?, FormErrors::default()))
}

fn removal(signed_in: &SignedIn, passkey: &Passkey, errors: FormErrors) -> Confirm {
    Confirm {
        title: format!("Remove “{}”?", passkey.name),
        intro: "This passkey no longer signs in to your account.".to_owned(),
        consequences: vec![
            "Remove it on the device, too: it cannot know that it is not wanted here.".to_owned(),
        ],
        action: format!("/account/passkeys/{}/remove", passkey.id),
        button: "Remove passkey".to_owned(),
        is_danger: true,
        errors,
        ..Confirm::of_account(signed_in.shell())
    }
}

async fn remove_here(
    State(app): State<App>,
    signed_in: SignedIn,
    Path(id): Path<Uuid>,
    now: Now,
) -> Answer {
    if let Some(sign_in) = signed_in.stale(&format!("/account/passkeys/{id}/remove"), now) {
        return sign_in;
    }
    let owner = signed_in.person.user;
    let mut tx = app.db.platform_tx().await?;
    let passkey = store::passkeys::get(&mut tx, owner, id).await?;
    let authority = signed_in.authority();
    if let Err(cause) = remove(&authority, &app, &mut tx, (owner, id), now).await {
        let errors = form_errors(cause)?;
        return invalid(&removal(&signed_in, &passkey, errors));
    }
    tx.commit().await?;
    app.mailer.wake();
    signed_in
        .flash(Tone::Good, "The passkey is removed.")
        .await?;
    go_to("/account")
}

async fn show_remove_password(signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/password/remove", now) {
        return sign_in;
    }
    page(&password_removal(&signed_in, FormErrors::default()))
}

fn password_removal(signed_in: &SignedIn, errors: FormErrors) -> Confirm {
    Confirm {
        title: "Remove your password?".to_owned(),
        intro: "From then on, passkeys are the way in.".to_owned(),
        consequences: vec![
            "Nobody can guess or steal a password of yours here.".to_owned(),
            "Everybody who is signed in as you elsewhere is signed out.".to_owned(),
            "Should you lose all passkeys, set a new password by mail.".to_owned(),
        ],
        action: "/account/password/remove".to_owned(),
        button: "Remove password".to_owned(),
        is_danger: true,
        errors,
        ..Confirm::of_account(signed_in.shell())
    }
}

async fn remove_password_here(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/password/remove", now) {
        return sign_in;
    }
    let owner = signed_in.person.user;
    let mut tx = app.db.platform_tx().await?;
    let authority = signed_in.authority();
    if let Err(cause) = remove_password(&authority, &app, &mut tx, owner, now).await {
        return invalid(&password_removal(&signed_in, form_errors(cause)?));
    }
    tx.commit().await?;
    app.mailer.wake();
    signed_in.sign_in_anew(&app).await?;
    let text = "Your account has no password any more.";
    signed_in.flash(Tone::Good, text).await?;
    go_to("/account")
}
