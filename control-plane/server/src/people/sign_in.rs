//! Signing in with a password, and with a second factor where there is one. Whatever is wrong, the
//! answer is the same and takes as long.

use domain::email::Email;
use domain::id::UserId;
use domain::permission::Action;
use domain::user::{User, lockout_after};
use serde_json::json;
use time::OffsetDateTime;
use web::language::{Language, Message};

use super::authenticator;
use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Translated};
use crate::page::Failure;

/// An attempt that was counted before it is known whether it is right, so that many at once are
/// not more than many one after the other.
struct Attempt {
    user: User,
    /// Wrong ones in a row, this one included.
    failed: u32,
    /// In force unless the password is right.
    locked_until: Option<OffsetDateTime>,
}

/// What came of a password or a code.
pub(super) enum Verdict {
    Refused,
    /// The password is right, and a second factor is asked for.
    SecondStep(User),
    SignedIn(User),
}

/// Judges a password; nobody comes in while sign-in pauses.
pub(super) async fn with_password(
    app: &App,
    (email, password): (&str, &str),
    language: Language,
    now: Now,
) -> Result<Verdict, Failure> {
    let attempt = match Email::parse(email) {
        Ok(email) => begin(app, By::Email(&email), now).await?,
        Err(_) => None,
    };
    let stored = attempt
        .as_ref()
        .and_then(|attempt| attempt.user.password_hash.clone());
    let is_right = app.passwords.is_right(password, stored.as_deref()).await?;
    let Some(attempt) = attempt else {
        return Ok(Verdict::Refused);
    };
    if !is_right || attempt.user.email_confirmed_at.is_none() {
        return refuse(app, &attempt, language, now).await;
    }
    let renewed = match &stored {
        Some(stored) => app.passwords.renewed(password, stored).await?,
        None => None,
    };
    let mut tx = app.db.platform_tx().await?;
    let user = attempt.user;
    if let (Some(from), Some(to)) = (&stored, &renewed) {
        store::users::replace_hash(&mut tx, user.id, from, to.as_str()).await?;
    }
    if store::authenticators::is_confirmed(&mut tx, user.id).await? {
        // Only the second step forgives wrong attempts: else who knows the password could guess at
        // codes for ever.
        store::users::take_back_failed_sign_in(&mut tx, user.id, attempt.locked_until).await?;
        tx.commit().await?;
        return Ok(Verdict::SecondStep(user));
    }
    store::users::note_sign_in(&mut tx, user.id, now.0).await?;
    tx.commit().await?;
    Ok(Verdict::SignedIn(user))
}

/// Judges the code of a second factor, or a recovery code, of somebody whose password was right.
pub(super) async fn with_code(
    app: &App,
    (user, code): (UserId, &str),
    language: Language,
    now: Now,
) -> Result<Verdict, Failure> {
    let Some(attempt) = begin(app, By::Id(user), now).await? else {
        return Ok(Verdict::Refused);
    };
    let mut tx = app.db.platform_tx().await?;
    if !authenticator::use_code(app, &mut tx, &attempt.user, code, now).await? {
        return refuse(app, &attempt, language, now).await;
    }
    store::users::note_sign_in(&mut tx, user, now.0).await?;
    tx.commit().await?;
    app.mailer.wake();
    Ok(Verdict::SignedIn(attempt.user))
}

/// Whether this is the password of somebody who is signed in; wrong ones count as at sign-in.
pub(super) async fn confirm_password(
    app: &App,
    (user, password): (UserId, &str),
    language: Language,
    now: Now,
) -> Result<bool, Failure> {
    let attempt = begin(app, By::Id(user), now).await?;
    let stored = attempt
        .as_ref()
        .and_then(|attempt| attempt.user.password_hash.as_deref());
    let is_right = app.passwords.is_right(password, stored).await?;
    let Some(attempt) = attempt else {
        return Ok(false);
    };
    if !is_right {
        refuse(app, &attempt, language, now).await?;
        return Ok(false);
    }
    let mut tx = app.db.platform_tx().await?;
    store::users::take_back_failed_sign_in(&mut tx, user, attempt.locked_until).await?;
    tx.commit().await?;
    Ok(true)
}

async fn refuse(
    app: &App,
    attempt: &Attempt,
    language: Language,
    now: Now,
) -> Result<Verdict, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let after = json!({ "wrong_in_a_row": attempt.failed });
    let change = (super::subject(&attempt.user), Change::created(&after));
    let system = Authority::system();
    action::audit(&mut tx, &system, Action::RefuseSession, change, now).await?;
    tx.commit().await?;
    if let Some(until) = attempt.locked_until {
        tell_of_lock(app, (&attempt.user, until), language, now).await?;
    }
    Ok(Verdict::Refused)
}

enum By<'a> {
    Email(&'a Email),
    Id(UserId),
}

/// Counts the attempt; `None` where there is nobody, they are disabled, or sign-in pauses.
async fn begin(app: &App, by: By<'_>, now: Now) -> Result<Option<Attempt>, ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let id = match by {
        By::Id(id) => id,
        By::Email(email) => match store::users::find_by_email(&mut tx, email).await? {
            Some(found) => found.id,
            None => return Ok(None),
        },
    };
    // Holds the row: what is read next is not older than other attempts.
    let failed = store::users::note_failed_sign_in(&mut tx, id).await?;
    let user = store::users::get(&mut tx, id).await?;
    if user.is_locked(now.0) || user.is_disabled() {
        // Not counted: others cannot make a pause longer by going on.
        return Ok(None);
    }
    let locked_until = lockout_after(failed).map(|pause| now.0 + pause);
    if locked_until.is_some() {
        store::users::set_lock(&mut tx, user.id, locked_until).await?;
    }
    tx.commit().await?;
    Ok(Some(Attempt {
        user,
        failed,
        locked_until,
    }))
}

/// The owner learns of a pause by mail, operators by the audit log.
async fn tell_of_lock(
    app: &App,
    (user, until): (&User, OffsetDateTime),
    language: Language,
    now: Now,
) -> Result<(), ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let after = json!({
        "locked_until": web::format::rfc3339(until),
        "reason": "wrong passwords or codes",
    });
    let change = (super::subject(user), Change::created(&after));
    action::audit(&mut tx, &Authority::system(), Action::LockUser, change, now).await?;
    if let Ok(to) = Email::parse(&user.email) {
        let body = Message::new("mail-lock")
            .with("url", &app.public_url)
            .with("until", until);
        let letter = Translated {
            to: &to,
            tenant: None,
            language,
            subject: Message::new("mail-lock-subject"),
            body,
        };
        mail::post_translated(&mut tx, letter).await?;
    }
    tx.commit().await?;
    app.mailer.wake();
    Ok(())
}
