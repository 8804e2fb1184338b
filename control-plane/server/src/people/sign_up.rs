//! Signing up: an address, a password and a tenant's name, or at an application one's own; all of it
//! comes true when the mailed code comes back. Whether the address has an account already is told to its owner only.

use domain::email::{CodePurpose, Email};
use domain::id::{MemberId, TenantId, UserId};
use domain::permission::Action;
use domain::role::Role;
use domain::tenant::{Tenant, TenantName};
use domain::user::{PersonName, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::PlatformTx;
use store::users::{CodeFor, NewUser};
use uuid::Uuid;
use web::language::{Language, Message};

use super::codes::{self, PlainCode};
use crate::action::{self, ActionError, Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Translated};
use crate::passwords::PasswordHash;
use crate::random;

pub(super) struct SignUp {
    pub email: Email,
    pub wanted: Wanted,
    /// None: the account will have a passkey.
    pub password_hash: Option<PasswordHash>,
    pub ticket: Ticket,
    /// Of the mail.
    pub language: Language,
}

/// What somebody signs up for.
pub(super) enum Wanted {
    /// A tenant of their own.
    Tenant(TenantName),
    /// To use an application: they become a user of its tenant when they come back to it.
    Account(PersonName),
}

/// Binds a sign-up to the browser that asked for it. Without it somebody else could sign up with
/// the same address, and its owner, entering the code that came last, would confirm their password.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Ticket(String);

impl Ticket {
    pub(super) fn new() -> Self {
        Self(snapshot::chunk::Address(random::bytes()).to_string())
    }
}

/// What comes back to confirm a sign-up.
pub(super) struct Proof<'a> {
    pub email: &'a Email,
    pub digits: &'a str,
    pub ticket: Option<Ticket>,
}

/// Kept beside the code until it comes back.
#[derive(Serialize, Deserialize)]
struct Details {
    /// `None`: an account alone.
    tenant_name: Option<String>,
    #[serde(default)]
    name: String,
    password_hash: Option<String>,
    ticket: Ticket,
}

/// Mails a code, or to somebody who has an account that they have one.
pub(super) async fn ask(app: &App, sign_up: SignUp, now: Now) -> Result<(), ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let to = (&sign_up.email, sign_up.language);
    if has_account(app, &mut tx, to).await? {
        tx.commit().await?;
        return Ok(());
    }
    let (tenant_name, name) = match &sign_up.wanted {
        Wanted::Tenant(name) => (Some(name.as_str().to_owned()), String::new()),
        Wanted::Account(name) => (None, name.as_str().to_owned()),
    };
    let details = Details {
        tenant_name,
        name,
        password_hash: sign_up.password_hash.map(|hash| hash.as_str().to_owned()),
        ticket: sign_up.ticket,
    };
    mail_code(app, &mut tx, to, &json!(details), now).await?;
    tx.commit().await?;
    Ok(())
}

/// Mails another code in place of the one before, if there is one.
pub(super) async fn ask_again(
    app: &App,
    email: &Email,
    language: Language,
    now: Now,
) -> Result<(), ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let to = (email, language);
    if !has_account(app, &mut tx, to).await?
        && let Some(before) = store::users::find_code(&mut tx, code_for(email)).await?
    {
        mail_code(app, &mut tx, to, &before.details, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Makes account and tenant if the code is right and the browser the one that asked; the person is
/// its owner. At an application there is no tenant to make.
pub(super) async fn confirm(
    app: &App,
    proof: Proof<'_>,
    request_id: Option<String>,
    now: Now,
) -> Result<Option<(User, Option<Tenant>)>, ActionError> {
    let email = proof.email;
    let Some(details) = codes::check(app, code_for(email), proof.digits, now).await? else {
        return Ok(None);
    };
    let Ok(details) = serde_json::from_value::<Details>(details) else {
        return Ok(None);
    };
    if proof.ticket.as_ref() != Some(&details.ticket) {
        return Ok(None);
    }
    let mut tx = app.db.platform_tx().await?;
    let found = store::users::find_by_email(&mut tx, email).await?;
    if found.is_some() {
        return Ok(None);
    }
    store::users::delete_code(&mut tx, code_for(email)).await?;
    let made = make(&mut tx, (email, details), request_id, now).await?;
    tx.commit().await?;
    Ok(Some(made))
}

async fn make(
    tx: &mut PlatformTx,
    (email, details): (&Email, Details),
    request_id: Option<String>,
    now: Now,
) -> Result<(User, Option<Tenant>), ActionError> {
    let name = PersonName::parse(&details.name)?;
    let row = NewUser {
        id: UserId(Uuid::now_v7()),
        email,
        name: &name,
        password_hash: details.password_hash.as_deref(),
        email_confirmed_at: Some(now.0),
    };
    let user = store::users::insert(tx, &row).await?;
    let authority = Authority::person(user.id, user.email.clone()).of_request(request_id);
    let after = json!({ "email": user.email });
    let change = (super::subject(&user), Change::created(&after));
    action::audit(tx, &authority, Action::CreateUser, change, now).await?;

    let Some(name) = details.tenant_name else {
        return Ok((user, None));
    };
    let name = TenantName::parse(&name)?;
    let tenant = store::tenants::insert(tx, TenantId(Uuid::now_v7()), &name).await?;
    let member = MemberId(Uuid::now_v7());
    store::members::insert(tx, tenant.id, member, user.id, Role::Owner).await?;
    let subject = Subject {
        tenant: Some(tenant.id),
        noun: "tenant",
        id: tenant.id.0,
        label: &tenant.name,
    };
    let after = json!({ "name": tenant.name, "status": tenant.status, "owner": user.email });
    let change = (subject, Change::created(&after));
    action::audit(tx, &authority, Action::CreateTenant, change, now).await?;
    Ok((user, Some(tenant)))
}

/// Tells the owner of an account that somebody signs up with its address.
async fn has_account(
    app: &App,
    tx: &mut PlatformTx,
    (email, language): (&Email, Language),
) -> store::Result<bool> {
    if store::users::find_by_email(tx, email).await?.is_none() {
        return Ok(false);
    }
    let letter = Translated {
        to: email,
        tenant: None,
        language,
        subject: Message::new("mail-known-subject"),
        body: Message::new("mail-known").with("url", &app.public_url),
    };
    mail::post_translated(tx, letter).await?;
    Ok(true)
}

async fn mail_code(
    app: &App,
    tx: &mut PlatformTx,
    (email, language): (&Email, Language),
    details: &serde_json::Value,
    now: Now,
) -> store::Result<()> {
    let code = PlainCode::mint(app, code_for(email));
    let until = now.0 + codes::LIFETIME;
    store::users::replace_code(tx, code_for(email), &code.hash, details, until).await?;
    let letter = Translated {
        to: email,
        tenant: None,
        language,
        subject: code.subject(),
        body: code.body("mail-sign-up", app),
    };
    mail::post_translated(tx, letter).await
}

fn code_for(email: &Email) -> CodeFor<'_> {
    CodeFor {
        email,
        purpose: CodePurpose::SignUp,
    }
}
