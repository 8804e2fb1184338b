//! The order of preference between routes, against a search of all templates.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::{Found, RouteTable, Segment, Template};

/// The same by brute force: every template tried, the best by an explicit key.
fn reference(
    routes: &[(Vec<String>, Template)],
    method: &str,
    path: &str,
) -> Result<usize, Vec<String>> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut matching: Vec<(Vec<u8>, usize)> = routes
        .iter()
        .enumerate()
        .filter_map(|(place, (_, template))| Some((rank(template, &segments)?, place)))
        .collect();
    matching.sort();
    let has = |place: usize, method: &str| routes[place].0.iter().any(|m| m == method);
    // Templates one by one, each with its HEAD before its GET.
    for (rank, _) in &matching {
        let same = || {
            matching
                .iter()
                .filter(|(r, _)| r == rank)
                .map(|(_, place)| *place)
        };
        let of = |method: &str| same().find(|place| has(*place, method));
        let any = same().find(|place| routes[*place].0.is_empty());
        let get = (method == "HEAD").then(|| of("GET")).flatten();
        if let Some(place) = of(method).or(any).or(get) {
            return Ok(place);
        }
    }
    let mut methods: Vec<String> = matching
        .iter()
        .flat_map(|(_, place)| routes[*place].0.clone())
        .collect();
    if methods.iter().any(|method| method == "GET") {
        methods.push("HEAD".to_owned());
    }
    methods.sort();
    methods.dedup();
    Err(methods)
}

fn rank(template: &Template, segments: &[&str]) -> Option<Vec<u8>> {
    let mut rank = Vec::new();
    for (place, wanted) in template.segments().iter().enumerate() {
        let segment = segments.get(place)?;
        match wanted {
            Segment::Literal(literal) if literal == segment => rank.push(0),
            Segment::Param(_) if !segment.is_empty() => rank.push(1),
            Segment::Rest(_) if !segment.is_empty() => {
                rank.push(2);
                return Some(rank);
            }
            _ => return None,
        }
    }
    (segments.len() == rank.len()).then_some(rank)
}

fn templates() -> impl Strategy<Value = Template> {
    let inner = proptest::collection::vec(select(vec!["a", "b", "{}"]), 0..4);
    (inner, select(vec!["", "a", "b", "{}", "{+}"])).prop_map(|(mut segments, last)| {
        segments.push(last);
        let named: Vec<String> = segments
            .iter()
            .enumerate()
            .map(|(place, segment)| segment.replace('{', &format!("{{p{place}")))
            .collect();
        Template::parse(&format!("/{}", named.join("/"))).expect("a template")
    })
}

fn methods() -> impl Strategy<Value = Vec<String>> {
    subsequence(vec!["GET", "HEAD", "PUT", "POST"], 0..4)
        .prop_map(|methods| methods.into_iter().map(str::to_owned).collect())
}

proptest! {
    #[test]
    fn the_trie_finds_what_a_search_of_all_templates_finds(
        wanted in proptest::collection::vec((methods(), templates()), 0..24),
        method in select(vec!["GET", "HEAD", "PUT", "DELETE"]),
        path in "(/[abc]){0,5}/[abc]?",
    ) {
        // Conflicting routes are left out one by one, as an operator would be told to.
        let mut routes: Vec<(Vec<String>, Template)> = Vec::new();
        let build = |routes: &[(Vec<String>, Template)]| {
            let entries = routes.iter().cloned().enumerate();
            RouteTable::build(entries.map(|(place, (methods, template))| (methods, template, place)).collect())
        };
        for route in wanted {
            routes.push(route);
            if build(&routes).is_err() {
                routes.pop();
            }
        }
        let table = build(&routes).expect("conflicts were left out");
        match (table.find(method, &path), reference(&routes, method, &path)) {
            (Found::Route(found), Ok(expected)) => prop_assert_eq!(*found, expected),
            (Found::MethodNotAllowed { allow }, Err(methods)) if !methods.is_empty() => {
                prop_assert_eq!(allow, methods.join(", "));
            }
            (Found::NotFound, Err(methods)) => prop_assert!(methods.is_empty()),
            (found, expected) => prop_assert!(false, "{:?} instead of {:?}", found, expected),
        }
    }
}
