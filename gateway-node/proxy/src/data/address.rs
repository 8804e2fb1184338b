//! Whom a request is for and whom it is from: `Host`, and the client behind trusted proxies.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::header::{self, HeaderMap};
use http::{HeaderValue, Uri, Version};

use super::core::Core;
use super::refusal::EdgeRefusal;

const HOST_BYTES_MAX: usize = 255;
/// Hops that are looked at; an honest chain is a few long.
const HOPS_MAX: usize = 32;

/// The one host that a request names (RFC 9112, section 3.2), as it stands there: a target in
/// absolute form overrides `Host`, which must be there all the same.
pub(super) fn authority<'a>(
    version: Version,
    headers: &'a HeaderMap,
    uri: &'a Uri,
) -> Result<&'a str, EdgeRefusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let header = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| EdgeRefusal::BadHost)?,
        (None, None) if version == Version::HTTP_10 => "",
        _ => return Err(EdgeRefusal::BadHost),
    };
    Ok(match uri.authority() {
        Some(authority) => authority.as_str(),
        None => header,
    })
}

/// The host of an authority, lower case, without the port.
pub(super) fn host_of(authority: &str) -> Result<Cow<'_, str>, EdgeRefusal> {
    let host = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => {
            let port = &authority[colon + 1..];
            if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(EdgeRefusal::BadHost);
            }
            &authority[..colon]
        }
        _ => authority,
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_host = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.len() <= HOST_BYTES_MAX && host.bytes().all(is_name),
    };
    if !is_host {
        return Err(EdgeRefusal::BadHost);
    }
    // A name that ends with the root's dot is the same name.
    let host = host.strip_suffix('.').unwrap_or(host);
    Ok(if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    })
}

/// The rightmost hop that is not a trusted proxy, starting from `peer`, which is one. A hop that
/// cannot be read ends the walk at the last one that could.
pub(super) fn client_ip(core: &Core, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    walk(peer, &hops(headers), |ip| core.trusts(ip))
}

fn walk(peer: IpAddr, hops: &[&str], trusts: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev().take(HOPS_MAX) {
        let Some(ip) = parse_hop(hop) else { break };
        client = ip;
        if !trusts(ip) {
            break;
        }
    }
    client
}

/// The hops that proxies noted, nearest last: of `X-Forwarded-For`, else of `Forwarded`.
fn hops(headers: &HeaderMap) -> Vec<&str> {
    if headers.contains_key("x-forwarded-for") {
        return list(headers, "x-forwarded-for").collect();
    }
    list(headers, "forwarded")
        .map(|element| {
            element
                .split(';')
                .filter_map(|pair| pair.split_once('='))
                .find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))
                .map_or("", |(_, value)| value)
        })
        .collect()
}

fn list<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value: &HeaderValue| value.to_str().unwrap_or_default().split(','))
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, any of them quoted.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let ip = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| text.trim_matches(['[', ']']).parse::<IpAddr>())
        .ok()?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_lower_case_and_without_port() {
        for (authority, expected) in [
            ("Api.Example.com:8000", Some("api.example.com")),
            ("api.example.com.", Some("api.example.com")),
            ("[2001:db8::1]:80", Some("[2001:db8::1]")),
            ("[::1]", Some("[::1]")),
            ("", Some("")),
            ("a b", None),
            ("user@host", None),
            ("host:80a", None),
            ("[::1", None),
            ("a/b", None),
        ] {
            assert_eq!(host_of(authority).ok().as_deref(), expected, "{authority}");
        }
    }

    #[test]
    fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
        let peer = IpAddr::from([10, 0, 0, 1]);
        let trusts = |ip: IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
        for (hops, expected) in [
            (vec!["6.6.6.6", "203.0.113.5"], "203.0.113.5"),
            (
                vec!["6.6.6.6", " 203.0.113.5:99", "10.0.0.2"],
                "203.0.113.5",
            ),
            (vec!["6.6.6.6", "garbage"], "10.0.0.1"),
            (vec!["\"[2001:db8::7]:80\"", "10.0.0.9"], "2001:db8::7"),
            (vec![], "10.0.0.1"),
        ] {
            let expected: IpAddr = expected.parse().expect("an address");
            assert_eq!(walk(peer, &hops, trusts), expected, "{hops:?}");
        }
    }
}
