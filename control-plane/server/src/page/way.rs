//! How somebody came to a page: from which application's request, and in which language. All of it
//! stands in the request itself, so that it survives every step without being stored.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_extra::extract::cookie::{Cookie, SameSite};
use axum_extra::extract::{CookieJar, Form};
use domain::id::ClientId;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use time::Duration;
use web::language::Language;
use web::layout::Way;

use super::session::{cookie_name, is_https};
use super::{Anonymous, Answer, go_on, go_to, own_path};
use crate::app::App;

/// Where applications send their people.
pub(crate) const APPLICATIONS: &str = "/oauth2/authorize?";
const INVITATIONS: &str = "/invitations/";
const UI_LOCALES: &str = "ui_locales";
const KEPT_FOR: Duration = Duration::days(365);

/// The language that somebody reads, also where the page itself is in English, as the console is.
#[derive(Clone, Copy)]
pub(crate) struct Reader(pub Language);

pub(super) fn pages() -> Router<App> {
    Router::new().route("/language", post(choose))
}

/// Whose application leads here, as its request says.
#[derive(Clone, Copy)]
pub(super) struct LedBy(pub ClientId);

/// Reads the way of a request; `body` is what its form sends.
pub(super) fn read(app: &App, parts: &Parts, body: &[u8]) -> (Way, Reader, Option<LedBy>) {
    let query = parts.uri.query().unwrap_or_default();
    let path = parts.uri.path();
    let next = parameter(body, "next")
        .or_else(|| parameter(query.as_bytes(), "next"))
        .filter(|next| own_path(next).is_some())
        .filter(|next| next.starts_with(APPLICATIONS) || next.starts_with(INVITATIONS));
    let request = match path {
        "/oauth2/authorize" | "/oauth/authorize" | "/logout" if !query.is_empty() => {
            Some(query.to_owned())
        }
        "/oauth2/consent" | "/logout" => parameter(body, "request"),
        _ => next
            .as_deref()
            .and_then(|next| next.strip_prefix(APPLICATIONS))
            .map(str::to_owned),
    };
    let reader = request
        .as_ref()
        .and_then(|request| parameter(request.as_bytes(), UI_LOCALES))
        .and_then(|tags| Language::of_locales(&tags))
        .unwrap_or_else(|| of_browser(app, &parts.headers));
    let way = Way {
        language: if is_console(path) {
            Language::English
        } else {
            reader
        },
        here: here(parts, next.as_deref(), request.as_deref()),
        next_query: next.as_deref().map(next_query).unwrap_or_default(),
        next,
        brand: None,
    };
    let client = request
        .as_ref()
        .and_then(|request| parameter(request.as_bytes(), "client_id"))
        .and_then(|id| id.parse().ok());
    (way, Reader(reader), client.map(LedBy))
}

/// What the person picked, else what their browser asks for.
fn of_browser(app: &App, headers: &HeaderMap) -> Language {
    let jar = CookieJar::from_headers(headers);
    jar.get(&cookie(app))
        .and_then(|cookie| Language::of_tag(cookie.value()))
        .or_else(|| of_accept(headers))
        .unwrap_or_default()
}

/// What a browser or a program asks for.
pub(crate) fn of_accept(headers: &HeaderMap) -> Option<Language> {
    let accept = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
    Language::of_accept(accept)
}

/// Where a sign-up without a password leads on.
const NEW_PASSKEY: &str = "/account/passkeys/new";

/// Pages of the console and the operators, and the one about the product, are in English.
fn is_console(path: &str) -> bool {
    path == "/"
        || path != NEW_PASSKEY
            && ["/t/", "/admin", "/account", "/console"]
                .iter()
                .any(|start| path.starts_with(start))
}

/// The address that shows this page again.
fn here(parts: &Parts, next: Option<&str>, request: Option<&str>) -> Option<String> {
    let path = parts.uri.path();
    if parts.method != Method::POST {
        return parts.uri.path_and_query().map(ToString::to_string);
    }
    Some(match (path, request) {
        ("/oauth2/consent", Some(request)) => format!("{APPLICATIONS}{request}"),
        ("/logout", Some(request)) => format!("/logout?{request}"),
        _ => {
            let path = path.replace("/signup/resend", "/signup/confirm");
            format!("{path}{}", next.map(next_query).unwrap_or_default())
        }
    })
}

/// Says in which language the page is, where it could be in others (RFC 9110, sections 8.5 and
/// 12.5.5).
pub(super) fn tell(way: &Way, path: &str, response: &mut Response) {
    let headers = response.headers_mut();
    let is_page = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !is_page {
        return;
    }
    let tag = HeaderValue::from_static(way.language.tag());
    headers.insert(header::CONTENT_LANGUAGE, tag);
    if !is_console(path) {
        let vary = HeaderValue::from_static("accept-language, cookie");
        headers.append(header::VARY, vary);
    }
}

fn next_query(next: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", next);
    format!("?{}", query.finish())
}

fn parameter(encoded: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(encoded)
        .find(|(found, value)| found == name && !value.is_empty())
        .map(|(_, value)| value.into_owned())
}

fn cookie(app: &App) -> String {
    cookie_name(&app.public_url, "tollgate_language")
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    language: String,
    /// The page to come back to.
    #[serde(default)]
    back: String,
}

/// `POST /language`: keeps what somebody picked, and goes back.
async fn choose(State(app): State<App>, visitor: Anonymous, Form(form): Form<Choice>) -> Answer {
    let back = own_path(&form.back).unwrap_or("/login");
    let Some(language) = Language::of_tag(&form.language) else {
        return go_to(back);
    };
    let back = asked_in(back, language);
    let kept = Cookie::build((cookie(&app), language.tag()))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(is_https(&app.public_url))
        .max_age(KEPT_FOR);
    let jar = CookieJar::new().add(kept);
    let answer = match back.starts_with(APPLICATIONS) {
        // May lead on to the application.
        true => go_on(visitor.shell(), back)?,
        false => go_to(&back)?,
    };
    Ok((jar, answer).into_response())
}

/// The address with the application's wish replaced by the person's, wherever it stands in it.
fn asked_in(address: &str, language: Language) -> String {
    let Some((path, query)) = address.split_once('?') else {
        return address.to_owned();
    };
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| match name.as_ref() {
            UI_LOCALES => (name.into_owned(), language.tag().to_owned()),
            "next" if value.starts_with(APPLICATIONS) => {
                (name.into_owned(), asked_in(&value, language))
            }
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_picks_replaces_what_the_application_wished() {
        for (address, expected) in [
            ("/login", "/login"),
            ("/login?next=%2Ft%2Ften_1", "/login?next=%2Ft%2Ften_1"),
            (
                "/oauth2/authorize?a=b&ui_locales=de+en",
                "/oauth2/authorize?a=b&ui_locales=fr",
            ),
            (
                "/signup?next=%2Foauth2%2Fauthorize%3Fui_locales%3Dde%26state%3Da%2526b",
                "/signup?next=%2Foauth2%2Fauthorize%3Fui_locales%3Dfr%26state%3Da%2526b",
            ),
        ] {
            assert_eq!(asked_in(address, Language::French), expected);
        }
    }
}
