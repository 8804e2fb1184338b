//! The routes of one API.

use std::ops::ControlFlow;

use super::Names;
use super::template::{Segment, Template};

/// Finds a route by method and path.
///
/// Order of preference, among the templates that match the whole path: they are compared segment by
/// segment from the left, and at the first difference a literal goes before `{param}`, and that
/// before `{rest+}`. Two templates that match one path and do not differ in this are the same
/// template, so the order is total. The first template in this order that has the method wins. When
/// none has it, the answer is 405 with the methods of all of them; when no template matches, 404.
///
/// A template has HEAD when it has GET: its GET route answers, unless it has a HEAD route.
///
/// Cost: one step per segment as long as no node has both a fitting literal and a parameter below
/// it. Each such node can double the work, but no node is visited twice, and the depth is that of
/// the templates, never that of the request's path.
#[derive(Debug, Clone)]
pub struct RouteTable<T> {
    root: Node,
    routes: Vec<T>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Found<'t, T> {
    Route(&'t T),
    /// `allow` is the value of the Allow header: sorted, with HEAD where there is GET, without
    /// OPTIONS unless a route has it.
    MethodNotAllowed {
        allow: String,
    },
    NotFound,
}

/// Two routes that no request could tell apart. `first` and `second` are their places in the list
/// that the table was built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two routes have {} for a path like {template}", .method.as_deref().unwrap_or("any method"))]
pub struct RouteConflict {
    pub template: String,
    /// None: one of the two takes any method.
    pub method: Option<String>,
    pub first: usize,
    pub second: usize,
}

#[derive(Debug, Clone, Default)]
struct Node {
    literals: Names<Node>,
    param: Option<Box<Node>>,
    /// Of the template whose `{rest+}` starts here.
    rest: Option<Endpoint>,
    /// Of the template that ends here.
    end: Option<Endpoint>,
}

/// The routes of one template, as places in the table.
#[derive(Debug, Clone)]
enum Endpoint {
    AnyMethod(usize),
    /// Sorted by method.
    Methods(Vec<(Box<str>, usize)>),
}

impl<T> Default for RouteTable<T> {
    fn default() -> Self {
        Self {
            root: Node::default(),
            routes: Vec::new(),
        }
    }
}

impl<T> RouteTable<T> {
    /// From methods (upper case; none: any), template and route each.
    pub fn build(routes: Vec<(Vec<String>, Template, T)>) -> Result<Self, RouteConflict> {
        let mut table = Self::default();
        for (place, (methods, template, route)) in routes.into_iter().enumerate() {
            let endpoint = table.root.endpoint(template.segments());
            if let Err((method, first)) = add(endpoint, methods, place) {
                return Err(RouteConflict {
                    template: template.to_string(),
                    method,
                    first,
                    second: place,
                });
            }
            table.routes.push(route);
        }
        Ok(table)
    }

    /// `path`: normal form, below the API's base path, starting with a slash.
    pub fn find(&self, method: &str, path: &str) -> Found<'_, T> {
        let Some(below_root) = path.strip_prefix('/') else {
            return Found::NotFound;
        };
        let mut others: Vec<&Endpoint> = Vec::new();
        let outcome = self.root.visit(
            Some(below_root),
            &mut |endpoint| match endpoint.route(method) {
                Some(place) => ControlFlow::Break(place),
                None => {
                    others.push(endpoint);
                    ControlFlow::Continue(())
                }
            },
        );
        match outcome {
            ControlFlow::Break(place) => {
                self.routes.get(place).map_or(Found::NotFound, Found::Route)
            }
            ControlFlow::Continue(()) if others.is_empty() => Found::NotFound,
            ControlFlow::Continue(()) => Found::MethodNotAllowed {
                allow: allow(&others),
            },
        }
    }
}

impl Node {
    /// Shows all endpoints that match, in order of preference, until it is told to stop. `rest` is
    /// what is left of the path after a slash; none: the path ended.
    fn visit<'t, F>(&'t self, rest: Option<&str>, visitor: &mut F) -> ControlFlow<usize>
    where
        F: FnMut(&'t Endpoint) -> ControlFlow<usize>,
    {
        let Some(rest) = rest else {
            return match &self.end {
                Some(endpoint) => visitor(endpoint),
                None => ControlFlow::Continue(()),
            };
        };
        let (segment, below) = match rest.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (rest, None),
        };
        if let Some(child) = self.literals.get(segment) {
            child.visit(below, visitor)?;
        }
        if segment.is_empty() {
            return ControlFlow::Continue(());
        }
        if let Some(child) = &self.param {
            child.visit(below, visitor)?;
        }
        match &self.rest {
            Some(endpoint) => visitor(endpoint),
            None => ControlFlow::Continue(()),
        }
    }

    /// Where the routes of a template go.
    fn endpoint(&mut self, segments: &[Segment]) -> &mut Option<Endpoint> {
        match segments {
            [] => &mut self.end,
            [Segment::Rest(_), ..] => &mut self.rest,
            [Segment::Param(_), below @ ..] => self.param.get_or_insert_default().endpoint(below),
            [Segment::Literal(literal), below @ ..] => self
                .literals
                .entry(literal.as_str().into())
                .or_default()
                .endpoint(below),
        }
    }
}

impl Endpoint {
    fn route(&self, method: &str) -> Option<usize> {
        match self {
            Self::AnyMethod(place) => Some(*place),
            Self::Methods(methods) => {
                let of = |wanted: &str| {
                    let found = methods.iter().find(|(method, _)| **method == *wanted);
                    found.map(|(_, place)| *place)
                };
                of(method).or_else(|| (method == "HEAD").then(|| of("GET")).flatten())
            }
        }
    }

    fn methods(&self) -> impl Iterator<Item = &str> {
        let named: &[(Box<str>, usize)] = match self {
            Self::AnyMethod(_) => &[],
            Self::Methods(methods) => methods,
        };
        named.iter().map(|(method, _)| &**method)
    }
}

/// Fails with the method that is taken (none: one side takes any) and the place of its route.
fn add(
    endpoint: &mut Option<Endpoint>,
    mut methods: Vec<String>,
    place: usize,
) -> Result<(), (Option<String>, usize)> {
    methods.sort();
    methods.dedup();
    let named = methods.into_iter().map(|method| (method.into(), place));
    match endpoint {
        None if named.len() == 0 => *endpoint = Some(Endpoint::AnyMethod(place)),
        None => *endpoint = Some(Endpoint::Methods(named.collect())),
        Some(Endpoint::AnyMethod(first)) => return Err((None, *first)),
        Some(Endpoint::Methods(taken)) => {
            if named.len() == 0 {
                return Err((None, taken.first().map_or(place, |(_, first)| *first)));
            }
            taken.extend(named);
            // Stable: of two equal methods the one that was there comes first.
            taken.sort_by(|(a, _), (b, _)| a.cmp(b));
            let twice = taken
                .windows(2)
                .find(|pair| matches!(pair, [a, b] if a.0 == b.0));
            if let Some([(method, first), _]) = twice {
                return Err((Some(method.to_string()), *first));
            }
        }
    }
    Ok(())
}

fn allow(endpoints: &[&Endpoint]) -> String {
    let mut methods: Vec<&str> = endpoints.iter().flat_map(|e| e.methods()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of routes written as `GET,PUT /a/{id}`, or `/a/{id}` for any method.
    fn table(routes: &[&'static str]) -> Result<RouteTable<&'static str>, RouteConflict> {
        let entries = routes.iter().map(|route| {
            let (methods, template) = route.rsplit_once(' ').unwrap_or(("", route));
            let methods = methods.split(',').filter(|method| !method.is_empty());
            let template = Template::parse(template).expect(template);
            (methods.map(str::to_owned).collect(), template, *route)
        });
        RouteTable::build(entries.collect())
    }

    /// `expected`: the route, or `405 ` and the Allow header, or `404`.
    #[track_caller]
    fn check(routes: &[&'static str], request: &str, expected: &str) {
        let table = table(routes).expect("routes without conflict");
        let (method, path) = request.split_once(' ').expect("method and path");
        let found = match table.find(method, path) {
            Found::Route(route) => (*route).to_owned(),
            Found::MethodNotAllowed { allow } => format!("405 {allow}"),
            Found::NotFound => "404".to_owned(),
        };
        assert_eq!(found, expected, "{request} in {routes:?}");
    }

    #[test]
    fn the_most_specific_template_wins_from_the_left() {
        let routes = [
            "GET /",
            "GET /orders/new",
            "GET /orders/{id}",
            "GET /orders/{id}/lines",
            "GET /orders/{id}/{part}",
            "GET /orders/{rest+}",
            "GET /{area}/new",
            "GET /{area}/new/first",
        ];
        for (request, expected) in [
            ("GET /", "GET /"),
            ("GET /orders/new", "GET /orders/new"),
            ("GET /orders/newer", "GET /orders/{id}"),
            ("GET /orders/7/lines", "GET /orders/{id}/lines"),
            ("GET /orders/7/notes", "GET /orders/{id}/{part}"),
            ("GET /orders/new/lines", "GET /orders/{id}/lines"),
            ("GET /orders/7/lines/1", "GET /orders/{rest+}"),
            // Decided at the first segment: the literal there outweighs two literals later.
            ("GET /orders/new/first", "GET /orders/{id}/{part}"),
            ("GET /shops/new", "GET /{area}/new"),
            ("GET /shops/new/first", "GET /{area}/new/first"),
            ("GET /shops", "404"),
            ("GET /shops/new/second", "404"),
        ] {
            check(&routes, request, expected);
        }
    }

    #[test]
    fn a_literal_that_leads_nowhere_does_not_hide_a_parameter() {
        let routes = ["GET /a/b/c", "GET /{x}/b/d", "GET /{x+}"];
        check(&routes, "GET /a/b/d", "GET /{x}/b/d");
        check(&routes, "GET /a/b", "GET /{x+}");
        check(&routes, "GET /a/b/e", "GET /{x+}");
    }

    #[test]
    fn a_slash_at_the_end_is_another_path() {
        let routes = ["/a", "/b/", "/c/{x}", "/d/{x}/", "/e/{x+}"];
        for (request, expected) in [
            ("GET /a", "/a"),
            ("GET /a/", "404"),
            ("GET /b", "404"),
            ("GET /b/", "/b/"),
            ("GET /c/", "404"),
            ("GET /c/1", "/c/{x}"),
            ("GET /c/1/", "404"),
            ("GET /d/1", "404"),
            ("GET /d/1/", "/d/{x}/"),
            ("GET /e", "404"),
            ("GET /e/", "404"),
            ("GET /e/1/", "/e/{x+}"),
            ("GET /e/1/2", "/e/{x+}"),
            ("GET /", "404"),
            ("GET ", "404"),
            ("GET a", "404"),
        ] {
            check(&routes, request, expected);
        }
    }

    #[test]
    fn the_method_is_found_on_less_specific_templates_too() {
        let routes = ["GET /a/b", "PUT,DELETE /a/{x}", "OPTIONS /{x+}"];
        for (request, expected) in [
            ("GET /a/b", "GET /a/b"),
            ("PUT /a/b", "PUT,DELETE /a/{x}"),
            ("OPTIONS /a/b", "OPTIONS /{x+}"),
            ("POST /a/b", "405 DELETE, GET, HEAD, OPTIONS, PUT"),
            ("POST /a/c", "405 DELETE, OPTIONS, PUT"),
            ("POST /c", "405 OPTIONS"),
            ("get /a/b", "405 DELETE, GET, HEAD, OPTIONS, PUT"),
            ("POST /", "404"),
        ] {
            check(&routes, request, expected);
        }
        check(&["GET /a", "/{x}"], "PUT /a", "/{x}");
    }

    #[test]
    fn head_is_answered_by_get_unless_it_has_a_route() {
        check(&["GET /a"], "HEAD /a", "GET /a");
        check(&["GET /a", "HEAD /a"], "HEAD /a", "HEAD /a");
        check(&["GET /a", "HEAD /{x}"], "HEAD /a", "GET /a");
        check(&["PUT /a"], "HEAD /a", "405 PUT");
        check(&["HEAD /a"], "GET /a", "405 HEAD");
    }

    #[test]
    fn literals_compare_in_normal_form() {
        check(
            &["/%7euser/caf%c3%a9"],
            "GET /~user/caf%C3%A9",
            "/%7euser/caf%c3%a9",
        );
    }

    #[test]
    fn routes_that_no_request_could_tell_apart_conflict() {
        for (routes, conflict) in [
            (vec!["GET /a/{x}", "GET /a/{y}"], Some((Some("GET"), 0, 1))),
            (vec!["GET /a", "PUT,GET /a"], Some((Some("GET"), 0, 1))),
            (vec!["PUT /a", "GET /a", "/a"], Some((None, 1, 2))),
            (vec!["/a/{x+}", "/b", "GET /a/{y+}"], Some((None, 0, 2))),
            (vec!["GET /%61", "GET /a"], Some((Some("GET"), 0, 1))),
            (
                vec!["GET,GET /a", "HEAD /a", "/a/", "/a/{x}", "/a/{x+}"],
                None,
            ),
        ] {
            let found = table(&routes).err();
            let found = found
                .as_ref()
                .map(|it| (it.method.as_deref(), it.first, it.second));
            assert_eq!(found, conflict, "{routes:?}");
        }
    }

    #[test]
    fn deep_paths_cost_no_more_than_deep_templates() {
        let path = format!("/a{}", "/b".repeat(100_000));
        check(&["/a/{x}/c", "/a/{x+}"], &format!("GET {path}"), "/a/{x+}");
    }
}
