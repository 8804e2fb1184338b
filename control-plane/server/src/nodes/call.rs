//! Who calls: a node that signed exactly this call, once.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use domain::id::NodeId;
use http::header;
use snapshot::node_call::{self, Call, CallError};

use super::directory::KnownNode;
use crate::app::App;
use crate::clock::Now;
use crate::problem::Problem;

/// No call of a node is larger.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A verified call of a live node, with its body.
#[derive(Debug)]
pub struct NodeCall {
    pub node: NodeId,
    pub body: Bytes,
}

impl NodeCall {
    /// The body as a message of at most the size that any call may have.
    pub fn read<M: prost::Message + Default>(&self, what: &'static str) -> Result<M, Problem> {
        snapshot::decode(what, &self.body, BODY_BYTES_MAX).map_err(|cause| malformed(&cause))
    }
}

/// A body that is not what the endpoint takes.
pub fn malformed(cause: &snapshot::DecodeError) -> Problem {
    Problem::new(
        http::StatusCode::BAD_REQUEST,
        "malformed_message",
        cause.to_string(),
    )
}

impl FromRequest<App> for NodeCall {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (head, body) = request.into_parts();
        let token = head
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| {
                Problem::unauthorized("node_token_missing", "nodes sign every call with their key")
            })?;
        let node = node_call::claimed_node(token).map_err(|cause| refused(&cause))?;
        let known = app.directory.find(&app.db, node).await?;
        let known = known.ok_or_else(unknown)?;
        let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
            .await
            .map_err(|_| {
                Problem::new(
                    http::StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    format!("a call may have at most {BODY_BYTES_MAX} bytes"),
                )
            })?;
        let target = head
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let call = Call {
            method: head.method.as_str(),
            target,
            body: &body,
        };
        let now = Now::read().unix_seconds();
        let claims =
            node_call::verify(token, &known.key, call, now).map_err(|cause| refused(&cause))?;
        if !app.replays.is_first(&claims.jti, now) {
            return Err(Problem::unauthorized(
                "node_token_replayed",
                "this token was used already",
            ));
        }
        known.require_live()?;
        Ok(Self { node, body })
    }
}

/// A node of another deployment, or one that a restored database has never seen.
pub fn unknown() -> Problem {
    Problem::unauthorized(
        "node_unknown",
        "this node is not enrolled here; enrol it with a token",
    )
}

impl KnownNode {
    /// Told to who proved to be that node. It stops serving for good when it hears this, so it is
    /// said of nodes that were revoked and of no others.
    pub fn require_live(&self) -> Result<(), Problem> {
        if self.is_revoked {
            let detail = "this node was revoked; enrol another one, with an empty state directory";
            let status = http::StatusCode::FORBIDDEN;
            return Err(Problem::new(status, "node_revoked", detail));
        }
        Ok(())
    }
}

fn refused(cause: &CallError) -> Problem {
    let code = match cause {
        CallError::Malformed => "node_token_malformed",
        CallError::Signature => "node_token_signature",
        CallError::OtherCall => "node_token_other_call",
        CallError::Time => "node_token_time",
    };
    Problem::unauthorized(code, cause.to_string())
}
