//! Errors as `application/problem+json` (RFC 9457): the one place that maps errors to status.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// How details start that tell an application's developer what its link to us lacks.
pub const WRONG_LINK: &str = "the application sent you here with a wrong link: ";

/// A problem as its caller sees it: public text and stable code. The cause goes to the log.
#[derive(Debug, Clone)]
pub struct Problem {
    status: u16,
    pub detail: String,
    pub code: &'static str,
    pub request_id: Option<String>,
    /// What the problem is about, where the caller may not know its id.
    pub id: Option<String>,
    pub errors: Vec<FieldProblem>,
}

/// A problem in JSON.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemView<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    /// Stable, for programs.
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// What the problem is about, where the caller may not know its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldProblem],
}

/// What is wrong with one field: an RFC 6901 pointer into the input.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    pub pointer: String,
    pub code: String,
    pub message: String,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            detail: detail.into(),
            code,
            request_id: None,
            id: None,
            errors: Vec::new(),
        }
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn view(&self) -> ProblemView<'_> {
        let title = self.status().canonical_reason().unwrap_or("Error");
        ProblemView {
            kind: format!("urn:tollgate:problem:{}", self.code),
            title,
            status: self.status,
            detail: &self.detail,
            code: self.code,
            message: title,
            request_id: self.request_id.as_deref(),
            id: self.id.as_deref(),
            errors: &self.errors,
        }
    }

    pub fn unauthorized(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// What an application sent somebody here with cannot be followed.
    pub fn wrong_link(reason: &str) -> Self {
        let detail = format!("{WRONG_LINK}{reason}");
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
    }

    pub fn with_request_id(mut self, id: String) -> Self {
        self.request_id = Some(id);
        self
    }

    pub fn database_unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "database_unavailable",
            "the database cannot be reached; try again in a moment",
        )
    }

    /// A failure that is ours: logged with its cause, told without it.
    pub fn internal(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %Chain(cause), "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "something went wrong on our side; the log has it under this request id",
        )
    }
}

impl From<store::Error> for Problem {
    fn from(cause: store::Error) -> Self {
        let store::Error::Unavailable(_) = cause else {
            return Problem::internal(&cause);
        };
        tracing::error!(error = %Chain(&cause), "the database is away");
        Problem::database_unavailable()
    }
}

/// Writes an error with its causes.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(next) = cause {
            write!(f, ": {next}")?;
            cause = next.source();
        }
        Ok(())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, Json(self.view())).into_response();
        // For what stands around: it adds the request's id, or shows a page instead.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"tollgate\""),
            );
        }
        response
    }
}
