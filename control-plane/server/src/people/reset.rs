//! Passwords: a new one for somebody who forgot theirs, and for somebody who knows it.

use domain::email::{CodePurpose, Email};
use domain::id::UserId;
use domain::permission::Action;
use domain::user::User;
use serde_json::json;
use store::PlatformTx;
use store::users::CodeFor;
use web::language::{Language, Message};

use super::codes::{self, PlainCode};
use crate::action::{self, ActionError, Change};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;
use crate::mail::{self, Translated};
use crate::page::Anonymous;
use crate::passwords::PasswordHash;

/// Mails a code to the address, if somebody has it who may come in.
pub(super) async fn ask(
    app: &App,
    email: &Email,
    language: Language,
    now: Now,
) -> Result<(), ActionError> {
    let mut tx = app.db.platform_tx().await?;
    let found = store::users::find_by_email(&mut tx, email).await?;
    if found.is_none_or(|user| user.is_disabled()) {
        return Ok(());
    }
    mail_code(app, &mut tx, (email, language), now).await?;
    tx.commit().await?;
    Ok(())
}

/// Mails a code with which its reader sets a new password.
pub(crate) async fn mail_code(
    app: &App,
    tx: &mut PlatformTx,
    (email, language): (&Email, Language),
    now: Now,
) -> store::Result<()> {
    let code = PlainCode::mint(app, code_for(email));
    let until = now.0 + codes::LIFETIME;
    store::users::replace_code(tx, code_for(email), &code.hash, &json!({}), until).await?;
    let letter = Translated {
        to: email,
        tenant: None,
        language,
        subject: code.subject(),
        body: code
            .body("mail-reset", app)
            .with("url", page_for(app, "/forgot/reset", email)),
    };
    mail::post_translated(tx, letter).await
}

/// The address of a page that knows whose password it is about.
pub(crate) fn page_for(app: &App, path: &str, email: &Email) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("email", email.as_str());
    format!("{}{path}?{}", app.public_url, query.finish())
}

/// What becomes of a person's tokens when the password changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tokens {
    Revoke,
    Keep,
}

/// Sets the password if the code is right, which also confirms the address. Every session ends, and
/// so do every token, since somebody else may have made it, and a pause of sign-in.
pub(super) async fn reset(
    app: &App,
    (email, digits): (&Email, &str),
    hash: PasswordHash,
    visitor: &Anonymous,
    now: Now,
) -> Result<bool, ActionError> {
    let confirmed = codes::check(app, code_for(email), digits, now).await?;
    if confirmed.is_none() {
        return Ok(false);
    }
    let mut tx = app.db.platform_tx().await?;
    let found = store::users::find_by_email(&mut tx, email).await?;
    let Some(user) = found.filter(|user| !user.is_disabled()) else {
        return Ok(false);
    };
    store::users::confirm_email(&mut tx, user.id, now.0).await?;
    store::users::delete_code(&mut tx, code_for(email)).await?;
    let authority = Authority::person(user.id, user.email.clone()).of_request(visitor.request_id());
    let change = (&user, &hash, Tokens::Revoke, visitor.language());
    set(app, &authority, &mut tx, change, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Sets another password of one's own. Every session ends, the caller's too.
pub(super) async fn change(
    authority: &Authority,
    app: &App,
    tx: &mut PlatformTx,
    (owner, hash, tokens, language): (UserId, &PasswordHash, Tokens, Language),
    now: Now,
) -> Result<(), ActionError> {
    authority.require_own(Action::ChangePassword, owner)?;
    let user = store::users::get(tx, owner).await?;
    set(app, authority, tx, (&user, hash, tokens, language), now).await
}

async fn set(
    app: &App,
    authority: &Authority,
    tx: &mut PlatformTx,
    (user, hash, tokens, language): (&User, &PasswordHash, Tokens, Language),
    now: Now,
) -> Result<(), ActionError> {
    store::users::set_password(tx, user.id, Some(hash.as_str()), now.0).await?;
    let revoked = match tokens {
        Tokens::Revoke => store::personal_tokens::revoke_all(tx, user.id, now.0).await?,
        Tokens::Keep => 0,
    };
    let change = match revoked {
        0 => Change::default(),
        revoked => Change::created(&json!({ "revoked_tokens": revoked })),
    };
    let change = (super::subject(user), change);
    action::audit(tx, authority, Action::ChangePassword, change, now).await?;
    if let Ok(to) = Email::parse(&user.email) {
        let key = match revoked {
            0 => "mail-changed",
            _ => "mail-changed-revoked",
        };
        let letter = Translated {
            to: &to,
            tenant: None,
            language,
            subject: Message::new("mail-changed-subject"),
            body: Message::new(key).with("url", &app.public_url),
        };
        mail::post_translated(tx, letter).await?;
    }
    Ok(())
}

fn code_for(email: &Email) -> CodeFor<'_> {
    CodeFor {
        email,
        purpose: CodePurpose::ResetPassword,
    }
}
