//! Mails: written down by the transaction that causes them, sent after it. Without `SMTP_URL` they
//! stay where they are written down, and operators of a local stack read them there.

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::email::Email;
use domain::id::TenantId;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use store::outbox::{Mail, NewMail};
use store::{Conn, Db};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use web::language::{self, Language};

use crate::clock::Now;
use crate::problem::Chain;

const SMTP_TIMEOUT: Duration = Duration::from_secs(30);
/// Longer than sending takes: where this process dies meanwhile, another one sends.
const LEASE: time::Duration = time::Duration::minutes(2);
const AT_ONCE: u32 = 20;
/// How often to look for mails whose next attempt is due.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const RETRY_MAX: time::Duration = time::Duration::hours(1);

/// Where mails go.
pub struct Mailer {
    smtp: Option<Smtp>,
    is_local_stack: bool,
    wake: Notify,
}

struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// `SMTP_URL` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SmtpUrlError {
    #[error(
        "SMTP_URL is not a mail server's address, such as smtps://user:password@mail.example.com"
    )]
    Url(#[source] lettre::transport::smtp::Error),
    #[error("SMTP_URL names {from:?} as the sender, which is not an email address")]
    From { from: String },
}

/// A mail in plain text.
#[derive(Debug)]
pub(crate) struct Letter<'a> {
    pub to: &'a Email,
    pub tenant: Option<TenantId>,
    pub subject: &'a str,
    pub body: &'a str,
}

/// A mail to somebody who may not read English.
#[derive(Debug)]
pub(crate) struct Translated<'a> {
    pub to: &'a Email,
    pub tenant: Option<TenantId>,
    pub language: Language,
    pub subject: language::Message,
    pub body: language::Message,
}

/// As [`post`], in the reader's language.
pub(crate) async fn post_translated(tx: &mut Conn, mail: Translated<'_>) -> store::Result<()> {
    let subject = mail.language.say(&mail.subject);
    let body = mail.language.say(&mail.body) + "\n";
    let letter = Letter {
        to: mail.to,
        tenant: mail.tenant,
        subject: &subject,
        body: &body,
    };
    post(tx, letter).await
}

/// Writes a mail down. Call [`Mailer::wake`] after the transaction.
pub(crate) async fn post(tx: &mut Conn, letter: Letter<'_>) -> store::Result<()> {
    let mail = NewMail {
        id: Uuid::now_v7(),
        tenant_id: letter.tenant,
        recipient: letter.to.as_str(),
        subject: letter.subject,
        body: letter.body,
    };
    store::outbox::insert(tx, &mail).await
}

impl Mailer {
    /// `?from=` in the URL names the sender; without it that is `tollgate@` our own host.
    pub fn new(
        smtp_url: Option<&str>,
        public_url: &str,
        is_local_stack: bool,
    ) -> Result<Self, SmtpUrlError> {
        let smtp = match smtp_url {
            Some(url) => Some(Smtp::new(url, public_url)?),
            None => None,
        };
        Ok(Self {
            smtp,
            is_local_stack,
            wake: Notify::new(),
        })
    }

    /// Whether operators read mails in the console because none are sent.
    pub fn has_outbox(&self) -> bool {
        self.smtp.is_none() && self.is_local_stack
    }

    /// Says that a mail was written down.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sends until `shutdown`.
    pub async fn deliver(&self, db: &Db, shutdown: CancellationToken) {
        let Some(smtp) = &self.smtp else {
            shutdown.cancelled().await;
            return;
        };
        while !shutdown.is_cancelled() {
            if let Err(cause) = smtp.send_due(db).await {
                tracing::warn!(error = %Chain(&cause), "mails cannot be read or marked as sent");
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

impl Smtp {
    fn new(url: &str, public_url: &str) -> Result<Self, SmtpUrlError> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let from = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "from")
            .map_or_else(|| default_sender(public_url), |(_, from)| from.into_owned());
        let from: Mailbox = from
            .parse()
            .map_err(|_| SmtpUrlError::From { from: from.clone() })?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(SmtpUrlError::Url)?
            .timeout(Some(SMTP_TIMEOUT))
            .build();
        Ok(Self { transport, from })
    }

    async fn send_due(&self, db: &Db) -> store::Result<()> {
        let mut tx = db.platform_tx().await?;
        let now = Now::read().0;
        let due = store::outbox::all_tenants_take_due(&mut tx, now, LEASE, AT_ONCE).await?;
        tx.commit().await?;
        for mail in due {
            let sent = self.send(&mail).await;
            let now = Now::read().0;
            let mut tx = db.platform_tx().await?;
            match sent {
                Ok(()) => store::outbox::all_tenants_note_sent(&mut tx, mail.id, now).await?,
                Err(cause) => {
                    let text = Chain(cause.as_ref()).to_string();
                    tracing::warn!(mail = %mail.id, attempts = mail.attempts, error = text, "a mail was not sent");
                    let next = now + pause_after(mail.attempts);
                    store::outbox::all_tenants_note_failed(&mut tx, mail.id, &text, next).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(())
    }

    async fn send(&self, mail: &Mail) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let message = Message::builder()
            .from(self.from.clone())
            .to(mail.recipient.parse()?)
            .subject(&mail.subject)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())?;
        self.transport.send(message).await?;
        Ok(())
    }
}

/// Half a minute, doubling, at most an hour.
fn pause_after(attempts: u32) -> time::Duration {
    let doubled = 1i32 << attempts.saturating_sub(1).min(7);
    (time::Duration::seconds(30) * doubled).min(RETRY_MAX)
}

fn default_sender(public_url: &str) -> String {
    let uri: Option<http::Uri> = public_url.parse().ok();
    let host = uri.as_ref().and_then(http::Uri::host);
    format!("Tollgate <tollgate@{}>", host.unwrap_or("localhost"))
}
