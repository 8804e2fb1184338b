//! What the node adds to a forwarded request: who calls, the request's id and trace, and where it
//! came from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use policy::Identity;
use snapshot::id::{ApiKeyId, TenantId};

use super::connection::Client;
use super::random::Random;

const TENANT_ID: HeaderName = HeaderName::from_static("x-tollgate-tenant-id");
const PLAN: HeaderName = HeaderName::from_static("x-tollgate-plan");
const SUBJECT: HeaderName = HeaderName::from_static("x-tollgate-subject");
const SCOPES: HeaderName = HeaderName::from_static("x-tollgate-scopes");
const KEY_ID: HeaderName = HeaderName::from_static("x-tollgate-key-id");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Bytes of one identity header's value; a longer one is cut.
const VALUE_BYTES_MAX: usize = 1024;
const REQUEST_ID_BYTES_MAX: usize = 128;
/// What a value keeps as it is: visible ASCII but for what would make it ambiguous.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'"').add(b'\\').add(b',');

/// Callers that a core remembers; above, it begins anew.
const CALLERS_MAX: usize = 4096;

/// The header values of the callers that a core has seen: made once, then only counted.
#[derive(Default)]
pub(super) struct Callers(RefCell<HashMap<ApiKeyId, Caller>>);

/// What was said of a caller, and what it was made of.
struct Caller {
    tenant_id: TenantId,
    plan_name: String,
    scopes: Vec<String>,
    values: Values,
}

struct Values {
    tenant_id: HeaderValue,
    plan: HeaderValue,
    key_id: HeaderValue,
    scopes: Option<HeaderValue>,
}

impl Caller {
    fn new(identity: &Identity, key_id: ApiKeyId) -> Self {
        let scopes = identity.scopes();
        Self {
            tenant_id: identity.tenant_id,
            plan_name: identity.plan_name().to_owned(),
            scopes: scopes.to_vec(),
            values: Values {
                tenant_id: shown(&identity.tenant_id),
                plan: encoded(identity.plan_name()),
                key_id: shown(&key_id),
                scopes: shown_scopes(scopes),
            },
        }
    }

    fn is_still(&self, identity: &Identity) -> bool {
        self.tenant_id == identity.tenant_id
            && self.plan_name == identity.plan_name()
            && self.scopes == identity.scopes()
    }
}

impl Callers {
    /// Adds who calls. Headers of these names were dropped before.
    pub(super) fn add_identity(&self, headers: &mut HeaderMap, identity: &Identity) {
        if let Some(subject) = &identity.subject {
            headers.insert(SUBJECT, encoded(subject));
        }
        let Some(key_id) = identity.key_id else {
            headers.insert(TENANT_ID, shown(&identity.tenant_id));
            headers.insert(PLAN, encoded(identity.plan_name()));
            if let Some(scopes) = shown_scopes(identity.scopes()) {
                headers.insert(SCOPES, scopes);
            }
            return;
        };
        let mut known = self.0.borrow_mut();
        if known.len() >= CALLERS_MAX && !known.contains_key(&key_id) {
            known.clear();
        }
        let caller = known
            .entry(key_id)
            .or_insert_with(|| Caller::new(identity, key_id));
        if !caller.is_still(identity) {
            *caller = Caller::new(identity, key_id);
        }
        let values = &caller.values;
        headers.insert(TENANT_ID, values.tenant_id.clone());
        headers.insert(PLAN, values.plan.clone());
        headers.insert(KEY_ID, values.key_id.clone());
        if let Some(scopes) = &values.scopes {
            headers.insert(SCOPES, scopes.clone());
        }
    }
}

fn encoded(value: &str) -> HeaderValue {
    let mut text = BytesMut::with_capacity(value.len());
    put_encoded(&mut text, value);
    header_value(text)
}

/// None where there are none.
fn shown_scopes(scopes: &[String]) -> Option<HeaderValue> {
    let mut text = BytesMut::with_capacity(64);
    for scope in scopes {
        let before = text.len();
        if before > 0 {
            text.put_u8(b' ');
        }
        // A scope that does not fit whole is left out: half a scope could be another one.
        if !put_encoded(&mut text, scope) {
            text.truncate(before);
            break;
        }
    }
    (!scopes.is_empty()).then(|| header_value(text))
}

/// Appends as much as fits; false where something was cut.
fn put_encoded(text: &mut BytesMut, value: &str) -> bool {
    for piece in utf8_percent_encode(value, ENCODED) {
        let room = VALUE_BYTES_MAX.saturating_sub(text.len());
        if piece.len() > room {
            // An escape is cut whole or not at all.
            if !piece.starts_with('%') {
                text.extend_from_slice(&piece.as_bytes()[..room]);
            }
            return false;
        }
        text.extend_from_slice(piece.as_bytes());
    }
    true
}

fn shown(value: &impl std::fmt::Display) -> HeaderValue {
    let mut text = BytesMut::with_capacity(32);
    // Writing to memory does not fail.
    let _ = write!(text, "{value}");
    header_value(text)
}

/// A value of characters that were all made or checked here.
fn header_value(text: BytesMut) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.freeze())
        .unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

/// The request's id: the one that a trusted proxy gave it, else a new one.
pub(super) fn request_id(
    client: &Client,
    headers: &HeaderMap,
    random: &Random,
    unix_ms: i64,
) -> HeaderValue {
    if client.is_trusted_proxy
        && let Some(given) = headers.get(REQUEST_ID).filter(|id| is_request_id(id))
    {
        return given.clone();
    }
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    random.uuid(unix_ms).hyphenated().encode_lower(&mut text);
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text))
        .unwrap_or_else(|_| HeaderValue::from_static("invalid"))
}

fn is_request_id(id: &HeaderValue) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
}

/// Goes on with the client's trace, or starts one (W3C Trace Context, sections 3.2 and 4.3).
pub(super) fn add_trace(headers: &mut HeaderMap, random: &Random) {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let given = match (values.next(), values.next()) {
        (Some(value), None) => parse_traceparent(value.as_bytes()),
        _ => None,
    };
    let mut text = BytesMut::with_capacity(55);
    text.extend_from_slice(b"00-");
    let flags = if let Some((trace_id, flags)) = given {
        text.extend_from_slice(&trace_id);
        flags
    } else {
        // A state without the trace it belongs to must not go on.
        headers.remove(&TRACESTATE);
        put_hex(&mut text, random.next());
        // Never all zeros, which would be no id.
        put_hex(&mut text, random.next() | 1);
        *b"00"
    };
    text.put_u8(b'-');
    put_hex(&mut text, random.next() | 1);
    text.put_u8(b'-');
    text.extend_from_slice(&flags);
    headers.insert(TRACEPARENT, header_value(text));
}

/// Trace id and flags of a valid value. Versions above 00 may say more at the end.
fn parse_traceparent(value: &[u8]) -> Option<([u8; 32], [u8; 2])> {
    let is_hex = |bytes: &[u8]| {
        bytes
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == b'0');
    if value.len() < 55 || value[2] != b'-' || value[35] != b'-' || value[52] != b'-' {
        return None;
    }
    let (version, trace, parent, flags) =
        (&value[..2], &value[3..35], &value[36..52], &value[53..55]);
    let fits_version = match version {
        b"00" => value.len() == 55,
        b"ff" => false,
        _ => value.len() == 55 || value[55] == b'-',
    };
    let is_valid = fits_version
        && [version, trace, parent, flags].into_iter().all(is_hex)
        && !is_zero(trace)
        && !is_zero(parent);
    if !is_valid {
        return None;
    }
    // Of the flags, only "sampled" and "random" are known in version 00.
    Some((trace.try_into().ok()?, flags.try_into().ok()?))
}

fn put_hex(text: &mut BytesMut, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 16];
    for (place, byte) in number.to_be_bytes().into_iter().enumerate() {
        hex[place * 2] = DIGITS[usize::from(byte >> 4)];
        hex[place * 2 + 1] = DIGITS[usize::from(byte & 15)];
    }
    text.extend_from_slice(&hex);
}

/// A connection's last `Forwarded` value and the host that it was made for.
pub(super) type ForwardedCache = RefCell<Option<(HeaderValue, HeaderValue)>>;

/// Adds where the request came from: `Forwarded` (RFC 7239) and its forerunners. What a trusted
/// proxy said is gone on from; what others said was dropped before.
pub(super) fn add_forwarding(headers: &mut HeaderMap, client: &Client, host: Option<HeaderValue>) {
    let proto = if client.is_tls { "https" } else { "http" };
    let host = host.unwrap_or_else(|| HeaderValue::from_static(""));
    let element = forwarded(client, &host, proto);
    if client.is_trusted_proxy {
        append_to_list(headers, FORWARDED, &element);
        append_to_list(headers, X_FORWARDED_FOR, &client.peer_value);
    } else {
        headers.insert(FORWARDED, element);
        headers.insert(X_FORWARDED_FOR, client.peer_value.clone());
    }
    if !headers.contains_key(&X_FORWARDED_HOST) {
        headers.insert(X_FORWARDED_HOST, host);
    }
    if !headers.contains_key(&X_FORWARDED_PROTO) {
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
}

fn forwarded(client: &Client, host: &HeaderValue, proto: &str) -> HeaderValue {
    let mut cache = client.forwarded.borrow_mut();
    if let Some((cached_host, value)) = &*cache
        && cached_host == host
    {
        return value.clone();
    }
    let mut text = String::with_capacity(64);
    let _ = match client.peer {
        IpAddr::V4(ip) => write!(text, "for={ip}"),
        IpAddr::V6(ip) => write!(text, "for=\"[{ip}]\""),
    };
    // The host was checked: it holds nothing that would end the quotes.
    let _ = write!(
        text,
        ";host=\"{}\";proto={proto}",
        host.to_str().unwrap_or_default()
    );
    let value =
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("for=unknown"));
    *cache = Some((host.clone(), value.clone()));
    value
}

fn append_to_list(headers: &mut HeaderMap, name: HeaderName, value: &HeaderValue) {
    let mut list = BytesMut::new();
    for before in headers.get_all(&name) {
        list.extend_from_slice(before.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(value.as_bytes());
    headers.insert(name, header_value(list));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_trace_goes_on_and_any_other_is_started_anew() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        let random = Random::new(1);
        for (given, goes_on) in [
            (format!("00-{TRACE}-b7ad6b7169203331-01"), true),
            (format!("01-{TRACE}-b7ad6b7169203331-01-more"), true),
            (format!("00-{TRACE}-b7ad6b7169203331-01-more"), false),
            (format!("ff-{TRACE}-b7ad6b7169203331-01"), false),
            (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
            (format!("00-{TRACE}-0000000000000000-01"), false),
            (
                format!("00-{}-b7ad6b7169203331-01", TRACE.to_uppercase()),
                false,
            ),
            (String::from("garbage"), false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, HeaderValue::try_from(&given).expect("a value"));
            headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
            add_trace(&mut headers, &random);
            let made = headers[TRACEPARENT].as_bytes();
            assert!(parse_traceparent(made).is_some(), "{given}");
            assert_eq!(&made[3..35] == TRACE.as_bytes(), goes_on, "{given}");
            assert!(!made.ends_with(b"b7ad6b7169203331-01"), "{given}");
            assert_eq!(headers.contains_key(TRACESTATE), goes_on, "{given}");
        }
    }

    #[test]
    fn identity_values_are_encoded_and_bounded() {
        let plan = encoded("Gro\u{df}, 100%\r\nx: y");
        assert_eq!(plan, "Gro%C3%9F%2C%20100%25%0D%0Ax:%20y");
        let plan = encoded(&"\u{df}".repeat(1000));
        assert!(plan.len() <= VALUE_BYTES_MAX);
        assert_eq!(plan.len() % 3, 0);
        assert!(shown_scopes(&[]).is_none());
        let many = vec![String::from("orders:read"); 1000];
        let value = shown_scopes(&many).expect("there are scopes");
        assert!(value.len() <= VALUE_BYTES_MAX);
        assert!(
            value
                .to_str()
                .expect("ascii")
                .split(' ')
                .all(|scope| scope == "orders:read")
        );
    }
}
