//! Answers: a resource with its ETag, or the reason why there is none.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::action::ActionError;
use crate::problem::Problem;

/// Why a handler ends before its work is done.
#[derive(Debug)]
pub(crate) enum Stop {
    Problem(Box<Problem>),
    /// The creation took place before; this is what it answered.
    Replay(Box<Response>),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Stop::Problem(Box::new(problem))
    }
}

impl From<ActionError> for Stop {
    fn from(cause: ActionError) -> Self {
        Problem::from(cause).into()
    }
}

impl From<store::Error> for Stop {
    fn from(cause: store::Error) -> Self {
        ActionError::from(cause).into()
    }
}

impl IntoResponse for Stop {
    fn into_response(self) -> Response {
        match self {
            Stop::Problem(problem) => problem.into_response(),
            Stop::Replay(response) => *response,
        }
    }
}

/// 200 with a resource and the ETag of its edition.
pub(crate) fn show(edition: i32, resource: &impl Serialize) -> Response {
    with_etag(Json(resource).into_response(), edition)
}

/// 204.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

pub(super) fn with_etag(mut response: Response, edition: i32) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&etag(edition)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Editions count edits, not observations such as last use.
pub(super) fn etag(edition: i32) -> String {
    format!("\"{edition}\"")
}
