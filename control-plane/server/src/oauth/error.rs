//! Errors as OAuth names them: codes of RFC 6749 (sections 4.1.2.1 and 5.2), RFC 6750 (section 3.1),
//! RFC 8707 (section 2) and OpenID Connect Core (section 3.1.2.6).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::action::ActionError;
use crate::problem::Problem;

macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        /// The closed set of codes that clients see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code { $($name,)* }

        impl Code {
            pub(crate) fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }
        }
    };
}

codes! {
    InvalidRequest = "invalid_request";
    InvalidClient = "invalid_client";
    InvalidGrant = "invalid_grant";
    UnauthorizedClient = "unauthorized_client";
    UnsupportedGrantType = "unsupported_grant_type";
    InvalidScope = "invalid_scope";
    InvalidTarget = "invalid_target";
    AccessDenied = "access_denied";
    UnsupportedResponseType = "unsupported_response_type";
    LoginRequired = "login_required";
    ConsentRequired = "consent_required";
    AccountSelectionRequired = "account_selection_required";
    RequestNotSupported = "request_not_supported";
    RequestUriNotSupported = "request_uri_not_supported";
    InvalidToken = "invalid_token";
    InsufficientScope = "insufficient_scope";
    ServerError = "server_error";
    TemporarilyUnavailable = "temporarily_unavailable";
    SlowDown = "slow_down";
}

/// What a client is told. The text is for its developer.
#[derive(Debug)]
pub(crate) struct OauthError {
    pub code: Code,
    pub text: &'static str,
    /// Seconds until it is worth trying again.
    retry_after_s: Option<i64>,
    /// The client used HTTP Basic: the answer has to name it (RFC 6749, section 5.2).
    challenges_basic: bool,
    status: Option<StatusCode>,
}

impl OauthError {
    pub(crate) fn new(code: Code, text: &'static str) -> Self {
        Self {
            code,
            text,
            retry_after_s: None,
            challenges_basic: false,
            status: None,
        }
    }

    pub(crate) fn client(text: &'static str, challenges_basic: bool) -> Self {
        Self {
            challenges_basic,
            ..Self::new(Code::InvalidClient, text)
        }
    }

    pub(crate) fn too_many(seconds: i64) -> Self {
        Self {
            retry_after_s: Some(seconds.max(1)),
            ..Self::new(Code::SlowDown, "too many failed attempts; try again later")
        }
    }

    fn status(&self) -> StatusCode {
        self.status.unwrap_or(match self.code {
            Code::InvalidClient | Code::InvalidToken => StatusCode::UNAUTHORIZED,
            Code::InsufficientScope => StatusCode::FORBIDDEN,
            Code::SlowDown => StatusCode::TOO_MANY_REQUESTS,
            Code::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            Code::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        })
    }
}

impl From<ActionError> for OauthError {
    fn from(cause: ActionError) -> Self {
        let problem = Problem::from(cause);
        let (code, text) = if problem.status() == StatusCode::SERVICE_UNAVAILABLE {
            let text = "the database cannot be reached; try again";
            (Code::TemporarilyUnavailable, text)
        } else {
            tracing::error!(code = problem.code, detail = %problem.detail, "OAuth request failed");
            (Code::ServerError, "something is wrong on this side")
        };
        Self {
            status: Some(problem.status()).filter(StatusCode::is_server_error),
            ..Self::new(code, text)
        }
    }
}

impl From<store::Error> for OauthError {
    fn from(cause: store::Error) -> Self {
        ActionError::from(cause).into()
    }
}

impl From<super::keys::KeyError> for OauthError {
    fn from(cause: super::keys::KeyError) -> Self {
        tracing::error!(error = %crate::problem::Chain(&cause), "a token could not be signed");
        Self::new(Code::ServerError, "something is wrong on this side")
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code.as_str(), "error_description": self.text });
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if self.challenges_basic {
            let basic = HeaderValue::from_static("Basic realm=\"tollgate\", charset=\"UTF-8\"");
            headers.insert(header::WWW_AUTHENTICATE, basic);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// A refused bearer token: the error stands in the challenge (RFC 6750, section 3).
pub(crate) struct BearerError(pub OauthError);

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (code, text) = (self.0.code.as_str(), self.0.text);
        let is_absent = self.0.code == Code::InvalidRequest && self.0.status.is_some();
        let challenge = if is_absent {
            // RFC 6750, section 3.1: who sent no credentials is told no error.
            "Bearer realm=\"tollgate\"".to_owned()
        } else {
            format!("Bearer realm=\"tollgate\", error=\"{code}\", error_description=\"{text}\"")
        };
        let mut response = self.0.into_response();
        if let Ok(value) = HeaderValue::from_str(&challenge) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl BearerError {
    pub(crate) fn missing() -> Self {
        Self(OauthError {
            status: Some(StatusCode::UNAUTHORIZED),
            ..OauthError::new(
                Code::InvalidRequest,
                "send an access token as a bearer token",
            )
        })
    }
}

impl From<store::Error> for BearerError {
    fn from(cause: store::Error) -> Self {
        Self(cause.into())
    }
}
