//! What the node adds to a forwarded request: who calls, the request's id and trace, and where it
//! came from.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::net::IpAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use policy::Identity;
use snapshot::id::{ApiKeyId, TenantId};

use super::connection::Client;
use super::random::Random;
use super::upstream::put_field;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
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

/// The header fields of the callers that a core has seen: made once, then only copied.
#[derive(Default)]
pub(super) struct Callers(RefCell<HashMap<ApiKeyId, Caller, foldhash::fast::RandomState>>);

/// What was said of a caller, and what it was made of.
struct Caller {
    tenant_id: TenantId,
    plan_name: String,
    scopes: Vec<String>,
    fields: Box<[u8]>,
}

impl Caller {
    fn new(identity: &Identity, key_id: ApiKeyId) -> Self {
        let mut fields = Vec::with_capacity(256);
        put_plan(&mut fields, identity);
        put_shown(&mut fields, "x-tollgate-key-id", &key_id);
        Self {
            tenant_id: identity.tenant_id,
            plan_name: identity.plan_name().to_owned(),
            scopes: identity.scopes().to_vec(),
            fields: fields.into(),
        }
    }

    fn is_still(&self, identity: &Identity) -> bool {
        self.tenant_id == identity.tenant_id
            && self.plan_name == identity.plan_name()
            && self.scopes == identity.scopes()
    }
}

impl Callers {
    /// Writes who calls. Fields of these names were left behind before.
    pub(super) fn put_identity(&self, out: &mut Vec<u8>, identity: &Identity) {
        if let Some(subject) = &identity.subject {
            put_encoded_field(out, "x-tollgate-subject", subject);
        }
        let Some(key_id) = identity.key_id else {
            put_plan(out, identity);
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
        out.extend_from_slice(&caller.fields);
    }
}

fn put_plan(out: &mut Vec<u8>, identity: &Identity) {
    put_shown(out, "x-tollgate-tenant-id", &identity.tenant_id);
    put_encoded_field(out, "x-tollgate-plan", identity.plan_name());
    put_scopes(out, identity.scopes());
}

fn put_shown(out: &mut Vec<u8>, name: &str, value: &impl std::fmt::Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{name}: {value}\r\n");
}

fn put_encoded_field(out: &mut Vec<u8>, name: &str, value: &str) {
    let mut encoded = BytesMut::with_capacity(value.len());
    put_encoded(&mut encoded, value);
    put_field(out, name, &encoded);
}

/// Nothing where there are none.
fn put_scopes(out: &mut Vec<u8>, scopes: &[String]) {
    if scopes.is_empty() {
        return;
    }
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
    put_field(out, "x-tollgate-scopes", &text);
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

/// A trace that a client began: its id and flags.
pub(super) type Trace = ([u8; 32], [u8; 2]);

/// The client's trace, where it says one that is valid.
pub(super) fn given_trace(headers: &HeaderMap) -> Option<Trace> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => parse_traceparent(value.as_bytes()),
        _ => None,
    }
}

/// Goes on with the client's trace, or starts one (W3C Trace Context, sections 3.2 and 4.3).
pub(super) fn put_trace(out: &mut Vec<u8>, given: Option<Trace>, random: &Random) {
    out.extend_from_slice(b"traceparent: 00-");
    let flags = if let Some((trace_id, flags)) = given {
        out.extend_from_slice(&trace_id);
        flags
    } else {
        put_hex(out, random.next());
        // Never all zeros, which would be no id.
        put_hex(out, random.next() | 1);
        *b"00"
    };
    out.push(b'-');
    put_hex(out, random.next() | 1);
    out.push(b'-');
    out.extend_from_slice(&flags);
    out.extend_from_slice(b"\r\n");
}

/// Trace id and flags of a valid value. Versions above 00 may say more at the end.
fn parse_traceparent(value: &[u8]) -> Option<Trace> {
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

fn put_hex(text: &mut Vec<u8>, number: u64) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 16];
    for (place, byte) in number.to_be_bytes().into_iter().enumerate() {
        hex[place * 2] = DIGITS[usize::from(byte >> 4)];
        hex[place * 2 + 1] = DIGITS[usize::from(byte & 15)];
    }
    text.extend_from_slice(&hex);
}

/// What a connection's last request said of where it comes from, and the host that it named.
pub(super) type ForwardedCache = RefCell<Option<(HeaderValue, Box<[u8]>)>>;

/// Writes where the request came from: `Forwarded` (RFC 7239) and its forerunners. What a trusted
/// proxy said is gone on from; what others said was left behind before.
pub(super) fn put_forwarding(
    out: &mut Vec<u8>,
    client: &Client,
    host: Option<&HeaderValue>,
    headers: &HeaderMap,
) {
    let no_host = HeaderValue::from_static("");
    let host = host.unwrap_or(&no_host);
    if client.is_trusted_proxy {
        put_forwarding_on(out, client, host, headers);
        return;
    }
    let mut cache = client.forwarded.borrow_mut();
    match &*cache {
        Some((cached_host, fields)) if cached_host == host => out.extend_from_slice(fields),
        _ => {
            let start = out.len();
            put_forwarding_on(out, client, host, &HeaderMap::new());
            *cache = Some((host.clone(), out[start..].into()));
        }
    }
}

/// Goes on from what `said` says.
fn put_forwarding_on(out: &mut Vec<u8>, client: &Client, host: &HeaderValue, said: &HeaderMap) {
    let proto = if client.is_tls { "https" } else { "http" };
    put_list(out, &FORWARDED, said);
    // The host was checked: it holds nothing that would end the quotes.
    let shown_host = host.to_str().unwrap_or_default();
    let _ = match client.peer {
        IpAddr::V4(ip) => write!(out, "for={ip}"),
        IpAddr::V6(ip) => write!(out, "for=\"[{ip}]\""),
    };
    let _ = write!(out, ";host=\"{shown_host}\";proto={proto}\r\n");
    put_list(out, &X_FORWARDED_FOR, said);
    out.extend_from_slice(client.peer_value.as_bytes());
    out.extend_from_slice(b"\r\n");
    put_said_or(out, &X_FORWARDED_HOST, said, host.as_bytes());
    put_said_or(out, &X_FORWARDED_PROTO, said, proto.as_bytes());
}

/// Begins a field with the list that was said; an item has to follow.
fn put_list(out: &mut Vec<u8>, name: &HeaderName, said: &HeaderMap) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    for before in said.get_all(name) {
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(b", ");
    }
}

fn put_said_or(out: &mut Vec<u8>, name: &HeaderName, said: &HeaderMap, own: &[u8]) {
    if !said.contains_key(name) {
        put_field(out, name.as_str(), own);
    }
    for value in said.get_all(name) {
        put_field(out, name.as_str(), value.as_bytes());
    }
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
            let mut out = Vec::new();
            put_trace(&mut out, given_trace(&headers), &random);
            let made = out.strip_prefix(b"traceparent: ").expect("the field");
            let made = made.strip_suffix(b"\r\n").expect("its end");
            assert!(parse_traceparent(made).is_some(), "{given}");
            assert_eq!(&made[3..35] == TRACE.as_bytes(), goes_on, "{given}");
            assert!(!made.ends_with(b"b7ad6b7169203331-01"), "{given}");
            assert_eq!(given_trace(&headers).is_some(), goes_on, "{given}");
        }
    }

    #[test]
    fn identity_values_are_encoded_and_bounded() {
        let field = |value: &str| {
            let mut out = Vec::new();
            put_encoded_field(&mut out, "a", value);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(
            field("Gro\u{df}, 100%\r\nx: y"),
            "a: Gro%C3%9F%2C%20100%25%0D%0Ax:%20y\r\n"
        );
        let long = field(&"\u{df}".repeat(1000));
        assert!(long.len() <= VALUE_BYTES_MAX + 5);
        assert_eq!((long.len() - 5) % 3, 0);
        let scopes = |scopes: &[String]| {
            let mut out = Vec::new();
            put_scopes(&mut out, scopes);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(scopes(&[]), "");
        let many = scopes(&vec![String::from("orders:read"); 1000]);
        let value = many.strip_prefix("x-tollgate-scopes: ").expect("a field");
        assert!(value.len() <= VALUE_BYTES_MAX + 2);
        let mut found = value.trim_end().split(' ');
        assert!(found.all(|scope| scope == "orders:read"));
    }
}
