//! Brings an admitted request to its upstream and the answer's head back.

use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use policy::Permit;

use super::answer;
use super::body::{AnswerBody, Upload, UploadFault};
use super::core::Core;
use super::exchange::Exchange;
use super::headers::{self, Dropped, Peer};
use super::identity::{self, REQUEST_ID};
use super::refusal::EdgeRefusal;
use super::upstream::{
    Body, ConnectError, Connected, Head, Link, LinkError, Outgoing, Sent, Target, put_field,
};

/// More connections than one request tries, one after the other.
const CONNECTS_MAX: u32 = 5;

/// How long each step of one request may take.
struct Times {
    connect: Duration,
    first_byte: Duration,
    idle: Duration,
}

impl Times {
    fn of(core: &Core, permit: &Permit) -> Self {
        let (own, defaults) = (&permit.route().timeouts, &core.config.timeouts);
        Self {
            connect: own.connect.unwrap_or(defaults.connect),
            first_byte: own.first_byte.unwrap_or(defaults.first_byte),
            idle: own.idle.unwrap_or(defaults.idle),
        }
    }
}

/// Forwards what `exchange.permit` admits.
pub(super) async fn forward(
    core: &Core,
    mut exchange: Box<Exchange>,
    headers: HeaderMap,
    incoming: Incoming,
) -> Response<AnswerBody> {
    let Some(permit) = &exchange.permit else {
        return answer::edge_refusal(EdgeRefusal::UpstreamUnreachable, exchange);
    };
    let client = exchange.client.clone();
    let times = Times::of(core, permit);
    let body_bytes_max = body_bytes_max(core, permit);
    // While connecting nothing moves, and connecting has limits of its own.
    let connecting = times.idle.max(times.connect * CONNECTS_MAX);
    client.wait_for_moves(connecting, exchange.begun.mono_ns);
    if !incoming.is_end_stream() {
        let (clock, first_byte) = (core.clock, times.first_byte);
        let upload = Upload::new(incoming, client.clone(), clock, body_bytes_max, first_byte);
        exchange.upload = Some(upload);
    }
    match send(core, &exchange, &times, &headers).await {
        Ok((head, link)) => {
            client.wait_for_moves(times.idle, core.clock.mono_ns());
            passed(head, link, exchange)
        }
        Err(refusal) => {
            exchange.was_not_reached = refusal == EdgeRefusal::UpstreamUnreachable;
            answer::edge_refusal(refusal, exchange)
        }
    }
}

/// The largest request body that the route takes.
pub(super) fn body_bytes_max(core: &Core, permit: &Permit) -> u64 {
    let default = core.config.limits.body_bytes_max;
    permit.route().body_bytes_max.unwrap_or(default)
}

async fn send(
    core: &Core,
    exchange: &Exchange,
    times: &Times,
    headers: &HeaderMap,
) -> Result<(Head, Box<Link>), EdgeRefusal> {
    let Some(permit) = &exchange.permit else {
        return Err(EdgeRefusal::UpstreamUnreachable);
    };
    let admitted = Admitted {
        exchange,
        permit,
        headers,
    };
    let client = &exchange.client;
    let upload = exchange.upload.as_ref();
    let Connected { mut link, target } = core
        .upstreams
        .connect(core, permit.upstream(), times.connect)
        .await
        .map_err(|error| unreachable(core, permit, &error))?;
    let head = write_head(core, &admitted, &target, link.take_buffer());
    if upload.is_none() {
        client.wait(times.first_byte, core.clock.mono_ns());
    } else {
        client.wait_for_moves(times.idle, core.clock.mono_ns());
    }
    let error = match link.send(outgoing(exchange, head), client).await {
        Sent::Answer(head) => return Ok((head, link)),
        Sent::Expired => return Err(expired(upload)),
        Sent::Failed(error) => error,
    };
    // Only a connection that rested can break before it was any use, and only what may be done
    // twice is sent twice.
    let is_untouched = upload.is_none_or(|upload| upload.is_untouched());
    let again = link
        .take_unanswered(&error, exchange.method.is_idempotent())
        .filter(|_| is_untouched);
    let Some(head) = again else {
        return Err(failed(exchange, &error));
    };
    drop(link);
    let mut link = core
        .upstreams
        .connect_anew(core, target, times.connect)
        .await
        .map_err(|error| unreachable(core, permit, &error))?
        .link;
    match link.send(outgoing(exchange, head), client).await {
        Sent::Answer(head) => Ok((head, link)),
        Sent::Expired => Err(expired(upload)),
        Sent::Failed(error) => Err(failed(exchange, &error)),
    }
}

fn outgoing(exchange: &Exchange, head: Vec<u8>) -> Outgoing {
    Outgoing {
        method: exchange.method.clone(),
        head,
        body: body(exchange),
    }
}

fn body(exchange: &Exchange) -> Body {
    match &exchange.upload {
        None => Body::Empty,
        Some(upload) => match upload.length() {
            Some(length) => Body::Length(upload.clone(), length),
            None => Body::Chunked(upload.clone()),
        },
    }
}

/// A request that may go to its upstream.
struct Admitted<'a> {
    exchange: &'a Exchange,
    permit: &'a Permit,
    /// As the client sent them.
    headers: &'a HeaderMap,
}

/// The request line, what of the client's fields passes, then the node's own: in this order, so
/// that nothing a client says can take away or stand for what the node says.
fn write_head(core: &Core, admitted: &Admitted<'_>, target: &Target, mut out: Vec<u8>) -> Vec<u8> {
    let Admitted {
        exchange,
        permit,
        headers,
    } = admitted;
    let client = &exchange.client;
    let peer = if client.is_trusted_proxy {
        Peer::TrustedProxy
    } else {
        Peer::Other
    };
    put_request_line(&mut out, admitted, &target.path_prefix);
    put_field(&mut out, "host", target.authority.as_bytes());
    let trace = identity::given_trace(headers);
    let dropped = Dropped {
        credentials: [permit.credential_header(), permit.key_header()],
        has_tracestate: trace.is_none(),
    };
    headers::put_request(&mut out, headers, peer, &dropped);
    if let Some(identity) = permit.identity() {
        core.callers.put_identity(&mut out, identity);
    }
    put_field(&mut out, "x-request-id", exchange.request_id.as_bytes());
    identity::put_trace(&mut out, trace, &core.random);
    identity::put_forwarding(&mut out, client, exchange.host.as_ref(), headers);
    put_body_framing(&mut out, exchange, headers);
    out.extend_from_slice(b"\r\n");
    out
}

/// Target's prefix, the route's path, the client's query. All of it was parsed before.
fn put_request_line(out: &mut Vec<u8>, admitted: &Admitted<'_>, path_prefix: &str) {
    let Admitted {
        exchange, permit, ..
    } = admitted;
    out.extend_from_slice(exchange.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(path_prefix.as_bytes());
    out.extend_from_slice(permit.forward_path(exchange.path()).as_bytes());
    if let Some(query) = exchange.uri.query() {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// How the upstream finds the end of the request (RFC 9112, section 6.3; RFC 9110, section 8.6).
fn put_body_framing(out: &mut Vec<u8>, exchange: &Exchange, headers: &HeaderMap) {
    match body(exchange) {
        Body::Chunked(_) => put_field(out, "transfer-encoding", b"chunked"),
        Body::Length(_, length) => {
            // Writing to memory does not fail.
            let _ = write!(out, "content-length: {length}\r\n");
        }
        Body::Empty => {
            let method = &exchange.method;
            let has_meaning = [Method::POST, Method::PUT, Method::PATCH].contains(method);
            if has_meaning || headers.contains_key(header::CONTENT_LENGTH) {
                put_field(out, "content-length", b"0");
            }
        }
    }
}

fn unreachable(core: &Core, permit: &Permit, error: &ConnectError) -> EdgeRefusal {
    if core.may_complain() {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let upstream = permit.upstream().id;
        tracing::warn!(%upstream, %error, cause, "upstream cannot be reached");
    }
    EdgeRefusal::UpstreamUnreachable
}

/// Nothing moved for too long: whose turn was it?
fn expired(upload: Option<&Rc<Upload>>) -> EdgeRefusal {
    if upload.is_some_and(|upload| upload.is_waiting_for_client()) {
        EdgeRefusal::RequestTimeout
    } else {
        EdgeRefusal::UpstreamTimeout
    }
}

/// No answer came: whose fault was it?
fn failed(exchange: &Exchange, error: &LinkError) -> EdgeRefusal {
    match exchange.upload.as_ref().and_then(|upload| upload.fault()) {
        Some(UploadFault::TooSlow) => EdgeRefusal::RequestTimeout,
        Some(UploadFault::TooLarge) => EdgeRefusal::BodyTooLarge,
        Some(UploadFault::Broken) => EdgeRefusal::BadBody,
        None => {
            tracing::debug!(%error, "upstream broke off before its answer");
            EdgeRefusal::UpstreamBadResponse
        }
    }
}

/// The upstream's answer as the client gets it.
fn passed(head: Head, link: Box<Link>, mut exchange: Box<Exchange>) -> Response<AnswerBody> {
    exchange.note_first_byte();
    exchange.status = head.status.as_u16();
    if let Some(upload) = &exchange.upload {
        upload.answered();
    }
    let mut headers = head.headers;
    if let Some(permit) = &exchange.permit {
        answer::add_limits(&mut headers, permit.limits());
        answer::add_cors(&mut headers, permit.cors(), exchange.origin.as_ref());
    }
    headers.insert(REQUEST_ID, exchange.request_id.clone());
    let body = if link.is_end() {
        link.release(exchange.begun.mono_ns);
        AnswerBody::ready(Bytes::new(), exchange)
    } else {
        AnswerBody::upstream(link, exchange)
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = headers;
    response
}
