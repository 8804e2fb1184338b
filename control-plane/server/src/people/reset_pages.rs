//! `/forgot`: a new password for who lost theirs.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use axum_extra::extract::Form;
use domain::email::Email;
use domain::password::NewPassword;
use tokio::time::Instant;
use web::forms::FormErrors;
use web::forms::password::ResetPasswordForm;
use web::forms::sign_up::EmailForm;
use web::language::Message;
use web::layout::Tone;
use web::pages::password::{ForgotPassword, ResetPassword};

use super::pages::{ANSWER_AFTER, may_mail, pending, remember, too_many, wait_message, wrong_code};
use super::reset;
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, go_to, invalid, page};
use crate::throttle::{self, Network};

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/forgot", get(show_forgot).post(ask_reset))
        .route("/forgot/reset", get(show_reset).post(reset_here))
}

async fn show_forgot(visitor: Anonymous, Query(query): Query<EmailForm>) -> Answer {
    page(&ForgotPassword {
        shell: visitor.shell(),
        email: query.email,
        errors: FormErrors::default(),
    })
}

async fn ask_reset(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<EmailForm>,
) -> Answer {
    let answer = |errors| ForgotPassword {
        shell: visitor.shell(),
        email: form.email.clone(),
        errors,
    };
    let email = match Email::parse(&form.email) {
        Ok(email) => email,
        Err(error) => return invalid(&answer(error.into())),
    };
    if let Err(wait) = may_mail(&app, address.into(), &email, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let started = Instant::now();
    reset::ask(&app, &email, visitor.language(), now).await?;
    app.mailer.wake();
    remember(&visitor, &email).await?;
    tokio::time::sleep_until(started + ANSWER_AFTER).await;
    go_to(&visitor.onward("/forgot/reset"))
}

/// The mail names the address, for those who read it elsewhere than where they asked.
async fn show_reset(
    State(app): State<App>,
    visitor: Anonymous,
    Query(query): Query<EmailForm>,
) -> Answer {
    let named = Email::parse(&query.email).ok();
    let named = named.map(|email| email.as_str().to_owned());
    match named.or(pending(&visitor).await?) {
        Some(email) => page(&reset_page(&app, &visitor, email, FormErrors::default())),
        None => go_to(&visitor.onward("/forgot")),
    }
}

async fn reset_here(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<ResetPasswordForm>,
) -> Answer {
    let answer = |errors| ResetPassword {
        code: form.code.clone(),
        ..reset_page(&app, &visitor, form.email.clone(), errors)
    };
    let given = match form.parse() {
        Ok(given) => given,
        Err(errors) => return invalid(&answer(errors)),
    };
    let parsed = Email::parse(&given.email)
        .and_then(|email| NewPassword::parse(&given.password, &email).map(|new| (email, new)));
    let (email, password) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return invalid(&answer(error.at("password").into())),
    };
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let hash = app.passwords.hash(&password).await?;
    let code = (&email, given.code.as_str());
    if !reset::reset(&app, code, hash, &visitor, now).await? {
        return invalid(&answer(wrong_code()));
    }
    throttle::ATTEMPTS.give_back(&app, network).await?;
    app.mailer.wake();
    visitor.sign_out(&app, now).await?;
    let text = visitor.say(&Message::new("reset-done"));
    visitor.flash(Tone::Good, &text).await?;
    go_to(&visitor.onward("/login"))
}

fn reset_page(app: &App, visitor: &Anonymous, email: String, errors: FormErrors) -> ResetPassword {
    ResetPassword {
        shell: visitor.shell(),
        email,
        code: String::new(),
        errors,
        has_outbox: app.mailer.has_outbox(),
    }
}
