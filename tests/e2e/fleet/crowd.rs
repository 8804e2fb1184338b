//! Clients that call as fast as they think, and what they see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::KILLED;

/// Between an answer and the next call of the same client.
const THINKS: Duration = Duration::from_millis(50);
/// So many calls of a client whose node is away go to the other one before it tries its own again.
const CALLS_ELSEWHERE: u32 = 10;
/// One in so many calls is given up while its answer comes in.
const GIVEN_UP: u32 = 100;

#[derive(Default)]
pub struct Moments(pub Vec<Instant>);

impl std::fmt::Debug for Moments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} moments", self.0.len())
    }
}

/// What a tenant's clients saw together.
#[derive(Debug, Default)]
pub struct Seen {
    pub completed: u64,
    pub aborted: u64,
    /// When answers of the node that was killed came.
    pub by_killed_node: Moments,
    /// Calls that broke off with the killed node: it may have taken them or not.
    pub unknown: u64,
    /// Refusals by code.
    pub refused: BTreeMap<String, u64>,
}

pub struct Crowd {
    clients: JoinSet<(usize, Seen)>,
    tenants: usize,
    started: Instant,
}

impl Crowd {
    /// Starts `per_tenant` clients for each key; half of them have the first node as their own.
    pub fn start(
        gateways: [String; 2],
        keys: Vec<String>,
        per_tenant: usize,
        length: Duration,
    ) -> Self {
        let started = Instant::now();
        let tenants = keys.len();
        let (http, gateways) = (Client::new(), Arc::new(gateways));
        let mut clients = JoinSet::new();
        for (tenant, key) in keys.into_iter().enumerate() {
            for number in 0..per_tenant {
                let caller = Caller {
                    http: http.clone(),
                    gateways: gateways.clone(),
                    key: key.clone(),
                    own_node: number % 2,
                    seen: Seen::default(),
                };
                let first = (tenant * per_tenant + number) as u32;
                let until = started + length;
                clients.spawn(async move { (tenant, caller.run(first, until).await) });
            }
        }
        Self {
            clients,
            tenants,
            started,
        }
    }

    /// Waits for all clients; what was seen by tenant, and how long it took.
    pub async fn end(mut self) -> (Vec<Seen>, Duration) {
        let mut all: Vec<Seen> = (0..self.tenants).map(|_| Seen::default()).collect();
        while let Some(ended) = self.clients.join_next().await {
            let (tenant, seen) = ended.expect("no client found anything wrong");
            all[tenant].add(seen);
        }
        (all, self.started.elapsed())
    }
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.completed += other.completed;
        self.aborted += other.aborted;
        self.by_killed_node.0.extend(other.by_killed_node.0);
        self.unknown += other.unknown;
        for (code, count) in other.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

struct Caller {
    http: Client,
    gateways: Arc<[String; 2]>,
    key: String,
    own_node: usize,
    seen: Seen,
}

enum Outcome {
    Completed,
    Aborted,
    Refused(StatusCode, String),
    /// Not sent: there was no connection.
    Away,
    /// Broke off on the way.
    Broken,
}

impl Caller {
    async fn run(mut self, first: u32, until: Instant) -> Seen {
        let mut elsewhere = 0;
        let mut calls = first;
        while Instant::now() < until {
            let node = if elsewhere > 0 {
                elsewhere -= 1;
                1 - self.own_node
            } else {
                self.own_node
            };
            calls += 1;
            let outcome = self.call(node, calls.is_multiple_of(GIVEN_UP)).await;
            if matches!(outcome, Outcome::Away | Outcome::Broken) {
                // Tried again at once, on the other node.
                elsewhere = CALLS_ELSEWHERE;
                self.note(node, outcome);
                continue;
            }
            self.note(node, outcome);
            sleep(THINKS).await;
        }
        self.seen
    }

    async fn call(&self, node: usize, is_given_up: bool) -> Outcome {
        let path = if is_given_up { "endless" } else { "item" };
        let url = format!("{}/shop/{path}", self.gateways[node]);
        let request = self.http.get(url).header("x-api-key", &self.key);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(cause) if cause.is_connect() => return Outcome::Away,
            Err(_) => return Outcome::Broken,
        };
        let status = answer.status();
        if status == StatusCode::OK && is_given_up {
            return match answer.chunk().await {
                Ok(_) => Outcome::Aborted,
                Err(_) => Outcome::Broken,
            };
        }
        match answer.text().await {
            Ok(_) if status == StatusCode::OK => Outcome::Completed,
            Ok(problem) => Outcome::Refused(status, problem),
            Err(_) => Outcome::Broken,
        }
    }

    fn note(&mut self, node: usize, outcome: Outcome) {
        let is_killed_one = node == KILLED;
        match outcome {
            Outcome::Completed => self.seen.completed += 1,
            Outcome::Aborted => self.seen.aborted += 1,
            Outcome::Refused(status, problem) => {
                assert!(
                    is_killed_one || !status.is_server_error(),
                    "{status} of the node that was not touched: {problem}"
                );
                let problem: serde_json::Value =
                    serde_json::from_str(&problem).expect("a problem document");
                let code = problem["code"].as_str().expect("a code").to_owned();
                *self.seen.refused.entry(code).or_default() += 1;
                return;
            }
            Outcome::Away => {
                assert!(is_killed_one, "the node that was not touched is away");
                return;
            }
            Outcome::Broken => {
                assert!(is_killed_one, "the node that was not touched broke off");
                self.seen.unknown += 1;
                return;
            }
        }
        if is_killed_one {
            self.seen.by_killed_node.0.push(Instant::now());
        }
    }
}
