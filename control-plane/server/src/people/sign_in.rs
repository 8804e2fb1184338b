//! Signing in with a password. Whatever is wrong, the answer is the same and takes as long.

use domain::email::Email;
use domain::permission::Action;
use domain::user::{User, lockout_after};
use serde_json::json;
use time::OffsetDateTime;

use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::page::Failure;

/// An attempt that was counted before it is known whether it is right, so that many at once are
/// not more than many one after the other.
struct Attempt {
    user: User,
    /// In force unless the password is right.
    locked_until: Option<OffsetDateTime>,
}

/// The person, if the password is theirs and sign-in does not pause.
pub(super) async fn sign_in(
    app: &App,
    (email, password): (&str, &str),
    now: Now,
) -> Result<Option<User>, Failure> {
    let attempt = match Email::parse(email) {
        Ok(email) => begin(app, &email, now).await?,
        Err(_) => None,
    };
    let stored = attempt
        .as_ref()
        .and_then(|attempt| attempt.user.password_hash.as_deref());
    let is_right = app.passwords.is_right(password, stored).await?;
    let Some(attempt) = attempt else {
        return Ok(None);
    };
    if is_right && attempt.user.email_confirmed_at.is_some() {
        let mut tx = app.db.platform_tx().await?;
        store::users::note_sign_in(&mut tx, attempt.user.id, now.0).await?;
        tx.commit().await?;
        return Ok(Some(attempt.user));
    }
    if let Some(until) = attempt.locked_until {
        tell_of_lock(app, &attempt.user, until, now).await?;
    }
    Ok(None)
}

/// Counts the attempt; `None` where there is nobody, or sign-in pauses.
async fn begin(app: &App, email: &Email, now: Now) -> Result<Option<Attempt>, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let Some(found) = store::users::find_by_email(&mut tx, email).await? else {
        return Ok(None);
    };
    // Holds the row: what is read next is not older than other attempts.
    let failed = store::users::note_failed_sign_in(&mut tx, found.id).await?;
    let user = store::users::get(&mut tx, found.id).await?;
    if user.is_locked(now.0) {
        // Not counted: others cannot make a pause longer by going on.
        return Ok(None);
    }
    let locked_until = lockout_after(failed).map(|pause| now.0 + pause);
    if locked_until.is_some() {
        store::users::set_lock(&mut tx, user.id, locked_until).await?;
    }
    tx.commit().await?;
    Ok(Some(Attempt { user, locked_until }))
}

/// The owner learns of a pause by mail, operators by the audit log.
async fn tell_of_lock(
    app: &App,
    user: &User,
    until: OffsetDateTime,
    now: Now,
) -> Result<(), ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let after = json!({
        "locked_until": web::format::rfc3339(until),
        "reason": "wrong passwords",
    });
    let change = (super::subject(user), Change::created(&after));
    action::audit(&mut tx, &Authority::system(), Action::LockUser, change, now).await?;
    if let Ok(to) = Email::parse(&user.email) {
        let url = &app.public_url;
        let body = format!(
            "After several wrong passwords, sign-in to your account at {url} pauses until {}.\n\n\
             To go on at once, set a new password: {url}/forgot\n\nIf these attempts were not \
             yours, your password was not guessed, and there is nothing to do.\n",
            web::format::absolute(until)
        );
        let letter = Letter {
            to: &to,
            tenant: None,
            subject: "Sign-in to your Tollgate account pauses",
            body: &body,
        };
        mail::post(&mut tx, letter).await?;
    }
    tx.commit().await?;
    app.mailer.wake();
    Ok(())
}
