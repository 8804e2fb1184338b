//! People: their accounts, how they sign up and in, and what they do when a password is lost.

mod account;
mod authenticator;
mod codes;
mod email_change;
mod json;
mod pages;
mod passkeys;
mod reset;
mod reset_pages;
mod second_step;
mod sign_in;
mod sign_ins;
mod sign_up;
mod sign_up_pages;
#[cfg(test)]
mod tests;
mod way;

use axum::Router;
use domain::email::Email;
use domain::id::UserId;
use domain::permission::Action;
use domain::role::{PlatformRole, Role};
use domain::tenant::Tenant;
use domain::user::{PersonName, User};
use serde_json::json;
use store::PlatformTx;
use store::users::NewUser;
use uuid::Uuid;
use webauthn_rs::Webauthn;
use webauthn_rs::prelude::{Url, WebauthnBuilder};

use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Letter};
use crate::passwords::PasswordHash;

pub(crate) use json::api;
pub(crate) use pages::{too_many, wait_message};
pub(crate) use reset::{mail_code, page_for};

/// `/signup`, `/login`, `/forgot`, `/account`.
pub(crate) fn pages() -> Router<App> {
    pages::pages()
        .merge(sign_up_pages::pages())
        .merge(reset_pages::pages())
        .merge(second_step::pages())
        .merge(account::pages())
        .merge(authenticator::pages())
        .merge(passkeys::pages())
        .merge(sign_ins::pages())
        .merge(email_change::pages())
}

/// What signs in with passkeys at this address (Web Authentication, level 3, section 5.1.3: the
/// relying party is the host of its pages, and never a number).
pub(crate) fn webauthn(public_url: &str) -> Option<Webauthn> {
    let origin = Url::parse(public_url).ok()?;
    WebauthnBuilder::new(origin.domain()?, &origin)
        .ok()?
        .rp_name("Tollgate")
        .build()
        .ok()
}

/// A person belongs to few tenants; the list is never cut off.
const TENANTS_MAX: u32 = 1_000;

/// Somebody who did not sign up.
#[derive(Debug)]
pub(crate) struct NewPerson {
    pub email: Email,
    pub name: PersonName,
    /// None: they set one by a code that is mailed to them, which confirms the address, too.
    pub password_hash: Option<PasswordHash>,
    pub is_email_confirmed: bool,
    /// None: no role on the platform.
    pub role: Option<PlatformRole>,
}

/// Makes an account.
pub(crate) async fn create_user(
    authority: &Authority,
    tx: &mut PlatformTx,
    new: NewPerson,
    now: Now,
) -> Result<User, ActionError> {
    authority.require(Action::CreateUser)?;
    let row = NewUser {
        id: UserId(Uuid::now_v7()),
        email: &new.email,
        name: &new.name,
        password_hash: new.password_hash.as_ref().map(PasswordHash::as_str),
        email_confirmed_at: new.is_email_confirmed.then_some(now.0),
    };
    let user = store::users::insert(tx, &row).await?;
    if new.role.is_some() {
        store::users::set_platform_role(tx, user.id, new.role).await?;
    }
    let after = json!({ "email": user.email, "name": user.name, "platform_role": new.role });
    let change = (subject(&user), Change::created(&after));
    action::audit(tx, authority, Action::CreateUser, change, now).await?;
    Ok(user)
}

/// Who somebody is, and where they belong.
#[derive(Debug)]
pub(crate) struct Account {
    pub user: User,
    pub platform_role: Option<PlatformRole>,
    /// By name.
    pub tenants: Vec<(Tenant, Role)>,
}

/// One's own account.
pub(crate) async fn account(
    authority: &Authority,
    tx: &mut PlatformTx,
) -> Result<Account, ActionError> {
    authority.require(Action::ShowAccount)?;
    let user = authority.user().ok_or(ActionError::NotFound("account"))?;
    Ok(Account {
        user: store::users::get(tx, user).await?,
        platform_role: store::users::find_platform_role(tx, user).await?,
        tenants: store::members::all_tenants_list_of_user(tx, user, TENANTS_MAX).await?,
    })
}

/// Mails somebody about their account.
pub(crate) async fn write_to(
    tx: &mut PlatformTx,
    user: &User,
    subject: &str,
    body: &str,
) -> Result<(), ActionError> {
    if let Ok(to) = Email::parse(&user.email) {
        let letter = Letter {
            to: &to,
            tenant: None,
            subject,
            body,
        };
        mail::post(tx, letter).await?;
    }
    Ok(())
}

pub(crate) fn subject(user: &User) -> Subject<'_> {
    Subject {
        tenant: None,
        noun: "user",
        id: user.id.0,
        label: &user.email,
    }
}
