//! A node, an upstream and clients for tests.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::CompileInputs;
use prost::Message;
use snapshot::DecodeError;
use snapshot::api_key::{Pepper, mint};
use snapshot::chunk::{self, Address, ChunkRef, Kind, Sealed};
use snapshot::document::{
    Api, Authorizer, ConfigRoot, Cors, Key, OwnIssuer, OwnTokens, Plan, Rate, Route,
    SigningAlgorithm, StateRoot, Subscription, Target, Tenant, TokenKey, Upstream, plan_key,
};
use snapshot::id::TenantId;
use snapshot::manifest::Manifest;
use snapshot::seal::{DataKey, PEPPER};
use snapshot::trie::{self, Entry};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Config;
use crate::data::Cores;
use crate::log::Writer;
use crate::shared::{ControlInbox, Shared};

/// No test waits longer for anything.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

pub(super) const TENANT: [u8; 16] = [1; 16];
pub(super) const KEY_ID: [u8; 16] = [2; 16];
pub(super) const API: [u8; 16] = [3; 16];
pub(super) const UPSTREAM: [u8; 16] = [4; 16];
pub(super) const PLAN: [u8; 16] = [5; 16];
pub(super) const SUBSCRIPTION: [u8; 16] = [6; 16];
pub(super) const AUTHORIZER: [u8; 16] = [7; 16];

/// Whom [`access_token`] is about.
pub(super) const SUBJECT: &str = "usr_00000000000000000000000001";
const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://id.example.com/apis/test";

/// The key that every fixture knows.
pub(super) fn api_key() -> String {
    mint(true, &[9; 32])
}

fn token_key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[11; 32]).expect("a key")
}

/// A token of the fixture's tenant with these scopes, good for an hour.
pub(super) fn access_token(scope: &str) -> String {
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let tenant = TenantId::from_bytes(&TENANT).expect("an id");
    let client = "cli_00000000000000000000000001";
    let id = uuid::Uuid::nil();
    let header = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"test"}"#;
    let claims = serde_json::json!({
        "iss": ISSUER, "sub": SUBJECT, "client_id": client, "aud": [AUDIENCE],
        "exp": now + 3600, "iat": now, "nbf": now, "jti": id, "origin_jti": id,
        "scope": scope, "token_use": "access", "tenant_id": tenant,
    });
    let [header, claims] =
        [header, claims.to_string().as_str()].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let signature = token_key().sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// What a node is to enforce. Change the documents before [`Fixture::compile`].
pub(super) struct Fixture {
    pub(super) apis: Vec<Api>,
    pub(super) upstream: Upstream,
    pub(super) plan: Plan,
    /// The key's allowed addresses; empty: any.
    pub(super) key_addresses: Vec<String>,
}

pub(super) fn route(id: u8, path: &str) -> Route {
    Route {
        id: vec![id; 16],
        path: path.into(),
        upstream_id: UPSTREAM.to_vec(),
        ..Route::default()
    }
}

impl Fixture {
    /// `/open/…` for anybody, `/keyed/…` with the key, `/token/…` with a token for `orders:read`, all
    /// to `targets`, below base path `/api`.
    pub(super) fn new(targets: &[SocketAddr]) -> Self {
        let keyed = Route {
            api_key_required: true,
            ..route(11, "/keyed/{rest+}")
        };
        let token = Route {
            authorizer_id: Some(AUTHORIZER.to_vec()),
            scopes: vec!["orders:read".into()],
            ..route(12, "/token/{rest+}")
        };
        Self {
            apis: vec![Api {
                id: API.to_vec(),
                name: "test".into(),
                base_path: "/api".into(),
                routes: vec![route(10, "/open/{rest+}"), keyed, token],
                audience: AUDIENCE.into(),
                api_key_header: "x-api-key".into(),
                ..Api::default()
            }],
            upstream: Upstream {
                id: UPSTREAM.to_vec(),
                name: "echo".into(),
                targets: targets
                    .iter()
                    .map(|addr| target(&format!("http://{addr}"), 1))
                    .collect(),
            },
            plan: Plan {
                id: PLAN.to_vec(),
                version: 1,
                name: "Gold, 100%".into(),
                scopes: vec!["orders:read".into(), "orders:write".into()],
                ..Plan::default()
            },
            key_addresses: Vec::new(),
        }
    }

    pub(super) fn route(&mut self, index: usize) -> &mut Route {
        &mut self.apis[0].routes[index]
    }

    pub(super) fn with_cors(mut self) -> Self {
        self.apis[0].cors = Some(Cors {
            allow_origins: vec!["https://app.example.com".into()],
            allow_methods: vec!["GET".into()],
            ..Cors::default()
        });
        self
    }

    pub(super) fn with_rate(mut self, per_second_milli: u64, burst: u64) -> Self {
        self.plan.rate = Some(Rate {
            per_second_milli,
            burst,
        });
        self
    }

    pub(super) fn compile(&self, shared: &Shared) -> policy::Snapshot {
        let mut chunks = Chunks::default();
        let data_key = DataKey {
            generation: 1,
            bytes: [7; 32],
        };
        let secret = [8; 32];
        let hash = Pepper::new(&secret).hash(api_key().as_bytes());
        let apis = chunks.directory(Kind::Api, self.apis.iter().map(|api| (api.id.clone(), api)));
        let upstreams = chunks.directory(
            Kind::Upstream,
            [(UPSTREAM.to_vec(), &self.upstream)].into_iter(),
        );
        let plans = chunks.directory(Kind::Plan, [(plan_key(&PLAN, 1), &self.plan)].into_iter());
        let authorizer = Authorizer {
            id: AUTHORIZER.to_vec(),
            name: "tollgate".into(),
            own_tokens: Some(OwnTokens {}),
        };
        let authorizers = chunks.directory(
            Kind::Authorizer,
            [(AUTHORIZER.to_vec(), &authorizer)].into_iter(),
        );
        let key = Key {
            id: KEY_ID.to_vec(),
            tenant_id: TENANT.to_vec(),
            allowed_ips: self.key_addresses.clone(),
            ..Key::default()
        };
        let tenant = Tenant {
            id: TENANT.to_vec(),
            subscriptions: vec![Subscription {
                id: SUBSCRIPTION.to_vec(),
                plan_id: PLAN.to_vec(),
                plan_version: 1,
                api_ids: self.apis.iter().map(|api| api.id.clone()).collect(),
            }],
            ..Tenant::default()
        };
        let keys = chunks.map(Kind::KeyLeaf, vec![(hash.0.to_vec(), key.encode_to_vec())]);
        let tenants = chunks.map(
            Kind::TenantLeaf,
            vec![(TENANT.to_vec(), tenant.encode_to_vec())],
        );
        let config = chunks.add(chunk::encode(
            Kind::ConfigRoot,
            &ConfigRoot {
                apis,
                upstreams,
                plans,
                authorizers,
            },
        ));
        let sealed = data_key.seal(PEPPER, &secret, [0; 12]).expect("seals");
        let state = chunks.add(chunk::encode(
            Kind::StateRoot,
            &StateRoot {
                keys,
                tenants,
                peppers: vec![sealed],
                issuer: Some(OwnIssuer {
                    issuer: ISSUER.into(),
                    keys: vec![TokenKey {
                        kid: "test".into(),
                        algorithm: SigningAlgorithm::EdDsa as i32,
                        public_key: token_key().public_key().as_ref().to_vec(),
                        verifies_until_ms: None,
                    }],
                    encryption_keys: vec![],
                }),
                ..StateRoot::default()
            },
        ));
        let manifest = Manifest {
            config: Some(config),
            state: Some(state),
            epoch: 1,
            revision: 1,
            ..Manifest::default()
        };
        policy::Snapshot::compile(CompileInputs {
            manifest: &manifest,
            previous: None,
            data_keys: &[data_key],
            registry: &shared.registry,
            fetch: &mut |reference| chunks.get(reference),
        })
        .expect("the fixture compiles")
    }
}

pub(super) fn target(url: &str, weight: u32) -> Target {
    Target {
        url: url.into(),
        weight,
    }
}

#[derive(Default)]
struct Chunks(HashMap<Address, Vec<u8>>);

impl Chunks {
    fn add(&mut self, sealed: Sealed) -> ChunkRef {
        let reference = sealed.reference();
        self.0.insert(sealed.address, sealed.bytes);
        reference
    }

    fn get(&self, reference: &ChunkRef) -> Result<Vec<u8>, DecodeError> {
        Ok(self.0[&reference.address()?].clone())
    }

    fn map(&mut self, kind: Kind, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Option<ChunkRef> {
        let entries = entries.into_iter().map(|(key, value)| Entry { key, value });
        let built = trie::build(kind, entries);
        for sealed in built.chunks {
            self.add(sealed);
        }
        built.root
    }

    fn directory<'a, M: Message + 'a>(
        &mut self,
        kind: Kind,
        documents: impl Iterator<Item = (Vec<u8>, &'a M)>,
    ) -> Option<ChunkRef> {
        let entries = documents
            .map(|(key, document)| {
                let reference = self.add(chunk::encode(kind, document));
                (key, reference.encode_to_vec())
            })
            .collect();
        self.map(Kind::DirectoryLeaf, entries)
    }
}

/// A running serving half.
pub(super) struct Node {
    pub(super) addr: SocketAddr,
    pub(super) shared: Arc<Shared>,
    pub(super) inbox: ControlInbox,
    cores: Option<Cores>,
    log: Option<Writer>,
}

pub(super) fn config() -> Config {
    let mut config = Config::new(
        String::new(),
        "/nonexistent".into(),
        ([127, 0, 0, 1], 0).into(),
    );
    config.cores = 1;
    config.allow_loopback_upstreams = true;
    config
}

/// Answers every question for a share as a control plane that is away does.
fn without_shares(inbox: &mut ControlInbox) {
    let (_, none) = tokio::sync::mpsc::channel(1);
    let mut questions = std::mem::replace(&mut inbox.share_questions, none);
    tokio::spawn(async move {
        while let Some(asked) = questions.recv().await {
            asked.state.rate.store_is_away(u64::MAX);
        }
    });
}

impl Node {
    pub(super) fn start(fixture: &Fixture) -> Self {
        Self::start_with(fixture, config())
    }

    pub(super) fn start_with(fixture: &Fixture, config: Config) -> Self {
        let (shared, inbox) = Shared::new();
        shared
            .snapshot
            .store(Some(Arc::new(fixture.compile(&shared))));
        Self::start_bare(shared, inbox, config)
    }

    pub(super) fn start_bare(shared: Arc<Shared>, mut inbox: ControlInbox, config: Config) -> Self {
        without_shares(&mut inbox);
        Self::start_asking(shared, inbox, config)
    }

    /// The test answers questions for shares.
    pub(super) fn start_asking(shared: Arc<Shared>, inbox: ControlInbox, config: Config) -> Self {
        shared.has_looked.cancel();
        let log = Writer::start(&config.access_log).expect("log");
        let cores = Cores::start(&Arc::new(config), &shared, &log.queue()).expect("starts");
        Self {
            addr: cores.addr(),
            shared,
            inbox,
            cores: Some(cores),
            log: Some(log),
        }
    }

    /// Stops it, so that its counts are complete.
    pub(super) async fn stop(&mut self) {
        if let Some(cores) = self.cores.take() {
            cores.stop().await;
        }
        if let Some(log) = self.log.take() {
            log.stop().await;
        }
    }

    pub(super) async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.addr).await.expect("connects"))
    }

    /// One request on a connection of its own.
    pub(super) async fn ask(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }
}

/// A GET of an open route, as most tests need it.
pub(super) fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{headers}\r\n")
}

/// A client's raw connection.
pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.expect("sends");
    }

    pub(super) async fn answer(&mut self) -> Answer {
        self.answer_to(BodyOf::AnyMethod).await
    }

    pub(super) async fn answer_to(&mut self, body_of: BodyOf) -> Answer {
        let read = async {
            let mut reader = Reader::new(&mut self.0);
            let head = reader.head().await.expect("an answer");
            let status = head[9..12].parse().expect("a status");
            let has_body = body_of == BodyOf::AnyMethod && !matches!(status, 204 | 304);
            let body = if has_body {
                reader.body(&head, true).await
            } else {
                Content::default()
            };
            Answer {
                status,
                head,
                body: body.bytes,
                trailers: body.trailers,
            }
        };
        tokio::time::timeout(DEADLINE, read)
            .await
            .expect("an answer in time")
    }

    /// Waits until the node closes, and returns what came before that.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        // A reset ends it too.
        let _ = tokio::time::timeout(DEADLINE, read)
            .await
            .expect("closes in time");
        bytes
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyOf {
    AnyMethod,
    Head,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) trailers: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The code of a problem, which must be one in form.
    #[track_caller]
    pub(super) fn code(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert!(problem["title"].is_string() && problem["message"].is_string());
        problem["code"].as_str().expect("a code").to_owned()
    }
}

pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    trailers: String,
}

/// Reads HTTP/1.1 messages the plain way.
struct Reader<'a> {
    stream: &'a mut TcpStream,
}

impl<'a> Reader<'a> {
    fn new(stream: &'a mut TcpStream) -> Self {
        Self { stream }
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let byte = self.stream.read_u8().await.ok()?;
            line.push(byte);
        }
        Some(String::from_utf8(line).expect("text"))
    }

    async fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        loop {
            let line = self.line().await?;
            if line == "\r\n" {
                return Some(head);
            }
            head += &line;
        }
    }

    async fn body(&mut self, head: &str, until_close: bool) -> Content {
        let mut message = Content::default();
        if let Some(length) = header(head, "content-length") {
            message.bytes = vec![0; length.parse().expect("a length")];
            self.stream
                .read_exact(&mut message.bytes)
                .await
                .expect("a whole body");
        } else if header(head, "transfer-encoding").is_some() {
            while let Some(line) = self.line().await {
                let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
                if size == 0 {
                    message.trailers = self.head().await.expect("trailers");
                    return message;
                }
                let mut chunk = vec![0; size + 2];
                self.stream
                    .read_exact(&mut chunk)
                    .await
                    .expect("a whole chunk");
                message.bytes.extend_from_slice(&chunk[..size]);
            }
            panic!("the body broke off after {} bytes", message.bytes.len());
        } else if until_close {
            self.stream
                .read_to_end(&mut message.bytes)
                .await
                .expect("a body");
        }
        message
    }
}

/// What the upstream got.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) trailers: String,
    /// Counts connections from 0.
    pub(super) connection: usize,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(super) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}

/// A scripted upstream.
pub(super) struct Origin {
    pub(super) addr: SocketAddr,
    pub(super) received: Arc<Mutex<Vec<Received>>>,
    pub(super) connections: Arc<AtomicUsize>,
}

/// What a script does with a connection once a request is there: true, and it goes on.
pub(super) type Act<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

impl Origin {
    /// Answers every request with these bytes.
    pub(super) async fn saying(answer: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::scripted(move |stream, _| {
            let answer = answer.clone();
            Box::pin(async move { stream.write_all((*answer).as_ref()).await.is_ok() })
        })
        .await
    }

    pub(super) async fn echo() -> Self {
        Self::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await
    }

    pub(super) async fn scripted<F>(script: F) -> Self
    where
        F: for<'a> Fn(&'a mut TcpStream, Received) -> Act<'a> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let origin = Self {
            addr: listener.local_addr().expect("bound"),
            received: Arc::default(),
            connections: Arc::default(),
        };
        let (received, connections) = (origin.received.clone(), origin.connections.clone());
        let script = Arc::new(script);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                let (script, received) = (script.clone(), received.clone());
                tokio::spawn(async move {
                    while let Some(head) = Reader::new(&mut stream).head().await {
                        let body = Reader::new(&mut stream).body(&head, false).await;
                        let request = Received {
                            head,
                            body: body.bytes,
                            trailers: body.trailers,
                            connection,
                        };
                        received.lock().expect("lock").push(request.clone());
                        if !script(&mut stream, request).await {
                            break;
                        }
                    }
                });
            }
        });
        origin
    }

    /// The last request that came.
    pub(super) fn last(&self) -> Received {
        let received = self.received.lock().expect("lock");
        received.last().expect("a request came").clone()
    }

    pub(super) fn count(&self) -> usize {
        self.received.lock().expect("lock").len()
    }
}
