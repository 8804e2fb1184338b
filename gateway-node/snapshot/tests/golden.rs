//! The wire format, byte by byte: a file per document holds what the sample here must encode to, and
//! what it must decode from. Every field of a sample is set and told from its neighbours, so that a
//! tag that moves, a type that changes or a field that is lost shows.
//!
//! A file changes only with an agreed change of the protocol; what a failing test shows on its left
//! side is what a new file holds.

use std::fmt::Debug;
use std::path::PathBuf;

use prost::Message;
use snapshot::chunk::{self, ChunkRef, ChunkRequest, ChunkResponse, CompressedChunk, Kind};
use snapshot::document::{
    Api, Authorizer, ConfigRoot, Cors, EncryptionKey, Key, OnStoreDown, OwnIssuer, OwnTokens,
    Period, Plan, Quota, Rate, Revocation, Route, Scopes, SigningAlgorithm, StateRoot,
    Subscription, Target, Tenant, Timeouts, TokenKey, Upstream, plan_key,
};
use snapshot::enrol::{EnrolRequest, EnrolResponse};
use snapshot::id::{NodeId, TenantId, UserId};
use snapshot::lease::{
    IncarnationRequest, IncarnationResponse, Lease, LeaseItem, LeaseRequest, LeaseResponse, Outcome,
};
use snapshot::manifest::{Freshness, Manifest, RootStatement, Version, manifest_hash};
use snapshot::node_call::{self, Call, CallKey};
use snapshot::poll::{PollQuery, RejectedReport, SnapshotResponse};
use snapshot::rate_share::{Share, ShareItem, ShareRequest, ShareResponse};
use snapshot::revocation::RevocationKey;
use snapshot::seal::{DataKey, DataKeys, PEPPER, SealedDataKey, SealedSecret};
use snapshot::sign::{Domain, Signed, SigningKey};
use snapshot::trie::{Child, Entry, Interior, Leaf};
use snapshot::usage::{Class, RouteLatency, UsageAck, UsageBatch, UsageCount};

#[track_caller]
fn check_text(name: &str, text: &str) {
    let file = format!("{name}.txt");
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(&file);
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        golden.trim_end(),
        "{file} pins another form of {name}"
    );
}

#[track_caller]
fn check<M: Message + Default + PartialEq + Debug>(name: &str, sample: &M) {
    let bytes = sample.encode_to_vec();
    check_text(name, &hex(&bytes));
    assert_eq!(M::decode(&bytes[..]).as_ref(), Ok(sample), "{name}");
}

/// 32 bytes a line.
fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| -> String { line.iter().map(|byte| format!("{byte:02x}")).collect() };
    bytes.chunks(32).map(line).collect::<Vec<_>>().join("\n")
}

fn id(byte: u8) -> Vec<u8> {
    vec![byte; 16]
}

fn reference(byte: u8) -> ChunkRef {
    ChunkRef {
        address: vec![byte; 32],
        length: 1000 + u32::from(byte),
    }
}

fn rate() -> Rate {
    Rate {
        per_second_milli: 2500,
        burst: 7,
    }
}

fn cors() -> Cors {
    Cors {
        allow_origins: vec!["https://app.example.com".into()],
        allow_methods: vec!["GET".into(), "PUT".into()],
        allow_headers: vec!["x-a".into()],
        expose_headers: vec!["x-b".into()],
        allow_credentials: true,
        max_age_seconds: 600,
    }
}

fn timeouts() -> Timeouts {
    Timeouts {
        connect_ms: Some(1),
        first_byte_ms: Some(2),
        idle_ms: Some(3),
    }
}

#[test]
fn what_operators_publish_keeps_its_form() {
    check(
        "config_root",
        &ConfigRoot {
            apis: Some(reference(1)),
            upstreams: Some(reference(2)),
            plans: Some(reference(3)),
            authorizers: Some(reference(9)),
        },
    );
    check(
        "api",
        &Api {
            id: id(1),
            name: "Orders".into(),
            hosts: vec!["*.example.com".into(), "api.example.com".into()],
            base_path: "/orders".into(),
            routes: vec![Route {
                id: id(2),
                methods: vec!["GET".into(), "POST".into()],
                path: "/v1/{id}".into(),
                api_key_required: true,
                scopes: vec!["orders:read".into()],
                upstream_id: id(3),
                rate: Some(rate()),
                forward_credentials: true,
                timeouts: Some(timeouts()),
                cors: Some(cors()),
                body_bytes_max: Some(4096),
                lease_wait_ms: Some(20),
                authorizer_id: Some(id(11)),
            }],
            api_key_header: "x-api-key".into(),
            cors: Some(cors()),
            max_stale_ms: Some(60_000),
            refused: Some("no_upstream".into()),
            audience: "https://id.example.com/apis/orders".into(),
        },
    );
    check(
        "authorizer",
        &Authorizer {
            id: id(11),
            name: "tollgate".into(),
            own_tokens: Some(OwnTokens {}),
        },
    );
    check(
        "upstream",
        &Upstream {
            id: id(4),
            name: "orders".into(),
            targets: vec![Target {
                url: "https://orders.internal:8443/v1".into(),
                weight: 3,
            }],
        },
    );
    check(
        "plan",
        &Plan {
            id: id(5),
            version: 6,
            name: "Gold".into(),
            rate: Some(rate()),
            quota: Some(Quota {
                limit: 1_000_000,
                period: Period::Month as i32,
                on_store_down: OnStoreDown::Allow as i32,
                group: "default".into(),
            }),
            concurrency: Some(9),
            scopes: vec!["orders:read".into(), "orders:write".into()],
            rate_on_store_down: Some(OnStoreDown::LocalShare as i32),
        },
    );
    check_text("plan_key", &hex(&plan_key(&id(5), 6)));
}

#[test]
fn what_tenants_have_keeps_its_form() {
    check(
        "state_root",
        &StateRoot {
            keys: Some(reference(4)),
            tenants: Some(reference(5)),
            revocations: Some(reference(10)),
            peppers: vec![sealed_secret()],
            issuer: Some(OwnIssuer {
                issuer: "https://id.example.com".into(),
                keys: vec![TokenKey {
                    kid: "AbCdEfGhIjKlMnOpQrStUv".into(),
                    algorithm: SigningAlgorithm::EdDsa as i32,
                    public_key: vec![50; 32],
                    verifies_until_ms: Some(1_800_000_000_005),
                }],
                encryption_keys: vec![EncryptionKey {
                    kid: "BcDeFgHiJkLmNoPqRsTuVw".into(),
                    secret: Some(sealed_secret()),
                    opens_until_ms: Some(1_800_000_000_007),
                }],
            }),
        },
    );
    check(
        "revocation",
        &Revocation {
            issued_before_ms: 1_800_000_000_006,
        },
    );
    let (tenant, user) = (TenantId::from_bytes(&id(7)), UserId::from_bytes(&id(51)));
    let member = RevocationKey::member(tenant.expect("an id"), user.expect("an id"));
    check_text("revocation_key", &hex(member.as_bytes()));
    check(
        "key",
        &Key {
            id: id(6),
            tenant_id: id(7),
            expires_at_ms: Some(1_800_000_000_000),
            scopes: Some(Scopes {
                items: vec!["orders:read".into()],
            }),
            api_ids: vec![id(1)],
            allowed_ips: vec!["192.0.2.0/24".into()],
            rate: Some(rate()),
        },
    );
    check(
        "tenant",
        &Tenant {
            id: id(7),
            is_suspended: true,
            subscriptions: vec![Subscription {
                id: id(8),
                plan_id: id(5),
                plan_version: 6,
                api_ids: vec![id(1), id(2)],
            }],
            refused: Some("too_large".into()),
        },
    );
}

#[test]
fn chunks_and_maps_keep_their_form() {
    let leaf = Leaf {
        entries: vec![Entry {
            key: vec![1; 32],
            value: vec![2, 3],
        }],
    };
    check("leaf", &leaf);
    let interior = Interior {
        children: vec![Child {
            nibble: 15,
            chunk: Some(reference(6)),
            count: 513,
        }],
    };
    check("interior", &interior);
    let sealed = chunk::encode(Kind::KeyLeaf, &leaf);
    check_text("chunk", &hex(&sealed.bytes));
    check_text("chunk_address", &sealed.address.to_string());
    check("chunk_reference", &sealed.reference());
    check(
        "chunk_request",
        &ChunkRequest {
            addresses: vec![vec![1; 32], vec![2; 32]],
        },
    );
    check(
        "chunk_response",
        &ChunkResponse {
            chunks: vec![CompressedChunk {
                address: vec![1; 32],
                zstd: vec![4, 5],
            }],
        },
    );
    let kinds: Vec<String> = (0..=11)
        .map(|kind| format!("{kind} {:?}", Kind::try_from(kind).expect("a kind")))
        .collect();
    check_text("chunk_kinds", &kinds.join("\n"));
}

fn signed(domain: Domain, message: &impl Message) -> Signed {
    SigningKey::from_seed(&[9; 32]).sign(domain, message.encode_to_vec())
}

fn root() -> Signed {
    let statement = RootStatement {
        deployment_id: id(10),
        sequence: 11,
        epoch: 12,
        root_key: vec![13; 32],
        online_keys: vec![vec![14; 32], vec![15; 32]],
    };
    signed(Domain::Root, &statement)
}

fn manifest() -> Signed {
    let manifest = Manifest {
        deployment_id: id(10),
        epoch: 12,
        revision: 16,
        config: Some(reference(7)),
        state: Some(reference(8)),
        created_at_ms: 1_800_000_000_001,
        min_reader: 1,
    };
    signed(Domain::Manifest, &manifest)
}

fn freshness() -> Signed {
    let statement = Freshness {
        manifest_hash: manifest_hash(&manifest()).0.to_vec(),
        epoch: 12,
        revision: 16,
        not_after_ms: 1_800_000_000_002,
    };
    signed(Domain::Freshness, &statement)
}

#[test]
fn statements_and_their_signatures_keep_their_form() {
    check("root_statement", &root());
    check("manifest", &manifest());
    check("freshness", &freshness());
    check(
        "snapshot_response",
        &SnapshotResponse {
            root_chain: vec![root()],
            manifest: Some(manifest()),
            freshness: Some(freshness()),
        },
    );
    let version = |revision| Version {
        epoch: 12,
        revision,
    };
    let poll = PollQuery {
        applied: version(16),
        manifest: Some(manifest_hash(&manifest())),
        wait_seconds: 25,
        rejected: Some(RejectedReport {
            version: version(17),
            code: "wrong_hash".into(),
            detail: "chunk 1".into(),
        }),
        evidence: None,
    };
    check_text("poll_query", &poll.with_evidence(&manifest()).to_query());
}

fn sealed_secret() -> SealedSecret {
    let data_key = DataKey {
        generation: 2,
        bytes: [17; 32],
    };
    data_key
        .seal(PEPPER, &[18; 32], [19; 12])
        .expect("it can be sealed")
}

fn sealed_data_key() -> SealedDataKey {
    SealedDataKey {
        generation: 2,
        encapsulated: vec![20; 32],
        ciphertext: vec![21; 48],
    }
}

#[test]
fn secrets_keep_their_form() {
    check("sealed_secret", &sealed_secret());
    check(
        "data_keys",
        &DataKeys {
            keys: vec![sealed_data_key()],
        },
    );
}

#[test]
fn calls_of_nodes_keep_their_form() {
    check(
        "enrol_request",
        &EnrolRequest {
            token: "tge_a.b".into(),
            signing_key: vec![22; 32],
            seal_key: vec![23; 32],
            name: "edge-1".into(),
            software_version: "0.1.0".into(),
            proof: vec![24; 64],
        },
    );
    check(
        "enrol_response",
        &EnrolResponse {
            node_id: id(25),
            deployment_id: id(10),
            root_chain: vec![root()],
            data_keys: vec![sealed_data_key()],
        },
    );
    let call = Call {
        method: "POST",
        target: "/node/v1/leases",
        body: b"abc",
    };
    // RFC 8410, section 7: a private key of a seed.
    let pkcs8 = [
        &b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20"[..],
        &[9; 32],
    ];
    let key = CallKey::from_pkcs8(&pkcs8.concat());
    let node = NodeId::from_bytes(&id(25)).expect("16 bytes");
    let token = node_call::sign(node, call, &key, 1_800_000_000, &[42; 16]).expect("signs");
    check_text("node_call", &token);
    check("incarnation_request", &IncarnationRequest { process: 26 });
    check(
        "incarnation_response",
        &IncarnationResponse {
            incarnation: 27,
            now_ms: 1_800_000_000_003,
        },
    );
    check(
        "lease_request",
        &LeaseRequest {
            incarnation: 27,
            sequence: 28,
            items: vec![LeaseItem {
                tenant_id: id(7),
                group: "default".into(),
                period_start_ms: 1_800_000_000_004,
                granted_total: 29,
                returned_total: 30,
                wanted: 31,
                is_for_next_period: true,
            }],
        },
    );
    check(
        "lease_response",
        &LeaseResponse {
            leases: vec![Lease {
                tenant_id: id(7),
                group: "default".into(),
                period_start_ms: 1_800_000_000_004,
                granted_total: 32,
                returned_total: 33,
                limit: 34,
                available: 35,
                starts_in_ms: 36,
                ends_in_ms: 37,
                outcome: Outcome::PeriodOver as i32,
                excess: 38,
            }],
            nodes: 39,
        },
    );
}

#[test]
fn shares_of_rates_keep_their_form() {
    check(
        "share_request",
        &ShareRequest {
            incarnation: 27,
            items: vec![ShareItem {
                subscription_id: id(8),
                demand_milli: 43,
                grant: 44,
                is_released: true,
            }],
        },
    );
    check(
        "share_response",
        &ShareResponse {
            shares: vec![Share {
                subscription_id: id(8),
                part: 45,
                grant: 46,
                lease_ms: 47,
                missing_ms: 48,
                is_unknown: true,
            }],
            live_nodes: 49,
        },
    );
}

#[test]
fn usage_keeps_its_form() {
    check(
        "usage_batch",
        &UsageBatch {
            incarnation: 27,
            sequence: 38,
            counts: vec![UsageCount {
                tenant_id: id(7),
                key_id: id(6),
                route_id: id(2),
                class: Class::Denied as i32,
                minute: 30_000_000,
                count: 39,
            }],
            latencies: vec![RouteLatency {
                route_id: id(2),
                minute: 30_000_001,
                buckets: (1..=21).collect(),
                sum_us: 40,
            }],
            dropped: 41,
        },
    );
    check(
        "usage_ack",
        &UsageAck {
            applied_sequence: 38,
        },
    );
}
