//! The frame of the pages: sessions and who is signed in, forms that only our own pages can send,
//! headers that every page carries, and problems shown as pages.
//!
//! A noun's page routes are collected by [`router`]; its handlers take one of the extractors
//! [`Anonymous`], [`SignedIn`], [`Member`] and [`Operator`], which say who may come in, and return
//! [`Answer`].

mod forms;
mod headers;
mod nonce;
mod people;
mod problems;
mod session;
#[cfg(test)]
mod tests;
mod way;

use axum::Router;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{StatusCode, header};
use web::forms::FormErrors;

use crate::action::ActionError;
use crate::app::App;
use crate::deadline::{self, ANSWER_WITHIN};
use crate::problem::Problem;

pub(crate) use forms::{FormKey, IMPORT_FORM_BYTES_MAX, UPLOAD_FORM_BYTES_MAX};
pub(crate) use nonce::{Nonce, once};
pub(crate) use people::{Anonymous, Member, Operator, SignedIn};
pub(crate) use session::{Login, SIGNED_UP_AT, SignIn, amr};
pub(crate) use way::{APPLICATIONS, of_accept};

/// What a page handler returns.
pub(crate) type Answer = Result<Response, Failure>;

/// Why there is no page: the frame shows the problem as one.
#[derive(Debug)]
pub(crate) struct Failure(Box<Problem>);

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<ActionError> for Failure {
    fn from(cause: ActionError) -> Self {
        Problem::from(cause).into()
    }
}

impl From<store::Error> for Failure {
    fn from(cause: store::Error) -> Self {
        ActionError::from(cause).into()
    }
}

impl From<tower_sessions::session::Error> for Failure {
    fn from(cause: tower_sessions::session::Error) -> Self {
        match cause {
            tower_sessions::session::Error::Store(_) => {
                tracing::error!(error = %cause, "sessions cannot be read or written");
                Problem::database_unavailable().into()
            }
            cause => Problem::internal(&cause).into(),
        }
    }
}

impl From<crate::passwords::HashError> for Failure {
    fn from(cause: crate::passwords::HashError) -> Self {
        Problem::internal(&cause).into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// A page, ready to print.
pub(crate) fn page(page: &impl web::Template) -> Answer {
    match page.render() {
        Ok(text) => Ok(Html(text).into_response()),
        Err(cause) => Err(Problem::internal(&cause).into()),
    }
}

/// The page of a form that has something wrong in it.
pub(crate) fn invalid(with_errors: &impl web::Template) -> Answer {
    let mut response = page(with_errors)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The page of a form that somebody else's edit overtook: what was typed beside what is saved.
pub(crate) fn edited_meanwhile(with_both: &impl web::Template) -> Answer {
    let mut response = page(with_both)?;
    *response.status_mut() = StatusCode::PRECONDITION_FAILED;
    Ok(response)
}

/// After a form was accepted: the browser fetches the next page.
pub(crate) fn go_to(path: &str) -> Answer {
    Ok(Redirect::to(path).into_response())
}

/// After a form whose answer leads through redirects to another site: browsers that hold forms to
/// this site (CSP `form-action`) follow a page where they do not follow a redirect.
pub(crate) fn go_on(shell: web::layout::Shell, address: String) -> Answer {
    page(&web::pages::consent::GoOn { shell, address })
}

/// What belongs beside the fields of a form, where that is why the action did not take place.
pub(crate) fn form_errors(cause: ActionError) -> Result<FormErrors, Failure> {
    let mut errors = FormErrors::default();
    match cause {
        ActionError::Invalid(found) => found.into_iter().for_each(|error| errors.add(error)),
        ActionError::Conflict(conflict) => {
            let field = conflict.field().unwrap_or(FormErrors::FORM);
            errors.insert(field, conflict.to_string());
        }
        ActionError::EditedMeanwhile => errors.insert(
            FormErrors::FORM,
            "Somebody else changed this in the meantime. Reload the page and repeat your change.",
        ),
        cause => return Err(cause.into()),
    }
    Ok(errors)
}

/// A path of ours to go on to, if it is one: never another site's address (`//host`, `/\host`).
pub(crate) fn own_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let is_ours = !rest.starts_with(['/', '\\'])
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    is_ours.then_some(path)
}

/// All pages within their frame; what is at no address of ours is answered here, too.
pub(crate) fn router(app: &App) -> Router<App> {
    let frame = axum::middleware::from_fn_with_state(app.clone(), forms::protect);
    let shown = axum::middleware::from_fn_with_state(app.clone(), problems::show);
    let pages = Router::new()
        .merge(crate::landing::pages())
        .merge(way::pages())
        .merge(crate::people::pages())
        .merge(crate::oauth::pages())
        .merge(crate::console::pages())
        .merge(crate::subscriptions::pages())
        .merge(crate::api_keys::pages())
        .merge(crate::oauth_clients::pages())
        .merge(crate::usage::pages())
        .merge(crate::invitations::pages())
        .merge(crate::members::pages())
        .merge(crate::groups::pages())
        .merge(crate::identity_providers::pages())
        .merge(crate::tenant_domains::pages())
        .merge(crate::branding::pages())
        .merge(crate::personal_tokens::pages())
        .merge(crate::admin::pages())
        .fallback(|| async { Problem::not_found("page") })
        .method_not_allowed_fallback(|| async {
            let detail = "this page cannot be used that way";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
        })
        .layer(frame)
        .layer(axum::middleware::from_fn_with_state(
            ANSWER_WITHIN,
            deadline::limit,
        ))
        .layer(shown)
        .layer(session::layer(app))
        .layer(axum::middleware::from_fn_with_state(
            app.clone(),
            headers::add,
        ));
    Router::new()
        .route("/static/{*file}", get(asset))
        .merge(crate::branding::served())
        .merge(pages)
}

/// Addressed by content, so that a copy is good for ever.
async fn asset(axum::extract::Path(file): axum::extract::Path<String>) -> Response {
    let Some(asset) = web::assets::find(&file) else {
        return Problem::not_found("file").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.content_type.to_owned()),
        (header::ETAG, asset.etag),
        (
            header::CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, asset.bytes.into_owned()).into_response()
}

#[cfg(test)]
mod own_paths {
    use super::*;

    #[test]
    fn only_paths_of_our_own_are_gone_on_to() {
        for (path, is_ours) in [
            ("/t/ten_1/keys?cursor=a", true),
            ("/", true),
            ("//evil.example", false),
            ("/\\evil.example", false),
            ("/a\\b", false),
            ("https://evil.example", false),
            ("/\tx", false),
            ("", false),
        ] {
            assert_eq!(own_path(path).is_some(), is_ours, "{path:?}");
        }
    }
}
