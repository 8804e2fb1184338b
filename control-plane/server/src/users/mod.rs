//! What operators do about people: find them, make accounts, help where a password is lost or
//! sign-in pauses, and shut somebody out everywhere.

mod import;
mod json;
mod pages;
mod steps;
#[cfg(test)]
mod tests;

use domain::conflict::Conflict;
use domain::email::Email;
use domain::id::UserId;
use domain::member::Standing;
use domain::permission::Action;
use domain::role::PlatformRole;
use domain::tenant::Tenant;
use domain::user::User;
use serde_json::{Value, json};
use store::PlatformTx;
use store::users::ListedUser;
use time::OffsetDateTime;
use web::format::{absolute, rfc3339};
use web::language::Language;
use web::pages::users::Lock;

use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::people::{self, NewPerson, subject};
use crate::throttle;

pub(crate) use json::{UserView, api};
pub(crate) use pages::pages;

/// A person belongs to few tenants; the list is never cut off.
const TENANTS_MAX: u32 = 1_000;

/// Somebody with all that operators see of them.
#[derive(Debug)]
pub(crate) struct Found {
    pub user: User,
    pub platform_role: Option<PlatformRole>,
    /// By name, also those where they are disabled.
    pub tenants: Vec<(Tenant, Standing)>,
}

/// The newest first, before `before`: those whose address or name starts with the text.
pub(crate) async fn list(
    authority: &Authority,
    tx: &mut PlatformTx,
    text: Option<&str>,
    before: Option<UserId>,
    limit: u32,
) -> Result<Vec<ListedUser>, ActionError> {
    authority.require(Action::ListUsers)?;
    Ok(store::users::search(tx, text, before, limit).await?)
}

pub(crate) async fn get(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
) -> Result<Found, ActionError> {
    authority.require(Action::ListUsers)?;
    Ok(Found {
        user: store::users::get(tx, id).await?,
        platform_role: store::users::find_platform_role(tx, id).await?,
        tenants: store::members::all_tenants_standings_of_user(tx, id, TENANTS_MAX).await?,
    })
}

/// Makes an account. Who got no password is told by mail how to set one: wake the mailer.
pub(crate) async fn create(
    app: &App,
    authority: &Authority,
    tx: &mut PlatformTx,
    new: NewPerson,
    now: Now,
) -> Result<User, ActionError> {
    let welcome = new.password_hash.is_none().then(|| new.email.clone());
    let user = people::create_user(authority, tx, new, now).await?;
    if let Some(email) = welcome {
        let body = format!(
            "An account was made for you at {}.\n\nTo set a password and come in: {}\n\nYou get a \
             code at this address, which proves that it is yours.\n",
            app.public_url,
            people::page_for(app, "/forgot", &email),
        );
        let letter = Letter {
            to: &email,
            tenant: None,
            subject: "Your Tollgate account",
            body: &body,
        };
        mail::post(tx, letter).await?;
    }
    Ok(user)
}

/// Shuts a person out everywhere, within a second also on nodes. Changes nothing where they are
/// disabled already.
pub(crate) async fn disable(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::DisableUser)?;
    let before = store::users::get(tx, id).await?;
    if authority.user() == Some(id) {
        return Err(ActionError::Conflict(Conflict::OwnAccount));
    }
    if before.is_disabled() {
        return Ok(before);
    }
    store::users::disable(tx, id, now.0).await?;
    changed(authority, tx, Action::DisableUser, &before, now).await
}

/// Lets a person in again, with the password they had. What was ended stays ended.
pub(crate) async fn enable(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::EnableUser)?;
    let before = store::users::get(tx, id).await?;
    if !before.is_disabled() {
        return Ok(before);
    }
    store::users::enable(tx, id).await?;
    changed(authority, tx, Action::EnableUser, &before, now).await
}

/// Ends a pause of sign-in.
pub(crate) async fn unlock(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::UnlockUser)?;
    let before = store::users::get(tx, id).await?;
    store::users::set_lock(tx, id, None).await?;
    changed(authority, tx, Action::UnlockUser, &before, now).await
}

/// Mails a code with which the person sets a new password, as if they had asked for it: wake the
/// mailer.
pub(crate) async fn reset_password(
    app: &App,
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::ResetPassword)?;
    let user = store::users::get(tx, id).await?;
    if user.is_disabled() {
        return Err(ActionError::Conflict(Conflict::UserDisabled));
    }
    let email = Email::parse(&user.email)?;
    let taken = throttle::MAILS.take_in(tx, email.as_str(), now).await?;
    if taken.is_err() {
        return Err(ActionError::Conflict(Conflict::SentJustNow));
    }
    people::mail_code(app, tx, (&email, Language::default()), now).await?;
    let change = (subject(&user), Change::default());
    action::audit(tx, authority, Action::ResetPassword, change, now).await?;
    Ok(user)
}

/// Ends every session of a person and what their applications were given.
pub(crate) async fn sign_out(
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::SignOutUser)?;
    let user = store::users::get(tx, id).await?;
    store::sessions::end_of_user(tx, id, now.0).await?;
    let change = (subject(&user), Change::default());
    action::audit(tx, authority, Action::SignOutUser, change, now).await?;
    Ok(user)
}

/// Takes the second step of sign-in away from somebody who lost it, and tells them: wake the
/// mailer. Whoever does that for somebody has made sure of who asks.
pub(crate) async fn reset_second_step(
    app: &App,
    authority: &Authority,
    tx: &mut PlatformTx,
    id: UserId,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::ResetSecondStep)?;
    let user = store::users::get(tx, id).await?;
    if !store::authenticators::is_confirmed(tx, id).await? {
        return Err(ActionError::Conflict(Conflict::NoSecondStep));
    }
    store::authenticators::delete(tx, id).await?;
    let change = (
        subject(&user),
        Change::removed(&json!({ "second_factor": "on" })),
    );
    action::audit(tx, authority, Action::ResetSecondStep, change, now).await?;
    let url = &app.public_url;
    let body = format!(
        "Those who run {url} turned the second step of your sign-in off: it asks for your password \
         only. Set a new one up at {url}/account\n\nIf you did not ask for that, set a new password \
         at once: {url}/forgot\n"
    );
    let title = "The second step of your Tollgate sign-in is off";
    people::write_to(tx, &user, title, &body).await?;
    Ok(user)
}

/// The person as they are now, with the change in the audit log.
async fn changed(
    authority: &Authority,
    tx: &mut PlatformTx,
    action: Action,
    before: &User,
    now: Now,
) -> Result<User, ActionError> {
    let after = store::users::get(tx, before.id).await?;
    let change = Change::updated(&shown(before), &shown(&after));
    action::audit(tx, authority, action, (subject(&after), change), now).await?;
    Ok(after)
}

fn shown(user: &User) -> Value {
    let at = |at: Option<OffsetDateTime>| at.map(rfc3339);
    json!({
        "locked_until": at(user.locked_until),
        "disabled_at": at(user.disabled_at),
    })
}

/// A pause that is in force, as pages tell of it.
pub(crate) fn lock(user: &User, now: Now) -> Option<Lock> {
    let until = user.locked_until.filter(|until| now.0 < *until)?;
    Some(Lock {
        until: absolute(until),
        reason: format!("{} wrong passwords or codes", user.failed_sign_ins),
    })
}
