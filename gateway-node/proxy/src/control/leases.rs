//! Draws quota leases: the calls to the control plane, the balance file, and the answers to
//! requests that wait. How much to draw and what may be spent is decided by `policy::quota`.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use policy::Fact;
use policy::quota::{Applied, Held, Mark, QuotaSlot};
use snapshot::id::TenantId;
use snapshot::lease::{ITEMS_MAX, LeaseRequest, LeaseResponse, PATH};
use snapshot::manifest::Version;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::balances::{Balance, BalanceFile};
use super::client::{Bounds, CallError, SignedCalls};
use super::health::Health;
use super::state_dir::StateDir;
use crate::shared::{LeaseQuestion, Shared};

const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(5),
    answer_bytes_max: 1 << 20,
};
/// Questions that come this close together go into one call.
const GATHER: Duration = Duration::from_millis(1);
/// From an answer to the next call.
const SPACING: Duration = Duration::from_millis(2);
/// How often balances are topped up and renewals considered.
const TICK: Duration = Duration::from_millis(250);
/// How often balances that rest are given back, and slots of ended periods forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// A call whose answer was lost is repeated as it was for so long: the store grants nothing twice
/// for it. Below the time after which `policy` gives an answer up.
const REPEAT_FOR: Duration = Duration::from_secs(8);
/// Without an incarnation for so long, questions are answered at once.
const REGISTRATION_EXPECTED: Duration = Duration::from_secs(1);
/// How long a stopping node goes on giving back.
const FAREWELL: Duration = Duration::from_secs(3);

type Key = (TenantId, Arc<str>);
type Answered = Result<LeaseResponse, CallError>;
type Call = Pin<Box<dyn Future<Output = Answered>>>;

pub(crate) struct Leases {
    calls: Arc<SignedCalls>,
    shared: Arc<Shared>,
    health: Arc<Health>,
    file: Arc<BalanceFile>,
    slots: HashMap<Key, Entry>,
    /// Of this process, counting its distinct requests.
    sequence: u64,
    incarnation: Option<u64>,
    /// The snapshot whose terms the slots have.
    followed: Option<Version>,
    /// As the store last counted them; 0: this process has not heard.
    nodes: u32,
    /// On the node's monotonic clock, since calls fail.
    away_since_ns: Option<u64>,
    in_flight: Option<InFlight>,
    backoff: Backoff,
    /// No call before.
    not_before: Instant,
    /// Registering this process takes longer than it should.
    is_unregistered: bool,
}

struct Entry {
    slot: Arc<QuotaSlot>,
    /// As it stands in the file.
    held: Vec<Held>,
    waiting: VecDeque<oneshot::Sender<Fact>>,
}

struct InFlight {
    call: Call,
    /// Whose items were asked, in order.
    asked: Vec<Key>,
    /// On the node's monotonic clock, before the request was first sent.
    asked_at_ns: u64,
}

impl Leases {
    /// Takes up what an earlier process of this boot left.
    pub(crate) fn new(
        calls: Arc<SignedCalls>,
        dir: Arc<StateDir>,
        shared: Arc<Shared>,
        health: Arc<Health>,
    ) -> Self {
        let (file, mut balances) = BalanceFile::open(dir, shared.clock);
        let mut slots: HashMap<Key, Entry> = HashMap::new();
        balances.sort_by_key(|balance| balance.held.period_start_ms);
        for Balance {
            tenant_id,
            group,
            held,
        } in balances
        {
            let slot = shared.registry.quota(tenant_id, &group);
            slot.restore(held, shared.clock.mono_ns());
            let entry = slots.entry((tenant_id, group));
            entry.or_insert_with(|| Entry::new(slot)).held.push(held);
        }
        Self {
            calls,
            shared,
            health,
            file: Arc::new(file),
            slots,
            sequence: 0,
            incarnation: None,
            followed: None,
            nodes: 0,
            away_since_ns: None,
            in_flight: None,
            backoff: Backoff::default(),
            not_before: Instant::now(),
            is_unregistered: false,
        }
    }

    /// Runs until `shutdown`, which comes when nothing is admitted any more; then gives back.
    pub(crate) async fn run(
        mut self,
        mut questions: mpsc::Receiver<LeaseQuestion>,
        mut incarnation: watch::Receiver<Option<u64>>,
        shutdown: CancellationToken,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut tidy = tokio::time::interval(TIDY_EVERY);
        let started = Instant::now();
        let mut gathering: Option<Instant> = None;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(question) = questions.recv() => {
                    self.take_questions(question, &mut questions);
                    gathering = gathering.or(Some(Instant::now() + GATHER));
                    self.top_up().await;
                }
                () = until(gathering) => {
                    gathering = None;
                    self.ask();
                }
                answer = settled(&mut self.in_flight) => {
                    self.settle(answer);
                    self.top_up().await;
                    gathering = Some(self.not_before);
                }
                _ = tick.tick() => {
                    self.is_unregistered = self.incarnation.is_none()
                        && started.elapsed() > REGISTRATION_EXPECTED;
                    self.follow_snapshot();
                    self.top_up().await;
                    self.ask();
                }
                _ = tidy.tick() => self.tidy().await,
                Ok(()) = incarnation.changed(), if self.incarnation.is_none() => {
                    self.incarnation = *incarnation.borrow_and_update();
                    self.is_unregistered = false;
                    self.ask();
                }
            }
        }
        self.give_back().await;
    }

    /// Tells all slots by which terms they are limited, where there is another snapshot in force.
    fn follow_snapshot(&mut self) {
        let Some(snapshot) = self.shared.snapshot.load_full() else {
            return;
        };
        if self.followed == Some(snapshot.version()) {
            return;
        }
        self.followed = Some(snapshot.version());
        let now_ns = self.shared.clock.mono_ns();
        for ((tenant, group), entry) in &self.slots {
            let terms = snapshot.quota_terms(*tenant, group);
            entry.slot.set_terms(terms, now_ns);
        }
    }

    fn take_questions(
        &mut self,
        first: LeaseQuestion,
        questions: &mut mpsc::Receiver<LeaseQuestion>,
    ) {
        let mut next = Some(first);
        while let Some(LeaseQuestion { slot, answer }) = next {
            let key = (slot.tenant_id(), slot.group().clone());
            let shared = &self.shared;
            let entry = self.slots.entry(key).or_insert_with(|| {
                if let Some(snapshot) = shared.snapshot.load_full() {
                    let terms = snapshot.quota_terms(slot.tenant_id(), slot.group());
                    slot.set_terms(terms, shared.clock.mono_ns());
                }
                Entry::new(slot)
            });
            entry.waiting.push_back(answer);
            next = questions.try_recv().ok();
        }
    }

    /// Moves about a second's demand of what is held into memory, after writing that it is no
    /// longer held; answers as many of the requests that wait.
    async fn top_up(&mut self) {
        let now_ns = self.shared.clock.mono_ns();
        for entry in self.slots.values() {
            entry.slot.set_aside(now_ns);
        }
        if self.write().await {
            for entry in self.slots.values_mut() {
                entry.answer_what_is_known(now_ns);
            }
        }
        if self.is_store_away() {
            let since_ns = *self.away_since_ns.get_or_insert(now_ns);
            for entry in self.slots.values_mut() {
                entry.slot.note_away(since_ns, self.nodes);
                entry.answer(Fact::StoreAway, u64::MAX);
            }
        }
    }

    /// Writes the balances if they changed; `false`: nothing that was set aside may be spent.
    async fn write(&mut self) -> bool {
        let now_ns = self.shared.clock.mono_ns();
        let mut drafts: HashMap<Key, (Vec<Held>, Mark)> = HashMap::new();
        for (key, entry) in &self.slots {
            if entry.slot.needs_writing() {
                drafts.insert(key.clone(), entry.slot.draft(now_ns));
            }
        }
        if drafts.is_empty() {
            return true;
        }
        let mut balances = Vec::new();
        for (key, entry) in &self.slots {
            let held = drafts.get(key).map_or(&entry.held, |(held, _)| held);
            balances.extend(held.iter().map(|held| Balance {
                tenant_id: key.0,
                group: key.1.clone(),
                held: *held,
            }));
        }
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || file.write(&balances)).await;
        let written = written.unwrap_or_else(|cause| Err(std::io::Error::other(cause)));
        self.health.note_state_dir(&written);
        if written.is_err() {
            return false;
        }
        for (key, (held, mark)) in drafts {
            if let Some(entry) = self.slots.get_mut(&key) {
                entry.slot.written(&mark);
                entry.held = held;
            }
        }
        true
    }

    /// Begins a call with whatever the slots want to ask or tell, if none is on its way.
    fn ask(&mut self) {
        let Some(incarnation) = self.incarnation else {
            return;
        };
        if self.in_flight.is_some() || Instant::now() < self.not_before {
            return;
        }
        let asked_at_ns = self.shared.clock.mono_ns();
        let (mut items, mut asked) = (Vec::new(), Vec::new());
        // Requests that wait come first where not all fits into one call.
        for is_first in [true, false] {
            for (key, entry) in &self.slots {
                if entry.waiting.is_empty() != is_first && items.len() + 3 <= ITEMS_MAX {
                    let more = entry.slot.items_to_ask(asked_at_ns);
                    asked.extend(more.iter().map(|_| key.clone()));
                    items.extend(more);
                }
            }
        }
        if items.is_empty() {
            return;
        }
        self.sequence += 1;
        let request = LeaseRequest {
            incarnation,
            sequence: self.sequence,
            items,
        };
        self.in_flight = Some(InFlight {
            call: Box::pin(call(self.calls.clone(), self.health.clone(), request)),
            asked,
            asked_at_ns,
        });
    }

    /// Takes an answer in, or its absence.
    fn settle(&mut self, answered: Settled) {
        let Settled {
            asked,
            asked_at_ns,
            answer,
        } = answered;
        let failure = match answer {
            Ok(response) if response.leases.len() == asked.len() => {
                self.backoff.reset();
                self.nodes = response.nodes;
                if self.away_since_ns.take().is_some() {
                    self.slots.values().for_each(|entry| entry.slot.note_back());
                }
                self.not_before = Instant::now() + SPACING;
                return self.apply(&asked, asked_at_ns, &response);
            }
            Ok(_) => String::from("malformed"),
            Err(cause) => cause.code().to_owned(),
        };
        if self.health.note_lease_failure(&failure) {
            tracing::warn!(code = failure, "leases cannot be drawn");
        }
        self.not_before = Instant::now() + self.backoff.pause();
        for key in asked {
            if let Some(entry) = self.slots.get(&key) {
                entry.slot.ask_failed();
            }
        }
    }

    fn apply(&mut self, asked: &[Key], asked_at_ns: u64, response: &LeaseResponse) {
        let now_ns = self.shared.clock.mono_ns();
        let mut granted = 0;
        for (key, lease) in asked.iter().zip(&response.leases) {
            let Some(entry) = self.slots.get_mut(key) else {
                continue;
            };
            let is_its = lease.tenant_id == key.0.to_bytes() && lease.group == *key.1;
            if !is_its {
                entry.slot.ask_failed();
                continue;
            }
            match entry.slot.apply(lease, asked_at_ns, now_ns) {
                Applied::Added(units) => granted += units,
                Applied::Exhausted => entry.answer(Fact::LeaseExhausted, u64::MAX),
                // The snapshot that says so is on its way; until then the plan's setting decides.
                Applied::NoQuota => entry.answer(Fact::StoreAway, u64::MAX),
                Applied::Over => {}
            }
        }
        self.health.note_granted(granted);
    }

    /// Gives back what rests, and forgets slots of which nothing is left to know.
    async fn tidy(&mut self) {
        let now_ns = self.shared.clock.mono_ns();
        let taken = self
            .slots
            .values()
            .map(|entry| entry.slot.take_back_idle(now_ns));
        let taken: u64 = taken.sum();
        if self.write().await {
            self.health.note_returned(taken);
        }
        self.slots.retain(|_, entry| {
            let is_known = entry.slot.known(now_ns).is_some() || !entry.held.is_empty();
            let is_busy = !entry.waiting.is_empty() || entry.slot.needs_writing();
            is_known || is_busy || entry.slot.is_returning(now_ns)
        });
    }

    /// Empties memory and file, then tells the store, so that another node can have the units.
    /// While the store is away the file keeps them for the next process instead.
    async fn give_back(mut self) {
        if self.is_store_away() || self.incarnation.is_none() {
            return;
        }
        let taken: u64 = self
            .slots
            .values()
            .map(|entry| entry.slot.take_back_all())
            .sum();
        if !self.write().await || taken == 0 {
            return;
        }
        self.health.note_returned(taken);
        let telling = async {
            while self.is_returning() && !self.is_store_away() {
                tokio::time::sleep_until(self.not_before).await;
                self.ask();
                if self.in_flight.is_none() {
                    return;
                }
                let answer = settled(&mut self.in_flight).await;
                self.settle(answer);
            }
        };
        if tokio::time::timeout(FAREWELL, telling).await.is_err() {
            tracing::warn!(
                taken,
                "quota was given back, but the control plane did not confirm it"
            );
        }
    }

    /// The last call failed, or this process is nobody yet: no use in waiting.
    fn is_store_away(&self) -> bool {
        self.is_unregistered || self.health.is_lease_failing()
    }

    fn is_returning(&self) -> bool {
        let now_ns = self.shared.clock.mono_ns();
        let mut slots = self.slots.values();
        slots.any(|entry| entry.slot.is_returning(now_ns))
    }
}

impl Entry {
    fn new(slot: Arc<QuotaSlot>) -> Self {
        Self {
            slot,
            held: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Answers those for whom there is a unit, or never will be; has the slot ask for the others.
    /// A question may come after its unit was set aside, and a unit may have gone to a request that
    /// never asked.
    fn answer_what_is_known(&mut self, now_ns: u64) {
        if self.waiting.is_empty() {
            return;
        }
        if self.slot.is_exhausted(now_ns) {
            self.answer(Fact::LeaseExhausted, u64::MAX);
        } else {
            self.answer(Fact::LeaseArrived, self.slot.balance(now_ns));
        }
        self.slot.still_waiting(self.waiting.len() as u64);
    }

    /// Answers the requests that have waited longest, at most so many of those that still wait.
    fn answer(&mut self, fact: Fact, at_most: u64) {
        let mut left = at_most;
        while left > 0 {
            let Some(waiting) = self.waiting.pop_front() else {
                return;
            };
            if waiting.send(fact).is_ok() {
                left -= 1;
            }
        }
        self.waiting.retain(|waiting| !waiting.is_closed());
    }
}

struct Settled {
    asked: Vec<Key>,
    asked_at_ns: u64,
    answer: Answered,
}

/// The answer to what is on its way; never, where nothing is.
async fn settled(in_flight: &mut Option<InFlight>) -> Settled {
    let Some(flying) = in_flight else {
        return std::future::pending().await;
    };
    let answer = flying.call.as_mut().await;
    let (asked, asked_at_ns) = (std::mem::take(&mut flying.asked), flying.asked_at_ns);
    *in_flight = None;
    Settled {
        asked,
        asked_at_ns,
        answer,
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Makes a call, and makes the same call again while it is not known whether it took effect.
async fn call(calls: Arc<SignedCalls>, health: Arc<Health>, request: LeaseRequest) -> Answered {
    let deadline = Instant::now() + REPEAT_FOR;
    let mut backoff = Backoff::default();
    loop {
        let answer = calls.post(PATH, &request, BOUNDS).await;
        let pause = backoff.pause();
        match answer {
            Err(cause) if cause.may_have_taken_effect() && Instant::now() + pause < deadline => {
                health.note_lease_failure(cause.code());
            }
            answer => return answer,
        }
        tokio::time::sleep(pause).await;
    }
}
