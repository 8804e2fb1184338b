//! Where requests go.

use snapshot::id::UpstreamId;
use time::OffsetDateTime;

use crate::field::{FieldError, names};

pub const TARGETS_MAX: usize = 100;
pub const WEIGHT_MAX: u32 = 1000;

names! {
    UpstreamName;
}

/// `http://host:port` or `https://host:port`, with an optional path prefix; without a trailing
/// slash, user, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl(String);

impl TargetUrl {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().trim_end_matches('/');
        let is_url = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))
            .is_some_and(|rest| {
                let (authority, path) = rest
                    .split_once('/')
                    .map_or((rest, ""), |(authority, path)| (authority, path));
                is_authority(authority)
                    && path.bytes().all(|byte| {
                        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%/".contains(&byte)
                    })
            });
        if is_url && text.len() <= 2000 {
            Ok(Self(text.to_owned()))
        } else {
            Err(FieldError::new(
                "url",
                "invalid",
                "Enter an address such as http://10.0.0.7:8080 or https://orders.internal/v2.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return false;
        }
        ("v6", port)
    } else {
        match authority.find(':') {
            Some(place) => authority.split_at(place),
            None => (authority, ""),
        }
    };
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.parse::<u16>().is_ok_and(|port| port > 0));
    let is_host = !host.is_empty()
        && host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !host.starts_with(['-', '.'])
        && !host.ends_with('-')
        && !host.contains("..");
    is_port && is_host
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTarget {
    pub url: TargetUrl,
    pub weight: u32,
}

impl NewTarget {
    /// Weight 0 takes no new requests.
    pub fn parse(url: &str, weight: u32) -> Result<Self, FieldError> {
        if weight > WEIGHT_MAX {
            return Err(FieldError::new(
                "weight",
                "out_of_range",
                format!("Enter a weight of at most {WEIGHT_MAX}."),
            ));
        }
        Ok(Self {
            url: TargetUrl::parse(url)?,
            weight,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    pub weight: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub id: UpstreamId,
    pub name: String,
    /// Sorted by address.
    pub targets: Vec<Target>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_scheme_host_port_and_prefix() {
        for raw in [
            "http://10.0.0.7:8080",
            "https://orders.internal/v2",
            "http://[::1]:8001",
            "http://localhost",
        ] {
            assert_eq!(TargetUrl::parse(raw).map(|url| url.0).as_deref(), Ok(raw));
        }
        for raw in [
            "",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a:0",
            "http://a:70000",
            "http://u@a",
            "http://a?x",
            "http://a/#x",
            "http://a b",
            "http://[::g]",
            "//a",
            "http://a..b",
        ] {
            assert!(TargetUrl::parse(raw).is_err(), "{raw}");
        }
    }
}
