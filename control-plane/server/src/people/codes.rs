//! Codes that prove who reads a mailbox.

use aws_lc_rs::hmac;
use domain::email::{CODE_ATTEMPTS_MAX, mint_code};
use serde_json::Value;
use store::users::CodeFor;
use time::Duration;
use web::language::Message;

use crate::app::App;
use crate::clock::Now;
use crate::random;

/// How long a mailed code works.
pub(super) const LIFETIME: Duration = Duration::minutes(15);

/// A code for one address and purpose.
pub(super) struct PlainCode {
    digits: String,
    pub hash: [u8; 32],
}

impl PlainCode {
    pub(super) fn mint(app: &App, code: CodeFor<'_>) -> Self {
        let digits = mint_code(random::bytes());
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&key(app), &message(code, &digits)).as_ref());
        Self { digits, hash }
    }

    /// Of the mail that brings it.
    pub(super) fn subject(&self) -> Message {
        Message::new("mail-code-subject").with("code", self.reveal())
    }

    pub(super) fn body(&self, key: &'static str, app: &App) -> Message {
        Message::new(key)
            .with("code", self.reveal())
            .with("length", LIFETIME)
            .with("url", &app.public_url)
    }

    /// `493 817`: easier to carry over.
    pub(super) fn reveal(&self) -> String {
        format!("{} {}", &self.digits[..3], &self.digits[3..])
    }
}

/// What the step needs that the right code confirms; `None`: the code is wrong, was tried too
/// often, ran out, or there is none. Every call counts as an attempt, also if others come at once.
pub(super) async fn check(
    app: &App,
    code: CodeFor<'_>,
    digits: &str,
    now: Now,
) -> store::Result<Option<Value>> {
    let mut tx = app.db.platform_tx().await?;
    let found = store::users::try_code(&mut tx, code).await?;
    tx.commit().await?;
    Ok(found
        .filter(|found| {
            found.attempts <= CODE_ATTEMPTS_MAX
                && now.0 < found.expires_at
                && hmac::verify(&key(app), &message(code, digits), &found.hash).is_ok()
        })
        .map(|found| found.details))
}

/// Six digits hashed without a secret would be read from a copy of the database in no time.
fn key(app: &App) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &app.secrets.derive("mailed codes v1"))
}

fn message(code: CodeFor<'_>, digits: &str) -> Vec<u8> {
    let (purpose, email) = (code.purpose.as_str(), code.email.as_str());
    format!("{purpose}\n{email}\n{digits}").into_bytes()
}
