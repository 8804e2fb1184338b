//! `/account/email`: another address for one's account, once a code that was mailed there came back.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::email::{CodePurpose, Email};
use domain::id::UserId;
use domain::permission::Action;
use serde_json::json;
use store::PlatformTx;
use store::users::CodeFor;
use web::forms::FormErrors;
use web::forms::sign_up::{ConfirmSignUpForm, EmailForm};
use web::layout::Tone;
use web::pages::account::{ChangeEmail, ConfirmEmail};

use super::codes::{self, PlainCode};
use super::pages::{may_mail, too_many, wait_message};
use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::page::{Answer, SignedIn, go_to, invalid, page};
use crate::throttle::{self, Network};

/// The entry of the session that holds the address that a code was mailed to.
const NEW_EMAIL: &str = "new_email";
const WRONG_CODE: &str = "This code is wrong or has expired. Check it, or ask for a new one.";

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/account/email", get(show).post(ask_here))
        .route(
            "/account/email/confirm",
            get(show_confirm).post(confirm_here),
        )
}

/// The code is for one account: what was mailed for another one's wish confirms nothing.
fn details(owner: UserId) -> serde_json::Value {
    json!({ "user": owner })
}

fn code_for(email: &Email) -> CodeFor<'_> {
    CodeFor {
        email,
        purpose: CodePurpose::ChangeEmail,
    }
}

/// Mails a code to the new address, or to somebody who has an account with it that it is taken:
/// the page looks the same.
async fn ask(
    authority: &Authority,
    app: &App,
    (owner, email): (UserId, &Email),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangeEmail, owner)?;
    let url = &app.public_url;
    let mut tx = app.db.platform_tx().await?;
    let (subject, body) = if store::users::find_by_email(&mut tx, email).await?.is_some() {
        let body = format!(
            "Somebody wanted to give another account at {url} this address. It is the address of \
             your account, and stays it. There is nothing to do.\n"
        );
        ("Your address stays yours".to_owned(), body)
    } else {
        let code = PlainCode::mint(app, code_for(email));
        let until = now.0 + codes::LIFETIME;
        let details = details(owner);
        store::users::replace_code(&mut tx, code_for(email), &code.hash, &details, until).await?;
        let body = format!(
            "Enter this code to use this address for your account at {url}:\n\n    {}\n\nIt works \
             for {} minutes.\n\nIf you did not ask for it, ignore this mail.\n",
            code.reveal(),
            codes::LIFETIME.whole_minutes(),
        );
        (format!("Your Tollgate code: {}", code.reveal()), body)
    };
    let letter = Letter {
        to: email,
        tenant: None,
        subject: &subject,
        body: &body,
    };
    mail::post(&mut tx, letter).await?;
    tx.commit().await?;
    Ok(())
}

/// Changes the address; the old one is told.
async fn change(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    (owner, email): (UserId, &Email),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangeEmail, owner)?;
    let before = store::users::get(tx, owner).await?;
    store::users::delete_code(tx, code_for(email)).await?;
    store::users::set_email(tx, owner, email, now.0).await?;
    let change = Change::updated(
        &json!({ "email": before.email }),
        &json!({ "email": email.as_str() }),
    );
    let change = (super::subject(&before), change);
    action::audit(tx, authority, Action::ChangeEmail, change, now).await?;
    let url = &app.public_url;
    let body = format!(
        "Your account at {url} now has the address {}, and signs in with it.\n\nIf that was not \
         you, tell the people who run this Tollgate at once.\n",
        email.as_str()
    );
    let subject = "Your Tollgate account has another address";
    super::write_to(tx, &before, subject, &body).await
}

async fn show(signed_in: SignedIn, now: Now) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/email", now) {
        return sign_in;
    }
    page(&asking(&signed_in, String::new(), FormErrors::default()))
}

fn asking(signed_in: &SignedIn, email: String, errors: FormErrors) -> ChangeEmail {
    ChangeEmail {
        shell: signed_in.shell(),
        present: signed_in.person.email.clone(),
        email,
        errors,
    }
}

async fn ask_here(
    State(app): State<App>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<EmailForm>,
) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/email", now) {
        return sign_in;
    }
    let answer = |errors| asking(&signed_in, form.email.clone(), errors);
    let email = match Email::parse(&form.email) {
        Ok(email) if email.as_str() == signed_in.person.email => {
            let text = "This is the address of your account already.";
            return invalid(&answer(FormErrors::of("email", text)));
        }
        Ok(email) => email,
        Err(error) => return invalid(&answer(FormErrors::of("email", error.message))),
    };
    if let Err(wait) = may_mail(&app, address.into(), &email, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let wanted = (signed_in.person.user, &email);
    ask(&signed_in.authority(), &app, wanted, now).await?;
    app.mailer.wake();
    signed_in
        .session()
        .insert(NEW_EMAIL, email.as_str())
        .await?;
    go_to("/account/email/confirm")
}

fn confirming(app: &App, signed_in: &SignedIn, email: String, errors: FormErrors) -> ConfirmEmail {
    ConfirmEmail {
        shell: signed_in.shell(),
        email,
        code: String::new(),
        errors,
        has_outbox: app.mailer.has_outbox(),
    }
}

async fn show_confirm(State(app): State<App>, signed_in: SignedIn) -> Answer {
    let email: Option<String> = signed_in.session().get(NEW_EMAIL).await?;
    match email {
        Some(email) => page(&confirming(&app, &signed_in, email, FormErrors::default())),
        None => go_to("/account/email"),
    }
}

async fn confirm_here(
    State(app): State<App>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<ConfirmSignUpForm>,
) -> Answer {
    if let Some(sign_in) = signed_in.stale("/account/email", now) {
        return sign_in;
    }
    let answer = |errors| confirming(&app, &signed_in, form.email.clone(), errors);
    let given = form
        .parse()
        .map(|given| (Email::parse(&given.email), given));
    let (email, given) = match given {
        Ok((Ok(email), given)) => (email, given),
        Ok((Err(error), _)) => return invalid(&answer(FormErrors::of("code", error.message))),
        Err(errors) => return invalid(&answer(errors)),
    };
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let owner = signed_in.person.user;
    let found = codes::check(&app, code_for(&email), &given.code, now).await?;
    if found != Some(details(owner)) {
        return invalid(&answer(FormErrors::of("code", WRONG_CODE)));
    }
    throttle::ATTEMPTS.give_back(&app, network).await?;
    let mut tx = app.db.platform_tx().await?;
    let to = (owner, &email);
    if let Err(cause) = change(&signed_in.authority(), &app, &mut tx, to, now).await {
        let errors = crate::page::form_errors(cause)?;
        let text = errors.get("email").unwrap_or(WRONG_CODE).to_owned();
        return invalid(&answer(FormErrors::of("code", text)));
    }
    tx.commit().await?;
    app.mailer.wake();
    signed_in.rename_session(&email).await?;
    let text = format!("Your address is {} now.", email.as_str());
    signed_in.flash(Tone::Good, &text).await?;
    go_to("/account")
}
