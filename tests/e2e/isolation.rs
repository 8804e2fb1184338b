//! Nobody reaches what is not theirs: every route of the API and every page, as nobody, as
//! somebody of another tenant, and in a role that may look only.

mod bodies;
mod pages;
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use domain::permission::{self, Action, Authority, Effect, Reach};
use domain::role::Role;
use e2e::visitor::{Seen, Visitor};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use pages::{ADMIN, OPEN, OWN, Page, TENANT};
use world::{Route, Whose, World};

/// What says that a page's form was not from us: not the refusal that is looked for here.
const FOREIGN_FORM: &str = "out of date";

fn body_of(world: &World, route: &Route) -> Option<Value> {
    let body = route
        .takes_body
        .then(|| bodies::of(route.method.as_str(), &route.path))?;
    let filled = world.fill(&body.to_string());
    Some(serde_json::from_str(&filled).unwrap())
}

/// Calls a route and asserts that it answers so; the refusals here change nothing.
async fn refuses(world: &World, route: &Route, (whose, path): (Whose<'_>, &str), code: u16) {
    let body = body_of(world, route);
    let (status, answer) = world.call(&route.method, path, whose, body).await;
    let who = format!("{whose:?} {} {path}: {status} {answer}", route.method);
    assert_eq!(status.as_u16(), code, "{who}");
}

#[tokio::test]
async fn no_route_of_the_api_serves_those_it_is_not_for() {
    let world = World::new().await;
    let routes = world.routes().await;
    assert!(routes.len() > 40, "{}", routes.len());
    let before = world.state().await;
    for route in &routes {
        let path = world.fill(&route.path);
        let key = Whose::Value(&world.api_key);
        for whose in [Whose::Nobody, Whose::Value("tgp_unknown"), key] {
            refuses(&world, route, (whose, &path), 401).await;
        }
        // Whoever is outside a tenant does not learn that it is there.
        let outside = match route.action.reach() {
            Reach::Tenant => 404,
            Reach::Platform => 403,
            Reach::Own => {
                shows_own_account_only(&world, &path).await;
                continue;
            }
        };
        refuses(&world, route, (Whose::Stranger, &path), outside).await;
        let crossed = world.fill_in_other_tenant(&route.path);
        if route.path.contains("{tenant}/") && route.path.matches('{').count() > 1 {
            refuses(&world, route, (Whose::Stranger, &crossed), outside).await;
        }
        let viewer = Authority::Member(Role::Viewer);
        if permission::may(viewer, route.action) {
            assert_eq!(route.action.effect(), Effect::Read, "{path}");
            refuses(&world, route, (Whose::Viewer, &path), 200).await;
        } else {
            refuses(&world, route, (Whose::Viewer, &path), 403).await;
        }
    }
    assert_eq!(world.state().await, before, "a refused call changed this");
    every_route_serves_an_operator(&world, routes).await;
}

/// Everybody sees the account and the tenants that are theirs.
async fn shows_own_account_only(world: &World, path: &str) {
    let (status, answer) = world.call(&Method::GET, path, Whose::Stranger, None).await;
    assert_eq!(status, 200, "{answer}");
    let own = world.fill("{tenant}");
    assert!(!answer.to_string().contains(&own), "{answer}");
    let (status, answer) = world.call(&Method::GET, path, Whose::Viewer, None).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["tenants"][0]["id"], own);
    assert_eq!(answer["tenants"][0]["role"], "viewer");
}

/// Otherwise the sweep would have called what is not there.
async fn every_route_serves_an_operator(world: &World, mut routes: Vec<Route>) {
    // Reads come first, ends last: of what hangs on other things before these.
    routes.sort_by_key(|route| match route.method {
        Method::GET => (0, 0),
        Method::DELETE => (2, usize::MAX - route.path.len()),
        _ => (1, 0),
    });
    for route in &routes {
        let path = world.fill(&route.path);
        let body = body_of(world, route);
        let (status, answer) = world
            .call(&route.method, &path, Whose::Operator, body)
            .await;
        // A request that was approved before is no request any more.
        let is_served = status.is_success()
            || status == StatusCode::CONFLICT
            || (route.action, status) == (Action::DeclinePlanRequest, StatusCode::NOT_FOUND);
        let what = format!("{} {path}: {status} {answer}", route.method);
        assert!(is_served, "{what}");
    }
}

/// Opens a page and sends its form, with the visitor's own form token.
async fn visit(
    visitor: &mut Visitor,
    page: &Page,
    path: &str,
    fields: &[(&str, String)],
) -> Vec<(Method, Seen)> {
    let mut seen = Vec::new();
    if page.is_shown {
        seen.push((Method::GET, visitor.get(path).await));
    }
    if page.form.is_some() {
        let token = visitor.form_token().await;
        let mut all: Vec<(&str, &str)> = vec![("csrf_token", &token)];
        all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        seen.push((Method::POST, visitor.post(path, &all).await));
    }
    for (method, seen) in &seen {
        let is_foreign = seen.body.contains(FOREIGN_FORM);
        assert!(!is_foreign, "{method} {path} {}", seen.body);
    }
    seen
}

fn fields(world: &World, page: &Page) -> Vec<(&'static str, String)> {
    let form = page.form.unwrap_or_default();
    let filled = form.iter().map(|(name, value)| (*name, world.fill(value)));
    filled.collect()
}

#[tokio::test]
async fn no_page_serves_those_it_is_not_for() {
    let mut world = World::new().await;
    let before = world.state().await;
    for page in OWN.iter().chain(TENANT).chain(ADMIN) {
        let path = world.fill(page.path);
        let fields = fields(&world, page);
        let mut nobody = Visitor::new(&world.stack.report);
        for (method, seen) in visit(&mut nobody, page, &path, &fields).await {
            assert_eq!(seen.status, StatusCode::SEE_OTHER, "{method} {path}");
            assert!(seen.location.starts_with("/login"), "{method} {path}");
        }
        let unsigned = world.owner.browser.post(&path, &[]).await;
        assert!(
            [403, 405].contains(&unsigned.status.as_u16()),
            "a form that is not ours: {path}"
        );
        strangers_do_not_come_in(&mut world, page, &fields).await;
        viewers_only_look(&mut world, page, &fields).await;
    }
    assert_eq!(world.state().await, before, "a refused visit changed this");
    let own_tokens = world.owner.browser.get("/account").await;
    assert!(own_tokens.body.contains("/revoke"), "{}", own_tokens.body);
    every_page_serves_those_it_is_for(&mut world).await;
}

async fn strangers_do_not_come_in(world: &mut World, page: &Page, fields: &[(&str, String)]) {
    let outside = match page.path.starts_with("/admin") {
        true => StatusCode::FORBIDDEN,
        false => StatusCode::NOT_FOUND,
    };
    let mut paths = vec![world.fill(page.path)];
    // Their own tenant's pages do not show another's things.
    let tenants_own = [
        "{key}",
        "{subscription}",
        "{request}",
        "{invitation}",
        "{member}",
        "{group}",
        "{provider}",
        "{domain}",
    ];
    if tenants_own.iter().any(|id| page.path.contains(id)) {
        paths.push(world.fill_in_other_tenant(page.path));
    }
    for path in paths {
        let stranger = &mut world.stranger.browser;
        for (method, seen) in visit(stranger, page, &path, fields).await {
            assert_eq!(seen.status, outside, "{method} {path} {}", seen.body);
        }
    }
}

async fn viewers_only_look(world: &mut World, page: &Page, fields: &[(&str, String)]) {
    let path = world.fill(page.path);
    let is_tenants = page.path.starts_with("/t/");
    for (method, seen) in visit(&mut world.viewer.browser, page, &path, fields).await {
        let status = seen.status.as_u16();
        let expected: &[u16] = match &method {
            &Method::GET if is_tenants => &[200, 403],
            _ if OWN.iter().any(|own| own.path == page.path) => &[404],
            _ => &[403],
        };
        assert!(expected.contains(&status), "{method} {path} {}", seen.body);
    }
}

/// Otherwise the sweep would have visited what is not there.
async fn every_page_serves_those_it_is_for(world: &mut World) {
    let shown = |page: &&Page| page.is_shown;
    for page in TENANT.iter().chain(ADMIN).chain(OWN).filter(shown) {
        let path = world.fill(page.path);
        let seen = at_home(world, page).get(&path).await;
        assert_eq!(seen.status, StatusCode::OK, "{path} {}", seen.body);
    }
    for page in TENANT.iter().chain(ADMIN).chain(OWN) {
        let path = world.fill(page.path);
        let fields = fields(world, page);
        for (method, seen) in visit(at_home(world, page), page, &path, &fields).await {
            // What does not fit is shown again with its errors; what was ended is not there.
            let is_served = [200, 303, 404, 409, 422].contains(&seen.status.as_u16());
            let is_served = is_served && !seen.location.starts_with("/login");
            assert!(is_served, "{method} {path} {} {}", seen.status, seen.body);
        }
    }
}

fn at_home<'a>(world: &'a mut World, page: &Page) -> &'a mut Visitor {
    match page.path.starts_with("/admin") {
        true => &mut world.operator.browser,
        false => &mut world.owner.browser,
    }
}

/// The pages are read off the sources, so that a new one is not forgotten here.
#[test]
fn the_sweep_knows_every_page() {
    let swept: BTreeSet<String> = (OWN.iter().chain(TENANT).chain(ADMIN))
        .map(|page| page.path.to_owned())
        .chain(OPEN.iter().map(|&path| path.to_owned()))
        .collect();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../control-plane/server/src");
    let mut found = BTreeSet::new();
    collect_routes(&sources, &mut found);
    assert_eq!(found, swept);
}

/// Literals in the first place of `.route(…)`.
fn collect_routes(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect_routes(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for rest in text.split(".route(").skip(1) {
            let literal = rest.trim_start().strip_prefix('"');
            found.extend(
                literal
                    .and_then(|text| text.split('"').next())
                    .map(str::to_owned),
            );
        }
    }
}
