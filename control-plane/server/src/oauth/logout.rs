//! `/logout`: in both forms, OpenID Connect RP-Initiated Logout 1.0 (`id_token_hint`,
//! `post_logout_redirect_uri`, `state`) and Amazon Cognito's (`client_id`, `logout_uri`).

use axum::extract::{RawQuery, State};
use axum_extra::extract::Form;
use domain::id::ClientId;
use domain::oauth_client::OauthClient;
use domain::token::IdClaims;
use serde::Deserialize;
use web::pages::sign_in::SignOut;

use super::issue;
use super::parameters::{Parameters, with_query};
use crate::app::App;
use crate::clock::Now;
use crate::page::{Anonymous, Answer, Failure, go_on, go_to, own_path, page};
use crate::problem::Problem;

/// A request that may be followed.
struct Asked {
    /// Where to go afterwards.
    destination: Option<String>,
    /// Whom the id token is about; it proves that the application signed them in.
    subject: Option<String>,
    /// An application that named itself, and where it registered to go on.
    client: Option<ClientId>,
}

pub(super) async fn show(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    RawQuery(query): RawQuery,
) -> Answer {
    let query = query.unwrap_or_default();
    let asked = ask(&app, query.as_bytes(), now).await?;
    let login = visitor.login().await?;
    let is_known = match (&login, asked.client) {
        (Some(login), Some(client)) => {
            let mut tx = app.db.platform_tx().await?;
            let given = store::oauth_grants::has_given(&mut tx, login.user, client).await?;
            tx.commit().await?;
            given
        }
        _ => false,
    };
    let is_theirs = match (&login, &asked.subject) {
        (Some(login), Some(subject)) => *subject == login.user.to_string(),
        // Section 2: without a hint, or with somebody else's, the person is asked; an application
        // that they have used is believed when it names a registered address, as it is at Cognito.
        (Some(_), None) => is_known,
        (None, _) => true,
    };
    if !is_theirs {
        return page(&SignOut {
            shell: visitor.shell(),
            request: query,
        });
    }
    visitor.sign_out(&app, now).await?;
    go_to(asked.destination.as_deref().unwrap_or("/"))
}

#[derive(Deserialize)]
pub(super) struct SignOutForm {
    /// The query that the question was asked for; none: our own button.
    #[serde(default)]
    request: String,
    /// A page of ours to come back to.
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_out(
    State(app): State<App>,
    visitor: Anonymous,
    now: Now,
    Form(form): Form<SignOutForm>,
) -> Answer {
    let asked = ask(&app, form.request.as_bytes(), now).await?;
    let shell = visitor.shell();
    visitor.sign_out(&app, now).await?;
    match asked.destination {
        Some(destination) => go_on(shell, destination),
        None => go_to(own_path(&form.next).unwrap_or("/")),
    }
}

async fn ask(app: &App, query: &[u8], now: Now) -> Result<Asked, Failure> {
    let wrong = |reason: &str| Failure::from(Problem::wrong_link(reason));
    let parameters = Parameters::parse(query).map_err(|error| wrong(error.text))?;
    let hint = match parameters.get("id_token_hint") {
        None => None,
        Some(hint) => Some(
            claims(app, hint, now)
                .await
                .ok_or_else(|| wrong("id_token_hint is not ours"))?,
        ),
    };
    let named = parameters.get("client_id");
    if let (Some(named), Some(hint)) = (named, &hint)
        && named != hint.aud
    {
        return Err(wrong("id_token_hint is of another client"));
    }
    let id = named.or(hint.as_ref().map(|hint| hint.aud.as_str()));
    let client = match id {
        None => None,
        Some(id) => Some(
            find_client(app, id, now)
                .await?
                .ok_or_else(|| wrong("client_id is not one of a client here"))?,
        ),
    };
    let wanted = parameters
        .get("post_logout_redirect_uri")
        .or(parameters.get("logout_uri"));
    let destination = match (wanted, &client) {
        (None, _) => None,
        (Some(_), None) => return Err(wrong("client_id or id_token_hint is missing")),
        (Some(uri), Some(client)) if client.may_sign_out_to(uri) => Some(uri),
        (Some(_), Some(_)) => {
            return Err(wrong("the address is not one that the client registered"));
        }
    };
    let state = parameters.get("state").map(|state| ("state", state));
    Ok(Asked {
        client: client
            .filter(|_| destination.is_some())
            .map(|client| client.id),
        destination: destination.map(|uri| with_query(uri, state)),
        subject: hint.map(|hint| hint.sub),
    })
}

/// Of an id token of ours, also one that has run out (section 2).
async fn claims(app: &App, token: &str, now: Now) -> Option<IdClaims> {
    app.token_keys
        .catch_up(token, &app.db, &app.secrets, now)
        .await;
    let claims: IdClaims = app.token_keys.verify(token, issue::ID)?;
    (claims.iss == app.public_url).then_some(claims)
}

async fn find_client(app: &App, id: &str, now: Now) -> Result<Option<OauthClient>, Failure> {
    let Ok(id) = id.parse() else {
        return Ok(None);
    };
    let mut tx = app.db.platform_tx().await?;
    let found = store::oauth_clients::all_tenants_find(&mut tx, id, now.0).await?;
    tx.commit().await?;
    Ok(found.map(|(client, _)| client))
}
