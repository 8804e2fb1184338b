//! `/account`: one's own password and tokens.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::email::Email;
use domain::password::NewPassword;
use web::format::moment;
use web::forms::FormErrors;
use web::forms::account::ChangePasswordForm;
use web::layout::Tone;
use web::pages::account::{Account, PasskeyRow};

use super::pages::{too_many, wait_message};
use super::reset::{self, Tokens};
use super::{passkeys, sign_in, sign_ins};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::identity_providers::connections;
use crate::page::{Answer, Failure, SignedIn, go_to, invalid, page};
use crate::personal_tokens;
use crate::throttle::{self, Network};
use crate::users;

pub(super) fn pages() -> Router<App> {
    Router::new().route("/account", get(show).post(change_password))
}

async fn show(State(app): State<App>, signed_in: SignedIn, now: Now) -> Answer {
    page(&build(&app, &signed_in, FormErrors::default(), now).await?)
}

async fn build(
    app: &App,
    signed_in: &SignedIn,
    errors: FormErrors,
    now: Now,
) -> Result<Account, Failure> {
    let person = &signed_in.person;
    let mut tx = app.db.platform_tx().await?;
    let authority = signed_in.authority();
    let tokens = personal_tokens::list(&authority, &mut tx, person.user).await?;
    let user = store::users::get(&mut tx, person.user).await?;
    let passkeys = passkeys::list(&authority, &mut tx, person.user).await?;
    let has_authenticator = store::authenticators::is_confirmed(&mut tx, person.user).await?;
    let codes_left = store::authenticators::count_recovery_codes(&mut tx, person.user).await?;
    let browsers = sign_ins::list(&authority, &mut tx, person.user).await?;
    let connections = connections(&mut tx, person.user, now).await?;
    tx.commit().await?;
    Ok(Account {
        shell: signed_in.shell(),
        email: person.email.clone(),
        errors,
        lock: users::lock(&user, now),
        tokens: tokens
            .iter()
            .map(|token| personal_tokens::row(token, now))
            .collect(),
        has_password: user.password_hash.is_some(),
        can_have_passkeys: app.webauthn.is_some(),
        passkeys: passkeys
            .iter()
            .map(|passkey| PasskeyRow {
                id: passkey.id.to_string(),
                name: passkey.name.clone(),
                created_at: moment(passkey.created_at, now.0),
                last_used_at: passkey.last_used_at.map(|at| moment(at, now.0)),
            })
            .collect(),
        recovery_codes_left: has_authenticator.then_some(codes_left),
        sign_ins: browsers
            .iter()
            .map(|browser| sign_ins::row(browser, signed_in.login.id, now))
            .collect(),
        connected: connections.connected,
        offered: connections.offered,
        has_console: person.role.is_some() || !person.tenants.is_empty(),
    })
}

async fn change_password(
    State(app): State<App>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<ChangePasswordForm>,
) -> Answer {
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        let answer = build(&app, &signed_in, wait_message(wait), now).await?;
        return too_many(&answer, wait);
    }
    let errors = match change(&app, &signed_in, &form, now).await? {
        None => {
            throttle::ATTEMPTS.give_back(&app, network).await?;
            app.mailer.wake();
            // Every session ended with the old password; this one goes on under a new id.
            signed_in.sign_in_anew(&app).await?;
            signed_in
                .flash(Tone::Good, "Your password is changed.")
                .await?;
            return go_to("/account");
        }
        Some(errors) => errors,
    };
    invalid(&build(&app, &signed_in, errors, now).await?)
}

/// What is wrong; nothing, and it is done.
async fn change(
    app: &App,
    signed_in: &SignedIn,
    form: &ChangePasswordForm,
    now: Now,
) -> Result<Option<FormErrors>, Failure> {
    let owner = signed_in.person.user;
    let parsed = Email::parse(&signed_in.person.email)
        .and_then(|email| NewPassword::parse(&form.password, &email));
    let password = match parsed {
        Ok(password) => password,
        Err(error) => return Ok(Some(error.into())),
    };
    let given = (owner, form.current_password.as_str());
    if !sign_in::confirm_password(app, given, signed_in.language(), now).await? {
        let text = "This is not your present password, or sign-in pauses.";
        return Ok(Some(FormErrors::of("current_password", text)));
    }
    let hash = app.passwords.hash(&password).await?;
    let mut tx = app.db.platform_tx().await?;
    let tokens = if form.revokes_tokens() {
        Tokens::Revoke
    } else {
        Tokens::Keep
    };
    let to = (owner, &hash, tokens, signed_in.language());
    reset::change(&signed_in.authority(), app, &mut tx, to, now).await?;
    tx.commit().await?;
    Ok(None)
}
