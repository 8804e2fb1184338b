use std::collections::HashMap;
use std::net::IpAddr;

use prost::Message;
use snapshot::api_key::{Pepper, mint};
use snapshot::chunk::{self, Address, ChunkRef, Kind, Sealed};
use snapshot::document::{self, ConfigRoot, StateRoot, plan_key};
use snapshot::lease::{Lease, Outcome as LeaseOutcome};
use snapshot::manifest::Manifest;
use snapshot::rate_share::WHOLE;
use snapshot::revocation::RevocationKey;
use snapshot::seal::{DataKey, PEPPER};
use snapshot::trie::{self, Entry};
use uuid::Uuid;

use super::*;
use crate::{CompileInputs, Failures, Outcome, Registry, TokenMemory};

mod limits;
mod tokens;

const SECRET: [u8; 32] = [7; 32];
const DATA_KEY: DataKey = DataKey {
    generation: 1,
    bytes: [9; 32],
};
const NOW: Now = Now {
    unix_ms: 1_000_000,
    mono_ns: 3_600_000_000_000,
};

fn id(number: u128) -> Vec<u8> {
    Uuid::from_u128(number).as_bytes().to_vec()
}

/// A published world of one API, one tenant, one plan and one key, to be varied by each test.
struct World {
    api: document::Api,
    plan: document::Plan,
    tenant: document::Tenant,
    key: document::Key,
    plain: String,
    authorizer: document::Authorizer,
    issuer: Option<document::OwnIssuer>,
    revocations: Vec<(RevocationKey, i64)>,
}

impl World {
    fn new() -> Self {
        let route = document::Route {
            id: id(21),
            methods: vec!["GET".into()],
            path: "/v1/orders/{id}".into(),
            api_key_required: true,
            upstream_id: id(31),
            ..Default::default()
        };
        Self {
            api: document::Api {
                id: id(11),
                name: "orders".into(),
                base_path: "/orders".into(),
                routes: vec![route],
                api_key_header: "x-api-key".into(),
                ..Default::default()
            },
            plan: document::Plan {
                id: id(41),
                version: 1,
                name: "Free".into(),
                rate: Some(document::Rate {
                    per_second_milli: 1_000,
                    burst: 2,
                }),
                scopes: vec!["read".into(), "write".into()],
                ..Default::default()
            },
            tenant: document::Tenant {
                id: id(51),
                subscriptions: vec![document::Subscription {
                    id: id(61),
                    plan_id: id(41),
                    plan_version: 1,
                    api_ids: vec![id(11)],
                }],
                ..Default::default()
            },
            key: document::Key {
                id: id(71),
                tenant_id: id(51),
                ..Default::default()
            },
            plain: mint(true, &[3; 32]),
            authorizer: document::Authorizer {
                id: id(81),
                name: "tollgate".into(),
                own_tokens: Some(document::OwnTokens {}),
            },
            issuer: None,
            revocations: vec![],
        }
    }

    fn quota(mut self, limit: u64, on_store_down: OnStoreDown) -> Self {
        self.plan.rate = None;
        self.plan.quota = Some(document::Quota {
            limit,
            period: document::Period::Day as i32,
            on_store_down: on_store_down as i32,
            group: "default".into(),
        });
        self
    }

    fn compile(&self, registry: &Registry, previous: Option<&Snapshot>) -> Snapshot {
        let mut chunks: HashMap<Address, Vec<u8>> = HashMap::new();
        let mut keep = |sealed: &Sealed| {
            chunks.insert(sealed.address, sealed.bytes.clone());
            sealed.reference()
        };
        let upstream = document::Upstream {
            id: id(31),
            name: "backend".into(),
            targets: vec![document::Target {
                url: "http://127.0.0.1:1".into(),
                weight: 1,
            }],
        };
        let mut directory = |key: Vec<u8>, sealed: Sealed| {
            let value = keep(&sealed).encode_to_vec();
            let built = trie::build(Kind::DirectoryLeaf, [Entry { key, value }]);
            built.chunks.iter().for_each(|sealed| drop(keep(sealed)));
            built.root
        };
        let config = ConfigRoot {
            apis: directory(self.api.id.clone(), chunk::encode(Kind::Api, &self.api)),
            upstreams: directory(id(31), chunk::encode(Kind::Upstream, &upstream)),
            plans: directory(
                plan_key(&self.plan.id, self.plan.version),
                chunk::encode(Kind::Plan, &self.plan),
            ),
            authorizers: directory(
                self.authorizer.id.clone(),
                chunk::encode(Kind::Authorizer, &self.authorizer),
            ),
        };
        let hash = Pepper::new(&SECRET).hash(self.plain.as_bytes());
        let mut map = |kind, key: Vec<u8>, value: Vec<u8>| {
            let built = trie::build(kind, [Entry { key, value }]);
            built.chunks.iter().for_each(|sealed| drop(keep(sealed)));
            built.root
        };
        let state = StateRoot {
            keys: map(Kind::KeyLeaf, hash.0.to_vec(), self.key.encode_to_vec()),
            tenants: map(Kind::TenantLeaf, id(51), self.tenant.encode_to_vec()),
            peppers: vec![DATA_KEY.seal(PEPPER, &SECRET, [1; 12]).expect("seals")],
            revocations: {
                let entries = self
                    .revocations
                    .iter()
                    .map(|(key, issued_before_ms)| Entry {
                        key: key.as_bytes().to_vec(),
                        value: document::Revocation {
                            issued_before_ms: *issued_before_ms,
                        }
                        .encode_to_vec(),
                    });
                let built = trie::build(Kind::RevocationLeaf, entries);
                built.chunks.iter().for_each(|sealed| drop(keep(sealed)));
                built.root
            },
            issuer: self.issuer.clone(),
        };
        let manifest = Manifest {
            epoch: 1,
            revision: 1,
            config: Some(keep(&chunk::encode(Kind::ConfigRoot, &config))),
            state: Some(keep(&chunk::encode(Kind::StateRoot, &state))),
            ..Default::default()
        };
        Snapshot::compile(CompileInputs {
            manifest: &manifest,
            previous,
            data_keys: &[DATA_KEY],
            registry,
            fetch: &mut |reference: &ChunkRef| Ok(chunks[&reference.address()?].clone()),
        })
        .expect("compiles")
    }

    fn snapshot(&self) -> Snapshot {
        self.compile(&Registry::default(), None)
    }
}

#[derive(Clone)]
struct Ask {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    ip: IpAddr,
}

impl Ask {
    fn get(path: &'static str) -> Self {
        Self {
            method: "GET",
            path,
            headers: vec![],
            ip: [192, 0, 2, 1].into(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn order(world: &World) -> Self {
        Self::get("/orders/v1/orders/7").with("x-api-key", &world.plain)
    }
}

impl Request for Ask {
    fn method(&self) -> &str {
        self.method
    }
    fn host(&self) -> &str {
        "api.example.com"
    }
    fn path(&self) -> &str {
        self.path
    }
    fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_bytes())
    }
    fn header_count(&self, name: &str) -> usize {
        self.headers
            .iter()
            .filter(|(known, _)| *known == name)
            .count()
    }
    fn client_ip(&self) -> IpAddr {
        self.ip
    }
}

/// What a core of a node has beside the snapshot.
#[derive(Default)]
struct Core {
    failures: Failures,
    tokens: TokenMemory,
}

impl Core {
    fn decide(&self, snapshot: &Snapshot, ask: &Ask, stale_ms: u64, now: Now) -> Decision {
        let guards = Guards {
            failures: &self.failures,
            tokens: &self.tokens,
        };
        decide(snapshot, guards, ask, stale_ms, now)
    }
}

fn decide_at(snapshot: &Snapshot, ask: &Ask, now: Now) -> Decision {
    decide_on(&Core::default(), snapshot, ask, now)
}

/// As on a node that has the whole of every rate.
fn decide_on(core: &Core, snapshot: &Snapshot, ask: &Ask, now: Now) -> Decision {
    match core.decide(snapshot, ask, 0, now) {
        Decision::AskShare(question) => {
            let share = &question.state.rate;
            share.grant(WHOLE, u64::MAX, Duration::ZERO, now.mono_ns);
            core.decide(snapshot, ask, 0, now)
        }
        decision => decision,
    }
}

#[track_caller]
fn check(world: &World, ask: &Ask, expected: Result<(), RefusalCode>) {
    let found = match decide_at(&world.snapshot(), ask, NOW) {
        Decision::Forward(_) => Ok(()),
        Decision::Refuse(refusal) => Err(refusal.code),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_key_in_its_header_or_as_a_bearer_token_is_forwarded() {
    let world = World::new();
    check(&world, &Ask::order(&world), Ok(()));
    let bearer = Ask::get("/orders/v1/orders/7");
    check(
        &world,
        &bearer.with("authorization", format!("bEaReR {}", world.plain)),
        Ok(()),
    );
    let both = Ask::order(&world).with("authorization", format!("Bearer {}", world.plain));
    check(&world, &both, Ok(()));
    let other_token = Ask::order(&world).with("authorization", "Bearer eyJhbGciOi");
    check(&world, &other_token, Ok(()));
}

#[test]
fn what_is_not_a_working_key_is_401() {
    use RefusalCode::{ApiKeyAmbiguous, ApiKeyExpired, ApiKeyInvalid, ApiKeyMissing};
    let mut world = World::new();
    let bare = Ask::get("/orders/v1/orders/7");
    check(&world, &bare, Err(ApiKeyMissing));
    check(
        &world,
        &bare.clone().with("x-api-key", ""),
        Err(ApiKeyMissing),
    );
    check(
        &world,
        &bare.clone().with("x-api-key", "tg_live_wrong"),
        Err(ApiKeyInvalid),
    );
    check(
        &world,
        &bare.clone().with("x-api-key", mint(true, &[4; 32])),
        Err(ApiKeyInvalid),
    );
    check(
        &world,
        &bare.with("x-api-key", "an-imported-value-of-20"),
        Err(ApiKeyInvalid),
    );
    let twice = Ask::order(&world).with("x-api-key", &world.plain);
    check(&world, &twice, Err(ApiKeyAmbiguous));
    let two = Ask::order(&world).with("authorization", format!("Bearer {}", mint(true, &[4; 32])));
    check(&world, &two, Err(ApiKeyAmbiguous));
    world.key.expires_at_ms = Some(NOW.unix_ms + 1);
    check(&world, &Ask::order(&world), Ok(()));
    world.key.expires_at_ms = Some(NOW.unix_ms);
    check(&world, &Ask::order(&world), Err(ApiKeyExpired));
}

#[test]
fn a_known_caller_that_may_not_is_403() {
    use RefusalCode::{
        AddressNotAllowed, ApiNotAllowed, InsufficientScope, NotSubscribed, PlanUnavailable,
        TenantSuspended, TenantUnavailable,
    };
    #[track_caller]
    fn vary(change: impl FnOnce(&mut World), expected: Result<(), RefusalCode>) {
        let mut world = World::new();
        change(&mut world);
        check(&world, &Ask::order(&world), expected);
    }
    let scopes = |items: &[&str]| {
        Some(document::Scopes {
            items: items.iter().map(ToString::to_string).collect(),
        })
    };
    vary(|w| w.tenant.is_suspended = true, Err(TenantSuspended));
    vary(
        |w| w.tenant.refused = Some("broken".into()),
        Err(TenantUnavailable),
    );
    vary(|w| w.key.tenant_id = id(52), Err(TenantUnavailable));
    vary(|w| w.key.allowed_ips = vec!["192.0.2.0/24".into()], Ok(()));
    vary(
        |w| w.key.allowed_ips = vec!["198.51.100.0/24".into()],
        Err(AddressNotAllowed),
    );
    vary(|w| w.key.api_ids = vec![id(11)], Ok(()));
    vary(|w| w.key.api_ids = vec![id(12)], Err(ApiNotAllowed));
    vary(
        |w| w.tenant.subscriptions[0].api_ids.clear(),
        Err(NotSubscribed),
    );
    vary(
        |w| w.tenant.subscriptions[0].plan_version = 2,
        Err(PlanUnavailable),
    );
    vary(|w| w.api.routes[0].scopes = vec!["read".into()], Ok(()));
    vary(
        |w| w.api.routes[0].scopes = vec!["admin".into()],
        Err(InsufficientScope),
    );
    vary(
        |w| {
            w.api.routes[0].scopes = vec!["read".into()];
            w.key.scopes = scopes(&["write"]);
        },
        Err(InsufficientScope),
    );
    // A key never widens what the plan allows.
    vary(
        |w| {
            w.api.routes[0].scopes = vec!["admin".into()];
            w.key.scopes = scopes(&["admin"]);
        },
        Err(InsufficientScope),
    );
}

#[test]
fn routes_are_found_or_refused() {
    use RefusalCode::{ApiUnavailable, MethodNotAllowed, RouteNotFound, SnapshotTooStale};
    let mut world = World::new();
    check(&world, &Ask::get("/nowhere"), Err(RouteNotFound));
    check(
        &world,
        &Ask::get("/ordersX/v1/orders/7"),
        Err(RouteNotFound),
    );
    check(&world, &Ask::get("/orders/v2"), Err(RouteNotFound));
    let post = Ask {
        method: "POST",
        ..Ask::order(&world)
    };
    check(&world, &post, Err(MethodNotAllowed));
    check(
        &world,
        &Ask {
            method: "HEAD",
            ..Ask::order(&world)
        },
        Ok(()),
    );
    world.api.max_stale_ms = Some(10);
    let stale = Core::default().decide(&world.snapshot(), &Ask::order(&world), 11, NOW);
    assert!(matches!(stale, Decision::Refuse(refusal) if refusal.code == SnapshotTooStale));
    world.api.refused = Some("routes_conflict".into());
    check(&world, &Ask::order(&world), Err(ApiUnavailable));
}

#[test]
fn an_open_route_needs_no_key_and_knows_nobody() {
    let mut world = World::new();
    world.api.routes[0].api_key_required = false;
    match decide_at(&world.snapshot(), &Ask::order(&world), NOW) {
        Decision::Forward(permit) => assert!(permit.identity().is_none()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_upstream_gets_the_path_below_the_base_and_not_the_credential() {
    let world = World::new();
    let Decision::Forward(permit) = decide_at(&world.snapshot(), &Ask::order(&world), NOW) else {
        panic!("a good key");
    };
    assert_eq!(permit.forward_path("/orders/v1/orders/7"), "/v1/orders/7");
    assert_eq!(permit.credential_header(), Some("x-api-key"));
    let identity = permit.identity().expect("a key");
    assert_eq!(identity.tenant_id.to_bytes(), id(51));
    assert_eq!(identity.plan_name(), "Free");
    assert_eq!(identity.scopes(), ["read", "write"]);
}

#[track_caller]
fn check_refused(decision: &Decision, code: RefusalCode) {
    match decision {
        Decision::Refuse(refusal) => assert_eq!(refusal.code, code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn guessing_is_slowed_before_any_cryptography() {
    let world = World::new();
    let (snapshot, core) = (world.snapshot(), Core::default());
    let wrong = Ask::get("/orders/v1/orders/7").with("x-api-key", "tg_live_wrong");
    let codes: Vec<RefusalCode> = (0..61)
        .map(|_| match core.decide(&snapshot, &wrong, 0, NOW) {
            Decision::Refuse(refusal) => refusal.code,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(codes[59], RefusalCode::ApiKeyInvalid);
    assert_eq!(codes[60], RefusalCode::TooManyFailures);
    let elsewhere = Ask {
        ip: [192, 0, 2, 77].into(),
        ..Ask::order(&world)
    };
    assert!(matches!(
        core.decide(&snapshot, &elsewhere, 0, NOW),
        Decision::AskShare(_)
    ));
}

#[test]
fn a_preflight_is_answered_here_and_costs_nothing() {
    let mut world = World::new();
    world.api.cors = Some(document::Cors {
        allow_origins: vec!["https://app.example.com".into()],
        allow_methods: vec!["GET".into()],
        ..Default::default()
    });
    let preflight = Ask {
        method: "OPTIONS",
        ..Ask::get("/orders/v1/orders/7")
    }
    .with("origin", "https://app.example.com")
    .with("access-control-request-method", "GET");
    match decide_at(&world.snapshot(), &preflight, NOW) {
        Decision::Answer(answer) => {
            assert_eq!(answer.status, 204);
            let origin = (
                "access-control-allow-origin",
                "https://app.example.com".to_owned(),
            );
            assert!(answer.headers.contains(&origin), "{:?}", answer.headers);
        }
        other => panic!("{other:?}"),
    }
}
