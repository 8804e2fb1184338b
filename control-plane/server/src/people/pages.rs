//! `/signup`, `/login`, `/forgot` and what belongs to them. What these pages answer, and how long
//! that takes, is the same whether or not an address has an account.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum_extra::extract::Form;
use domain::email::Email;
use domain::password::NewPassword;
use domain::tenant::TenantName;
use domain::user::{PersonName, User};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;
use web::forms::FormErrors;
use web::forms::password::ResetPasswordForm;
use web::forms::sign_in::SignInForm;
use web::forms::sign_up::{ConfirmSignUpForm, EmailForm, SignUpForm};
use web::language::Message;
use web::layout::Tone;
use web::pages::password::{ForgotPassword, ResetPassword};
use web::pages::sign_in::SignIn as SignInPage;
use web::pages::sign_up::{ConfirmSignUp, SignUp, SignUpClosed};

use super::sign_in::{self, Verdict};
use super::sign_up::{self, Proof, Ticket, Wanted};
use super::way::{self, Way, with_next};
use super::{reset, second_step};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::identity_providers::{Ways, ways};
use crate::page::{Anonymous, Answer, Failure, SignIn, amr, go_on, go_to, invalid, own_path, page};
use crate::throttle::{self, Network, TooMany};

/// Answers that must not tell anything by their time take at least this long: more than hashing a
/// password and writing a mail down take on a machine that is not overloaded.
const ANSWER_AFTER: Duration = Duration::from_millis(400);
/// The entry of the session that holds the address that a code was mailed to.
const PENDING_EMAIL: &str = "pending_email";
const TICKET: &str = "sign_up_ticket";
/// The application's request that a sign-up is on the way of; empty: of none.
const PENDING_NEXT: &str = "sign_up_next";

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/login", get(show_sign_in).post(sign_in_here))
        .route("/signup", get(show_sign_up).post(ask_sign_up))
        .route("/signup/confirm", get(show_confirm).post(confirm))
        .route("/signup/resend", post(resend))
        .route("/forgot", get(show_forgot).post(ask_reset))
        .route("/forgot/reset", get(show_reset).post(reset_here))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    next: String,
    login_hint: String,
    /// Present: somebody who is signed in has to prove it once more.
    again: Option<String>,
}

async fn show_sign_in(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    Query(asked): Query<Asked>,
) -> Answer {
    // Who comes from an application is to sign in, also who did before.
    let is_for_application = way::is_to_application(&asked.next);
    let is_again = asked.again.is_some() && visitor.email.is_some();
    if visitor.email.is_some() && !is_for_application && !is_again {
        return go_to(own_path(&asked.next).unwrap_or("/console"));
    }
    let email = match (&visitor.email, is_again) {
        (Some(email), true) => email.clone(),
        _ => asked.login_hint,
    };
    let form = SignInForm {
        next: asked.next,
        email,
        ..SignInForm::default()
    };
    let offers = offers(&app, (&form.next, &form.email), now).await?;
    page(&SignInPage {
        is_again,
        ..sign_in_page(&app, &visitor, (form, FormErrors::default()), offers)
    })
}

/// What the sign-in page offers beside a password.
struct Offers {
    ways: Ways,
    sign_up_href: Option<String>,
}

async fn offers(app: &App, (next, address): (&str, &str), now: Now) -> Result<Offers, Failure> {
    Ok(Offers {
        ways: ways(app, (next, address), now).await?,
        sign_up_href: sign_up_href(app, next, now).await?,
    })
}

fn sign_in_page(
    app: &App,
    visitor: &Anonymous,
    (form, errors): (SignInForm, FormErrors),
    Offers { ways, sign_up_href }: Offers,
) -> SignInPage {
    SignInPage {
        shell: visitor.shell(),
        form,
        errors,
        sign_up_href,
        is_again: false,
        has_passkeys: app.webauthn.is_some(),
        ways: ways.ways,
        offers_domains: ways.offers_domains,
    }
}

/// Somebody's passkey was not taken.
pub(super) async fn refuse_passkey(app: &App, visitor: &Anonymous, next: &str, now: Now) -> Answer {
    let errors = FormErrors::of_message(FormErrors::FORM, Message::new("error-passkey"));
    let form = SignInForm::on_the_way_to(next);
    let offers = offers(app, (next, ""), now).await?;
    invalid(&sign_in_page(app, visitor, (form, errors), offers))
}

pub(super) async fn wait_with_passkey(
    app: &App,
    visitor: &Anonymous,
    next: &str,
    wait: TooMany,
    now: Now,
) -> Answer {
    let form = SignInForm::on_the_way_to(next);
    let offers = offers(app, (next, ""), now).await?;
    let form = (form, wait_message(wait));
    too_many(&sign_in_page(app, visitor, form, offers), wait)
}

async fn sign_in_here(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<SignInForm>,
) -> Answer {
    let offers = offers(&app, (&form.next, &form.email), now).await?;
    if form.way == "domain" {
        return match offers.ways.of_domain.first() {
            Some(way) => go_on(visitor.shell(), way.href.clone()),
            None => {
                let form = (
                    form,
                    FormErrors::of_message("email", Message::new("error-no-provider")),
                );
                invalid(&sign_in_page(&app, &visitor, form, offers))
            }
        };
    }
    let answer =
        |form: &SignInForm, errors| sign_in_page(&app, &visitor, (form.clone(), errors), offers);
    let given = match form.parse() {
        Ok(given) => given,
        Err(errors) => return invalid(&answer(&form, errors)),
    };
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return too_many(&answer(&form, wait_message(wait)), wait);
    }
    let started = Instant::now();
    let given = (given.email.as_str(), given.password.as_str());
    let language = visitor.language();
    let user = match sign_in::with_password(&app, given, language, now).await? {
        Verdict::SignedIn(user) => user,
        Verdict::SecondStep(user) => {
            return second_step::ask(&visitor, &user, &form.next, now).await;
        }
        Verdict::Refused => {
            tokio::time::sleep_until(started + ANSWER_AFTER).await;
            let errors = FormErrors::of_message(FormErrors::FORM, Message::new("error-sign-in"));
            return invalid(&answer(&form, errors));
        }
    };
    throttle::ATTEMPTS.give_back(&app, network).await?;
    enter(&app, &visitor, (&user, &[amr::PASSWORD]), &form.next, now).await
}

/// Signs in, and goes on to where the person was going.
pub(super) async fn enter(
    app: &App,
    visitor: &Anonymous,
    (user, amr): (&User, &[&str]),
    next: &str,
    now: Now,
) -> Answer {
    let who = SignIn {
        user: user.id,
        email: &user.email,
        amr,
        auth_time: now.0,
    };
    visitor.sign_in(app, &who).await?;
    match own_path(next) {
        Some(next) if way::is_to_application(next) => go_on(visitor.shell(), next.to_owned()),
        next => go_to(next.unwrap_or("/console")),
    }
}

/// Where who has no account goes; `None`: they cannot make one on this way.
async fn sign_up_href(app: &App, next: &str, now: Now) -> Result<Option<String>, Failure> {
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

fn wrong_code() -> FormErrors {
    FormErrors::of_message("code", Message::new("error-code-wrong"))
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

fn reset_page(app: &App, visitor: &Anonymous, email: String, errors: FormErrors) -> ResetPassword {
    ResetPassword {
        shell: visitor.shell(),
        email,
        code: String::new(),
        errors,
        has_outbox: app.mailer.has_outbox(),
    }
}

/// The next page shows where the code went, without carrying it in its address.
async fn remember(visitor: &Anonymous, email: &Email) -> Result<(), Failure> {
    let session = visitor.session();
    Ok(session.insert(PENDING_EMAIL, email.as_str()).await?)
}

async fn pending(visitor: &Anonymous) -> Result<Option<String>, Failure> {
    Ok(visitor.session().get(PENDING_EMAIL).await?)
}

/// Neither does anybody ask for many mails, nor does anybody get many.
pub(super) async fn may_mail(
    app: &App,
    network: Network,
    email: &Email,
    now: Now,
) -> store::Result<Result<(), TooMany>> {
    if let Err(wait) = throttle::ASKS.take(app, network, now).await? {
        return Ok(Err(wait));
    }
    throttle::MAILS.take(app, email.as_str(), now).await
}

pub(crate) fn wait_message(TooMany(wait): TooMany) -> FormErrors {
    let length = wait.max(time::Duration::SECOND);
    let message = Message::new("error-too-many").with("length", length);
    FormErrors::of_message(FormErrors::FORM, message)
}

pub(crate) fn too_many(with_errors: &impl web::Template, TooMany(wait): TooMany) -> Answer {
    let seconds = wait.whole_seconds().max(0) + 1;
    let mut response = page(with_errors)?.into_response();
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    Ok(response)
}
