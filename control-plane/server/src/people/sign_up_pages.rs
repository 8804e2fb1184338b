//! `/signup` and what belongs to it.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::email::Email;
use domain::password::NewPassword;
use domain::tenant::TenantName;
use domain::user::PersonName;
use tokio::time::Instant;
use web::forms::FormErrors;
use web::forms::sign_up::{ConfirmSignUpForm, EmailForm, SignUpForm};
use web::language::Message;
use web::layout::Tone;
use web::pages::sign_up::{ConfirmSignUp, SignUp, SignUpClosed};

use super::pages::{
    ANSWER_AFTER, Asked, enter, may_mail, pending, remember, too_many, wait_message, wrong_code,
};
use super::sign_up::{self, Proof, Ticket, Wanted};
use super::way::{self, Way, with_next};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, SIGNED_UP_AT, amr, go_to, invalid, page};
use crate::throttle::{self, Network};

/// The entry of the session that binds a sign-up to its browser.
const TICKET: &str = "sign_up_ticket";
/// The application's request that a sign-up is on the way of; empty: of none.
const PENDING_NEXT: &str = "sign_up_next";

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/signup", get(show_sign_up).post(ask_sign_up))
        .route("/signup/confirm", get(show_confirm).post(confirm))
        .route("/signup/resend", post(resend))
}

/// Where who has no account goes; `None`: they cannot make one on this way.
pub(super) async fn sign_up_href(
    app: &App,
    next: &str,
    now: Now,
) -> Result<Option<String>, Failure> {
    match Way::of(app, next, now).await? {
        Way::Closed(_) => Ok(None),
        Way::Tenant | Way::Application(_) => Ok(Some(way::link("/signup", next))),
    }
}

async fn show_sign_up(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    Query(asked): Query<Asked>,
) -> Answer {
    let way = Way::of(&app, &asked.next, now).await?;
    let form = SignUpForm {
        email: asked.login_hint,
        next: asked.next,
        ..SignUpForm::default()
    };
    if let Way::Closed(application) = way {
        return page(&closed(&visitor, application, &form.next));
    }
    let shown = (form, FormErrors::default());
    page(&sign_up_page(&app, &visitor, &way, shown))
}

fn sign_up_page(
    app: &App,
    visitor: &Anonymous,
    way: &Way,
    (mut form, errors): (SignUpForm, FormErrors),
) -> SignUp {
    if !way::is_to_application(&form.next) {
        form.next.clear();
    }
    SignUp {
        shell: visitor.shell(),
        application: way.application(),
        sign_in_href: way::link("/login", &form.next),
        form,
        errors,
        has_passkeys: app.webauthn.is_some(),
    }
}

fn closed(visitor: &Anonymous, application: String, next: &str) -> SignUpClosed {
    SignUpClosed {
        shell: visitor.shell(),
        application,
        sign_in_href: way::link("/login", next),
    }
}

async fn ask_sign_up(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<SignUpForm>,
) -> Answer {
    let way = Way::of(&app, &form.next, now).await?;
    let answer = |errors| sign_up_page(&app, &visitor, &way, (form.clone(), errors));
    let parsed = match &way {
        Way::Tenant => parse_sign_up(&form),
        Way::Application(_) => parse_sign_up_at_application(&form),
        Way::Closed(name) => return invalid(&closed(&visitor, name.clone(), &form.next)),
    };
    let (email, password, wanted) = match parsed {
        Ok(parsed) => parsed,
        Err(errors) => return invalid(&answer(errors)),
    };
    if let Err(errors) = way.check(&email) {
        return invalid(&answer(errors));
    }
    if let Err(wait) = may_mail(&app, address.into(), &email, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let started = Instant::now();
    let sign_up = sign_up::SignUp {
        password_hash: match &password {
            Some(password) => Some(app.passwords.hash(password).await?),
            None => None,
        },
        wanted,
        email,
        ticket: Ticket::new(),
        language: visitor.language(),
    };
    remember(&visitor, &sign_up.email).await?;
    let session = visitor.session();
    session.insert(TICKET, &sign_up.ticket).await?;
    let next = Some(form.next.as_str()).filter(|next| way::is_to_application(next));
    session.insert(PENDING_NEXT, next.unwrap_or("")).await?;
    sign_up::ask(&app, sign_up, now).await?;
    app.mailer.wake();
    tokio::time::sleep_until(started + ANSWER_AFTER).await;
    go_to(&visitor.onward("/signup/confirm"))
}

/// Without a password: the account will have a passkey.
type Parsed = Result<(Email, Option<NewPassword>, Wanted), FormErrors>;

fn parse_sign_up(form: &SignUpForm) -> Parsed {
    let given = form.parse()?;
    let mut errors = FormErrors::default();
    let mut keep = |error| errors.add(error);
    let email = Email::parse(&given.email).map_err(&mut keep).ok();
    let password = match (&email, &given.password) {
        (Some(email), Some(password)) => NewPassword::parse(password, email)
            .map(Some)
            .map_err(&mut keep)
            .ok(),
        _ => Some(None),
    };
    let tenant_name = TenantName::parse(&given.tenant_name)
        .map_err(|error| keep(error.at("tenant_name")))
        .ok();
    match (email, password, tenant_name) {
        (Some(email), Some(password), Some(name)) => Ok((email, password, Wanted::Tenant(name))),
        _ => Err(errors),
    }
}

fn parse_sign_up_at_application(form: &SignUpForm) -> Parsed {
    let given = form.parse_at_application()?;
    let wrong = |error| {
        let mut errors = FormErrors::default();
        errors.add(error);
        errors
    };
    let email = Email::parse(&given.email).map_err(wrong)?;
    let password = given
        .password
        .map(|password| NewPassword::parse(&password, &email))
        .transpose()
        .map_err(wrong)?;
    let name = PersonName::parse(&given.name).map_err(wrong)?;
    Ok((email, password, Wanted::Account(name)))
}

/// Where an application waits for who signs up in this browser.
async fn pending_next(visitor: &Anonymous) -> Result<String, Failure> {
    let next: Option<String> = visitor.session().get(PENDING_NEXT).await?;
    Ok(next.unwrap_or_default())
}

async fn show_confirm(State(app): State<App>, visitor: Anonymous) -> Answer {
    match pending(&visitor).await? {
        Some(email) => {
            let next = pending_next(&visitor).await?;
            let errors = FormErrors::default();
            page(&confirm_page(&app, &visitor, (email, &next), errors))
        }
        None => go_to(&visitor.onward("/signup")),
    }
}

async fn confirm(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<ConfirmSignUpForm>,
) -> Answer {
    // Signing in begins another session.
    let pending_next = pending_next(&visitor).await?;
    let answer = |errors| ConfirmSignUp {
        code: form.code.clone(),
        ..confirm_page(&app, &visitor, (form.email.clone(), &pending_next), errors)
    };
    let (given, email) = match form
        .parse()
        .map(|given| (Email::parse(&given.email), given))
    {
        Ok((Ok(email), given)) => (given, email),
        Ok((Err(error), _)) => return invalid(&answer(error.at("code").into())),
        Err(errors) => return invalid(&answer(errors)),
    };
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let proof = Proof {
        email: &email,
        digits: &given.code,
        ticket: visitor.session().get(TICKET).await?,
    };
    let Some((user, tenant)) = sign_up::confirm(&app, proof, visitor.request_id(), now).await?
    else {
        return invalid(&answer(wrong_code()));
    };
    throttle::ATTEMPTS.give_back(&app, network).await?;
    let is_to_application = way::is_to_application(&pending_next);
    let signed_up_at = match Way::of(&app, &pending_next, now).await? {
        Way::Application(client) => Some(client.id),
        Way::Tenant | Way::Closed(_) => None,
    };
    let home = match &tenant {
        _ if is_to_application => pending_next,
        Some(tenant) => format!("/t/{}", tenant.id),
        None => "/account".to_owned(),
    };
    let has_password = user.password_hash.is_some();
    let next = match has_password {
        true => home,
        false => with_next("/account/passkeys/new", &home),
    };
    let amr: &[&str] = if has_password { &[amr::PASSWORD] } else { &[] };
    let entered = enter(&app, &visitor, (&user, amr), &next, now).await;
    if let Some(client) = signed_up_at {
        visitor.session().insert(SIGNED_UP_AT, client).await?;
    }
    if let Some(tenant) = tenant.filter(|_| !is_to_application) {
        let text = Message::new("confirm-welcome").with("tenant", &tenant.name);
        visitor.flash(Tone::Good, &visitor.say(&text)).await?;
    }
    entered
}

async fn resend(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<EmailForm>,
) -> Answer {
    let Ok(email) = Email::parse(&form.email) else {
        return go_to(&visitor.onward("/signup"));
    };
    if let Err(wait) = may_mail(&app, address.into(), &email, now).await? {
        let errors = wait_message(wait);
        let next = pending_next(&visitor).await?;
        let answer = confirm_page(&app, &visitor, (form.email, &next), errors);
        return too_many(&answer, wait);
    }
    let started = Instant::now();
    sign_up::ask_again(&app, &email, visitor.language(), now).await?;
    app.mailer.wake();
    remember(&visitor, &email).await?;
    let text = visitor.say(&Message::new("confirm-resent"));
    visitor.flash(Tone::Neutral, &text).await?;
    tokio::time::sleep_until(started + ANSWER_AFTER).await;
    go_to(&visitor.onward("/signup/confirm"))
}

fn confirm_page(
    app: &App,
    visitor: &Anonymous,
    (email, next): (String, &str),
    errors: FormErrors,
) -> ConfirmSignUp {
    ConfirmSignUp {
        shell: visitor.shell(),
        sign_up_href: way::link("/signup", next),
        email,
        code: String::new(),
        errors,
        has_outbox: app.mailer.has_outbox(),
    }
}
