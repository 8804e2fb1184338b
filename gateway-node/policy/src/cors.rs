//! Answers to browsers that ask from other origins (Fetch standard, section 3.2, CORS protocol).

use snapshot::document;

/// The rules of an API or route, with the header values made in advance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    origins: Origins,
    methods: Names,
    headers: Names,
    /// Empty: none is exposed.
    expose: String,
    may_use_credentials: bool,
    max_age_seconds: u32,
}

/// Why rules cannot be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorsError {
    #[error("credentials are allowed to any origin")]
    AnyOriginWithCredentials,
    #[error("`{0}` has an entry that cannot stand in a header")]
    Entry(&'static str),
}

impl CorsError {
    /// Stable, for logs and for the code that an API is refused with.
    pub fn code(self) -> &'static str {
        match self {
            Self::AnyOriginWithCredentials => "cors_any_origin_with_credentials",
            Self::Entry(_) => "cors_entry_invalid",
        }
    }
}

/// What a preflight is answered with. When it is not allowed the headers do not grant anything, and
/// the browser goes no further; the status is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    pub is_allowed: bool,
    pub headers: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Origins {
    Any,
    /// Compared byte by byte: browsers serialise an origin in one way only.
    Listed(Vec<String>),
}

/// Methods or header names that a preflight may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Names {
    is_any: bool,
    listed: Vec<String>,
    /// As sent; empty: no header.
    value: String,
}

impl Cors {
    pub fn compile(document: &document::Cors) -> Result<Self, CorsError> {
        let is_any_origin = document.allow_origins.iter().any(|origin| origin == "*");
        if is_any_origin && document.allow_credentials {
            return Err(CorsError::AnyOriginWithCredentials);
        }
        check_entries("allow_origins", &document.allow_origins)?;
        check_entries("allow_methods", &document.allow_methods)?;
        check_entries("allow_headers", &document.allow_headers)?;
        check_entries("expose_headers", &document.expose_headers)?;
        // With credentials `*` is a name like any other (Fetch, section 3.2.5).
        let wildcard_counts = !document.allow_credentials;
        Ok(Self {
            origins: if is_any_origin {
                Origins::Any
            } else {
                Origins::Listed(document.allow_origins.clone())
            },
            methods: Names::new(&document.allow_methods, wildcard_counts),
            headers: Names::new(&document.allow_headers, wildcard_counts),
            expose: document.expose_headers.join(", "),
            may_use_credentials: document.allow_credentials,
            max_age_seconds: document.max_age_seconds,
        })
    }

    /// Answer to an OPTIONS request with Origin and Access-Control-Request-Method (section 3.2.2).
    /// `requested_headers`: the value of Access-Control-Request-Headers, if there is one.
    pub fn preflight(
        &self,
        origin: &str,
        requested_method: &str,
        requested_headers: Option<&str>,
    ) -> Preflight {
        let granted = self
            .granted_origin(Some(origin))
            .filter(|_| self.allows_method(requested_method))
            .filter(|_| self.allows_headers(requested_headers.unwrap_or_default()));
        let mut headers: Vec<(&'static str, String)> = Vec::new();
        if let Some(granted) = granted {
            headers.push(("access-control-allow-origin", granted.to_owned()));
            if self.may_use_credentials {
                headers.push(("access-control-allow-credentials", "true".to_owned()));
            }
            for (name, names) in [
                ("access-control-allow-methods", &self.methods),
                ("access-control-allow-headers", &self.headers),
            ] {
                if !names.value.is_empty() {
                    headers.push((name, names.value.clone()));
                }
            }
            headers.push(("access-control-max-age", self.max_age_seconds.to_string()));
        }
        headers.push(("vary", PREFLIGHT_VARY.to_owned()));
        Preflight {
            is_allowed: granted.is_some(),
            headers,
        }
    }

    /// Headers of every answer that is not to a preflight, refusals included; `origin`: the
    /// request's, if it has one.
    ///
    /// Vary stands on answers to requests without Origin too when the answer would depend on it:
    /// else a cache would hand them to a browser that has one (section 3.2.6). It is to be added to
    /// the upstream's Vary, the others replace the upstream's.
    pub fn response_headers<'a>(
        &'a self,
        origin: Option<&str>,
    ) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let granted = self.granted_origin(origin);
        let credentials = self.may_use_credentials.then_some("true");
        let expose = Some(&*self.expose).filter(|names| !names.is_empty());
        let vary = match self.origins {
            Origins::Any => None,
            Origins::Listed(_) => Some("Origin"),
        };
        [
            ("access-control-allow-origin", granted),
            ("access-control-allow-credentials", granted.and(credentials)),
            ("access-control-expose-headers", granted.and(expose)),
            ("vary", vary),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    fn granted_origin(&self, origin: Option<&str>) -> Option<&str> {
        match &self.origins {
            Origins::Any => Some("*"),
            Origins::Listed(listed) => {
                let origin = origin?;
                listed.iter().find(|it| *it == origin).map(String::as_str)
            }
        }
    }

    /// Method names are case-sensitive, and browsers ask no leave for the safelisted ones.
    fn allows_method(&self, method: &str) -> bool {
        matches!(method, "GET" | "HEAD" | "POST")
            || self.methods.is_any
            || self.methods.listed.iter().any(|listed| listed == method)
    }

    fn allows_headers(&self, requested: &str) -> bool {
        requested
            .split(',')
            .map(|name| name.trim_matches([' ', '\t']))
            .filter(|name| !name.is_empty())
            .all(|name| {
                // Authorization must be named: `*` does not stand for it (section 3.2.4).
                let is_covered = self.headers.is_any && !name.eq_ignore_ascii_case("authorization");
                let mut listed = self.headers.listed.iter();
                is_covered || listed.any(|listed| listed.eq_ignore_ascii_case(name))
            })
    }
}

/// A preflight's answer depends on all that it asks; some caches keep answers to OPTIONS.
const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

impl Names {
    fn new(names: &[String], wildcard_counts: bool) -> Self {
        Self {
            is_any: wildcard_counts && names.iter().any(|name| name == "*"),
            listed: names.to_vec(),
            value: names.join(", "),
        }
    }
}

/// Entries are joined with commas and sent: what would end the entry or the header is refused.
fn check_entries(field: &'static str, entries: &[String]) -> Result<(), CorsError> {
    let is_entry = |entry: &String| {
        !entry.is_empty()
            && entry
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b',')
    };
    if entries.iter().all(is_entry) {
        Ok(())
    } else {
        Err(CorsError::Entry(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example.com";

    fn document(origins: &[&str], methods: &[&str], headers: &[&str]) -> document::Cors {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        document::Cors {
            allow_origins: owned(origins),
            allow_methods: owned(methods),
            allow_headers: owned(headers),
            expose_headers: Vec::new(),
            allow_credentials: false,
            max_age_seconds: 600,
        }
    }

    fn with_credentials(document: document::Cors) -> document::Cors {
        document::Cors {
            allow_credentials: true,
            ..document
        }
    }

    /// `request`: origin, method and headers asked for. `expected`: `name: value` lines without
    /// Vary; none: not allowed.
    #[track_caller]
    fn check_preflight(document: &document::Cors, request: (&str, &str, &str), expected: &[&str]) {
        let cors = Cors::compile(document).expect("rules");
        let (origin, method, headers) = request;
        let headers = Some(headers).filter(|headers| !headers.is_empty());
        let preflight = cors.preflight(origin, method, headers);
        let mut lines = lines(
            preflight
                .headers
                .iter()
                .map(|(name, value)| (*name, &**value)),
        );
        assert_eq!(lines.pop(), Some(format!("vary: {PREFLIGHT_VARY}")));
        assert_eq!(lines, expected, "{request:?}");
        assert_eq!(preflight.is_allowed, !expected.is_empty());
    }

    #[track_caller]
    fn check_response(document: &document::Cors, origin: Option<&str>, expected: &[&str]) {
        let cors = Cors::compile(document).expect("rules");
        assert_eq!(lines(cors.response_headers(origin)), expected, "{origin:?}");
    }

    fn lines<'a>(headers: impl Iterator<Item = (&'static str, &'a str)>) -> Vec<String> {
        headers
            .map(|(name, value)| format!("{name}: {value}"))
            .collect()
    }

    #[test]
    fn a_listed_origin_gets_what_is_listed() {
        let rules = document(
            &[APP, "null"],
            &["DELETE", "PUT"],
            &["authorization", "x-a"],
        );
        let granted = [
            "access-control-allow-origin: https://app.example.com",
            "access-control-allow-methods: DELETE, PUT",
            "access-control-allow-headers: authorization, x-a",
            "access-control-max-age: 600",
        ];
        for (method, headers) in [
            ("PUT", ""),
            ("PUT", "x-a"),
            ("DELETE", "Authorization,X-A"),
            ("PUT", " x-a ,\tauthorization, ,"),
            ("GET", "x-a"),
            ("POST", ""),
        ] {
            check_preflight(&rules, (APP, method, headers), &granted);
        }
    }

    #[test]
    fn a_preflight_for_anything_else_grants_nothing() {
        let rules = document(&[APP], &["PUT"], &["x-a"]);
        for request in [
            ("https://other.example.com", "PUT", ""),
            ("http://app.example.com", "PUT", ""),
            ("https://app.example.com:444", "PUT", ""),
            ("https://APP.example.com", "PUT", ""),
            ("https://app.example.com.evil.org", "PUT", ""),
            ("null", "PUT", ""),
            ("", "PUT", ""),
            (APP, "DELETE", ""),
            (APP, "put", ""),
            (APP, "", ""),
            (APP, "PUT", "x-b"),
            (APP, "PUT", "x-a, x-b"),
            (APP, "PUT", "x-a x-b"),
            (APP, "PUT", "*"),
        ] {
            check_preflight(&rules, request, &[]);
        }
        check_preflight(&document(&[], &["PUT"], &[]), (APP, "PUT", ""), &[]);
    }

    #[test]
    fn a_wildcard_stands_for_all_but_authorization() {
        let rules = document(&["*"], &["*"], &["*"]);
        let granted = [
            "access-control-allow-origin: *",
            "access-control-allow-methods: *",
            "access-control-allow-headers: *",
            "access-control-max-age: 600",
        ];
        check_preflight(&rules, ("null", "PURGE", "x-a, x-b"), &granted);
        check_preflight(&rules, (APP, "GET", "authorization"), &[]);

        let rules = document(&["*"], &[], &["*", "authorization"]);
        let granted = [
            "access-control-allow-origin: *",
            "access-control-allow-headers: *, authorization",
            "access-control-max-age: 600",
        ];
        check_preflight(&rules, (APP, "GET", "Authorization, x-a"), &granted);
    }

    #[test]
    fn with_credentials_a_wildcard_is_a_name() {
        let rules = with_credentials(document(&[APP], &["*"], &["*", "x-a"]));
        let granted = [
            "access-control-allow-origin: https://app.example.com",
            "access-control-allow-credentials: true",
            "access-control-allow-methods: *",
            "access-control-allow-headers: *, x-a",
            "access-control-max-age: 600",
        ];
        check_preflight(&rules, (APP, "GET", "x-a"), &granted);
        check_preflight(&rules, (APP, "PUT", ""), &[]);
        check_preflight(&rules, (APP, "GET", "x-b"), &[]);
    }

    #[test]
    fn answers_vary_by_origin_exactly_when_they_depend_on_it() {
        let mut any = document(&["*", APP], &[], &[]);
        any.expose_headers = vec!["ratelimit".to_owned(), "x-a".to_owned()];
        let granted = [
            "access-control-allow-origin: *",
            "access-control-expose-headers: ratelimit, x-a",
        ];
        for origin in [None, Some(APP), Some("https://other.example.com")] {
            check_response(&any, origin, &granted);
        }

        let mut listed = with_credentials(document(&["https://a.example.com", APP], &[], &[]));
        listed.expose_headers = vec!["x-a".to_owned()];
        let granted = [
            "access-control-allow-origin: https://app.example.com",
            "access-control-allow-credentials: true",
            "access-control-expose-headers: x-a",
            "vary: Origin",
        ];
        check_response(&listed, Some(APP), &granted);
        check_response(
            &listed,
            Some("https://other.example.com"),
            &["vary: Origin"],
        );
        check_response(&listed, None, &["vary: Origin"]);
    }

    #[test]
    fn rules_that_cannot_be_kept_are_refused() {
        let refused = with_credentials(document(&[APP, "*"], &[], &[]));
        let found = Cors::compile(&refused).map_err(CorsError::code);
        assert_eq!(found, Err("cors_any_origin_with_credentials"));
        for (document, field) in [
            (
                document(&["https://a, https://b"], &[], &[]),
                "allow_origins",
            ),
            (document(&[APP], &["PUT\r\nx: y"], &[]), "allow_methods"),
            (document(&[APP], &[], &["x-é"]), "allow_headers"),
            (document(&[APP], &[], &[""]), "allow_headers"),
        ] {
            assert_eq!(Cors::compile(&document), Err(CorsError::Entry(field)));
        }
    }
}
