//! Answers that the node makes itself: problems (RFC 9457), preflights, redirects.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use policy::cors::Cors;
use policy::{LimitReport, LocalAnswer, Refusal, RefusalCode};
use snapshot::usage::Class;

use super::body::AnswerBody;
use super::exchange::{Exchange, Subject};
use super::identity::REQUEST_ID;
use super::refusal::EdgeRefusal;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What `policy` refused.
pub(super) fn refusal(refusal: &Refusal, mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let code = refusal.code;
    let origin = exchange.origin.take();
    exchange.subject = Subject {
        tenant_id: refusal.tenant_id,
        key_id: refusal.key_id,
        route_id: refusal.route().map(|route| route.id),
    };
    exchange.refused_as = class_of(code);
    let text = Text {
        code: code.code(),
        message: code.message(),
        detail: code.detail(),
    };
    let mut response = problem(code.status(), &text, exchange);
    let headers = response.headers_mut();
    add_limits(headers, &refusal.limits);
    if let Some(seconds) = refusal.retry_after_s {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = refusal.challenge() {
        insert(headers, "www-authenticate", &challenge);
    }
    add_cors(headers, refusal.cors(), origin.as_ref());
    if let Some(allow) = refusal
        .allow
        .as_deref()
        .and_then(|allow| allow.parse().ok())
    {
        headers.insert(header::ALLOW, allow);
    }
    response
}

/// What the edge refused, or could not do.
pub(super) fn edge_refusal(refusal: EdgeRefusal, exchange: Box<Exchange>) -> Response<AnswerBody> {
    let mut added = HeaderMap::new();
    if let Some(permit) = &exchange.permit {
        add_cors(&mut added, permit.cors(), exchange.origin.as_ref());
        add_limits(&mut added, permit.limits());
    }
    let mut response = problem(refusal.status(), &refusal.into(), exchange);
    let headers = response.headers_mut();
    headers.extend(added);
    if let Some(seconds) = refusal.retry_after_s() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.closes_connection() {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What `policy` answered in the upstream's stead.
pub(super) fn local(answer: &LocalAnswer, mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    exchange.status = status.as_u16();
    let mut response = Response::new(AnswerBody::ready(Bytes::new(), exchange));
    *response.status_mut() = status;
    for (name, value) in &answer.headers {
        insert(response.headers_mut(), name, value);
    }
    response
}

/// A field whose value comes from a snapshot: one that cannot stand in a header is left out.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

/// The route's CORS headers instead of whatever the upstream said.
pub(super) fn add_cors(headers: &mut HeaderMap, cors: Option<&Cors>, origin: Option<&HeaderValue>) {
    let Some(cors) = cors else { return };
    let said: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("access-control-"))
        .cloned()
        .collect();
    for name in said {
        headers.remove(name);
    }
    let origin = origin.and_then(|origin| origin.to_str().ok());
    for (name, value) in cors.response_headers(origin) {
        insert(headers, name, value);
    }
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
pub(super) fn add_limits(headers: &mut HeaderMap, limits: &LimitReport) {
    let Some((policy, state)) = limits.header_values() else {
        return;
    };
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
        if !text.is_empty()
            && let Ok(value) = HeaderValue::from_bytes(text.as_bytes())
        {
            headers.insert(name, value);
        }
    }
}

fn class_of(code: RefusalCode) -> Class {
    match code {
        RefusalCode::RateExceeded
        | RefusalCode::ConcurrencyExceeded
        | RefusalCode::TooManyFailures => Class::Throttled,
        RefusalCode::QuotaExceeded => Class::QuotaExceeded,
        _ => Class::Denied,
    }
}

/// What a problem says.
pub(super) struct Text {
    code: &'static str,
    message: &'static str,
    detail: &'static str,
}

impl From<EdgeRefusal> for Text {
    fn from(refusal: EdgeRefusal) -> Self {
        Self {
            code: refusal.code(),
            message: refusal.message(),
            detail: refusal.detail(),
        }
    }
}

fn problem(status: u16, text: &Text, mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    exchange.status = status.as_u16();
    exchange.code = Some(text.code);
    let request_id = exchange.request_id.clone();
    let body = problem_body(status, text, &request_id);
    let mut response = Response::new(AnswerBody::ready(Bytes::from(body), exchange));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(REQUEST_ID, request_id);
    response
}

/// All parts are fixed texts without anything that JSON escapes, but for the request id, which was
/// made here or checked.
pub(super) fn problem_body(status: StatusCode, text: &Text, request_id: &HeaderValue) -> String {
    let mut body = String::with_capacity(320);
    // Writing to memory does not fail.
    let _ = write!(
        body,
        "{{\"type\":\"about:blank\",\"title\":\"{}\",\"status\":{},\"detail\":\"{}\",\
         \"code\":\"{}\",\"message\":\"{}\",\"request_id\":\"{}\",\"errors\":[]}}",
        status.canonical_reason().unwrap_or_default(),
        status.as_u16(),
        text.detail,
        text.code,
        text.message,
        request_id.to_str().unwrap_or_default(),
    );
    body
}
