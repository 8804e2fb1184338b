//! Which header fields pass, in each direction.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields that concern one connection only (RFC 9110, section 7.6.1), and those that ask the next
/// hop for something that this one decides.
fn is_hop_by_hop(name: &str) -> bool {
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
fn is_end_to_end(name: &str) -> bool {
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

/// Takes out of a request what must not reach the upstream, but for its credential. The order of
/// the steps is part of what they guard: what is added comes after all of this.
pub(super) fn clean_request(headers: &mut HeaderMap, peer: Peer) {
    let accepts_trailers = accepts_trailers(headers);
    let mut unwanted = Vec::new();
    let mut has_connection = false;
    for name in headers.keys() {
        let text = name.as_str();
        has_connection |= text == "connection";
        let is_unwanted =
            is_hop_by_hop(text) || is_ours(text) || (peer == Peer::Other && is_forwarding(text));
        if is_unwanted {
            unwanted.push(name.clone());
        }
    }
    if has_connection {
        unwanted.extend(listed_by_connection(headers));
    }
    for name in unwanted {
        headers.remove(name);
    }
    if accepts_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if headers.contains_key(header::COOKIE) {
        drop_our_cookies(headers);
    }
}

/// Takes out of an answer what concerned the upstream's connection only.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    let mut unwanted = Vec::new();
    for name in headers.keys() {
        if is_hop_by_hop(name.as_str()) {
            unwanted.push(name.clone());
        }
    }
    if unwanted.contains(&header::CONNECTION) {
        unwanted.extend(listed_by_connection(headers));
    }
    for name in unwanted {
        headers.remove(name);
    }
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
        .filter(|name| !is_end_to_end(name.as_str()))
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

fn drop_our_cookies(headers: &mut HeaderMap) {
    let has_ours = headers
        .get_all(header::COOKIE)
        .iter()
        .any(|value| cookies(value).any(is_our_cookie_pair));
    if !has_ours {
        return;
    }
    let kept: Vec<&[u8]> = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(cookies)
        .filter(|pair| !is_our_cookie_pair(pair))
        .collect();
    let kept = kept.join(&b"; "[..]);
    match HeaderValue::from_bytes(&kept) {
        Ok(value) if !value.is_empty() => drop(headers.insert(header::COOKIE, value)),
        Ok(_) | Err(_) => drop(headers.remove(header::COOKIE)),
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

    #[test]
    fn connection_takes_its_fields_along_but_none_that_give_the_message_its_meaning() {
        let mut headers = map(&[
            ("connection", "close, x-once , content-length,host"),
            ("x-once", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("te", "gzip, trailers"),
            ("keep-alive", "timeout=5"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        clean_request(&mut headers, Peer::Other);
        assert_eq!(names(&headers), ["accept", "content-length", "host", "te"]);
        assert_eq!(headers["te"], "trailers");
    }

    #[test]
    fn forwarding_headers_pass_from_a_trusted_proxy_only() {
        let fields = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        let (mut trusted, mut other) = (map(&fields), map(&fields));
        clean_request(&mut trusted, Peer::TrustedProxy);
        clean_request(&mut other, Peer::Other);
        assert_eq!(names(&trusted), ["forwarded", "x-forwarded-for"]);
        assert!(names(&other).is_empty());
    }

    #[test]
    fn our_cookies_are_dropped_and_others_kept() {
        let mut headers = map(&[("cookie", "a=1; __Host-tollgate=s; tollgate_8080=x; b=2")]);
        clean_request(&mut headers, Peer::Other);
        assert_eq!(headers["cookie"], "a=1; b=2");
        let mut headers = map(&[("cookie", "__Host-tollgate=s")]);
        clean_request(&mut headers, Peer::Other);
        assert!(headers.is_empty());
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
