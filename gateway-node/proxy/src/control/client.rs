//! Calls to the control plane: signed by the node, bounded in time and size.

use std::net::IpAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use prost::Message;
use reqwest::Url;
use snapshot::DecodeError;
use snapshot::id::NodeId;
use snapshot::node_call::{self, Call, CallError as SignError, CallKey};

use super::identity::random;
use crate::shared::Clock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A problem document is a few hundred bytes.
const PROBLEM_BYTES_MAX: usize = 16 << 10;
/// Code of the problem that a revoked node gets.
const REVOKED: &str = "node_revoked";
const PROTOBUF: &str = "application/x-protobuf";

/// Why a URL cannot be the control plane's.
#[derive(Debug, thiserror::Error)]
pub enum BadControlPlaneUrl {
    #[error("it is not an absolute URL")]
    Invalid,
    #[error("it must be https; http is for loopback addresses only")]
    NotHttps,
    #[error("it must be scheme, host and port only")]
    NotAnOrigin,
}

/// What a call can come to besides its answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the control plane could not be reached: {}", innermost(.0))]
    Unreachable(#[source] reqwest::Error),
    #[error("the control plane answered {status} {code}: {detail}")]
    Refused {
        status: StatusCode,
        code: String,
        detail: String,
    },
    #[error("the control plane's answer is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the control plane's answer cannot be read: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the call could not be signed: {0}")]
    Sign(#[from] SignError),
}

impl CallError {
    /// Stable, for logs and health.
    pub(crate) fn code(&self) -> &str {
        match self {
            CallError::Unreachable(_) => "control_plane_unreachable",
            CallError::Refused { code, .. } => code,
            CallError::TooLarge { .. } => "answer_too_large",
            CallError::Malformed(cause) => cause.code(),
            CallError::Sign(_) => "cannot_sign",
        }
    }
}

impl CallError {
    /// Whether the control plane says, of this node's own signed call, that it was revoked. Being
    /// unknown is not that: another database may have been restored.
    pub(crate) fn is_revocation(&self) -> bool {
        match self {
            CallError::Refused { status, code, .. } => {
                *status == StatusCode::FORBIDDEN && code == REVOKED
            }
            _ => false,
        }
    }

    /// Whether the control plane may have done what it was asked, though no answer says so.
    pub(crate) fn may_have_taken_effect(&self) -> bool {
        match self {
            CallError::Unreachable(_) | CallError::TooLarge { .. } | CallError::Malformed(_) => {
                true
            }
            CallError::Refused { status, .. } => status.is_server_error(),
            CallError::Sign(_) => false,
        }
    }
}

/// The reason itself stands at the end of reqwest's chain of causes.
fn innermost(cause: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = cause;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    deepest.to_string()
}

/// What may come back, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) timeout: Duration,
    pub(crate) answer_bytes_max: usize,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The control plane as an address, before the node is anyone.
#[derive(Clone, Debug)]
pub(crate) struct ControlPlane {
    http: reqwest::Client,
    base: Url,
    clock: Clock,
}

/// The control plane as an enrolled node calls it.
#[derive(Debug)]
pub(crate) struct SignedCalls {
    control_plane: ControlPlane,
    node: NodeId,
    key: CallKey,
}

/// Reads CONTROL_PLANE_URL: an origin, https unless its host is loopback.
pub(crate) fn parse_url(text: &str) -> Result<Url, BadControlPlaneUrl> {
    let url = Url::parse(text.trim()).map_err(|_| BadControlPlaneUrl::Invalid)?;
    let host = url.host_str().ok_or(BadControlPlaneUrl::Invalid)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        _ => return Err(BadControlPlaneUrl::NotHttps),
    }
    let is_origin = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    is_origin
        .then_some(url)
        .ok_or(BadControlPlaneUrl::NotAnOrigin)
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl ControlPlane {
    pub(crate) fn new(base: Url, clock: Clock) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A signed call is for one address; following it elsewhere would leak it.
            .redirect(reqwest::redirect::Policy::none())
            .tcp_keepalive(Duration::from_secs(15))
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("tollgate-gateway-node/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            builder = builder.no_proxy();
        }
        Ok(Self {
            http: builder.build()?,
            base,
            clock,
        })
    }

    /// A call without a signature: enrolling is the only one.
    pub(crate) async fn post<M: Message, A: Message + Default>(
        &self,
        path: &str,
        message: &M,
        bounds: Bounds,
    ) -> Result<A, CallError> {
        let mut url = self.base.clone();
        url.set_path(path);
        let body = message.encode_to_vec();
        let request = self.http.post(url).body(body);
        let answer = send(request, bounds).await?;
        Ok(snapshot::decode(
            "answer",
            &answer.body,
            bounds.answer_bytes_max,
        )?)
    }

    pub(crate) fn signed(self, node: NodeId, key: CallKey) -> SignedCalls {
        SignedCalls {
            control_plane: self,
            node,
            key,
        }
    }
}

impl SignedCalls {
    /// `target` is a path with an optional query.
    pub(crate) async fn get(&self, target: &str, bounds: Bounds) -> Result<Answer, CallError> {
        self.call(Method::GET, target, Vec::new(), bounds).await
    }

    pub(crate) async fn post<M: Message, A: Message + Default>(
        &self,
        path: &str,
        message: &M,
        bounds: Bounds,
    ) -> Result<A, CallError> {
        self.post_bytes(path, message.encode_to_vec(), bounds).await
    }

    pub(crate) async fn post_bytes<A: Message + Default>(
        &self,
        path: &str,
        body: Vec<u8>,
        bounds: Bounds,
    ) -> Result<A, CallError> {
        let answer = self.call(Method::POST, path, body, bounds).await?;
        Ok(snapshot::decode(
            "answer",
            &answer.body,
            bounds.answer_bytes_max,
        )?)
    }

    async fn call(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
        bounds: Bounds,
    ) -> Result<Answer, CallError> {
        let mut url = self.control_plane.base.clone();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        url.set_path(path);
        url.set_query(query);
        // What is signed is what goes into the request line, whatever the URL made of the target.
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let call = Call {
            method: method.as_str(),
            target: &target,
            body: &body,
        };
        let now_seconds = self.control_plane.clock.now().unix_ms / 1000;
        let token = node_call::sign(self.node, call, &self.key, now_seconds, &random())?;
        let request = self
            .control_plane
            .http
            .request(method, url)
            .bearer_auth(token)
            .body(body);
        send(request, bounds).await
    }
}

async fn send(request: reqwest::RequestBuilder, bounds: Bounds) -> Result<Answer, CallError> {
    let response = request
        .header(header::CONTENT_TYPE, PROTOBUF)
        .timeout(bounds.timeout)
        .send()
        .await
        .map_err(CallError::Unreachable)?;
    let status = response.status();
    let headers = response.headers().clone();
    if status.is_success() || status == StatusCode::NOT_MODIFIED {
        let body = read_body(response, bounds.answer_bytes_max).await?;
        return Ok(Answer {
            status,
            headers,
            body,
        });
    }
    let body = read_body(response, PROBLEM_BYTES_MAX).await?;
    Err(refusal(status, &body))
}

async fn read_body(mut response: reqwest::Response, max: usize) -> Result<Bytes, CallError> {
    let mut body = BytesMut::new();
    while let Some(part) = response.chunk().await.map_err(CallError::Unreachable)? {
        if body.len() + part.len() > max {
            return Err(CallError::TooLarge { max });
        }
        body.extend_from_slice(&part);
    }
    Ok(body.freeze())
}

/// The `code` and `detail` of a problem document (RFC 9457).
fn refusal(status: StatusCode, body: &[u8]) -> CallError {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Problem {
        code: String,
        detail: String,
    }
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    CallError::Refused {
        status,
        code: if problem.code.is_empty() {
            format!("http_{}", status.as_u16())
        } else {
            problem.code
        },
        detail: problem.detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for (text, is_good) in [
            ("https://control.example.com", true),
            ("https://control.example.com:8443/", true),
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://control.example.com", false),
            ("http://192.168.0.1", false),
            ("ftp://localhost", false),
            ("https://control.example.com/tollgate", false),
            ("https://user:word@control.example.com", false),
            ("control.example.com", false),
            ("", false),
        ] {
            assert_eq!(parse_url(text).is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn a_refusal_carries_the_code_of_its_problem() {
        let body = br#"{"code":"node_revoked","detail":"this node was revoked"}"#;
        let revoked = refusal(StatusCode::FORBIDDEN, body);
        assert_eq!(revoked.code(), "node_revoked");
        assert!(revoked.is_revocation());
        assert!(!refusal(StatusCode::BAD_GATEWAY, body).is_revocation());
        let unknown = br#"{"code":"node_unknown"}"#;
        assert!(!refusal(StatusCode::UNAUTHORIZED, unknown).is_revocation());
        assert_eq!(
            refusal(StatusCode::BAD_GATEWAY, b"<html>").code(),
            "http_502"
        );
    }
}
