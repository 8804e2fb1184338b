//! APIs, routes and upstreams as the cores see them.

use std::sync::Arc;
use std::time::Duration;

use snapshot::document;
use snapshot::id::{ApiId, AuthorizerId, RouteId, UpstreamId};

use crate::compile::CompileError;
use crate::cors::{Cors, CorsError};
use crate::gcra::{Gcra, RateLimit};
use crate::registry::Registry;
use crate::routing::{RouteTable, Template};

/// A compiled API.
#[derive(Debug)]
pub struct Api {
    pub id: ApiId,
    pub name: String,
    pub hosts: Vec<String>,
    pub base_path: String,
    /// Lower case.
    pub api_key_header: String,
    pub cors: Option<Cors>,
    pub max_stale_ms: Option<u64>,
    /// What a token must be meant for.
    pub(crate) audience: String,
    /// Set when the API cannot be served; it has no routes then.
    pub refused: Option<String>,
    pub routes: Vec<Route>,
    /// Indices into `routes`; none while the API is refused.
    pub(crate) table: Option<RouteTable<usize>>,
}

#[derive(Debug)]
pub struct Route {
    pub id: RouteId,
    /// The template, for logs and metrics.
    pub path: String,
    pub api_key_required: bool,
    pub scopes: Vec<String>,
    /// `None` where the snapshot names an upstream that it does not hold.
    pub upstream: Option<Arc<Upstream>>,
    pub(crate) upstream_id: UpstreamId,
    pub(crate) rate: Option<(RateLimit, Arc<Gcra>)>,
    pub forward_credentials: bool,
    pub timeouts: Timeouts,
    pub(crate) cors: Option<Cors>,
    pub body_bytes_max: Option<u64>,
    pub(crate) lease_wait: Option<Duration>,
    authorizer_id: Option<AuthorizerId>,
    pub(crate) authorizer: RouteAuthorizer,
}

/// How a route finds out who calls, beside API keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteAuthorizer {
    None,
    OwnTokens,
    /// One that the snapshot does not hold, or of a type that this node does not know.
    Unknown,
}

impl RouteAuthorizer {
    pub(crate) fn of(document: &document::Authorizer) -> Self {
        match document.own_tokens {
            Some(_) => Self::OwnTokens,
            None => Self::Unknown,
        }
    }
}

/// What APIs refer to in the rest of the snapshot.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'p> {
    pub(crate) upstream: &'p dyn Fn(UpstreamId) -> Option<Arc<Upstream>>,
    pub(crate) authorizer: &'p dyn Fn(AuthorizerId) -> RouteAuthorizer,
}

impl Parts<'_> {
    fn authorizer(&self, id: Option<AuthorizerId>) -> RouteAuthorizer {
        id.map_or(RouteAuthorizer::None, self.authorizer)
    }
}

/// Where the route says nothing, the node's own defaults hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    pub connect: Option<Duration>,
    pub first_byte: Option<Duration>,
    pub idle: Option<Duration>,
}

#[derive(Debug, PartialEq)]
pub struct Upstream {
    pub id: UpstreamId,
    pub name: String,
    pub targets: Vec<Target>,
}

/// One address that requests go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub is_tls: bool,
    /// Name or address, without brackets.
    pub host: String,
    pub port: u16,
    /// Put before the request's path; empty or starting with a slash, not ending with one.
    pub path_prefix: String,
    pub weight: u32,
}

impl Api {
    pub(crate) fn compile(
        document: document::Api,
        parts: Parts<'_>,
        registry: &Registry,
    ) -> Result<Self, CompileError> {
        let id = ApiId::from_bytes(&document.id)?;
        let mut api = Self {
            id,
            name: document.name,
            hosts: document.hosts,
            base_path: document.base_path,
            api_key_header: document.api_key_header,
            cors: None,
            max_stale_ms: document.max_stale_ms,
            audience: document.audience,
            refused: document.refused,
            routes: Vec::new(),
            table: None,
        };
        if api.refused.is_none()
            && let Err(code) =
                api.add_routes(document.cors.as_ref(), document.routes, parts, registry)
        {
            // What this node cannot read must not take the other APIs with it.
            api.refused = Some(code.to_owned());
            api.routes.clear();
        }
        Ok(api)
    }

    fn add_routes(
        &mut self,
        cors: Option<&document::Cors>,
        routes: Vec<document::Route>,
        parts: Parts<'_>,
        registry: &Registry,
    ) -> Result<(), &'static str> {
        self.cors = compile_cors(cors)?;
        let mut entries = Vec::with_capacity(routes.len());
        for (index, route) in routes.into_iter().enumerate() {
            let template = Template::parse(&route.path).map_err(|_| "path_template_invalid")?;
            entries.push((route.methods.clone(), template, index));
            self.routes.push(Route::compile(route, parts, registry)?);
        }
        self.table = Some(RouteTable::build(entries).map_err(|_| "routes_conflict")?);
        Ok(())
    }

    /// Whether each route's upstream is still the same object and its authorizer means the same, so
    /// that the API can be shared between snapshots.
    pub(crate) fn uses_same(&self, parts: Parts<'_>) -> bool {
        let has_same_upstream =
            |route: &Route| match (&route.upstream, (parts.upstream)(route.upstream_id)) {
                (Some(old), Some(new)) => Arc::ptr_eq(old, &new),
                (None, None) => true,
                _ => false,
            };
        self.routes.iter().all(|route| {
            has_same_upstream(route) && route.authorizer == parts.authorizer(route.authorizer_id)
        })
    }
}

fn compile_cors(document: Option<&document::Cors>) -> Result<Option<Cors>, &'static str> {
    document
        .map(Cors::compile)
        .transpose()
        .map_err(CorsError::code)
}

impl Route {
    fn compile(
        document: document::Route,
        parts: Parts<'_>,
        registry: &Registry,
    ) -> Result<Self, &'static str> {
        let id = RouteId::from_bytes(&document.id).map_err(|_| "route_id_invalid")?;
        let upstream_id =
            UpstreamId::from_bytes(&document.upstream_id).map_err(|_| "upstream_id_invalid")?;
        let authorizer_id = document
            .authorizer_id
            .as_deref()
            .map(AuthorizerId::from_bytes);
        let authorizer_id = authorizer_id
            .transpose()
            .map_err(|_| "authorizer_id_invalid")?;
        let rate = match &document.rate {
            None => None,
            Some(rate) => Some((rate_limit(rate).ok_or("rate_invalid")?, registry.route(id))),
        };
        let timeouts = document.timeouts.unwrap_or_default();
        let millis = |ms: Option<u32>| ms.map(|ms| Duration::from_millis(ms.into()));
        Ok(Self {
            id,
            path: document.path,
            api_key_required: document.api_key_required,
            scopes: document.scopes,
            upstream: (parts.upstream)(upstream_id),
            upstream_id,
            rate,
            forward_credentials: document.forward_credentials,
            timeouts: Timeouts {
                connect: millis(timeouts.connect_ms),
                first_byte: millis(timeouts.first_byte_ms),
                idle: millis(timeouts.idle_ms),
            },
            cors: compile_cors(document.cors.as_ref())?,
            body_bytes_max: document.body_bytes_max,
            lease_wait: millis(document.lease_wait_ms),
            authorizer_id,
            authorizer: parts.authorizer(authorizer_id),
        })
    }

    pub(crate) fn asks_for_credentials(&self) -> bool {
        self.api_key_required || self.authorizer != RouteAuthorizer::None
    }
}

/// `None` where the document's values are out of range.
pub(crate) fn rate_limit(rate: &document::Rate) -> Option<RateLimit> {
    (rate.per_second_milli >= 1 && rate.burst >= 1)
        .then(|| RateLimit::new(rate.per_second_milli, rate.burst))
}

impl Upstream {
    pub(crate) fn compile(document: document::Upstream) -> Result<Self, CompileError> {
        Ok(Self {
            id: UpstreamId::from_bytes(&document.id)?,
            name: document.name,
            // A target that cannot be read is left out; an upstream without targets answers 502.
            targets: document.targets.iter().filter_map(Target::parse).collect(),
        })
    }
}

impl Target {
    fn parse(document: &document::Target) -> Option<Self> {
        let (scheme, rest) = document.url.split_once("://")?;
        let is_tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = split_port(authority)?;
        let is_plain = !host.is_empty()
            && !host.contains(['@', '/', '?', '#'])
            && !path.contains(['?', '#'])
            // It goes into requests as it is.
            && document.url.bytes().all(|byte| byte.is_ascii_graphic());
        is_plain.then(|| Self {
            is_tls,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(if is_tls { 443 } else { 80 }),
            path_prefix: path.trim_end_matches('/').to_owned(),
            weight: document.weight,
        })
    }
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (
                host,
                if after.is_empty() {
                    None
                } else {
                    Some(after.strip_prefix(':')?)
                },
            )
        }
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    Some((host, port.map(str::parse).transpose().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expected: Option<(&str, u16, bool, &str)>) {
        let target = Target::parse(&document::Target {
            url: url.to_owned(),
            weight: 1,
        });
        let found = target
            .as_ref()
            .map(|t| (t.host.as_str(), t.port, t.is_tls, t.path_prefix.as_str()));
        assert_eq!(found, expected, "{url}");
    }

    #[test]
    fn a_target_is_read_from_its_url() {
        check(
            "http://Orders.internal:8080/api/",
            Some(("orders.internal", 8080, false, "/api")),
        );
        check("https://orders", Some(("orders", 443, true, "")));
        check("http://[::1]:81", Some(("::1", 81, false, "")));
        for url in [
            "orders:80",
            "ftp://a",
            "http://a/b c",
            "http://a/b\r\nx: y",
            "http://a/\u{e4}",
            "http://",
            "http://a:b",
            "http://u@a",
            "http://[::1",
            "http://a/?x",
        ] {
            check(url, None);
        }
    }
}
