//! APIs that the nodes serve.

use serde::{Deserialize, Serialize};
use snapshot::id::{ApiId, UpstreamId};
use time::OffsetDateTime;

use crate::field::{FieldError, names};
use crate::scope::ApiScope;

pub const HOSTS_MAX: usize = 100;
pub const DEFAULT_KEY_HEADER: &str = "x-api-key";

names! {
    ApiName;
}

/// A host without port, in lower case: exact, or `*.` and a domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host(String);

impl Host {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().to_ascii_lowercase();
        let name = text.strip_prefix("*.").unwrap_or(&text);
        let is_name = name.len() <= 250
            && !name.is_empty()
            && name.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            });
        let is_address = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        if is_name || is_address {
            Ok(Self(text))
        } else {
            Err(FieldError::new(
                "host",
                "invalid",
                "Enter a host such as api.example.com or *.example.com, without scheme, port and path.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Empty, or `/orders`: starts with a slash and does not end with one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().trim_end_matches('/');
        let is_path = text.is_empty()
            || (text.starts_with('/')
                && text.len() <= 500
                && text[1..].split('/').all(crate::route::is_literal));
        if is_path {
            Ok(Self(text.to_owned()))
        } else {
            Err(FieldError::new(
                "base_path",
                "invalid",
                "Enter a path such as /orders, or leave it empty.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Name of the header that carries the API key (RFC 9110, section 5.1), lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHeader(String);

/// Headers that mean something else to a proxy and can carry no key.
const NO_KEY_HEADERS: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "origin",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

impl KeyHeader {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().to_ascii_lowercase();
        if is_header_name(&text)
            && !NO_KEY_HEADERS.contains(&text.as_str())
            && !text.starts_with("x-tollgate-")
            && !text.starts_with("x-forwarded-")
        {
            Ok(Self(text))
        } else {
            Err(FieldError::new(
                "api_key_header",
                "invalid",
                "Enter a header name that has no meaning of its own, such as x-api-key.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_header_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Answers to browsers that ask from other origins (Fetch standard, CORS protocol).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cors {
    /// `*`, or exact origins.
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub allow_credentials: bool,
    pub max_age_seconds: u32,
}

impl Cors {
    /// Checks every part; lists come out sorted, header names in lower case, methods in upper case.
    pub fn parse(mut self) -> Result<Self, FieldError> {
        let wrong = |field, message: &str| Err(FieldError::new(field, "invalid", message));
        if self.allow_credentials && self.allow_origins.iter().any(|origin| origin == "*") {
            return wrong(
                "cors.allow_origins",
                "Browsers send credentials to named origins only: list them instead of *.",
            );
        }
        if self.allow_origins.is_empty() || !self.allow_origins.iter().all(|text| is_origin(text)) {
            return wrong(
                "cors.allow_origins",
                "Enter * or origins such as https://app.example.com.",
            );
        }
        for list in [&mut self.allow_headers, &mut self.expose_headers] {
            list.iter_mut().for_each(|name| name.make_ascii_lowercase());
            if !list.iter().all(|name| is_header_name(name)) {
                return wrong("cors.allow_headers", "Enter header names.");
            }
        }
        self.allow_methods
            .iter_mut()
            .for_each(|method| method.make_ascii_uppercase());
        if !self.allow_methods.iter().all(|name| is_header_name(name)) {
            return wrong("cors.allow_methods", "Enter methods such as GET.");
        }
        for list in [
            &mut self.allow_origins,
            &mut self.allow_methods,
            &mut self.allow_headers,
            &mut self.expose_headers,
        ] {
            list.sort();
            list.dedup();
        }
        Ok(self)
    }
}

fn is_origin(text: &str) -> bool {
    text == "*"
        || text.split_once("://").is_some_and(|(scheme, host)| {
            !scheme.is_empty()
                && scheme
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || b"+-.".contains(&byte))
                && !host.is_empty()
                && host.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._:[]".contains(&byte)
                })
        })
}

/// What a person says of an API; routes stand on their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTerms {
    pub name: ApiName,
    /// None: any host, tried last.
    pub hosts: Vec<Host>,
    pub base_path: BasePath,
    /// Where routes without an upstream of their own go.
    pub upstream_id: UpstreamId,
    pub api_key_header: KeyHeader,
    pub audience: Option<String>,
    pub cors: Option<Cors>,
    /// Refuse to serve from a snapshot that is staler than this.
    pub max_stale_ms: Option<u64>,
    /// By name.
    pub scopes: Vec<ApiScope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    pub id: ApiId,
    pub name: String,
    /// Sorted.
    pub hosts: Vec<String>,
    pub base_path: String,
    pub upstream_id: UpstreamId,
    pub api_key_header: String,
    pub audience: Option<String>,
    pub cors: Option<Cors>,
    pub max_stale_ms: Option<u64>,
    /// By name.
    pub scopes: Vec<ApiScope>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_one_wildcard_label() {
        for (raw, expected) in [
            ("API.example.com", Some("api.example.com")),
            ("*.example.com", Some("*.example.com")),
            ("localhost", Some("localhost")),
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("a.*.com", None),
            ("example.com:80", None),
            ("https://example.com", None),
            ("exa mple.com", None),
            ("-a.com", None),
            ("", None),
        ] {
            let found = Host::parse(raw).ok().map(|host| host.0);
            assert_eq!(found.as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn base_paths_have_no_slash_at_the_end_and_nothing_to_normalise() {
        for (raw, expected) in [
            ("/", Some("")),
            ("/orders/", Some("/orders")),
            ("/a/b", Some("/a/b")),
            ("orders", None),
            ("/a//b", None),
            ("/a/../b", None),
            ("/a?b", None),
            ("/{id}", None),
        ] {
            let found = BasePath::parse(raw).ok().map(|path| path.0);
            assert_eq!(found.as_deref(), expected, "{raw}");
        }
    }

    #[test]
    fn a_key_travels_in_no_header_that_means_something_else() {
        assert!(KeyHeader::parse("X-Api-Key").is_ok());
        for raw in ["host", "Authorization", "x-tollgate-tenant-id", "a b", ""] {
            assert!(KeyHeader::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn credentials_are_never_offered_to_every_origin() {
        let cors = Cors {
            allow_origins: vec!["*".to_owned()],
            allow_credentials: true,
            ..Cors::default()
        };
        assert!(cors.clone().parse().is_err());
        let open = Cors {
            allow_credentials: false,
            ..cors
        };
        assert!(open.parse().is_ok());
    }
}
