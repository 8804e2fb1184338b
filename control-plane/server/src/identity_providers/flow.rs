//! `/login/with/{provider}` and `/login/callback`: people on their way to a provider and back.

use axum::Router;
use axum::extract::{Query, RawQuery, State};
use axum::routing::{get, post};
use domain::email::Email;
use domain::id::{ProviderId, UserId};
use domain::identity_provider::{Claims, IdentityProvider, Refused};
use domain::token::base64url;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use web::language::Message;
use web::layout::Tone;

use super::exchange::{self, ExchangeError, Proof};
use super::{named_by, sign_in};
use crate::action::ActionError;
use crate::app::App;
use crate::authority::Authority;
use crate::client_address::ClientAddress;
use crate::clock::Now;
use crate::json::At;
use crate::oauth::{Parameters, with_query};
use crate::page::{Anonymous, Answer, Failure, SignIn, SignedIn, amr, go_on, go_to, own_path};
use crate::problem::Problem;
use crate::random;
use crate::throttle::{Network, PROVIDERS, TooMany};

/// The entry of the session that holds who is on their way.
const PENDING: &str = "provider_sign_ins";
/// In several windows at once; the oldest gives way.
const PENDING_MAX: usize = 4;
const BACK_WITHIN_SECONDS: i64 = 600;
const NEXT_BYTES_MAX: usize = 4_000;

pub(super) fn pages() -> Router<App> {
    Router::new()
        .route("/login/with/{provider}", get(leave))
        .route("/login/callback", get(come_back))
        .route(
            "/account/providers/{provider}/connect",
            post(leave_to_connect),
        )
}

/// Somebody on the way. It names the provider, so that no other can answer in its place.
#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    state: String,
    provider: ProviderId,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    next: String,
    /// Who is signed in and connects the account; `None`: somebody signs in.
    connects: Option<UserId>,
    left_at: i64,
}

impl Pending {
    fn proof(&self) -> Proof<'_> {
        Proof {
            state: &self.state,
            nonce: &self.nonce,
            verifier: &self.verifier,
        }
    }
}

#[derive(Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    next: String,
    #[serde(default)]
    login_hint: String,
}

async fn leave(
    State(app): State<App>,
    visitor: Anonymous,
    ClientAddress(address): ClientAddress,
    now: Now,
    (At(id), Query(wanted), headers): (At<ProviderId>, Query<Wanted>, HeaderMap),
) -> Answer {
    if is_from_elsewhere(&headers) {
        // Other sites do not sign anybody in here: somebody has to press the button.
        return go_to(&sign_in_path(own_path(&wanted.next).unwrap_or_default()));
    }
    let provider = open_provider(&app, id, address.into(), now).await?;
    let next = own_path(&wanted.next).filter(|next| next.len() <= NEXT_BYTES_MAX);
    let next = next.unwrap_or("/console").to_owned();
    let hint = Email::parse(&wanted.login_hint).ok();
    let mut more: Vec<(&str, &str)> = Vec::new();
    more.extend(hint.as_ref().map(|hint| ("login_hint", hint.as_str())));
    // Who is to prove anew who they are is asked there, too.
    if visitor.email.is_some() || next.contains("signed_in_since=") {
        more.push(("prompt", "login"));
    }
    let pending = remember(visitor.session(), &provider, (next, None), now).await?;
    match exchange::authorize_url(&app, &provider, pending.proof(), &more, now).await {
        Ok(url) => go_to(url.as_str()),
        Err(cause) => {
            let text = visitor.say(&unavailable(&provider, &cause));
            visitor.flash(Tone::Danger, &text).await?;
            go_to(&sign_in_path(&pending.next))
        }
    }
}

/// As the browser says (Fetch Metadata).
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

async fn leave_to_connect(
    State(app): State<App>,
    signed_in: SignedIn,
    ClientAddress(address): ClientAddress,
    now: Now,
    At(id): At<ProviderId>,
) -> Answer {
    let provider = open_provider(&app, id, address.into(), now).await?;
    if let Some(sign_in) = signed_in.stale("/account", now) {
        return sign_in;
    }
    let purpose = ("/account".to_owned(), Some(signed_in.person.user));
    let pending = remember(signed_in.session(), &provider, purpose, now).await?;
    match exchange::authorize_url(&app, &provider, pending.proof(), &[], now).await {
        Ok(url) => go_on(signed_in.shell(), url.into()),
        Err(cause) => {
            let text = signed_in.language().say(&unavailable(&provider, &cause));
            signed_in.flash(Tone::Danger, &text).await?;
            go_to("/account")
        }
    }
}

async fn open_provider(
    app: &App,
    id: ProviderId,
    network: Network,
    now: Now,
) -> Result<IdentityProvider, Failure> {
    if let Err(TooMany(wait)) = PROVIDERS.take(app, network, now).await? {
        let seconds = wait.whole_seconds() + 1;
        let detail = format!("there were many sign-ins from your network; wait {seconds} seconds");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", detail);
        return Err(problem.into());
    }
    let mut tx = app.db.platform_tx().await?;
    let found = store::identity_providers::all_tenants_find_open(&mut tx, id).await?;
    tx.commit().await?;
    found.ok_or_else(|| Problem::not_found("identity provider").into())
}

async fn remember(
    session: &Session,
    provider: &IdentityProvider,
    (next, connects): (String, Option<UserId>),
    now: Now,
) -> Result<Pending, Failure> {
    let secret = || base64url(&random::bytes::<32>());
    let pending = Pending {
        state: secret(),
        provider: provider.id,
        nonce: secret(),
        verifier: secret(),
        next,
        connects,
        left_at: now.unix_seconds(),
    };
    let mut all: Vec<Pending> = session.get(PENDING).await?.unwrap_or_default();
    all.retain(|one| now.unix_seconds() - one.left_at < BACK_WITHIN_SECONDS);
    let surplus = (all.len() + 1).saturating_sub(PENDING_MAX);
    all.drain(..surplus);
    all.push(pending.clone());
    session.insert(PENDING, all).await?;
    Ok(pending)
}

/// Who was on the way with this state; not on the way any more from now on.
async fn take(session: &Session, state: &str, now: Now) -> Result<Option<Pending>, Failure> {
    let mut all: Vec<Pending> = session.get(PENDING).await?.unwrap_or_default();
    let Some(place) = all.iter().position(|one| one.state == state) else {
        return Ok(None);
    };
    let pending = all.swap_remove(place);
    session.insert(PENDING, all).await?;
    // An answer is used once, also when it comes twice at the same moment.
    session.save().await?;
    let is_in_time = now.unix_seconds() - pending.left_at < BACK_WITHIN_SECONDS;
    Ok(Some(pending).filter(|_| is_in_time))
}

async fn come_back(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    RawQuery(query): RawQuery,
) -> Answer {
    let parsed = Parameters::parse(query.unwrap_or_default().as_bytes());
    let answer = parsed.unwrap_or_default();
    let pending = match answer.get("state") {
        Some(state) => take(visitor.session(), state, now).await?,
        None => None,
    };
    let Some(pending) = pending else {
        return turn_away(&visitor, None, &over()).await;
    };
    let mut tx = app.db.platform_tx().await?;
    let found = store::identity_providers::all_tenants_find_open(&mut tx, pending.provider).await?;
    tx.commit().await?;
    let Some(provider) = found else {
        return turn_away(&visitor, Some(&pending), &over()).await;
    };
    let claims = match claims(&app, (&provider, &pending), &answer, now).await {
        Ok(claims) => claims,
        Err(text) => return turn_away(&visitor, Some(&pending), &text).await,
    };
    let done = match pending.connects {
        Some(user) => connect(&app, &visitor, (&provider, &claims), user, now).await,
        None => enter(&app, &visitor, (&provider, &claims), now).await,
    };
    match done? {
        Ok(()) => go_to(&pending.next),
        Err(text) => turn_away(&visitor, Some(&pending), &text).await,
    }
}

/// What the provider says of the person; or why that is not known, in words for them.
async fn claims(
    app: &App,
    (provider, pending): (&IdentityProvider, &Pending),
    answer: &Parameters,
    now: Now,
) -> Result<Claims, Message> {
    let failed = |cause: &ExchangeError| unavailable(provider, cause);
    let described = app
        .providers
        .find(&provider.issuer, named_by(provider.tenant_id), now)
        .await
        .map_err(|cause| failed(&cause.into()))?;
    // RFC 9207, section 2.4.
    let is_its_own = match answer.get("iss") {
        Some(issuer) => issuer == provider.issuer.as_str(),
        None => !described.names_itself,
    };
    if !is_its_own {
        return Err(over());
    }
    let name = provider.terms.name.as_str();
    if let Some(error) = answer.get("error") {
        let key = match error {
            "access_denied" => "provider-denied",
            _ => "provider-failed",
        };
        return Err(Message::new(key).with("name", name));
    }
    let code = answer.get("code").ok_or_else(over)?;
    exchange::redeem(app, provider, &described, (code, pending.proof()), now)
        .await
        .map_err(|cause| failed(&cause))
}

async fn enter(
    app: &App,
    visitor: &Anonymous,
    (provider, claims): (&IdentityProvider, &Claims),
    now: Now,
) -> Result<Result<(), Message>, Failure> {
    let entered = sign_in::enter(app, (provider, claims), visitor.request_id(), now).await;
    let user = match entered {
        Ok(Ok(user)) => user,
        Ok(Err(refused)) => return Ok(Err(words(refused))),
        // Somebody came the same way at the same moment.
        Err(ActionError::Conflict(_)) => return Ok(Err(Message::new("provider-again"))),
        Err(cause) => return Err(cause.into()),
    };
    let who = SignIn {
        user: user.id,
        email: &user.email,
        amr: &[amr::FEDERATED],
        // Who was signed in there already did not prove anything now.
        auth_time: claims.auth_time.map_or(now.0, |at| at.min(now.0)),
    };
    visitor.sign_in(app, &who).await?;
    Ok(Ok(()))
}

async fn connect(
    app: &App,
    visitor: &Anonymous,
    (provider, claims): (&IdentityProvider, &Claims),
    user: UserId,
    now: Now,
) -> Result<Result<(), Message>, Failure> {
    let Some(login) = visitor.login().await?.filter(|login| login.user == user) else {
        return Ok(Err(over()));
    };
    let authority = Authority::person(user, login.email).of_request(visitor.request_id());
    match sign_in::connect(&authority, app, (provider, claims), user, now).await {
        Ok(Ok(())) => {
            let name = provider.terms.name.as_str();
            let text = Message::new("provider-connected").with("name", name);
            visitor.flash(Tone::Good, &visitor.say(&text)).await?;
            Ok(Ok(()))
        }
        Ok(Err(refused)) => Ok(Err(words(refused))),
        Err(ActionError::Conflict(_)) => Ok(Err(Message::new("provider-taken"))),
        Err(cause) => Err(cause.into()),
    }
}

/// Back to where the person came from, told why.
async fn turn_away(visitor: &Anonymous, pending: Option<&Pending>, text: &Message) -> Answer {
    visitor.flash(Tone::Danger, &visitor.say(text)).await?;
    match pending {
        Some(pending) if pending.connects.is_some() => go_to("/account"),
        Some(pending) => go_to(&sign_in_path(&pending.next)),
        None => go_to("/login"),
    }
}

fn sign_in_path(next: &str) -> String {
    with_query("/login", [("next", next)])
}

/// Who set the provider up finds the reason in the log; strangers are told no more than this.
fn unavailable(provider: &IdentityProvider, cause: &ExchangeError) -> Message {
    tracing::warn!(provider = %provider.id, error = %cause, "a sign-in through a provider failed");
    let name = provider.terms.name.as_str();
    Message::new("provider-unavailable").with("name", name)
}

fn over() -> Message {
    Message::new("provider-over")
}

fn words(refused: Refused) -> Message {
    Message::new(match refused {
        Refused::Unverified => "provider-unverified",
        Refused::Domain => "provider-domain",
        Refused::ConnectFirst => "provider-connect-first",
        Refused::NoAccount => "provider-no-account",
        Refused::NoMember => "provider-no-member",
        Refused::Disabled => "provider-member-disabled",
        Refused::AccountDisabled => "provider-account-disabled",
        Refused::RunsPlatform => "provider-runs-platform",
    })
}
