//! The APIs of a node by host and base path.

use super::Names;
use crate::path;

/// Finds an API and what is left of the path below its base path.
///
/// Hosts are tried from the exact one over wildcards, the one with most labels first, to the APIs
/// of any host; within each the longest base path on a segment boundary wins. Where no base path
/// fits, the next host is tried: an exact host does not hide what a wildcard serves elsewhere.
#[derive(Debug, Clone)]
pub struct HostTable<T> {
    exact: Names<Host>,
    /// `*.example.com` under `example.com`.
    wildcard: Names<Host>,
    /// Labels of the deepest wildcard, its star not counted: bounds the lookups per request.
    wildcard_labels_max: usize,
    any: Host,
    apis: Vec<T>,
}

/// `first` and `second` are places in the list that the table was built from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostConflict {
    #[error("two APIs have the base path `{base_path}` on {}", .host.as_deref().unwrap_or("any host"))]
    SamePlace {
        host: Option<String>,
        base_path: String,
        first: usize,
        second: usize,
    },
    #[error("the base path `{base_path}` is not a path without a slash at its end")]
    BasePath { base_path: String, place: usize },
    #[error("the host `{host}` is neither a lower-case name nor a wildcard for whole labels")]
    Host { host: String, place: usize },
}

#[derive(Debug, Clone, Default)]
struct Host {
    root: Node,
    /// Places of its APIs.
    apis: Vec<usize>,
}

/// A segment of base paths.
#[derive(Debug, Clone, Default)]
struct Node {
    api: Option<usize>,
    children: Names<Node>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self {
            exact: Names::default(),
            wildcard: Names::default(),
            wildcard_labels_max: 0,
            any: Host::default(),
            apis: Vec::new(),
        }
    }
}

impl<T> HostTable<T> {
    /// From hosts (exact or `*.example.com`, lower case, without port; none: any host), base path
    /// (empty or `/orders`) and API each.
    pub fn build(apis: Vec<(Vec<String>, String, T)>) -> Result<Self, HostConflict> {
        let mut table = Self::default();
        for (place, (mut hosts, base_path, api)) in apis.into_iter().enumerate() {
            let normal = normal_base_path(&base_path).ok_or_else(|| HostConflict::BasePath {
                base_path: base_path.clone(),
                place,
            })?;
            hosts.sort();
            hosts.dedup();
            if hosts.is_empty() {
                table.add(None, &normal, place)?;
            }
            for host in hosts {
                table.add(Some(host), &normal, place)?;
            }
            table.apis.push(api);
        }
        Ok(table)
    }

    /// `host`: lower case, without port; `path`: normal form. What is returned of the path starts
    /// with a slash.
    pub fn find<'t, 'p>(&'t self, host: &str, path: &'p str) -> Option<(&'t T, &'p str)> {
        let (place, rest) = self.hosts(host).find_map(|host| host.find(path))?;
        Some((self.apis.get(place)?, rest))
    }

    /// Every API that the host could mean, whatever the path, in order of preference.
    pub fn apis_for_host(&self, host: &str) -> impl Iterator<Item = &T> {
        self.hosts(host)
            .flat_map(|host| &host.apis)
            .filter_map(|place| self.apis.get(*place))
    }

    fn hosts(&self, host: &str) -> impl Iterator<Item = &Host> {
        // The DNS root may be written out: `example.com.` is `example.com`.
        let host = host.strip_suffix('.').unwrap_or(host);
        let dots = host.bytes().filter(|byte| *byte == b'.').count();
        let wildcards = host
            .match_indices('.')
            .skip(dots.saturating_sub(self.wildcard_labels_max))
            .filter(|(at, _)| *at > 0)
            .filter_map(|(at, _)| self.wildcard.get(host.get(at + 1..)?));
        self.exact
            .get(host)
            .into_iter()
            .chain(wildcards)
            .chain([&self.any])
    }

    fn add(&mut self, host: Option<String>, base: &str, place: usize) -> Result<(), HostConflict> {
        let entry = match host.as_deref() {
            None => &mut self.any,
            Some(name) => {
                let suffix = name.strip_prefix("*.");
                let labels = suffix.unwrap_or(name);
                if !is_host(labels) {
                    let host = name.to_owned();
                    return Err(HostConflict::Host { host, place });
                }
                let names = match suffix {
                    Some(suffix) => {
                        let labels = suffix.split('.').count();
                        self.wildcard_labels_max = self.wildcard_labels_max.max(labels);
                        &mut self.wildcard
                    }
                    None => &mut self.exact,
                };
                names.entry(labels.into()).or_default()
            }
        };
        let taken = entry.root.slot(base);
        if let Some(first) = *taken {
            return Err(HostConflict::SamePlace {
                host,
                base_path: base.to_owned(),
                first,
                second: place,
            });
        }
        *taken = Some(place);
        entry.apis.push(place);
        Ok(())
    }
}

impl Host {
    /// The longest base path that the path starts with.
    fn find<'p>(&self, path: &'p str) -> Option<(usize, &'p str)> {
        let mut node = &self.root;
        let mut rest = path;
        let mut found = node.api.map(|place| (place, rest));
        while let Some(below) = rest.strip_prefix('/') {
            let end = below.find('/').unwrap_or(below.len());
            let (segment, tail) = below.split_at(end);
            let Some(child) = node.children.get(segment) else {
                break;
            };
            (node, rest) = (child, tail);
            found = node.api.map(|place| (place, rest)).or(found);
        }
        found.map(|(place, rest)| (place, if rest.is_empty() { "/" } else { rest }))
    }
}

impl Node {
    fn slot(&mut self, base_path: &str) -> &mut Option<usize> {
        let mut node = self;
        for segment in base_path.split('/').skip(1) {
            node = node.children.entry(segment.into()).or_default();
        }
        &mut node.api
    }
}

/// In the form that request paths have.
fn normal_base_path(base_path: &str) -> Option<String> {
    if base_path.is_empty() {
        return Some(String::new());
    }
    let normal = path::normalise(base_path).ok()?;
    (!normal.ends_with('/')).then(|| normal.into_owned())
}

/// A name, or an address in brackets; what a client may send as Host is checked at the edge.
fn is_host(name: &str) -> bool {
    name.split('.').all(|label| !label.is_empty())
        && !name.bytes().any(|byte| {
            byte.is_ascii_uppercase() || !byte.is_ascii_graphic() || b"*/@".contains(&byte)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of APIs written as hosts, a slash and the rest of the base path: `a.com,b.com/orders`.
    fn table(apis: &[&'static str]) -> Result<HostTable<&'static str>, HostConflict> {
        let entries = apis.iter().map(|api| {
            let (hosts, base_path) = api.split_at(api.find('/').unwrap_or(api.len()));
            let hosts = hosts.split(',').filter(|host| !host.is_empty());
            (
                hosts.map(str::to_owned).collect(),
                base_path.to_owned(),
                *api,
            )
        });
        HostTable::build(entries.collect())
    }

    #[track_caller]
    fn check(apis: &[&'static str], (host, path): (&str, &str), expected: Option<(&str, &str)>) {
        let table = table(apis).expect("APIs without conflict");
        let found = table.find(host, path).map(|(api, rest)| (*api, rest));
        assert_eq!(found, expected, "{host}{path} in {apis:?}");
    }

    #[test]
    fn the_closest_host_wins() {
        let apis = [
            "a.example.com",
            "*.example.com",
            "*.eu.example.com",
            "",
            "[::1]",
        ];
        for (host, api) in [
            ("a.example.com", "a.example.com"),
            ("a.example.com.", "a.example.com"),
            ("b.example.com", "*.example.com"),
            ("c.b.example.com", "*.example.com"),
            ("eu.example.com", "*.example.com"),
            ("a.eu.example.com", "*.eu.example.com"),
            ("b.a.eu.example.com", "*.eu.example.com"),
            ("example.com", ""),
            (".example.com", ""),
            ("badexample.com", ""),
            ("com", ""),
            ("[::1]", "[::1]"),
            ("", ""),
        ] {
            check(&apis, (host, "/x"), Some((api, "/x")));
        }
        check(&["a.com"], ("b.com", "/"), None);
    }

    #[test]
    fn the_longest_base_path_on_a_segment_boundary_wins() {
        let apis = ["/orders", "/orders/v2/eu", "/%6frders/v%31"];
        for (path, expected) in [
            ("/orders", Some(("/orders", "/"))),
            ("/orders/", Some(("/orders", "/"))),
            ("/orders/7", Some(("/orders", "/7"))),
            ("/orders/v2", Some(("/orders", "/v2"))),
            ("/orders/v2/us", Some(("/orders", "/v2/us"))),
            ("/orders/v2/eu", Some(("/orders/v2/eu", "/"))),
            ("/orders/v2/eu/7/", Some(("/orders/v2/eu", "/7/"))),
            ("/orders/v1/7", Some(("/%6frders/v%31", "/7"))),
            ("/ordersv2", None),
            ("/order", None),
            ("/", None),
        ] {
            check(&apis, ("any", path), expected);
        }
        check(&["", "/a"], ("any", "/ab"), Some(("", "/ab")));
    }

    #[test]
    fn a_host_without_a_fitting_base_path_leaves_the_request_to_the_next() {
        let apis = ["a.x.com/a", "*.x.com/b", "*.com/c", "/d", "/a"];
        for (path, expected) in [
            ("/a", Some(("a.x.com/a", "/"))),
            ("/b", Some(("*.x.com/b", "/"))),
            ("/c", Some(("*.com/c", "/"))),
            ("/d", Some(("/d", "/"))),
            ("/e", None),
        ] {
            check(&apis, ("a.x.com", path), expected);
        }
    }

    #[test]
    fn all_apis_of_a_host_are_listed_in_order_of_preference() {
        let table =
            table(&["/d", "*.com/c", "a.com,b.com/b", "a.com/a", "c.com"]).expect("a table");
        let of = |host| table.apis_for_host(host).copied().collect::<Vec<_>>();
        assert_eq!(of("a.com"), ["a.com,b.com/b", "a.com/a", "*.com/c", "/d"]);
        assert_eq!(of("x.com"), ["*.com/c", "/d"]);
        assert_eq!(of("x.org"), ["/d"]);
    }

    #[test]
    fn two_apis_in_one_place_conflict() {
        let same = |host: Option<&str>, base_path: &str, first, second| {
            Some(HostConflict::SamePlace {
                host: host.map(str::to_owned),
                base_path: base_path.to_owned(),
                first,
                second,
            })
        };
        for (apis, expected) in [
            (vec!["a.com/a", "b.com/a", "*.com/a", "/a"], None),
            (vec!["a.com,a.com/a", "a.com/a/b", "a.com"], None),
            (vec!["/a", "/b", "/%61"], same(None, "/a", 0, 2)),
            (vec!["b.com,a.com", "a.com"], same(Some("a.com"), "", 0, 1)),
            (
                vec!["*.a.com/x", "*.a.com/x"],
                same(Some("*.a.com"), "/x", 0, 1),
            ),
        ] {
            assert_eq!(table(&apis).err(), expected, "{apis:?}");
        }
    }

    #[test]
    fn hosts_and_base_paths_that_never_match_are_refused() {
        for base_path in ["/", "/a/", "/a//b", "/.."] {
            let expected = HostConflict::BasePath {
                base_path: base_path.to_owned(),
                place: 0,
            };
            assert_eq!(table(&[base_path]).err(), Some(expected));
        }
        for host in [
            "A.com", "*", "*.", "a.*.com", "*a.com", "a..com", "*.*.com", "a b",
        ] {
            let expected = HostConflict::Host {
                host: host.to_owned(),
                place: 0,
            };
            assert_eq!(table(&[host]).err(), Some(expected), "{host}");
        }
    }
}
