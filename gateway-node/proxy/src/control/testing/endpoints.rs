//! The fake's endpoints: who may call, what comes back, and the ways in which it fails to.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;
use snapshot::chunk::ChunkRequest;
use snapshot::enrol::{self, EnrolRequest};
use snapshot::lease::{self, IncarnationRequest, LeaseRequest};
use snapshot::manifest::manifest_hash;
use snapshot::node_call::{self, Call};
use snapshot::poll::{CHUNKS_PATH, DATA_KEYS_PATH, FRESHNESS_HEADER, PollQuery, SNAPSHOT_PATH};
use snapshot::usage::{self, UsageBatch};

use super::{Fake, unix_ms};

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(super) struct Cut;

pub(super) async fn answer(
    fake: Arc<Fake>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    if fake.state().is_away {
        return Err(Cut);
    }
    let target = head.uri.path_and_query().unwrap().to_string();
    let token = head.headers.get(http::header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if head.uri.path() != enrol::PATH && !fake.is_signed(token, &head.method, &target, &body) {
        return Ok(problem(StatusCode::UNAUTHORIZED, "bad_node_token"));
    }
    if fake.state().is_revoked {
        return Ok(problem(StatusCode::FORBIDDEN, "node_revoked"));
    }
    let path = head.uri.path().to_owned();
    let answered = if path == SNAPSHOT_PATH {
        fake.poll(head.uri.query().unwrap_or_default()).await?
    } else {
        fake.call(&path, &body)
    };
    let mut state = fake.state();
    if state.lost_answers.front().is_some_and(|lost| *lost == path) {
        state.lost_answers.pop_front();
        return Err(Cut);
    }
    Ok(answered)
}

impl Fake {
    fn is_signed(&self, token: Option<&str>, method: &Method, target: &str, body: &[u8]) -> bool {
        let mut state = self.state();
        let Some(((signing, _), token)) = state.node.as_ref().zip(token) else {
            return false;
        };
        let key: [u8; 32] = signing.as_slice().try_into().unwrap();
        let call = Call {
            method: method.as_str(),
            target,
            body,
        };
        let is_good = node_call::verify(token, &key, call, unix_ms() / 1000).is_ok();
        is_good && state.used_tokens.insert(token.to_owned())
    }

    async fn poll(&self, query: &str) -> Result<Response<Full<Bytes>>, Cut> {
        let query = PollQuery::parse(query).unwrap();
        let mut changes = self.changed.subscribe();
        self.state().polls.push(query.clone());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(query.wait_seconds);
        loop {
            changes.borrow_and_update();
            {
                let state = self.state();
                if state.is_away {
                    return Err(Cut);
                }
                if let Some(manifest) = &state.manifest
                    && query.manifest != Some(manifest_hash(manifest))
                {
                    let body = state.snapshot(manifest).encode_to_vec();
                    return Ok(Response::new(Full::new(body.into())));
                }
            }
            let is_over = tokio::time::timeout_at(deadline, changes.changed())
                .await
                .is_err();
            let is_woken = self.state().manifest.is_some() && !self.state().is_away;
            if is_over || is_woken {
                return self.not_modified(&query);
            }
        }
    }

    fn not_modified(&self, query: &PollQuery) -> Result<Response<Full<Bytes>>, Cut> {
        let state = self.state();
        let manifest = state.manifest.as_ref();
        if let Some(manifest) = manifest.filter(|m| query.manifest != Some(manifest_hash(m))) {
            let body = state.snapshot(manifest).encode_to_vec();
            return Ok(Response::new(Full::new(body.into())));
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        if let Some(manifest) = manifest {
            let freshness = state.freshness(manifest).encode_to_vec();
            let value = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(freshness);
            response
                .headers_mut()
                .insert(FRESHNESS_HEADER, value.parse().unwrap());
        }
        Ok(response)
    }

    fn call(&self, path: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let mut state = self.state();
        match path {
            enrol::PATH => respond(state.enrol(EnrolRequest::decode(body).unwrap())),
            CHUNKS_PATH => respond(Ok(state.send_chunks(&ChunkRequest::decode(body).unwrap()))),
            DATA_KEYS_PATH => respond(Ok(state.sealed_keys())),
            lease::INCARNATION_PATH => {
                respond(Ok(state.register(IncarnationRequest::decode(body).unwrap())))
            }
            lease::PATH => respond(state.lease(&LeaseRequest::decode(body).unwrap())),
            usage::PATH => respond(Ok(state.apply_usage(UsageBatch::decode(body).unwrap()))),
            _ => problem(StatusCode::NOT_FOUND, "not_found"),
        }
    }
}

fn respond<M: Message>(answer: Result<M, StatusCode>) -> Response<Full<Bytes>> {
    match answer {
        Ok(message) => Response::new(Full::new(message.encode_to_vec().into())),
        Err(status) => problem(status, "refused"),
    }
}

fn problem(status: StatusCode, code: &str) -> Response<Full<Bytes>> {
    let body = format!(r#"{{"code":"{code}","detail":"said the fake"}}"#);
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
