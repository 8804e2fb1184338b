//! `/login`, and what it has in common with `/signup` and `/forgot`. What these pages answer, and how
//! long that takes, is the same whether or not an address has an account.

use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum_extra::extract::Form;
use domain::email::Email;
use domain::user::User;
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;
use web::forms::FormErrors;
use web::forms::sign_in::SignInForm;
use web::language::Message;
use web::pages::sign_in::SignIn as SignInPage;

use super::sign_in::{self, Verdict};
use super::sign_up_pages::sign_up_href;
use super::{second_step, way};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::identity_providers::{Ways, ways};
use crate::page::{Anonymous, Answer, Failure, SignIn, amr, go_on, go_to, invalid, own_path, page};
use crate::throttle::{self, Network, TooMany};

/// Answers that must not tell anything by their time take at least this long: more than hashing a
/// password and writing a mail down take on a machine that is not overloaded.
pub(super) const ANSWER_AFTER: Duration = Duration::from_millis(400);
/// The entry of the session that holds the address that a code was mailed to.
const PENDING_EMAIL: &str = "pending_email";

pub(super) fn pages() -> Router<App> {
    Router::new().route("/login", get(show_sign_in).post(sign_in_here))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub next: String,
    pub login_hint: String,
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

pub(super) fn wrong_code() -> FormErrors {
    FormErrors::of_message("code", Message::new("error-code-wrong"))
}

/// The next page shows where the code went, without carrying it in its address.
pub(super) async fn remember(visitor: &Anonymous, email: &Email) -> Result<(), Failure> {
    let session = visitor.session();
    Ok(session.insert(PENDING_EMAIL, email.as_str()).await?)
}

pub(super) async fn pending(visitor: &Anonymous) -> Result<Option<String>, Failure> {
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
