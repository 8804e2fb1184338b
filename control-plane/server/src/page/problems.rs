//! Problems as pages, for those who read them in a browser.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use tower_sessions::Session;
use web::Template;
use web::language::{Language, Message};
use web::layout::{Nav, Shell, Way};

use super::{session, way};
use crate::app::App;
use crate::problem::{Problem, WRONG_LINK};
use crate::telemetry::RequestId;

/// Around every page: turns a problem into a page of the same status.
pub(super) async fn show(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_for_people = accepts_html(request.headers());
    let (parts, body) = request.into_parts();
    // Of a form's way the frame inside knows more.
    let (asked, _, _) = way::read(&app, &parts, &[]);
    let path = parts.uri.path().to_owned();
    let request = Request::from_parts(parts, body);
    let session = request.extensions().get::<Session>().cloned();
    let id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let way = response.extensions_mut().remove::<Way>().unwrap_or(asked);
    let request_id = id.map_or_else(String::new, |id| id.0);
    if !is_for_people {
        return problem.with_request_id(request_id).into_response();
    }
    let status = problem.status();
    let holder = match &session {
        // Without the database that would only be another wait in vain.
        Some(session) if status != StatusCode::SERVICE_UNAVAILABLE => {
            session::holder(session).await.ok().flatten()
        }
        _ => None,
    };
    let told = Told::of(&problem, way.language);
    let page = web::pages::problem::Problem {
        shell: Shell {
            way: Way {
                language: told.language,
                // What went wrong may go wrong again, and was perhaps no page.
                here: None,
                ..way
            },
            // No form stands on it.
            csrf_token: String::new(),
            person: holder.map(|holder| holder.email),
            flash: None,
            nav: Nav::Public,
        },
        status: status.as_u16(),
        title: told.title,
        detail: told.detail,
        advice: told.advice,
        request_id,
    };
    match page.render() {
        Ok(text) => {
            let mut response = (status, Html(text)).into_response();
            way::tell(&page.shell.way, &path, &mut response);
            response
        }
        Err(_) => problem.into_response(),
    }
}

/// Browsers name HTML when they fetch a page; programs that ask for nothing special get JSON.
fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

/// A problem in words.
struct Told {
    language: Language,
    title: String,
    detail: String,
    advice: String,
}

impl Told {
    /// What people of applications may meet is told in their language, the rest in English.
    fn of(problem: &Problem, language: Language) -> Self {
        let Some(stem) = stem(problem) else {
            return Self {
                language: Language::English,
                title: title(problem),
                detail: sentence(&problem.detail),
                advice: advice(problem.status(), problem.code).to_owned(),
            };
        };
        let text = |part: &str| Message::new(format!("problem-{stem}-{part}"));
        let detail = match problem.detail.strip_prefix(WRONG_LINK) {
            Some(reason) => text("detail").with("reason", reason),
            None => text("detail"),
        };
        Self {
            language,
            title: language.say(&text("title")),
            detail: language.say(&detail),
            advice: language.say(&text("advice")),
        }
    }
}

/// What the keys of its texts have in common.
fn stem(problem: &Problem) -> Option<&'static str> {
    Some(match problem.code {
        "form_expired" => "form-expired",
        "form_too_large" => "form-too-large",
        "invalid_request" if problem.detail.starts_with(WRONG_LINK) => "link",
        "invitation_not_found" => "invitation",
        "not_found" => "not-found",
        "method_not_allowed" => "method",
        "database_unavailable" | "took_too_long" => "unavailable",
        "internal" => "internal",
        _ => return None,
    })
}

fn title(problem: &Problem) -> String {
    match (problem.status(), problem.code) {
        (_, "secret_already_shown") => "This was sent before",
        (_, "tenant_suspended") => "The tenant is suspended",
        (StatusCode::NOT_FOUND, _) => "Page not found",
        (StatusCode::FORBIDDEN, _) => "Not allowed",
        (StatusCode::SERVICE_UNAVAILABLE, _) => "The database cannot be reached",
        (status, _) => return status.canonical_reason().unwrap_or("Error").to_owned(),
    }
    .to_owned()
}

fn advice(status: StatusCode, code: &str) -> &'static str {
    match (status, code) {
        (_, "secret_already_shown") => {
            "Look for it in the console. If the value is lost, rotate or revoke it there."
        }
        (_, "tenant_suspended") => "Ask your operator to resume it.",
        (StatusCode::NOT_FOUND, _) => {
            "Check the address: it may be mistyped, or you may have no access to what is there."
        }
        (_, "operators_only") => "Your own console is one click away.",
        (StatusCode::FORBIDDEN, _) => "Ask an owner or admin of the tenant.",
        (StatusCode::SERVICE_UNAVAILABLE, _) => {
            "Gateways keep serving meanwhile. Try again in a minute."
        }
        (StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED, _) => {
            "Go back, reload the page and look at how it stands now."
        }
        _ if status.is_server_error() => {
            "Try again in a minute. If it stays, tell your operator the request id."
        }
        _ => "Go back and try again.",
    }
}

/// Details are written for the middle of a line.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut text: String = first.to_uppercase().chain(letters).collect();
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}
