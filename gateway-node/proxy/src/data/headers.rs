//! Which header fields pass, in each direction.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::upstream::put_field;

/// Fields that concern one connection only (RFC 9110, section 7.6.1), and those that ask the next
/// hop for something that this one decides.
pub(super) fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "expect"
    )
}

/// Fields that a `Connection` header cannot take away from the next hop: without them a message
/// means something else.
pub(super) fn is_end_to_end(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "content-type"
            | "content-encoding"
            | "trailer"
            | "authorization"
            | "cookie"
            | "set-cookie"
            | "cache-control"
    )
}

/// What an untrusted client could say about where it comes from, in any spelling that a server
/// behind may read: some take `_`, or any other sign, for `-`.
fn is_forwarding(name: &str) -> bool {
    const ADDRESSES: [&str; 6] = [
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "true-client-ip",
    ];
    const PREFIX: &str = "x-forwarded";
    // A look at the first byte spares nearly every name the rest.
    matches!(name.as_bytes().first(), Some(b'f' | b'x' | b't'))
        && (ADDRESSES
            .iter()
            .any(|known| is_spelling_of(name, known) && name.len() == known.len())
            || is_spelling_of(name, PREFIX))
}

/// Whether `name` begins with `known`, any sign in place of a dash.
fn is_spelling_of(name: &str, known: &str) -> bool {
    let is_same = |(found, known): (u8, u8)| {
        found == known || (known == b'-' && !found.is_ascii_alphanumeric())
    };
    name.len() >= known.len() && name.bytes().zip(known.bytes()).all(is_same)
}

/// `x-tollgate-*` as any server behind may read it: some take `_`, or any other sign, for `-`.
fn is_ours(name: &str) -> bool {
    const OURS: &str = "x-tollgate";
    let next = name.as_bytes().get(OURS.len());
    is_spelling_of(name, OURS) && next.is_none_or(|next| !next.is_ascii_alphanumeric())
}

/// Whose word about the client's address is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    TrustedProxy,
    Other,
}

/// Writes what a client's header fields have for the upstream: all but what must not reach it, and
/// what the node says itself in their stead. What is added comes after all of this.
pub(super) fn put_request(
    out: &mut Vec<u8>,
    headers: &HeaderMap,
    peer: Peer,
    dropped: &Dropped<'_>,
) {
    let listed = listed_by_connection(headers);
    for (name, value) in headers {
        let text = name.as_str();
        let stays_behind = is_hop_by_hop(text)
            || is_ours(text)
            || (peer == Peer::Other && is_forwarding(text))
            || is_said_by_node(text)
            || dropped.has(text)
            || listed.contains(name);
        if stays_behind {
            continue;
        }
        if *name == header::COOKIE && cookies(value).any(is_our_cookie_pair) {
            put_foreign_cookies(out, value);
        } else {
            put_field(out, text, value.as_bytes());
        }
    }
    if accepts_trailers(headers) {
        put_field(out, "te", b"trailers");
    }
}

/// Fields that a request leaves behind beside those that all do.
pub(super) struct Dropped<'a> {
    /// What authenticated the call, and what could have.
    pub(super) credentials: [Option<&'a str>; 2],
    /// A trace's state means nothing without the trace.
    pub(super) has_tracestate: bool,
}

impl Dropped<'_> {
    fn has(&self, name: &str) -> bool {
        self.credentials.contains(&Some(name)) || (self.has_tracestate && name == "tracestate")
    }
}

/// What the node writes for itself into each request, by whomever it was said before.
fn is_said_by_node(name: &str) -> bool {
    matches!(
        name,
        "host"
            | "content-length"
            | "x-request-id"
            | "traceparent"
            | "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-host"
            | "x-forwarded-proto"
    )
}

/// Takes out of trailers what only a head may say (RFC 9110, section 6.5.1).
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    let unwanted: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| is_for_heads(name.as_str()))
        .cloned()
        .collect();
    for name in unwanted {
        trailers.remove(name);
    }
}

fn is_for_heads(name: &str) -> bool {
    is_hop_by_hop(name)
        || is_end_to_end(name)
        || is_ours(name)
        || is_forwarding(name)
        || name.starts_with("access-control-")
        || name.starts_with("x-api-key")
        || matches!(
            name,
            "age"
                | "content-range"
                | "date"
                | "expires"
                | "location"
                | "max-forwards"
                | "pragma"
                | "range"
                | "ratelimit"
                | "ratelimit-policy"
                | "retry-after"
                | "traceparent"
                | "tracestate"
                | "vary"
                | "www-authenticate"
                | "x-request-id"
        )
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

fn listed_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !is_end_to_end(name.as_str()) && !is_hop_by_hop(name.as_str()))
        .collect()
}

/// The console's session cookie, which a browser also sends to APIs on the same host.
fn is_our_cookie(name: &[u8]) -> bool {
    let name = name
        .strip_prefix(b"__Host-")
        .or_else(|| name.strip_prefix(b"__Secure-"))
        .unwrap_or(name);
    name.len() >= 8 && name[..8].eq_ignore_ascii_case(b"tollgate")
}

/// A `Cookie` field without our cookies; none where no other is left.
fn put_foreign_cookies(out: &mut Vec<u8>, value: &HeaderValue) {
    let foreign: Vec<&[u8]> = cookies(value)
        .filter(|pair| !is_our_cookie_pair(pair))
        .collect();
    if !foreign.is_empty() {
        put_field(out, "cookie", &foreign.join(&b"; "[..]));
    }
}

fn cookies(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value
        .as_bytes()
        .split(|byte| *byte == b';')
        .map(<[u8]>::trim_ascii)
}

fn is_our_cookie_pair(pair: &[u8]) -> bool {
    is_our_cookie(pair.split(|byte| *byte == b'=').next().unwrap_or(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn whatever_reads_as_our_identity_headers_is_dropped() {
        for name in [
            "x-tollgate-tenant-id",
            "x_tollgate_tenant_id",
            "x-tollgate_scopes",
            "x.tollgate.plan",
            "x-tollgate",
            "x-tollgate!",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["x-tollgates", "x-toll", "tollgate-tenant", "ax-tollgate-a"] {
            assert!(!is_ours(name), "{name}");
        }
    }

    /// What of these fields is written for the upstream.
    fn passed(fields: &[(&'static str, &'static str)], peer: Peer) -> String {
        let mut out = Vec::new();
        let dropped = Dropped {
            credentials: [Some("x-key"), None],
            has_tracestate: true,
        };
        put_request(&mut out, &map(fields), peer, &dropped);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn connection_takes_its_fields_along_but_none_that_give_the_message_its_meaning() {
        let fields = [
            ("connection", "close, x-once , content-type,cookie"),
            ("x-once", "1"),
            ("content-type", "a/b"),
            ("cookie", "a=1"),
            ("te", "gzip, trailers"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ];
        let expected = "content-type: a/b\r\ncookie: a=1\r\naccept: */*\r\nte: trailers\r\n";
        assert_eq!(passed(&fields, Peer::Other), expected);
    }

    #[test]
    fn what_the_node_says_is_said_by_nobody_else() {
        let fields = [
            ("host", "a"),
            ("content-length", "3"),
            ("x-request-id", "1"),
            ("traceparent", "00"),
            ("tracestate", "a=1"),
            ("x-tollgate-plan", "gold"),
            ("x-key", "k"),
            ("x-stays", "1"),
            ("x-stays", "2"),
        ];
        for peer in [Peer::Other, Peer::TrustedProxy] {
            assert_eq!(passed(&fields, peer), "x-stays: 1\r\nx-stays: 2\r\n");
        }
    }

    #[test]
    fn forwarding_headers_pass_from_a_trusted_proxy_only() {
        let fields = [("x-forwarded-port", "1"), ("x-real-ip", "1.2.3.4")];
        let trusted = passed(&fields, Peer::TrustedProxy);
        assert_eq!(trusted, "x-forwarded-port: 1\r\nx-real-ip: 1.2.3.4\r\n");
        assert_eq!(passed(&fields, Peer::Other), "");
    }

    #[test]
    fn our_cookies_are_dropped_and_others_kept() {
        let fields = [("cookie", "a=1; __Host-tollgate=s; tollgate_8080=x; b=2")];
        assert_eq!(passed(&fields, Peer::Other), "cookie: a=1; b=2\r\n");
        let fields = [("cookie", "__Host-tollgate=s"), ("cookie", "c=3")];
        assert_eq!(passed(&fields, Peer::Other), "cookie: c=3\r\n");
    }

    #[test]
    fn trailers_cannot_say_what_only_a_head_may() {
        let mut trailers = map(&[
            ("x-checksum", "1"),
            ("x_tollgate_tenant_id", "ten"),
            ("content-length", "3"),
            ("authorization", "x"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["x-checksum"]);
    }
}
