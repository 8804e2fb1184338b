//! Rows to snapshot documents. `store` fills the row types in one consistent read; a row that does
//! not compile becomes a document that refuses, with its code, so that the others go on.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use snapshot::api_key::KeyHash;
use snapshot::chunk::{ChunkRef, Kind, Sealed};
use snapshot::document::{
    Api, Cors, Key, OnStoreDown, Period, Plan, Quota, READER_OF_AUTHORIZERS, Rate, Route, Scopes,
    Subscription, Target, Tenant, Timeouts, Upstream, plan_key,
};
use snapshot::id::{
    ApiId, ApiKeyId, AuthorizerId, PlanId, RouteId, SubscriptionId, TenantId, UpstreamId,
};
use snapshot::trie::{Change, Entry};

use crate::route::PathTemplate;

mod identity;

pub use identity::{
    AuthorizerRow, EncryptionKeyRow, RevocationRow, TokenKeyRow, audience_of, authorizer,
    own_issuer, revocation,
};

/// One stored value of an API key. Rotated keys have two for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRow {
    pub hash: KeyHash,
    pub id: ApiKeyId,
    pub tenant_id: TenantId,
    /// The earlier of the key's own expiry and the end of this value's grace period.
    pub expires_at_ms: Option<i64>,
    /// `None`: not restricted.
    pub scopes: Option<Vec<String>>,
    /// Empty: not restricted.
    pub api_ids: Vec<ApiId>,
    pub allowed_ips: Vec<IpNet>,
    pub rate: Option<RateRow>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateRow {
    /// Thousandths of a request per second.
    pub per_second_milli: u64,
    pub burst: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TenantRow {
    pub id: TenantId,
    pub is_suspended: bool,
    /// Active ones only.
    pub subscriptions: Vec<SubscriptionRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionRow {
    pub id: SubscriptionId,
    pub plan_id: PlanId,
    pub plan_version: u32,
    pub api_ids: Vec<ApiId>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlanRow {
    pub id: PlanId,
    pub version: u32,
    pub name: String,
    pub rate: Option<RateRow>,
    pub rate_on_store_down: OnStoreDown,
    pub quota: Option<QuotaRow>,
    pub concurrency: Option<u32>,
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct QuotaRow {
    pub limit: u64,
    pub period: Period,
    pub on_store_down: OnStoreDown,
    pub group: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ApiRow {
    pub id: ApiId,
    pub name: String,
    pub hosts: Vec<String>,
    pub base_path: String,
    pub api_key_header: String,
    pub cors: Option<CorsRow>,
    pub max_stale_ms: Option<u64>,
    /// What tokens for it must be meant for.
    pub audience: String,
    pub routes: Vec<RouteRow>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RouteRow {
    pub id: RouteId,
    pub methods: Vec<String>,
    pub path: String,
    pub api_key_required: bool,
    pub scopes: Vec<String>,
    pub upstream_id: UpstreamId,
    pub rate: Option<RateRow>,
    pub forward_credentials: bool,
    pub timeouts: TimeoutsRow,
    pub cors: Option<CorsRow>,
    pub body_bytes_max: Option<u64>,
    pub lease_wait_ms: Option<u32>,
    pub authorizer_id: Option<AuthorizerId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeoutsRow {
    pub connect_ms: Option<u32>,
    pub first_byte_ms: Option<u32>,
    pub idle_ms: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsRow {
    pub allow_origins: Vec<String>,
    pub allow_methods: Vec<String>,
    pub allow_headers: Vec<String>,
    pub expose_headers: Vec<String>,
    pub allow_credentials: bool,
    pub max_age_seconds: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamRow {
    pub id: UpstreamId,
    pub name: String,
    pub targets: Vec<TargetRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetRow {
    pub url: String,
    pub weight: u32,
}

/// A key's entry in the map of keys.
pub fn key(row: &KeyRow) -> Entry {
    let mut api_ids: Vec<Vec<u8>> = row.api_ids.iter().map(|id| id.to_bytes()).collect();
    api_ids.sort_unstable();
    let document = Key {
        id: row.id.to_bytes(),
        tenant_id: row.tenant_id.to_bytes(),
        expires_at_ms: row.expires_at_ms,
        scopes: row.scopes.as_ref().map(|scopes| Scopes {
            items: sorted(scopes),
        }),
        api_ids,
        allowed_ips: sorted_display(&row.allowed_ips),
        rate: row.rate.map(rate),
    };
    entry(row.hash.0.to_vec(), &document)
}

/// A tenant's entry in the map of tenants.
pub fn tenant(row: &TenantRow) -> Entry {
    let mut subscriptions: Vec<Subscription> = row.subscriptions.iter().map(subscription).collect();
    subscriptions.sort_by(|a, b| a.id.cmp(&b.id));
    let document = Tenant {
        id: row.id.to_bytes(),
        is_suspended: row.is_suspended,
        subscriptions,
        refused: opens_an_api_twice(row).then(|| "api_opened_twice".to_owned()),
    };
    entry(row.id.to_bytes(), &document)
}

fn subscription(row: &SubscriptionRow) -> Subscription {
    let mut api_ids: Vec<Vec<u8>> = row.api_ids.iter().map(|id| id.to_bytes()).collect();
    api_ids.sort_unstable();
    Subscription {
        id: row.id.to_bytes(),
        plan_id: row.plan_id.to_bytes(),
        plan_version: row.plan_version,
        api_ids,
    }
}

/// The schema forbids it; where it happens all the same, guessing a plan would be worse.
fn opens_an_api_twice(row: &TenantRow) -> bool {
    let mut all: Vec<ApiId> = row
        .subscriptions
        .iter()
        .flat_map(|subscription| subscription.api_ids.iter().copied())
        .collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    all.len() != count
}

/// A plan version's chunk and its entry in the map of plans.
pub fn plan(row: &PlanRow) -> (Entry, Sealed) {
    let document = Plan {
        id: row.id.to_bytes(),
        version: row.version,
        name: row.name.clone(),
        rate: row.rate.map(rate),
        quota: row.quota.as_ref().map(|quota| Quota {
            limit: quota.limit,
            period: quota.period as i32,
            on_store_down: quota.on_store_down as i32,
            group: quota.group.clone(),
        }),
        concurrency: row.concurrency,
        scopes: sorted(&row.scopes),
        rate_on_store_down: row.rate.map(|_| row.rate_on_store_down as i32),
    };
    directory(
        plan_key(&row.id.to_bytes(), row.version),
        Kind::Plan,
        &document,
    )
}

/// An upstream's chunk and its entry in the map of upstreams.
pub fn upstream(row: &UpstreamRow) -> (Entry, Sealed) {
    let mut targets = row.targets.clone();
    targets.sort();
    let document = Upstream {
        id: row.id.to_bytes(),
        name: row.name.clone(),
        targets: targets
            .into_iter()
            .map(|target| Target {
                url: target.url,
                weight: target.weight,
            })
            .collect(),
    };
    directory(row.id.to_bytes(), Kind::Upstream, &document)
}

/// An API's chunk and its entry in the map of APIs.
pub fn api(row: &ApiRow) -> (Entry, Sealed) {
    let refused = refusal(row);
    let mut routes: Vec<Route> = row.routes.iter().map(route).collect();
    routes.sort_by(|a, b| a.id.cmp(&b.id));
    if refused.is_some() {
        routes.clear();
    }
    let document = Api {
        id: row.id.to_bytes(),
        name: row.name.clone(),
        hosts: sorted(&row.hosts),
        base_path: row.base_path.clone(),
        routes,
        api_key_header: row.api_key_header.to_ascii_lowercase(),
        cors: row.cors.as_ref().map(cors),
        max_stale_ms: row.max_stale_ms,
        refused: refused.map(str::to_owned),
        audience: row.audience.clone(),
    };
    // A node that does not know authorizers would let everybody in.
    let has_authorizer = document
        .routes
        .iter()
        .any(|route| route.authorizer_id.is_some());
    let min_reader = if has_authorizer {
        READER_OF_AUTHORIZERS
    } else {
        1
    };
    let sealed = snapshot::chunk::encode_for(Kind::Api, min_reader, &document);
    (entry(row.id.to_bytes(), &sealed.reference()), sealed)
}

fn route(row: &RouteRow) -> Route {
    let has_timeouts = row.timeouts != TimeoutsRow::default();
    Route {
        id: row.id.to_bytes(),
        methods: sorted(&row.methods),
        path: row.path.clone(),
        api_key_required: row.api_key_required,
        scopes: sorted(&row.scopes),
        upstream_id: row.upstream_id.to_bytes(),
        rate: row.rate.map(rate),
        forward_credentials: row.forward_credentials,
        timeouts: has_timeouts.then_some(Timeouts {
            connect_ms: row.timeouts.connect_ms,
            first_byte_ms: row.timeouts.first_byte_ms,
            idle_ms: row.timeouts.idle_ms,
        }),
        cors: row.cors.as_ref().map(cors),
        body_bytes_max: row.body_bytes_max,
        lease_wait_ms: row.lease_wait_ms,
        authorizer_id: row.authorizer_id.map(|id| id.to_bytes()),
    }
}

/// Why an API cannot be served, as a stable code.
pub fn refusal(row: &ApiRow) -> Option<&'static str> {
    let any_origin_with_credentials =
        |cors: &CorsRow| cors.allow_credentials && cors.allow_origins.iter().any(|o| o == "*");
    let all_cors = row
        .cors
        .iter()
        .chain(row.routes.iter().filter_map(|route| route.cors.as_ref()));
    if all_cors.into_iter().any(any_origin_with_credentials) {
        return Some("cors_any_origin_with_credentials");
    }
    let mut taken: HashMap<String, Vec<&[String]>> = HashMap::new();
    for route in &row.routes {
        let Ok(template) = PathTemplate::parse(&route.path) else {
            return Some("path_template_invalid");
        };
        let same_shape = taken.entry(template.shape().to_owned()).or_default();
        if same_shape
            .iter()
            .any(|methods| share_a_method(methods, &route.methods))
        {
            return Some("routes_conflict");
        }
        same_shape.push(&route.methods);
    }
    None
}

fn share_a_method(a: &[String], b: &[String]) -> bool {
    a.is_empty() || b.is_empty() || a.iter().any(|method| b.contains(method))
}

/// What becomes of the entries that were asked for: those found get their value, the rest go.
pub fn changes(asked: impl IntoIterator<Item = Vec<u8>>, found: Vec<Entry>) -> Vec<Change> {
    let mut found: HashMap<Vec<u8>, Vec<u8>> = found
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    let asked: BTreeSet<Vec<u8>> = asked.into_iter().collect();
    asked
        .into_iter()
        .map(|key| Change {
            value: found.remove(&key),
            key,
        })
        .collect()
}

fn rate(row: RateRow) -> Rate {
    Rate {
        per_second_milli: row.per_second_milli,
        burst: row.burst,
    }
}

fn cors(row: &CorsRow) -> Cors {
    Cors {
        allow_origins: sorted(&row.allow_origins),
        allow_methods: sorted(&row.allow_methods),
        allow_headers: sorted(&row.allow_headers),
        expose_headers: sorted(&row.expose_headers),
        allow_credentials: row.allow_credentials,
        max_age_seconds: row.max_age_seconds,
    }
}

fn entry<M: prost::Message>(key: Vec<u8>, document: &M) -> Entry {
    Entry {
        key,
        value: document.encode_to_vec(),
    }
}

fn directory<M: prost::Message>(key: Vec<u8>, kind: Kind, document: &M) -> (Entry, Sealed) {
    let sealed = snapshot::chunk::encode(kind, document);
    let reference: ChunkRef = sealed.reference();
    (entry(key, &reference), sealed)
}

fn sorted(items: &[String]) -> Vec<String> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items.dedup();
    items
}

fn sorted_display(items: &[IpNet]) -> Vec<String> {
    sorted(&items.iter().map(IpNet::to_string).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use snapshot::chunk::Chunk;
    use uuid::Uuid;

    fn route_row(id: u128, methods: &[&str], path: &str) -> RouteRow {
        RouteRow {
            id: RouteId(Uuid::from_u128(id)),
            methods: methods.iter().map(ToString::to_string).collect(),
            path: path.to_owned(),
            api_key_required: true,
            scopes: vec!["b".into(), "a".into()],
            upstream_id: UpstreamId(Uuid::from_u128(9)),
            rate: None,
            forward_credentials: false,
            timeouts: TimeoutsRow::default(),
            cors: None,
            body_bytes_max: None,
            lease_wait_ms: None,
            authorizer_id: None,
        }
    }

    fn api_row(routes: Vec<RouteRow>) -> ApiRow {
        ApiRow {
            id: ApiId(Uuid::from_u128(1)),
            name: "orders".into(),
            hosts: vec![],
            base_path: "/orders".into(),
            api_key_header: "X-Api-Key".into(),
            cors: None,
            max_stale_ms: None,
            audience: "orders".into(),
            routes,
        }
    }

    #[track_caller]
    fn check_refusal(routes: Vec<RouteRow>, expected: Option<&str>) {
        let (_, sealed) = api(&api_row(routes));
        let document: Api = snapshot::chunk::open(Kind::Api, &sealed.bytes).expect("opens");
        assert_eq!(document.refused.as_deref(), expected);
    }

    #[test]
    fn an_api_whose_routes_cannot_be_told_apart_is_published_as_refused() {
        let conflict = Some("routes_conflict");
        check_refusal(vec![route_row(1, &[], "/v1/{id}")], None);
        check_refusal(
            vec![
                route_row(1, &["GET"], "/{id}"),
                route_row(2, &["POST"], "/{no}"),
            ],
            None,
        );
        check_refusal(
            vec![
                route_row(1, &["GET"], "/{id}"),
                route_row(2, &["GET"], "/{no}"),
            ],
            conflict,
        );
        check_refusal(
            vec![route_row(1, &[], "/a"), route_row(2, &["GET"], "/a")],
            conflict,
        );
        for path in ["v1", "/{rest+}/x", "/{}", "/a{b}", "/{a b}"] {
            check_refusal(vec![route_row(1, &[], path)], Some("path_template_invalid"));
        }
    }

    #[test]
    fn a_node_that_knows_no_authorizers_does_not_read_an_api_that_has_one() {
        let mut guarded = route_row(1, &[], "/a");
        guarded.authorizer_id = Some(AuthorizerId(Uuid::from_u128(3)));
        for (row, reader) in [(guarded, 2), (route_row(1, &[], "/a"), 1)] {
            let (_, sealed) = api(&api_row(vec![row]));
            let chunk: Chunk = snapshot::decode("chunk", &sealed.bytes, 1 << 20).expect("a chunk");
            assert_eq!(chunk.min_reader, reader);
        }
    }

    #[test]
    fn the_order_of_rows_does_not_change_a_chunk() {
        let (a, b) = (
            route_row(1, &["POST", "GET"], "/a"),
            route_row(2, &[], "/b"),
        );
        let mut turned = a.clone();
        turned.methods.reverse();
        turned.scopes.reverse();
        let first = api(&api_row(vec![a, b.clone()]));
        assert_eq!(first, api(&api_row(vec![b, turned])));
    }

    #[test]
    fn entries_that_were_asked_for_and_not_found_are_removed() {
        let found = vec![Entry {
            key: vec![1],
            value: vec![9],
        }];
        let expected = vec![
            Change {
                key: vec![1],
                value: Some(vec![9]),
            },
            Change {
                key: vec![2],
                value: None,
            },
        ];
        assert_eq!(changes([vec![2], vec![1], vec![2]], found), expected);
    }
}
