//! A request's way through the node: strict reading, one decision, forwarding or an answer.

use std::borrow::Cow;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::header::{self, HeaderMap};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use policy::{Decision, Fact, Guards, Question};

use super::address;
use super::answer;
use super::body::AnswerBody;
use super::connection::Client;
use super::core::Core;
use super::exchange::{Exchange, Head, Subject};
use super::forward;
use super::identity;
use super::refusal::EdgeRefusal;
use super::strict;

pub(super) async fn answer(
    core: Rc<Core>,
    client: Rc<Client>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let now = core.clock.now();
    let (mut parts, incoming) = request.into_parts();
    let strictly = strict::check(&core, &client, &parts);
    client.begin(&parts.method, core.config.timeouts.idle, now.mono_ns);
    let head = Head {
        request_id: identity::request_id(&client, &parts.headers, &core.random, now.unix_ms),
        method: std::mem::replace(&mut parts.method, Method::GET),
        uri: std::mem::take(&mut parts.uri),
        origin: parts.headers.get(header::ORIGIN).cloned(),
    };
    let mut exchange = Exchange::begin(core.clone(), client, head, now);
    let decided = match strictly {
        Ok(()) => decide_with_share(&core, &mut exchange, &parts).await,
        Err(refusal) => Err(refusal),
    };
    let decision = match decided {
        Ok(decision) => decision,
        Err(refusal) => return Ok(answer::edge_refusal(refusal, exchange)),
    };
    let permit = match settle_questions(&core, decision).await {
        Decision::Forward(permit) => permit,
        Decision::Answer(local) => return Ok(answer::local(&local, exchange)),
        Decision::Refuse(refused) => {
            return Ok(answer::refusal(&refused, exchange));
        }
        // Each answer to a question is final.
        Decision::Ask(..) | Decision::AskShare(_) => {
            return Ok(answer::edge_refusal(EdgeRefusal::NotReady, exchange));
        }
    };
    if incoming.size_hint().lower() > forward::body_bytes_max(&core, &permit) {
        // Not admitted: dropping the permit gives back what it took.
        exchange.subject = Subject::of(&permit);
        return Ok(answer::edge_refusal(EdgeRefusal::BodyTooLarge, exchange));
    }
    exchange.admit(permit);
    Ok(forward::forward(&core, exchange, parts.headers, incoming).await)
}

/// Decides once this node's share of the rate is known. A share may be over before the request that
/// waited for it comes to its turn: it is asked for anew, within the time of the first question.
async fn decide_with_share(
    core: &Core,
    exchange: &mut Exchange,
    parts: &Parts,
) -> Result<Decision, EdgeRefusal> {
    let asked_at_ns = core.clock.mono_ns();
    loop {
        let mut question = match decide(core, exchange, parts)? {
            Decision::AskShare(question) => question,
            decision => return Ok(decision),
        };
        let waited = Duration::from_nanos(core.clock.mono_ns() - asked_at_ns);
        question.wait = question.wait.saturating_sub(waited);
        core.shared.ask_for_share(question).await;
    }
}

/// Asks `policy`. Notes on the way what the exchange is logged and forwarded with.
fn decide(core: &Core, exchange: &mut Exchange, parts: &Parts) -> Result<Decision, EdgeRefusal> {
    let Exchange {
        client,
        begun,
        client_ip,
        method,
        uri,
        normal_path,
        host: noted_host,
        ..
    } = exchange;
    let authority = address::authority(parts.version, &parts.headers, uri)?;
    let host = address::host_of(authority)?;
    *noted_host = host_value(authority, &parts.headers);
    if client.is_trusted_proxy {
        *client_ip = address::client_ip(core, client.peer, &parts.headers);
    }
    let path = policy::path::normalise(uri.path()).map_err(|_| EdgeRefusal::BadPath)?;
    let snapshot = core.snapshot().ok_or_else(|| core.absence())?;
    let view = View {
        method,
        host: &host,
        path: &path,
        headers: &parts.headers,
        client_ip: *client_ip,
    };
    let stale_ms = core.shared.stale_ms(*begun);
    let guards = Guards {
        failures: &core.shared.failures,
        tokens: &core.tokens,
    };
    let decision = policy::decide(&snapshot, guards, &view, stale_ms, *begun);
    if let Cow::Owned(path) = path {
        *normal_path = Some(path);
    }
    Ok(decision)
}

/// `Host` as a value, without a copy where the client sent it as such.
fn host_value(authority: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    match headers.get(header::HOST) {
        Some(value) if value == authority => Some(value.clone()),
        _ => HeaderValue::from_str(authority).ok(),
    }
}

/// Finds out what the decision depends on, until it depends on nothing. A question may be asked
/// anew, within the time of the first: what came may be taken by others.
async fn settle_questions(core: &Core, mut decision: Decision) -> Decision {
    let mut asked_at_ns = None;
    loop {
        let (question, pending) = match decision {
            Decision::Ask(question, pending) => (question, pending),
            settled => return settled,
        };
        let now_ns = core.clock.mono_ns();
        let waited_ns = now_ns - *asked_at_ns.get_or_insert(now_ns);
        let fact = match question {
            Question::Lease { slot, wait } => {
                match wait.checked_sub(Duration::from_nanos(waited_ns)) {
                    Some(rest) => core.shared.ask_for_lease(slot, rest).await,
                    None => Fact::StoreAway,
                }
            }
        };
        decision = policy::resume(pending, fact, core.clock.now());
    }
}

/// A request as `policy` sees it.
struct View<'a> {
    method: &'a Method,
    host: &'a str,
    path: &'a str,
    headers: &'a HeaderMap,
    client_ip: IpAddr,
}

impl policy::Request for View<'_> {
    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn host(&self) -> &str {
        self.host
    }

    fn path(&self) -> &str {
        self.path
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name).map(HeaderValue::as_bytes)
    }

    fn header_count(&self, name: &str) -> usize {
        self.headers.get_all(name).iter().count()
    }

    fn client_ip(&self) -> IpAddr {
        self.client_ip
    }
}
