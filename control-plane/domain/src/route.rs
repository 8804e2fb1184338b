//! Routes of an API.

use snapshot::id::{ApiId, AuthorizerId, RouteId, UpstreamId};
use time::OffsetDateTime;

use crate::api::Cors;
use crate::field::FieldError;
use crate::plan::Rate;
use crate::scope::Scope;

pub const SEGMENTS_MAX: usize = 64;

/// A path below the base path with parameters: `/v1/orders/{id}`, greedy at the end:
/// `/files/{rest+}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
    shape: String,
}

impl PathTemplate {
    /// Fails on what a node would never see or could not tell apart: empty or dot segments,
    /// characters outside RFC 3986's pchar, a parameter that is only part of a segment or whose
    /// name occurs twice, a greedy one that is not last.
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let wrong = |message: &str| Err(FieldError::new("path", "invalid", message));
        let text = raw.trim();
        let Some(rest) = text.strip_prefix('/').filter(|_| text.len() <= 1000) else {
            return wrong("Enter a path that starts with a slash, such as /v1/orders/{id}.");
        };
        let mut shape = String::new();
        let mut names: Vec<&str> = Vec::new();
        let segments: Vec<&str> = rest.split('/').collect();
        if segments.len() > SEGMENTS_MAX {
            return wrong("Use fewer segments.");
        }
        for (place, segment) in segments.iter().enumerate() {
            let is_last = place + 1 == segments.len();
            shape.push('/');
            let parameter = segment
                .strip_prefix('{')
                .and_then(|inner| inner.strip_suffix('}'));
            match parameter {
                Some(inner) => {
                    let name = inner.strip_suffix('+').unwrap_or(inner);
                    if !is_parameter_name(name) || names.contains(&name) {
                        return wrong("Name each parameter once, with letters, digits and _.");
                    }
                    if inner.ends_with('+') && !is_last {
                        return wrong("A greedy parameter takes the rest: it must come last.");
                    }
                    names.push(name);
                    shape.push_str(if inner.ends_with('+') { "{+}" } else { "{}" });
                }
                None if is_literal(segment) || (segment.is_empty() && is_last) => {
                    shape.push_str(segment);
                }
                None => {
                    return wrong(
                        "A segment is either plain text or one parameter such as {id}, never empty.",
                    );
                }
            }
        }
        Ok(Self {
            text: text.to_owned(),
            shape,
        })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The template without parameter names: two of one shape match the same paths.
    pub fn shape(&self) -> &str {
        &self.shape
    }
}

fn is_parameter_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A segment that stands for itself: pchar of RFC 3986 without percent-encoding, not a dot segment.
pub(crate) fn is_literal(segment: &str) -> bool {
    !segment.is_empty()
        && segment != "."
        && segment != ".."
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte))
}

/// A method token (RFC 9110, section 9.1), upper case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Method(String);

impl Method {
    pub fn parse(raw: &str) -> Result<Self, FieldError> {
        let text = raw.trim().to_ascii_uppercase();
        let is_token = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || b"-_".contains(&byte));
        if is_token && text != "CONNECT" && text != "TRACE" {
            Ok(Self(text))
        } else {
            Err(FieldError::new(
                "method",
                "invalid",
                "Enter a method such as GET; CONNECT and TRACE are never forwarded.",
            ))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In milliseconds; none: the node's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub connect_ms: Option<u32>,
    /// From the request's last byte to the response's head.
    pub first_byte_ms: Option<u32>,
    /// Longest silence while a body moves, either way.
    pub idle_ms: Option<u32>,
}

/// What a person says of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTerms {
    pub path: PathTemplate,
    /// None: any method.
    pub methods: Vec<Method>,
    pub api_key_required: bool,
    /// The caller needs every one of them.
    pub scopes: Vec<Scope>,
    /// None: the API's.
    pub upstream_id: Option<UpstreamId>,
    /// Over all callers, on top of their own limits.
    pub rate: Option<Rate>,
    /// Forward the credential that authenticated the call instead of dropping it.
    pub forward_credentials: bool,
    pub timeouts: Timeouts,
    /// Instead of the API's.
    pub cors: Option<Cors>,
    pub body_bytes_max: Option<u64>,
    /// How long a request may wait for a quota lease.
    pub lease_wait_ms: Option<u32>,
    /// Who calls is found out by it, beside the API key where one is required.
    pub authorizer_id: Option<AuthorizerId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub id: RouteId,
    pub api_id: ApiId,
    pub path: String,
    /// Sorted; none: any.
    pub methods: Vec<String>,
    pub api_key_required: bool,
    pub scopes: Vec<String>,
    pub upstream_id: Option<UpstreamId>,
    pub rate: Option<Rate>,
    pub forward_credentials: bool,
    pub timeouts: Timeouts,
    pub cors: Option<Cors>,
    pub body_bytes_max: Option<u64>,
    pub lease_wait_ms: Option<u32>,
    pub authorizer_id: Option<AuthorizerId>,
    pub edition: i32,
    pub created_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_one_shape_match_the_same_paths() {
        for (raw, shape) in [
            ("/", "/"),
            ("/v1/orders/{id}", "/v1/orders/{}"),
            ("/v1/orders/{order_id}", "/v1/orders/{}"),
            ("/files/{rest+}", "/files/{+}"),
            ("/a/", "/a/"),
        ] {
            let template = PathTemplate::parse(raw).expect(raw);
            assert_eq!((template.as_str(), template.shape()), (raw, shape));
        }
    }

    #[test]
    fn a_template_that_could_never_match_is_refused() {
        for raw in [
            "",
            "v1",
            "/a//b",
            "/a/../b",
            "/{}",
            "/{a}/{a}",
            "/{rest+}/a",
            "/a{id}",
            "/{a",
            "/a b",
            "/a%20b",
            "/a?b",
            "/a;b",
            "/{a-b}",
        ] {
            assert!(PathTemplate::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn methods_are_upper_case_tokens() {
        assert_eq!(
            Method::parse("get").map(|method| method.0).as_deref(),
            Ok("GET")
        );
        for raw in ["", "G ET", "CONNECT", "trace"] {
            assert!(Method::parse(raw).is_err(), "{raw}");
        }
    }
}
