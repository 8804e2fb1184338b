//! `/account/authenticator`: a second factor by codes of an application (RFC 6238), and recovery
//! codes for whoever loses it.

use aws_lc_rs::hmac;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::authenticator::{AuthenticatorSecret, RECOVERY_CODES, RecoveryCode};
use domain::id::UserId;
use domain::permission::Action;
use domain::user::User;
use serde_json::json;
use store::PlatformTx;
use web::forms::FormErrors;
use web::forms::sign_in::CodeForm;
use web::layout::Tone;
use web::pages::authenticator::{RecoveryCodes, SetUpAuthenticator};
use web::pages::confirm::Confirm;

use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::page::{Answer, Failure, SignedIn, go_to, invalid, page};
use crate::random;
use crate::secret_box::Purpose;

const WRONG_CODE: &str = "This is not the code that the application shows now. Wait for the next \
    one; if it is refused too, check the clock of the device.";

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/account/authenticator", get(show).post(begin))
        .route("/account/authenticator/confirm", post(confirm))
        .route(
            "/account/authenticator/remove",
            get(show_remove).post(remove_here),
        )
        .route("/account/recovery-codes", get(show_renew).post(renew_here))
}

/// Whether this is the code of the person's authenticator now, or a recovery code of theirs; it is
/// used up by it.
pub(super) async fn use_code(
    app: &App,
    tx: &mut PlatformTx,
    user: &User,
    code: &str,
    now: Now,
) -> Result<bool, ActionError> {
    let Some(stored) = store::authenticators::find(tx, user.id).await? else {
        return Ok(false);
    };
    if stored.confirmed_at.is_none() {
        return Ok(false);
    }
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let secret = open(app, &stored.sealed_secret)?;
    if let Some(step) = secret.step_of(&digits, stored.last_step, now.0) {
        store::authenticators::use_step(tx, user.id, step, now.0).await?;
        return Ok(true);
    }
    let Some(code) = RecoveryCode::parse(code) else {
        return Ok(false);
    };
    let hash = hash(app, user.id, &code);
    if !store::authenticators::use_recovery_code(tx, user.id, &hash).await? {
        return Ok(false);
    }
    let left = store::authenticators::count_recovery_codes(tx, user.id).await?;
    let after = json!({ "used": "recovery code", "left": left });
    let change = (super::subject(user), Change::created(&after));
    let authority = Authority::person(user.id, user.email.clone());
    action::audit(tx, &authority, Action::ChangeAuthenticator, change, now).await?;
    let url = &app.public_url;
    let body = format!(
        "Somebody, probably you, signed in to your account at {url} with a recovery code. {left} \
         of them are left; make new ones at {url}/account\n\nIf it was not you, set a new \
         password at once: {url}/forgot\n"
    );
    let subject = "A recovery code of your Tollgate account was used";
    super::write_to(tx, user, subject, &body).await?;
    Ok(true)
}

/// Keeps a new secret that is not asked for before a code of it was seen.
async fn set_up(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    owner: UserId,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangeAuthenticator, owner)?;
    let secret = AuthenticatorSecret::from_bytes(random::bytes());
    let sealed = app
        .secrets
        .seal(Purpose::Authenticator, secret.as_bytes())?;
    store::authenticators::begin(tx, owner, &sealed).await?;
    Ok(())
}

/// Turns the second factor on if the code is right; the recovery codes are shown once.
async fn turn_on(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    (owner, code): (UserId, &str),
    now: Now,
) -> Result<Option<Vec<RecoveryCode>>, ActionError> {
    authority.require_own(Action::ChangeAuthenticator, owner)?;
    let found = store::authenticators::find(tx, owner).await?;
    let Some(stored) = found.filter(|stored| stored.confirmed_at.is_none()) else {
        return Ok(None);
    };
    let secret = open(app, &stored.sealed_secret)?;
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let Some(step) = secret.step_of(&digits, stored.last_step, now.0) else {
        return Ok(None);
    };
    store::authenticators::use_step(tx, owner, step, now.0).await?;
    let codes = new_codes(app, tx, owner).await?;
    let told = "Sign-in to your account now asks for a code of your authenticator, too.";
    tell(authority, (app, tx), owner, ("on", told), now).await?;
    Ok(Some(codes))
}

/// Turns the second factor off.
async fn turn_off(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    owner: UserId,
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangeAuthenticator, owner)?;
    store::authenticators::delete(tx, owner).await?;
    let told = "Sign-in to your account no longer asks for a code.";
    tell(authority, (app, tx), owner, ("off", told), now).await
}

/// New recovery codes in place of the old ones.
async fn renew(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    owner: UserId,
    now: Now,
) -> Result<Vec<RecoveryCode>, ActionError> {
    authority.require_own(Action::ChangeAuthenticator, owner)?;
    if !store::authenticators::is_confirmed(tx, owner).await? {
        return Err(ActionError::NotFound("authenticator"));
    }
    let codes = new_codes(app, tx, owner).await?;
    let told = "New recovery codes were made for your account; the old ones work no more.";
    tell(authority, (app, tx), owner, ("recovery codes", told), now).await?;
    Ok(codes)
}

async fn new_codes(
    app: &App,
    tx: &mut PlatformTx,
    owner: UserId,
) -> Result<Vec<RecoveryCode>, ActionError> {
    let codes: Vec<RecoveryCode> = (0..RECOVERY_CODES)
        .map(|_| RecoveryCode::mint(&random::bytes()))
        .collect();
    let hashes: Vec<Vec<u8>> = codes.iter().map(|code| hash(app, owner, code)).collect();
    store::authenticators::replace_recovery_codes(tx, owner, &hashes).await?;
    Ok(codes)
}

/// Audits the change and mails it to its owner.
async fn tell(
    authority: &Authority,
    (app, tx): (&App, &mut PlatformTx),
    owner: UserId,
    (state, told): (&str, &str),
    now: Now,
) -> Result<(), ActionError> {
    let user = store::users::get(tx, owner).await?;
    let after = json!({ "second_factor": state });
    let change = (super::subject(&user), Change::created(&after));
    action::audit(tx, authority, Action::ChangeAuthenticator, change, now).await?;
    let url = &app.public_url;
    let body = format!("{told}\n\nIf that was not you, set a new password at once: {url}/forgot\n");
    let subject = "The second step of your Tollgate sign-in changed";
    super::write_to(tx, &user, subject, &body).await
}

fn open(app: &App, sealed: &[u8]) -> Result<AuthenticatorSecret, ActionError> {
    let bytes = app.secrets.open_bytes(Purpose::Authenticator, sealed)?;
    let bytes = bytes.try_into().map_err(|_| snapshot::seal::CannotOpen)?;
    Ok(AuthenticatorSecret::from_bytes(bytes))
}

/// 50 random bits hashed without a secret could be found from a copy of the database.
fn hash(app: &App, owner: UserId, code: &RecoveryCode) -> Vec<u8> {
    let key = app.secrets.derive("recovery codes v1");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let message = format!("{owner}\n{}", code.as_str());
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

async fn begin(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/authenticator", now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let owner = signed_in.person.user;
    set_up(&signed_in.authority(), &app, &mut tx, owner).await?;
    tx.commit().await?;
    go_to("/account/authenticator")
}

async fn show(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/authenticator", now) {
        return sign_in;
    }
    match set_up_page(&app, &signed_in, FormErrors::default()).await? {
        Some(shown) => page(&shown),
        None => go_to("/account"),
    }
}

async fn set_up_page(
    app: &App,
    signed_in: &SignedIn,
    errors: FormErrors,
) -> Result<Option<SetUpAuthenticator>, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let found = store::authenticators::find(&mut tx, signed_in.person.user).await?;
    tx.commit().await?;
    let Some(stored) = found.filter(|stored| stored.confirmed_at.is_none()) else {
        return Ok(None);
    };
    let secret = open(app, &stored.sealed_secret)?;
    let host = app
        .public_url
        .rsplit_once("//")
        .map_or("", |(_, host)| host);
    let issuer = format!("Tollgate ({host})");
    let address = secret.address(&issuer, &signed_in.person.email);
    Ok(Some(SetUpAuthenticator {
        shell: signed_in.shell(),
        qr_code: web::qr::draw(&address),
        secret: secret.reveal(),
        address,
        errors,
    }))
}

async fn confirm(
    State(app): State<App>,
    signed_in: SignedIn,
    now: Now,
    Form(form): Form<CodeForm>,
) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/authenticator", now) {
        return sign_in;
    }
    let owner = (signed_in.person.user, form.code.as_str());
    let mut tx = app.db.platform_tx().await?;
    let codes = turn_on(&signed_in.authority(), &app, &mut tx, owner, now).await?;
    let Some(codes) = codes else {
        drop(tx);
        let errors = FormErrors::of("code", WRONG_CODE);
        return match set_up_page(&app, &signed_in, errors).await? {
            Some(shown) => invalid(&shown),
            None => go_to("/account"),
        };
    };
    tx.commit().await?;
    app.mailer.wake();
    page(&codes_page(&signed_in, &codes))
}

fn codes_page(signed_in: &SignedIn, codes: &[RecoveryCode]) -> RecoveryCodes {
    RecoveryCodes {
        shell: signed_in.shell(),
        codes: codes.iter().map(RecoveryCode::reveal).collect(),
    }
}

async fn show_remove(signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/authenticator/remove", now) {
        return sign_in;
    }
    page(&Confirm {
        title: "Turn off the second step?".to_owned(),
        intro: "Sign-in with your password no longer asks for a code.".to_owned(),
        consequences: vec![
            "Whoever learns your password can sign in as you.".to_owned(),
            "Your recovery codes work no more.".to_owned(),
        ],
        action: "/account/authenticator/remove".to_owned(),
        button: "Turn off".to_owned(),
        is_danger: true,
        ..Confirm::of_account(signed_in.shell())
    })
}

async fn remove_here(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/authenticator/remove", now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let owner = signed_in.person.user;
    turn_off(&signed_in.authority(), &app, &mut tx, owner, now).await?;
    tx.commit().await?;
    app.mailer.wake();
    let text = "Sign-in asks for your password only.";
    signed_in.flash(Tone::Good, text).await?;
    go_to("/account")
}

async fn show_renew(signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/recovery-codes", now) {
        return sign_in;
    }
    page(&Confirm {
        title: "Make new recovery codes?".to_owned(),
        intro: "Ten new codes are shown once.".to_owned(),
        consequences: vec!["The codes that you have now work no more.".to_owned()],
        action: "/account/recovery-codes".to_owned(),
        button: "Make new codes".to_owned(),
        is_danger: false,
        ..Confirm::of_account(signed_in.shell())
    })
}

async fn renew_here(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/recovery-codes", now) {
        return sign_in;
    }
    let mut tx = app.db.platform_tx().await?;
    let owner = signed_in.person.user;
    let codes = renew(&signed_in.authority(), &app, &mut tx, owner, now).await?;
    tx.commit().await?;
    app.mailer.wake();
    page(&codes_page(&signed_in, &codes))
}
