//! A control plane in the test's own process, written from the wire contract, and what tests need
//! to run a node's control side against it.
#![allow(clippy::unwrap_used)]

mod endpoints;
mod ledger;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use http::StatusCode;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prost::Message;
use snapshot::chunk::{self, Address, ChunkRequest, ChunkResponse, CompressedChunk, Kind, Sealed};
use snapshot::document;
use snapshot::enrol::{EnrolRequest, EnrolResponse, EnrolToken};
use snapshot::id::{NodeId, TenantId};
use snapshot::lease::{IncarnationRequest, IncarnationResponse, LeaseRequest, LeaseResponse};
use snapshot::manifest::{Freshness, Manifest, RootStatement, Version, manifest_hash};
use snapshot::poll::{PollQuery, SnapshotResponse};
use snapshot::seal::{DataKey, DataKeys, PEPPER};
use snapshot::sign::{Domain, Signed, SigningKey, fingerprint};
use snapshot::trie::{self, Entry};
use snapshot::usage::{UsageAck, UsageBatch};
use tokio::net::TcpListener;
use tokio::sync::watch;
use uuid::Uuid;

use self::endpoints::answer;
use self::ledger::Quota;
use super::identity::random;

/// Removed when it is dropped.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> Self {
        let name = format!("tollgate-node-{:032x}", u128::from_be_bytes(random()));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until `is_so`, looking again every few milliseconds, and fails after ten seconds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let what = what.to_owned();
    let caller = std::panic::Location::caller();
    async move {
        let mut look = tokio::time::interval(Duration::from_millis(3));
        let watching = async {
            while !is_so() {
                look.tick().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), watching).await;
        assert!(waited.is_ok(), "{caller}: waited in vain until {what}");
    }
}

const TENANT: u128 = 0x10;
const HOUR_MS: u64 = 3_600_000;

/// What the fake knows and what tests steer it by.
pub(crate) struct State {
    root: SigningKey,
    online: SigningKey,
    pub(crate) deployment_id: Vec<u8>,
    pub(crate) epoch: u64,
    pub(crate) revision: u64,
    manifest: Option<Signed>,
    chunks: HashMap<Address, Vec<u8>>,
    pub(crate) data_keys: Vec<DataKey>,
    /// Public keys of the enrolled node: for calls, for sealing.
    node: Option<(Vec<u8>, Vec<u8>)>,
    used_tokens: HashSet<String>,
    processes: Vec<u64>,
    pub(crate) quota: Quota,
    pub(crate) usage: BTreeMap<u64, Vec<UsageBatch>>,
    pub(crate) polls: Vec<PollQuery>,
    pub(crate) chunk_calls: Vec<usize>,
    /// Connections are cut instead of answered.
    pub(crate) is_away: bool,
    /// The node was revoked.
    pub(crate) is_revoked: bool,
    /// Calls to these paths take effect, but their answers are lost.
    pub(crate) lost_answers: VecDeque<&'static str>,
    /// How long freshness statements last.
    pub(crate) fresh_for_ms: i64,
    /// Changes what is sent.
    pub(crate) tampering: Tampering,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tampering {
    None,
    Signature,
    ChunkBytes,
    Chain,
}

pub(crate) struct Fake {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    pub(crate) addr: SocketAddr,
    connections: AtomicU64,
}

impl Fake {
    /// Starts it on a port of its own; it ends with the test's runtime.
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Arc::new(Self {
            state: Mutex::new(State::new()),
            changed: watch::channel(0).0,
            addr: listener.local_addr().unwrap(),
            connections: AtomicU64::new(0),
        });
        let accepting = fake.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                accepting.connections.fetch_add(1, Ordering::Relaxed);
                let fake = accepting.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(fake.clone(), request));
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    let _ = connection.await;
                });
            }
        });
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn token(&self) -> String {
        let print = fingerprint(&self.state().root.public_key());
        EnrolToken::mint(&[7; 32], print).reveal()
    }

    /// Publishes a revision with one tenant that has this many keys.
    pub(crate) fn publish(&self, keys: u32) -> Version {
        let version = self.state().publish(keys);
        self.changed.send_modify(|changes| *changes += 1);
        version
    }

    /// Goes away, also for polls that wait.
    pub(crate) fn go_away(&self) {
        self.state().is_away = true;
        self.changed.send_modify(|changes| *changes += 1);
    }

    pub(crate) fn come_back(&self) {
        self.state().is_away = false;
    }

    pub(crate) fn wake_polls(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }
}

impl State {
    fn new() -> Self {
        Self {
            root: SigningKey::from_seed(&[1; 32]),
            online: SigningKey::from_seed(&[2; 32]),
            deployment_id: vec![3; 16],
            epoch: 1,
            revision: 0,
            manifest: None,
            chunks: HashMap::new(),
            data_keys: vec![data_key(1)],
            node: None,
            used_tokens: HashSet::new(),
            processes: Vec::new(),
            quota: Quota {
                limit: 1_000,
                plan_version: 1,
                period_start_ms: 1_000_000,
                ends_in_ms: HOUR_MS,
                held: BTreeMap::new(),
                requests: Vec::new(),
            },
            usage: BTreeMap::new(),
            polls: Vec::new(),
            chunk_calls: Vec::new(),
            is_away: false,
            is_revoked: false,
            lost_answers: VecDeque::new(),
            fresh_for_ms: 600_000,
            tampering: Tampering::None,
        }
    }

    fn publish(&mut self, keys: u32) -> Version {
        self.revision += 1;
        let generation = self.data_keys.last().unwrap();
        let peppers = vec![generation.seal(PEPPER, &[9; 32], [4; 12]).unwrap()];
        let key_entries = (0..keys).map(key_entry);
        let keys = trie::build(Kind::KeyLeaf, key_entries);
        let version = self.quota.plan_version;
        let tenants = trie::build(Kind::TenantLeaf, [tenant_entry(version)]);
        let plan = chunk::encode(Kind::Plan, &plan(version, self.quota.limit));
        let plans = [Entry {
            key: document::plan_key(&plan_id(), version),
            value: plan.reference().encode_to_vec(),
        }];
        let plans = trie::build(Kind::DirectoryLeaf, plans);
        let state = document::StateRoot {
            keys: keys.root.clone(),
            tenants: tenants.root.clone(),
            peppers,
            ..document::StateRoot::default()
        };
        let state = chunk::encode(Kind::StateRoot, &state);
        let config = document::ConfigRoot {
            plans: plans.root.clone(),
            ..document::ConfigRoot::default()
        };
        let config = chunk::encode(Kind::ConfigRoot, &config);
        let manifest = Manifest {
            deployment_id: self.deployment_id.clone(),
            epoch: self.epoch,
            revision: self.revision,
            config: Some(config.reference()),
            state: Some(state.reference()),
            created_at_ms: 1,
            min_reader: 1,
        };
        let own = vec![state, config, plan];
        let all = [keys.chunks, tenants.chunks, plans.chunks, own].concat();
        for Sealed { address, bytes } in all {
            self.chunks
                .insert(address, chunk::compress(&bytes).unwrap());
        }
        let signed = self.online.sign(Domain::Manifest, manifest.encode_to_vec());
        self.manifest = Some(signed);
        manifest.version()
    }

    pub(crate) fn root_chain(&self) -> Vec<Signed> {
        let statement = RootStatement {
            deployment_id: self.deployment_id.clone(),
            sequence: self.epoch,
            epoch: self.epoch,
            root_key: self.root.public_key().to_vec(),
            online_keys: vec![self.online.public_key().to_vec()],
        };
        vec![self.root.sign(Domain::Root, statement.encode_to_vec())]
    }

    fn freshness(&self, manifest: &Signed) -> Signed {
        let statement = Freshness {
            manifest_hash: manifest_hash(manifest).0.to_vec(),
            epoch: self.epoch,
            revision: self.revision,
            not_after_ms: unix_ms() + self.fresh_for_ms,
        };
        self.online
            .sign(Domain::Freshness, statement.encode_to_vec())
    }

    fn sealed_keys(&self) -> DataKeys {
        let (_, seal) = self.node.as_ref().unwrap();
        let keys = self.data_keys.iter();
        DataKeys {
            keys: keys.map(|key| key.seal_to_node(seal).unwrap()).collect(),
        }
    }

    fn enrol(&mut self, request: EnrolRequest) -> Result<EnrolResponse, StatusCode> {
        EnrolToken::parse(&request.token).map_err(|_| StatusCode::UNAUTHORIZED)?;
        UnparsedPublicKey::new(&ED25519, &request.signing_key)
            .verify(request.token.as_bytes(), &request.proof)
            .map_err(|_| StatusCode::UNAUTHORIZED)?;
        let keys = (request.signing_key, request.seal_key);
        if self.node.as_ref().is_some_and(|known| *known != keys) {
            return Err(StatusCode::CONFLICT);
        }
        self.node = Some(keys);
        Ok(EnrolResponse {
            node_id: node_id().to_bytes(),
            deployment_id: self.deployment_id.clone(),
            root_chain: self.root_chain(),
            data_keys: self.sealed_keys().keys,
        })
    }

    fn snapshot(&self, manifest: &Signed) -> SnapshotResponse {
        let mut response = SnapshotResponse {
            root_chain: self.root_chain(),
            manifest: Some(manifest.clone()),
            freshness: Some(self.freshness(manifest)),
        };
        match self.tampering {
            Tampering::Signature => {
                if let Some(manifest) = &mut response.manifest {
                    manifest.signature[5] ^= 1;
                }
            }
            Tampering::Chain => {
                let other = SigningKey::from_seed(&[66; 32]);
                let payload = response.root_chain[0].payload.clone();
                response.root_chain = vec![other.sign(Domain::Root, payload)];
            }
            Tampering::None | Tampering::ChunkBytes => {}
        }
        response
    }

    fn send_chunks(&mut self, request: &ChunkRequest) -> ChunkResponse {
        self.chunk_calls.push(request.addresses.len());
        let mut chunks = Vec::new();
        for address in &request.addresses {
            let wanted = Address::from_slice(address).unwrap();
            let Some(zstd) = self.chunks.get(&wanted) else {
                continue;
            };
            let mut zstd = zstd.clone();
            if self.tampering == Tampering::ChunkBytes {
                zstd = chunk::compress(b"something else").unwrap();
            }
            chunks.push(CompressedChunk {
                address: address.clone(),
                zstd,
            });
        }
        ChunkResponse { chunks }
    }

    fn register(&mut self, request: IncarnationRequest) -> IncarnationResponse {
        if self.processes.last() != Some(&request.process) {
            self.processes.push(request.process);
        }
        IncarnationResponse {
            incarnation: self.processes.len() as u64,
            now_ms: unix_ms(),
        }
    }

    fn lease(&mut self, request: &LeaseRequest) -> Result<LeaseResponse, StatusCode> {
        if request.incarnation != self.processes.len() as u64 {
            return Err(StatusCode::CONFLICT);
        }
        self.quota.requests.push(request.clone());
        let items = request.items.iter();
        Ok(LeaseResponse {
            leases: items.map(|item| self.quota.grant(request, item)).collect(),
            nodes: 1,
        })
    }

    fn apply_usage(&mut self, batch: UsageBatch) -> UsageAck {
        let applied = self.usage.entry(batch.incarnation).or_default();
        if batch.sequence == applied.len() as u64 + 1 {
            applied.push(batch);
        }
        UsageAck {
            applied_sequence: applied.len() as u64,
        }
    }

    /// Everything that was counted, over all incarnations.
    pub(crate) fn counted(&self) -> u64 {
        let batches = self.usage.values().flatten();
        batches
            .flat_map(|batch| &batch.counts)
            .map(|count| count.count)
            .sum()
    }
}

pub(crate) fn data_key(generation: u32) -> DataKey {
    DataKey {
        generation,
        bytes: [generation as u8; 32],
    }
}

pub(crate) fn node_id() -> NodeId {
    NodeId(Uuid::from_u128(0xabc))
}

pub(crate) fn tenant_id() -> TenantId {
    TenantId(Uuid::from_u128(TENANT))
}

fn key_entry(number: u32) -> Entry {
    let id = Uuid::from_u128(0x1000 + u128::from(number))
        .as_bytes()
        .to_vec();
    let key = document::Key {
        id: id.clone(),
        tenant_id: tenant_id().to_bytes(),
        ..document::Key::default()
    };
    Entry {
        key: chunk::sha256(&id).to_vec(),
        value: key.encode_to_vec(),
    }
}

fn plan_id() -> Vec<u8> {
    vec![0x41; 16]
}

fn plan(version: u32, limit: u64) -> document::Plan {
    document::Plan {
        id: plan_id(),
        version,
        quota: Some(document::Quota {
            limit,
            period: document::Period::Day as i32,
            on_store_down: document::OnStoreDown::Refuse as i32,
            group: "default".to_owned(),
        }),
        ..document::Plan::default()
    }
}

fn tenant_entry(plan_version: u32) -> Entry {
    let tenant = document::Tenant {
        id: tenant_id().to_bytes(),
        subscriptions: vec![document::Subscription {
            id: vec![0x61; 16],
            plan_id: plan_id(),
            plan_version,
            api_ids: Vec::new(),
        }],
        ..document::Tenant::default()
    };
    Entry {
        key: tenant.id.clone(),
        value: tenant.encode_to_vec(),
    }
}

fn unix_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_millis()).unwrap()
}
