//! A request to paste into a terminal.

use domain::api::Api;
use domain::id::TenantId;
use domain::route::Route;
use store::Conn;

use crate::action::ActionError;
use crate::app::App;

const APIS_LOOKED_AT: u32 = 20;
const ROUTES_LOOKED_AT: u32 = 100;

/// A call of something that the tenant's plans open, with this key: a plain GET if there is one.
/// None where nothing is open yet.
pub(crate) async fn example(
    app: &App,
    tx: &mut Conn,
    tenant: TenantId,
    key: &str,
) -> Result<Option<String>, ActionError> {
    let mut best: Option<(u8, String)> = None;
    for api in store::apis::list_open_to(tx, tenant, APIS_LOOKED_AT).await? {
        for route in store::routes::list(tx, api.id, ROUTES_LOOKED_AT).await? {
            let method = method(&route);
            let rank = rank(&route, method);
            if best.as_ref().is_none_or(|(other, _)| rank < *other) {
                best = Some((rank, curl(app, &api, (&route, method), key)));
            }
        }
    }
    Ok(best.map(|(_, curl)| curl))
}

/// What needs the key comes first, then what changes nothing and needs no value filled in.
fn rank(route: &Route, method: &str) -> u8 {
    let is_open = !route.api_key_required;
    let needs_values = route.path.contains('{');
    u8::from(is_open) * 4 + u8::from(method != "GET") * 2 + u8::from(needs_values)
}

fn method(route: &Route) -> &str {
    let is_get = |method: &&String| method.as_str() == "GET";
    match route.methods.iter().find(is_get) {
        Some(get) => get,
        None => route.methods.first().map_or("GET", String::as_str),
    }
}

fn curl(app: &App, api: &Api, (route, method): (&Route, &str), key: &str) -> String {
    let path = example_path(&route.path);
    let method = match method {
        "GET" => String::new(),
        other => format!("-X {other} "),
    };
    let host = api.hosts.iter().find(|host| !host.starts_with('*'));
    // A gateway of this machine is not found by the API's public name.
    let (base, host) = match (&app.gateway_url, host) {
        (Some(gateway), Some(host)) => (gateway.clone(), format!("-H 'Host: {host}' ")),
        (Some(gateway), None) => (gateway.clone(), String::new()),
        (None, Some(host)) => (format!("https://{host}"), String::new()),
        (None, None) => ("https://GATEWAY".to_owned(), String::new()),
    };
    let header = &api.api_key_header;
    let base_path = &api.base_path;
    format!("curl -i {method}{host}-H '{header}: {key}' '{base}{base_path}{path}'")
}

/// Parameters filled in: `/v1/orders/{id}` is asked for as `/v1/orders/1`.
fn example_path(template: &str) -> String {
    let mut path = String::new();
    for segment in template.split('/').skip(1) {
        path.push('/');
        path.push_str(if segment.starts_with('{') {
            "1"
        } else {
            segment
        });
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_filled_in() {
        for (template, path) in [
            ("/v1/orders/{id}", "/v1/orders/1"),
            ("/files/{rest+}", "/files/1"),
            ("/", "/"),
            ("/v1/orders", "/v1/orders"),
        ] {
            assert_eq!(example_path(template), path, "{template}");
        }
    }
}
