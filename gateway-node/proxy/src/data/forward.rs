//! Brings an admitted request to its upstream and the answer's head back.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use policy::Permit;

use super::answer;
use super::body::{AnswerBody, RequestBody, Upload, UploadFault};
use super::core::Core;
use super::exchange::Exchange;
use super::headers::{self, Peer};
use super::identity::{self, REQUEST_ID};
use super::refusal::EdgeRefusal;
use super::upstream::{ConnectError, Connected, Link, Sent, Target};

/// More connections than one request tries, one after the other.
const CONNECTS_MAX: u32 = 5;

/// Header fields that are added to a request.
const ADDED_MAX: usize = 12;

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
    let headers = outgoing_headers(core, &exchange, permit, headers);
    if !incoming.is_end_stream() {
        let (clock, first_byte) = (core.clock, times.first_byte);
        let upload = Upload::new(incoming, client.clone(), clock, body_bytes_max, first_byte);
        exchange.upload = Some(upload);
    }
    match send(core, &exchange, &times, headers).await {
        Ok((response, link)) => {
            client.wait_for_moves(times.idle, core.clock.mono_ns());
            passed(response, link, exchange)
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

/// Cleans the client's headers, then adds the node's own: in this order, so that nothing a client
/// says can take away or stand for what the node says.
fn outgoing_headers(
    core: &Core,
    exchange: &Exchange,
    permit: &Permit,
    mut headers: HeaderMap,
) -> HeaderMap {
    let client = &exchange.client;
    let peer = if client.is_trusted_proxy {
        Peer::TrustedProxy
    } else {
        Peer::Other
    };
    // Room for all that is added, at once.
    headers.reserve(ADDED_MAX);
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    headers::clean_request(&mut headers, peer);
    for name in [permit.credential_header(), permit.key_header()]
        .into_iter()
        .flatten()
    {
        headers.remove(name);
    }
    if let Some(identity) = permit.identity() {
        core.callers.add_identity(&mut headers, identity);
    }
    headers.insert(REQUEST_ID, exchange.request_id.clone());
    identity::add_trace(&mut headers, &core.random);
    identity::add_forwarding(&mut headers, client, exchange.host.clone());
    if is_chunked {
        // hyper sends no body with a GET unless it is told to.
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
    }
    headers
}

async fn send(
    core: &Core,
    exchange: &Exchange,
    times: &Times,
    headers: HeaderMap,
) -> Result<(Response<Incoming>, Box<Link>), EdgeRefusal> {
    let Some(permit) = &exchange.permit else {
        return Err(EdgeRefusal::UpstreamUnreachable);
    };
    let client = &exchange.client;
    let upload = exchange.upload.as_ref();
    let mut connected = core
        .upstreams
        .connect(core, permit.upstream(), times.connect)
        .await
        .map_err(|error| unreachable(core, permit, &error))?;
    // Only a connection that rested can break before it was any use, and only what may be done
    // twice is sent twice (RFC 9110, section 9.2.2).
    let spare =
        (connected.link.is_reused && exchange.method.is_idempotent()).then(|| headers.clone());
    let request = build(exchange, permit, headers, &connected.target)?;
    if exchange.upload.is_none() {
        client.wait(times.first_byte, core.clock.mono_ns());
    } else {
        client.wait_for_moves(times.idle, core.clock.mono_ns());
    }
    let failure = match connected.link.send(request, client).await {
        Sent::Answer(response) => return Ok((response, connected.link)),
        Sent::Expired => return Err(expired(upload)),
        Sent::Failed(failure) => failure,
    };
    if let Some(fault) = upload.and_then(|upload| upload.fault()) {
        return Err(faulty(fault));
    }
    let is_untouched = upload.is_none_or(|upload| upload.is_untouched());
    let mut failure = failure;
    let again = match (failure.take_message(), spare) {
        (Some(request), _) => Some(request),
        (None, Some(headers)) if is_untouched => {
            Some(build(exchange, permit, headers, &connected.target)?)
        }
        _ => None,
    };
    let error = failure.into_error();
    let Some(request) = again.filter(|_| connected.link.is_reused && !error.is_parse()) else {
        tracing::debug!(%error, "upstream broke off before its answer");
        return Err(EdgeRefusal::UpstreamBadResponse);
    };
    send_anew(core, exchange, connected, request, times).await
}

/// The second try, on a connection that nobody used before.
async fn send_anew(
    core: &Core,
    exchange: &Exchange,
    broken: Connected,
    request: Request<RequestBody>,
    times: &Times,
) -> Result<(Response<Incoming>, Box<Link>), EdgeRefusal> {
    let Some(permit) = &exchange.permit else {
        return Err(EdgeRefusal::UpstreamUnreachable);
    };
    drop(broken.link);
    let mut connected = core
        .upstreams
        .connect_anew(core, broken.target, times.connect)
        .await
        .map_err(|error| unreachable(core, permit, &error))?;
    match connected.link.send(request, &exchange.client).await {
        Sent::Answer(response) => Ok((response, connected.link)),
        Sent::Expired => Err(expired(exchange.upload.as_ref())),
        Sent::Failed(_) => Err(exchange
            .upload
            .as_ref()
            .and_then(|upload| upload.fault())
            .map_or(EdgeRefusal::UpstreamBadResponse, faulty)),
    }
}

fn build(
    exchange: &Exchange,
    permit: &Permit,
    headers: HeaderMap,
    target: &Target,
) -> Result<Request<RequestBody>, EdgeRefusal> {
    let mut request = Request::new(match &exchange.upload {
        Some(upload) => RequestBody::Upload(upload.clone()),
        None => RequestBody::Empty,
    });
    *request.method_mut() = exchange.method.clone();
    *request.uri_mut() = outgoing_uri(permit, exchange, &target.path_prefix)?;
    *request.headers_mut() = headers;
    let host = target.authority.clone();
    request.headers_mut().insert(header::HOST, host);
    Ok(request)
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

fn faulty(fault: UploadFault) -> EdgeRefusal {
    match fault {
        UploadFault::TooLarge => EdgeRefusal::BodyTooLarge,
        UploadFault::Broken => EdgeRefusal::BadBody,
    }
}

/// Target's prefix, the route's path, the client's query.
fn outgoing_uri(
    permit: &Permit,
    exchange: &Exchange,
    path_prefix: &str,
) -> Result<Uri, EdgeRefusal> {
    let uri = &exchange.uri;
    let path = permit.forward_path(exchange.path());
    let is_same = path_prefix.is_empty() && path == uri.path();
    let given = uri.path_and_query().filter(|_| is_same);
    let path_and_query = match given {
        Some(given) => given.clone(),
        None => {
            let query = uri.query();
            let length = path_prefix.len() + path.len() + query.map_or(0, |query| query.len() + 1);
            let mut text = BytesMut::with_capacity(length);
            text.extend_from_slice(path_prefix.as_bytes());
            text.extend_from_slice(path.as_bytes());
            if let Some(query) = query {
                text.extend_from_slice(b"?");
                text.extend_from_slice(query.as_bytes());
            }
            PathAndQuery::from_maybe_shared(text.freeze()).map_err(|_| EdgeRefusal::BadPath)?
        }
    };
    Ok(Uri::from(path_and_query))
}

/// The upstream's answer as the client gets it.
fn passed(
    response: Response<Incoming>,
    link: Box<Link>,
    mut exchange: Box<Exchange>,
) -> Response<AnswerBody> {
    let (mut parts, incoming) = response.into_parts();
    if !is_understood(&parts.headers) || parts.status.is_informational() {
        // Also 101, which nobody asked for.
        return answer::edge_refusal(EdgeRefusal::UpstreamBadResponse, exchange);
    }
    exchange.note_first_byte();
    exchange.status = parts.status.as_u16();
    if let Some(upload) = &exchange.upload {
        upload.answered();
    }
    headers::clean_response(&mut parts.headers);
    if let Some(permit) = &exchange.permit {
        answer::add_limits(&mut parts.headers, permit.limits());
        answer::add_cors(&mut parts.headers, permit.cors(), exchange.origin.as_ref());
    }
    parts
        .headers
        .insert(REQUEST_ID, exchange.request_id.clone());
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    let body = if incoming.is_end_stream() {
        link.release(exchange.begun.mono_ns);
        AnswerBody::ready(Bytes::new(), exchange)
    } else {
        AnswerBody::upstream(incoming, link, exchange)
    };
    Response::from_parts(parts, body)
}

/// The only transfer coding that was taken off is `chunked`; below another one the body would
/// still be coded, with nothing left to say so.
fn is_understood(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}
