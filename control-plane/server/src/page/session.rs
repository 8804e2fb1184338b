//! Sessions: in PostgreSQL, by a cookie that holds nothing but the id.

use domain::id::{ClientId, UserId};
use domain::permission::Action;
use serde_json::json;
use store::Db;
use store::sessions::{BEGAN_KEY, LOGIN_KEY, Sessions, USER_KEY};
use time::{Duration, OffsetDateTime};
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, Session, SessionManagerLayer};
use uuid::Uuid;
use web::layout::{Flash, Tone};

use super::Failure;
use crate::action::{Change, Subject};
use crate::app::App;
use crate::authority::Authority;
use crate::clock::Now;

/// Without a visit for this long, a session ends.
const IDLE_MAX: Duration = Duration::days(14);
/// How often a session's end is moved, so that most requests write nothing.
const TOUCH_EVERY: Duration = Duration::hours(1);

const EMAIL: &str = "email";
/// When the person last proved who they are.
const SIGNED_IN_AT: &str = "signed_in_at";
const SEEN_AT: &str = "seen_at";
/// How somebody signed in (RFC 8176).
const AMR: &str = "amr";
/// The browser's name for itself, and where it came from when somebody signed in.
const AGENT: &str = "agent";
const ADDRESS: &str = "address";
/// The application that somebody made their account for.
pub(crate) const SIGNED_UP_AT: &str = "signed_up_at";
const FLASH: &str = "flash";

pub(super) fn layer(app: &App) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions::new(app.db.clone()))
        .with_name(cookie_name(&app.public_url, "tollgate"))
        .with_secure(is_https(&app.public_url))
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(IDLE_MAX))
}

pub(super) fn is_https(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

/// `__Host-` keeps other hosts of the domain from setting it; it needs https. On loopback, stacks
/// on other ports share the host, so the port is part of the name.
pub(super) fn cookie_name(public_url: &str, stem: &str) -> String {
    if is_https(public_url) {
        return format!("__Host-{stem}");
    }
    let port = public_url.rsplit_once(':').map_or("80", |(_, port)| port);
    let port = if port.bytes().all(|byte| byte.is_ascii_digit()) {
        port
    } else {
        "80"
    };
    format!("{stem}_{port}")
}

/// Who is signed in, as far as the session says.
pub(super) struct Holder {
    pub user: UserId,
    pub email: String,
}

/// A sign-in, as tokens tell of it.
pub(crate) struct Login {
    /// The same for as long as the person proves anew who they are in the same browser.
    pub id: Uuid,
    pub user: UserId,
    pub email: String,
    pub auth_time: OffsetDateTime,
    pub amr: Vec<String>,
    /// The application that they made their account for in this session.
    pub signed_up_at: Option<ClientId>,
}

pub(super) async fn login(session: &Session) -> Result<Option<Login>, Failure> {
    let Some(holder) = holder(session).await? else {
        return Ok(None);
    };
    let signed_in_at: i64 = session.get(SIGNED_IN_AT).await?.unwrap_or(0);
    Ok(Some(Login {
        id: session.get(LOGIN_KEY).await?.unwrap_or_default(),
        user: holder.user,
        email: holder.email,
        auth_time: OffsetDateTime::from_unix_timestamp(signed_in_at)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        amr: session.get(AMR).await?.unwrap_or_default(),
        signed_up_at: session.get(SIGNED_UP_AT).await?,
    }))
}

/// How people prove who they are (RFC 8176, section 2).
pub(crate) mod amr {
    pub(crate) const PASSWORD: &str = "pwd";
    pub(crate) const ONE_TIME_CODE: &str = "otp";
    /// A passkey that stays in its device.
    pub(crate) const HARDWARE_KEY: &str = "hwk";
    /// A passkey that is copied between devices.
    pub(crate) const SOFTWARE_KEY: &str = "swk";
    pub(crate) const SEVERAL_FACTORS: &str = "mfa";
    /// Another provider said so; what it says of the how is not repeated.
    pub(crate) const FEDERATED: &str = "fed";
}

/// Who proved who they are, and how.
pub(crate) struct SignIn<'a> {
    pub user: UserId,
    pub email: &'a str,
    pub amr: &'a [&'a str],
    /// When they did.
    pub auth_time: OffsetDateTime,
}

/// What a browser tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub agent: String,
    pub address: String,
}

/// Signs in: under a new id, so that nobody who knew the one before gets in. Somebody who was
/// signed in already keeps what they gave to applications; with somebody else, it ends.
pub(super) async fn sign_in(
    db: &Db,
    session: &Session,
    who: &SignIn<'_>,
    device: &Device,
) -> Result<(), Failure> {
    let now = Now::read();
    let before = login(session).await?;
    let id = match before {
        Some(before) if before.user == who.user => before.id,
        Some(before) => {
            end(db, before.id, now).await?;
            Uuid::now_v7()
        }
        None => Uuid::now_v7(),
    };
    note(
        db,
        Action::BeginSession,
        (who.user, who.email),
        &told(who.amr, device),
        now,
    )
    .await?;
    session.clear().await;
    session.cycle_id().await?;
    session.insert(USER_KEY, who.user.to_string()).await?;
    session.insert(LOGIN_KEY, id).await?;
    session.insert(EMAIL, who.email).await?;
    let auth_time = who.auth_time.unix_timestamp();
    session.insert(SIGNED_IN_AT, auth_time).await?;
    session.insert(BEGAN_KEY, now.unix_seconds()).await?;
    session.insert(AMR, who.amr).await?;
    session.insert(SEEN_AT, now.unix_seconds()).await?;
    session.insert(AGENT, &device.agent).await?;
    session.insert(ADDRESS, &device.address).await?;
    Ok(())
}

/// The person's address is another one now.
pub(super) async fn rename(session: &Session, email: &str) -> Result<(), Failure> {
    Ok(session.insert(EMAIL, email).await?)
}

/// Ends the sign-in of a browser and what came of it.
pub(super) async fn sign_out(db: &Db, session: &Session, now: Now) -> Result<(), Failure> {
    if let Some(login) = login(session).await? {
        end(db, login.id, now).await?;
        let who = (login.user, login.email.as_str());
        note(db, Action::EndSession, who, &Change::default(), now).await?;
    }
    Ok(session.flush().await?)
}

fn told(amr: &[&str], device: &Device) -> Change {
    Change::created(&json!({
        "amr": amr,
        "device": web::format::device(&device.agent),
        "address": device.address,
    }))
}

async fn note(
    db: &Db,
    action: Action,
    (user, email): (UserId, &str),
    change: &Change,
    now: Now,
) -> Result<(), Failure> {
    let subject = Subject {
        tenant: None,
        noun: "user",
        id: user.0,
        label: email,
    };
    let authority = Authority::person(user, email.to_owned());
    let mut tx = db.platform_tx().await?;
    crate::action::audit(&mut tx, &authority, action, (subject, change.clone()), now).await?;
    Ok(tx.commit().await?)
}

async fn end(db: &Db, login: Uuid, now: Now) -> Result<(), Failure> {
    let mut tx = db.platform_tx().await?;
    store::sessions::end(&mut tx, login, now.0).await?;
    Ok(tx.commit().await?)
}

pub(super) async fn holder(session: &Session) -> Result<Option<Holder>, Failure> {
    let user: Option<UserId> = session.get(USER_KEY).await?;
    let email: Option<String> = session.get(EMAIL).await?;
    let (Some(user), Some(email)) = (user, email) else {
        return Ok(None);
    };
    let now = Now::read().unix_seconds();
    let seen_at: i64 = session.get(SEEN_AT).await?.unwrap_or(0);
    if now - seen_at > TOUCH_EVERY.whole_seconds() {
        session.insert(SEEN_AT, now).await?;
    }
    Ok(Some(Holder { user, email }))
}

/// Leaves a message for the next page.
pub(super) async fn leave_flash(session: &Session, tone: Tone, text: &str) -> Result<(), Failure> {
    let tone = match tone {
        Tone::Neutral => "neutral",
        Tone::Good => "good",
        Tone::Warning => "warning",
        Tone::Danger => "danger",
    };
    Ok(session.insert(FLASH, (tone, text)).await?)
}

pub(super) async fn take_flash(session: &Session) -> Result<Option<Flash>, Failure> {
    let left: Option<(String, String)> = session.get(FLASH).await?;
    let Some((tone, text)) = left else {
        return Ok(None);
    };
    session.remove_value(FLASH).await?;
    let tone = match tone.as_str() {
        "good" => Tone::Good,
        "warning" => Tone::Warning,
        "danger" => Tone::Danger,
        _ => Tone::Neutral,
    };
    Ok(Some(Flash { tone, text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_bound_to_the_host_or_to_the_port() {
        for (url, name) in [
            ("https://console.example.com", "__Host-tollgate"),
            ("https://console.example.com:8443", "__Host-tollgate"),
            ("http://localhost:8080", "tollgate_8080"),
            ("http://[::1]:8180", "tollgate_8180"),
            ("http://localhost", "tollgate_80"),
        ] {
            assert_eq!(cookie_name(url, "tollgate"), name, "{url}");
        }
    }
}
