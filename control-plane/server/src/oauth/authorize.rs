//! `/oauth2/authorize` (RFC 6749, section 4.1.1; OpenID Connect Core, section 3.1.2): what an
//! application sends its people here with, and what it gets back.

use axum::extract::{RawQuery, State};
use axum::response::Redirect;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::id::{ClientId, TenantId};
use domain::oauth_client::{Grant, OauthClient};
use domain::token::{PlainCode, is_challenge};
use store::PlatformTx;
use store::oauth_grants::{self, NewCode, OauthGrant};
use time::Duration;
use uuid::Uuid;

use super::error::{Code, OauthError};
use super::parameters::{Parameters, with_query};
use super::{consent, issue};
use crate::app::App;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, Login, go_to};
use crate::problem::Problem;
use crate::random;

/// A code is exchanged at once or never (RFC 6749, section 4.1.2: ten minutes at most).
const CODE_LIFETIME: Duration = Duration::minutes(2);
/// A parameter of ours on the way through sign-in: who has to sign in anew, since when.
const SIGNED_IN_SINCE: &str = "signed_in_since";

/// A request that may be answered at its client.
pub(super) struct Asked {
    pub client: OauthClient,
    pub parameters: Parameters,
    redirect_uri: String,
    state: Option<String>,
}

/// What a valid request wants.
pub(super) struct Wanted {
    pub scopes: Vec<String>,
    resources: Vec<String>,
    challenge: Option<String>,
    nonce: Option<String>,
    pub prompt: Prompt,
    max_age: Option<i64>,
    signed_in_since: Option<i64>,
    pub tenant: Option<TenantId>,
}

/// OpenID Connect Core, section 3.1.2.1; `create` of Initiating User Registration 1.0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    none: bool,
    login: bool,
    pub consent: bool,
    pub select_account: bool,
    create: bool,
}

/// Why the flow stops short of a code.
enum Stop {
    /// Told to the client.
    Client(OauthError),
    /// Somebody has to do something on a page of ours first.
    Page(Response),
    Failed(Failure),
}

impl From<OauthError> for Stop {
    fn from(cause: OauthError) -> Self {
        Stop::Client(cause)
    }
}

impl<F: Into<Failure>> From<F> for Stop {
    fn from(cause: F) -> Self {
        Stop::Failed(cause.into())
    }
}

pub(super) async fn show(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    RawQuery(query): RawQuery,
) -> Answer {
    let asked = ask(&app, query.unwrap_or_default().as_bytes(), now).await?;
    let stopped = match authorize(&app, &visitor, &asked, now).await {
        Ok(response) => return Ok(response),
        Err(stopped) => stopped,
    };
    match stopped {
        Stop::Page(response) => Ok(response),
        Stop::Failed(failure) => Err(failure),
        Stop::Client(error) => Ok(found(&asked.error_address(&app, &error))),
    }
}

/// The same by a form (OpenID Connect Core, section 3.1.2.1): on to the address, where the browser
/// sends its session along.
pub(super) async fn by_form(body: Bytes) -> Response {
    match Parameters::parse(&body) {
        Ok(parameters) => {
            Redirect::to(&format!("/oauth2/authorize?{}", parameters.encode())).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// The request, as far as it takes to know whom to tell of everything else that is wrong. Until
/// then nothing is redirected anywhere (RFC 6749, section 4.1.2.1).
pub(super) async fn ask(app: &App, query: &[u8], now: Now) -> Result<Asked, Failure> {
    let wrong = |reason: &str| Failure::from(Problem::wrong_link(reason));
    let parameters = Parameters::parse(query).map_err(|error| wrong(error.text))?;
    let id = parameters
        .get("client_id")
        .ok_or_else(|| wrong("client_id is missing"))?;
    let unknown = || wrong("client_id is not one of a client here");
    let id = id.parse().map_err(|_| unknown())?;
    let client = find_client(app, id, now).await?.ok_or_else(unknown)?;
    let redirect_uri = parameters
        .get("redirect_uri")
        .ok_or_else(|| wrong("redirect_uri is missing"))?
        .to_owned();
    if !client.may_redirect_to(&redirect_uri) {
        return Err(wrong("redirect_uri is not one that the client registered"));
    }
    Ok(Asked {
        state: parameters.get("state").map(str::to_owned),
        client,
        redirect_uri,
        parameters,
    })
}

async fn find_client(app: &App, id: ClientId, now: Now) -> Result<Option<OauthClient>, Failure> {
    let mut tx = app.db.platform_tx().await?;
    let found = store::oauth_clients::all_tenants_find(&mut tx, id, now.0).await?;
    tx.commit().await?;
    let enabled = found.filter(|(client, _)| client.is_enabled);
    Ok(enabled.map(|(client, _)| client))
}

/// The client of a request that may be answered at it; of any other nothing is known.
pub(crate) async fn client_of(
    app: &App,
    query: &[u8],
    now: Now,
) -> Result<Option<OauthClient>, Failure> {
    let Ok(parameters) = Parameters::parse(query) else {
        return Ok(None);
    };
    let Some(Ok(id)) = parameters.get("client_id").map(str::parse) else {
        return Ok(None);
    };
    let found = find_client(app, id, now).await?;
    let uri = parameters.get("redirect_uri").unwrap_or("");
    Ok(found.filter(|client| client.may_redirect_to(uri)))
}

impl Asked {
    /// Back to the client, and whose answer it is (RFC 9207).
    fn answer<'a>(&'a self, app: &'a App, mut pairs: Vec<(&'a str, &'a str)>) -> String {
        if let Some(state) = &self.state {
            pairs.push(("state", state));
        }
        pairs.push(("iss", &app.public_url));
        with_query(&self.redirect_uri, pairs)
    }

    /// Where the client is told of an error.
    pub(super) fn error_address(&self, app: &App, error: &OauthError) -> String {
        let pairs = vec![
            ("error", error.code.as_str()),
            ("error_description", error.text),
        ];
        self.answer(app, pairs)
    }

    /// The host that the answer goes to, or the scheme of an application on this machine.
    pub(super) fn destination(&self) -> &str {
        match self.redirect_uri.split_once("://") {
            Some(("http" | "https", rest)) => rest.split(['/', '?']).next().unwrap_or(rest),
            _ => self.redirect_uri.split(':').next().unwrap_or(""),
        }
    }

    /// The address of the same request with a parameter of ours, to come back to.
    fn again(&self, parameters: &Parameters) -> String {
        format!("/oauth2/authorize?{}", parameters.encode())
    }

    pub(super) fn wanted(&self) -> Result<Wanted, OauthError> {
        let invalid = |text| OauthError::new(Code::InvalidRequest, text);
        let parameters = &self.parameters;
        for (name, code) in [
            ("request", Code::RequestNotSupported),
            ("request_uri", Code::RequestUriNotSupported),
        ] {
            if parameters.get(name).is_some() {
                return Err(OauthError::new(code, "request objects are not supported"));
            }
        }
        match parameters.require("response_type", "response_type is missing")? {
            "code" => {}
            _ => {
                let text = "response_type is code; others put tokens into addresses";
                return Err(OauthError::new(Code::UnsupportedResponseType, text));
            }
        }
        if !matches!(parameters.get("response_mode"), None | Some("query")) {
            return Err(invalid("response_mode is query"));
        }
        if !self.client.grants.contains(&Grant::AuthorizationCode) {
            let text = "the client may not sign people in";
            return Err(OauthError::new(Code::UnauthorizedClient, text));
        }
        let seconds = |name| -> Result<Option<i64>, OauthError> {
            parameters
                .get(name)
                .map(|text| text.parse().ok().filter(|age| *age >= 0))
                .map(|age: Option<i64>| {
                    age.ok_or_else(|| invalid("max_age is a number of seconds"))
                })
                .transpose()
        };
        let tenant = parameters
            .get("tenant")
            .map(str::parse)
            .transpose()
            .map_err(|_| invalid("tenant is the id of a tenant"))?;
        Ok(Wanted {
            scopes: issue::scopes(&self.client, parameters.get("scope"))?,
            resources: self.resources()?,
            challenge: self.challenge()?,
            nonce: parameters.get("nonce").map(str::to_owned),
            prompt: prompt(parameters.get("prompt"))?,
            max_age: seconds("max_age")?,
            signed_in_since: seconds(SIGNED_IN_SINCE)?,
            tenant,
        })
    }

    /// RFC 8707, section 2: absolute, without fragment.
    fn resources(&self) -> Result<Vec<String>, OauthError> {
        let resources: Vec<String> = self.parameters.all("resource").map(str::to_owned).collect();
        if resources.iter().any(|uri| uri.contains('#')) {
            let text = "resource has no fragment";
            return Err(OauthError::new(Code::InvalidTarget, text));
        }
        Ok(resources)
    }

    /// RFC 7636, section 4.3: S256, and never plain.
    fn challenge(&self) -> Result<Option<String>, OauthError> {
        let invalid = |text| Err(OauthError::new(Code::InvalidRequest, text));
        let method = self.parameters.get("code_challenge_method");
        match (self.parameters.get("code_challenge"), method) {
            (None, None) if self.client.requires_pkce => {
                invalid("code_challenge is missing: the client has to use PKCE")
            }
            (None, None) => Ok(None),
            (None, Some(_)) => invalid("code_challenge is missing"),
            (Some(_), None | Some("plain")) => {
                invalid("code_challenge_method is S256; plain proves nothing")
            }
            (Some(challenge), Some("S256")) if is_challenge(challenge) => {
                Ok(Some(challenge.to_owned()))
            }
            (Some(_), Some("S256")) => invalid("code_challenge is not one of S256"),
            (Some(_), Some(_)) => invalid("code_challenge_method is S256"),
        }
    }
}

fn prompt(text: Option<&str>) -> Result<Prompt, OauthError> {
    let mut prompt = Prompt::default();
    for word in text
        .unwrap_or("")
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            "create" => prompt.create = true,
            _ => {
                let text = "prompt is none, login, consent, select_account or create";
                return Err(OauthError::new(Code::InvalidRequest, text));
            }
        }
    }
    let others = Prompt {
        none: false,
        ..prompt
    };
    if prompt.none && others != Prompt::default() {
        let text = "prompt none goes with no other";
        return Err(OauthError::new(Code::InvalidRequest, text));
    }
    Ok(prompt)
}

async fn authorize(
    app: &App,
    visitor: &Anonymous,
    asked: &Asked,
    now: Now,
) -> Result<Response, Stop> {
    let wanted = asked.wanted()?;
    let login = signed_in(visitor, asked, &wanted, now).await?;
    let mut tx = app.db.platform_tx().await?;
    let choice = consent::choose(&mut tx, &login, asked, &wanted, now).await?;
    let tenant = match choice {
        consent::Choice::Tenant(tenant) => tenant,
        consent::Choice::Refused(error) => return Err(error.into()),
        consent::Choice::Ask(question) if wanted.prompt.none => {
            return Err(question.as_error().into());
        }
        consent::Choice::Ask(question) => {
            tx.commit().await?;
            let page = consent::page(visitor, asked, &question);
            return Err(Stop::Page(page?));
        }
    };
    let code = grant(app, &mut tx, (asked, &wanted), (&login, tenant), now).await?;
    tx.commit().await?;
    let answer = asked.answer(app, vec![("code", code.reveal())]);
    Ok(found(&answer))
}

/// Who is signed in as this request wants it; else there is sign-in first.
async fn signed_in(
    visitor: &Anonymous,
    asked: &Asked,
    wanted: &Wanted,
    now: Now,
) -> Result<Login, Stop> {
    let login = visitor.login().await?;
    let age = |login: &Login| now.unix_seconds() - login.auth_time.unix_timestamp();
    let is_fresh = |login: &Login| {
        let since = wanted.signed_in_since.unwrap_or(0);
        wanted
            .max_age
            .is_none_or(|max| max == 0 || age(login) <= max)
            && login.auth_time.unix_timestamp() >= since
    };
    // max_age=0 asks for what prompt=login asks for (OpenID Connect Core, section 3.1.2.1).
    let is_asked_anew = wanted.prompt.login
        || wanted.prompt.select_account
        || (wanted.max_age == Some(0) && wanted.signed_in_since.is_none());
    match login.filter(is_fresh) {
        Some(login) if !is_asked_anew => Ok(login),
        _ if wanted.prompt.none => {
            let text = "nobody is signed in, or not lately enough";
            Err(OauthError::new(Code::LoginRequired, text).into())
        }
        _ => {
            let parameters = asked.without_prompt(is_asked_anew, now);
            let next = asked.again(&parameters);
            let path = if wanted.prompt.create {
                "/signup"
            } else {
                "/login"
            };
            let mut pairs = vec![("next", next.as_str())];
            if let Some(hint) = asked.parameters.get("login_hint") {
                pairs.push(("login_hint", hint));
            }
            Err(Stop::Page(go_to(&with_query(path, pairs))?))
        }
    }
}

impl Asked {
    /// What is asked for once somebody signed in: not to sign in again.
    fn without_prompt(&self, is_asked_anew: bool, now: Now) -> Parameters {
        let rest: Vec<&str> = self
            .parameters
            .get("prompt")
            .unwrap_or("")
            .split(' ')
            .filter(|word| *word == "consent")
            .collect();
        let prompt = Some(rest.join(" ")).filter(|text| !text.is_empty());
        let parameters = self.parameters.with("prompt", prompt);
        if is_asked_anew {
            parameters.with(SIGNED_IN_SINCE, Some(now.unix_seconds().to_string()))
        } else {
            parameters
        }
    }
}

async fn grant(
    app: &App,
    tx: &mut PlatformTx,
    (asked, wanted): (&Asked, &Wanted),
    (login, tenant): (&Login, TenantId),
    now: Now,
) -> Result<PlainCode, Stop> {
    let client = &asked.client;
    if !wanted.resources.is_empty() {
        let apis = oauth_grants::find_apis(tx, tenant).await?;
        issue::audiences(app, &apis.unwrap_or_default(), &wanted.resources)?;
    }
    let code = PlainCode::mint(&random::bytes());
    let refreshes = client.grants.contains(&Grant::RefreshToken);
    let lifetime = if refreshes {
        Duration::seconds(i64::from(client.refresh_token_seconds))
    } else {
        CODE_LIFETIME
    };
    let grant = OauthGrant {
        id: Uuid::now_v7(),
        tenant_id: tenant,
        client_id: client.id,
        user_id: login.user,
        login_id: Some(login.id),
        scopes: wanted.scopes.clone(),
        resources: wanted.resources.clone(),
        nonce: wanted.nonce.clone(),
        auth_time: login.auth_time,
        amr: login.amr.clone(),
        expires_at: now.0 + lifetime,
    };
    let new = NewCode {
        hash: code.hash(),
        redirect_uri: &asked.redirect_uri,
        challenge: wanted.challenge.as_deref(),
        expires_at: now.0 + CODE_LIFETIME,
    };
    oauth_grants::insert(tx, &grant, &new).await?;
    Ok(code)
}

/// RFC 9700, section 4.12: never 307, which would send a form on.
fn found(address: &str) -> Response {
    let Ok(location) = http::HeaderValue::from_str(address) else {
        return Problem::not_found("page").into_response();
    };
    (
        http::StatusCode::SEE_OTHER,
        [(http::header::LOCATION, location)],
    )
        .into_response()
}
