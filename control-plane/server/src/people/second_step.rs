//! `/login/code`: the second step of sign-in, for who has a second factor.

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use axum_extra::extract::Form;
use domain::id::UserId;
use domain::user::User;
use serde::{Deserialize, Serialize};
use snapshot::chunk::{Address, sha256};
use web::forms::FormErrors;
use web::forms::sign_in::SecondStepForm;
use web::language::Message;
use web::pages::sign_in::SecondStep;

use super::pages::{enter, too_many, wait_message};
use super::sign_in::{self, Verdict};
use crate::app::App;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, amr, go_to, invalid, page};
use crate::throttle::{self, Network};

/// The entry of the session for somebody whose password was right.
const PENDING: &str = "pending_sign_in";
/// Seconds in which the second step follows the first.
const PENDING_FOR: i64 = 600;

/// Somebody whose password was right.
#[derive(Serialize, Deserialize)]
struct Pending {
    user: UserId,
    /// Of the password that was right: with another one, the first step is to be done again.
    password: String,
    since: i64,
    next: String,
}

pub(super) fn pages() -> Router<App> {
    Router::new().route("/login/code", get(show).post(judge))
}

/// After the first step: remembers it, under a new id of the session, and asks for the second.
pub(super) async fn ask(visitor: &Anonymous, user: &User, next: &str, now: Now) -> Answer {
    let session = visitor.session();
    session.cycle_id().await?;
    let pending = Pending {
        user: user.id,
        password: fingerprint(user),
        since: now.unix_seconds(),
        next: next.to_owned(),
    };
    session.insert(PENDING, pending).await?;
    go_to(&visitor.onward("/login/code"))
}

fn fingerprint(user: &User) -> String {
    let hash = user.password_hash.as_deref().unwrap_or_default();
    Address(sha256(hash.as_bytes())).to_string()
}

async fn pending(visitor: &Anonymous, now: Now) -> Result<Option<Pending>, Failure> {
    let pending: Option<Pending> = visitor.session().get(PENDING).await?;
    Ok(pending.filter(|pending| now.unix_seconds() - pending.since <= PENDING_FOR))
}

#[derive(Default, Deserialize)]
struct Wanted {
    /// Present: a recovery code is asked for.
    recovery: Option<String>,
}

async fn show(visitor: Anonymous, now: Now, Query(wanted): Query<Wanted>) -> Answer {
    if pending(&visitor, now).await?.is_none() {
        return go_to(&visitor.onward("/login"));
    }
    page(&SecondStep {
        shell: visitor.shell(),
        is_recovery: wanted.recovery.is_some(),
        errors: FormErrors::default(),
    })
}

async fn judge(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    Form(form): Form<SecondStepForm>,
) -> Answer {
    let Some(pending) = pending(&visitor, now).await? else {
        return go_to(&visitor.onward("/login"));
    };
    let answer = |errors| SecondStep {
        shell: visitor.shell(),
        is_recovery: form.is_recovery(),
        errors,
    };
    let network = Network::from(address);
    if let Err(wait) = throttle::ATTEMPTS.take(&app, network, now).await? {
        return too_many(&answer(wait_message(wait)), wait);
    }
    let mut tx = app.db.platform_tx().await?;
    let user = store::users::get(&mut tx, pending.user).await?;
    tx.commit().await?;
    if fingerprint(&user) != pending.password {
        return go_to(&visitor.onward("/login"));
    }
    match sign_in::with_code(&app, (pending.user, &form.code), visitor.language(), now).await? {
        Verdict::SignedIn(user) => {
            throttle::ATTEMPTS.give_back(&app, network).await?;
            let amr = [amr::PASSWORD, amr::ONE_TIME_CODE, amr::SEVERAL_FACTORS];
            enter(&app, &visitor, (&user, &amr), &pending.next, now).await
        }
        Verdict::Refused | Verdict::SecondStep(_) => invalid(&answer(FormErrors::of_message(
            "code",
            Message::new("error-second-step"),
        ))),
    }
}
