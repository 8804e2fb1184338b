//! Nodes, a store and a network that loses, repeats and reorders, under one clock: whatever
//! happens, no period admits more than the highest limit that was in force.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use snapshot::lease::Outcome;

use super::*;

const MS: u64 = 1_000_000;
const PERIOD_MS: u64 = 200_000;
const NODES: usize = 3;

/// The store, as the node sees it. Keys are (period, node, incarnation).
#[derive(Default)]
struct Store {
    /// In force.
    limit: u64,
    highest_limit: u64,
    /// Of the plan that limits.
    version: u32,
    totals: BTreeMap<(u64, usize, u64), (u64, u64)>,
    /// Last sequence and its node's incarnation.
    last: HashMap<usize, (u64, u64)>,
}

#[derive(Clone, Debug)]
struct Request {
    node: usize,
    incarnation: u64,
    sequence: u64,
    items: Vec<LeaseItem>,
    asked_at_ns: u64,
}

#[derive(Clone, Debug)]
enum Message {
    Request(Request),
    Answer {
        node: usize,
        incarnation: u64,
        leases: Vec<Lease>,
        asked_at_ns: u64,
    },
}

impl Store {
    fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        self.highest_limit = self.highest_limit.max(limit);
        self.version += 1;
    }

    fn available(&self, period: u64) -> u64 {
        self.limit.saturating_sub(self.out(period))
    }

    /// What nodes hold and have spent.
    fn out(&self, period: u64) -> u64 {
        let of_period = self.totals.range((period, 0, 0)..(period + 1, 0, 0));
        let out: i128 = of_period
            .map(|(_, (granted, returned))| i128::from(*granted) - i128::from(*returned))
            .sum();
        let out = u64::try_from(out).expect("returned at most what was granted");
        assert!(out <= self.highest_limit, "{out} are out");
        out
    }

    fn answer(&mut self, request: &Request, now_ns: u64) -> Option<Message> {
        let last = self.last.entry(request.node).or_default();
        if request.incarnation < last.0 {
            return None;
        }
        let is_new = (request.incarnation, request.sequence) > *last;
        *last = (request.incarnation, request.sequence).max(*last);
        let answer = |item| self.lease(request, item, is_new, now_ns / MS);
        Some(Message::Answer {
            node: request.node,
            incarnation: request.incarnation,
            leases: request.items.iter().map(answer).collect(),
            asked_at_ns: request.asked_at_ns,
        })
    }

    fn lease(&mut self, request: &Request, item: &LeaseItem, is_new: bool, now_ms: u64) -> Lease {
        let current = now_ms / PERIOD_MS;
        let period = match (item.period_start_ms, item.is_for_next_period) {
            (0, false) => current,
            (0, true) => current + 1,
            (start_ms, _) => start_ms as u64 / PERIOD_MS - 1,
        };
        let key = (period, request.node, request.incarnation);
        let known = self.totals.get(&key).copied().unwrap_or_default();
        let mut totals = (
            known.0.max(item.granted_total),
            known.1.max(item.returned_total),
        );
        self.totals.insert(key, totals);
        let is_over = period < current;
        if is_new && !is_over {
            totals.0 += item.wanted.min(self.available(period));
            self.totals.insert(key, totals);
        }
        let available = self.available(period);
        let outcome = match () {
            () if is_over => Outcome::PeriodOver,
            () if totals.0 == known.0 && item.wanted > 0 && available == 0 => Outcome::Exhausted,
            () => Outcome::Granted,
        };
        Lease {
            // Counted from 1, because 0 asks for the current one.
            period_start_ms: ((period + 1) * PERIOD_MS) as i64,
            granted_total: totals.0,
            returned_total: totals.1,
            limit: self.limit,
            available,
            excess: self.out(period).saturating_sub(self.limit),
            starts_in_ms: (period * PERIOD_MS).saturating_sub(now_ms),
            ends_in_ms: ((period + 1) * PERIOD_MS).saturating_sub(now_ms),
            outcome: outcome.into(),
            ..Lease::default()
        }
    }
}

struct Node {
    slot: QuotaSlot,
    incarnation: u64,
    sequence: u64,
    file: Vec<Held>,
    /// A write that is under way.
    writing: Option<(Vec<Held>, Mark)>,
    taken: Vec<(u64, Unit)>,
}

impl Node {
    fn new(incarnation: u64, file: Vec<Held>, now_ns: u64) -> Self {
        let slot = QuotaSlot::new(TenantId(uuid::Uuid::from_u128(1)), "g".into());
        for held in &file {
            slot.restore(*held, now_ns);
        }
        Self {
            slot,
            incarnation,
            sequence: 0,
            file,
            writing: None,
            taken: Vec::new(),
        }
    }

    fn begin_write(&mut self, now_ns: u64) {
        self.slot.set_aside(now_ns);
        self.writing = Some(self.slot.draft(now_ns));
    }

    fn end_write(&mut self) {
        if let Some((file, mark)) = self.writing.take() {
            self.file = file;
            self.slot.written(&mark);
        }
    }
}

struct World {
    store: Store,
    nodes: Vec<Node>,
    network: Vec<Message>,
    now_ns: u64,
    /// Per period of the unit's taking.
    admitted: BTreeMap<u64, u64>,
}

impl World {
    fn new(limit: u64) -> Self {
        Self {
            store: Store {
                limit,
                highest_limit: limit,
                ..Store::default()
            },
            nodes: (0..NODES).map(|_| Node::new(1, Vec::new(), 0)).collect(),
            network: Vec::new(),
            now_ns: 0,
            admitted: BTreeMap::new(),
        }
    }

    fn period(&self) -> u64 {
        self.now_ns / MS / PERIOD_MS
    }

    fn take(&mut self, node: usize) -> bool {
        let QuotaTake::Taken(unit) = self.nodes[node].slot.take(self.now_ns) else {
            return false;
        };
        let period = self.period();
        *self.admitted.entry(period).or_default() += 1;
        self.nodes[node].taken.push((period, unit));
        true
    }

    fn give_back(&mut self, node: usize) {
        if let Some((period, unit)) = self.nodes[node].taken.pop() {
            *self.admitted.entry(period).or_default() -= 1;
            self.nodes[node].slot.give_back(unit);
        }
    }

    fn ask(&mut self, node: usize) {
        let from = &mut self.nodes[node];
        let items = from.slot.items_to_ask(self.now_ns);
        if !items.is_empty() {
            from.sequence += 1;
            self.network.push(Message::Request(Request {
                node,
                incarnation: from.incarnation,
                sequence: from.sequence,
                items,
                asked_at_ns: self.now_ns,
            }));
        }
    }

    fn deliver(&mut self, message: &Message) {
        match message {
            Message::Request(request) => {
                self.network.extend(self.store.answer(request, self.now_ns));
            }
            Message::Answer {
                node,
                incarnation,
                leases,
                asked_at_ns,
            } => {
                let to = &self.nodes[*node];
                if to.incarnation == *incarnation {
                    for lease in leases {
                        to.slot.apply(lease, *asked_at_ns, self.now_ns);
                    }
                }
            }
        }
    }

    /// Kills a node and starts it anew: what was in memory is gone, a write may have been done.
    fn crash(&mut self, node: usize, was_written: bool) {
        let dead = &mut self.nodes[node];
        let file = match dead.writing.take() {
            Some((file, _)) if was_written => file,
            _ => std::mem::take(&mut dead.file),
        };
        *dead = Node::new(dead.incarnation + 1, file, self.now_ns);
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (period, admitted) in &self.admitted {
            prop_assert!(
                *admitted <= self.store.highest_limit,
                "period {period} admitted {admitted}"
            );
        }
        Ok(())
    }

    /// A snapshot with the plan's version in force reaches a node.
    fn hear(&mut self, node: usize) {
        let plan = PlanId(uuid::Uuid::from_u128(9));
        let terms = Some((plan, self.store.version));
        self.nodes[node].slot.set_terms(terms, self.now_ns);
    }

    /// Everything works, and all nodes want as much as they can get.
    fn settle(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.exchange(true);
        }
    }

    /// A second in which every node hears, asks and is answered, and spends all it can if it is
    /// asked to.
    fn exchange(&mut self, spends: bool) {
        for node in 0..NODES {
            self.hear(node);
            self.nodes[node].end_write();
            while spends && self.take(node) {}
            self.ask(node);
            while let Some(message) = self.network.pop() {
                self.deliver(&message);
            }
            self.nodes[node].slot.set_aside(self.now_ns);
            if self.nodes[node].slot.needs_writing() {
                self.nodes[node].begin_write(self.now_ns);
            }
        }
        self.now_ns += 1000 * MS;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Take(usize, u8),
    GiveBack(usize),
    Ask(usize),
    AskFailed(usize),
    Deliver(prop::sample::Index),
    Repeat(prop::sample::Index),
    Lose(prop::sample::Index),
    BeginWrite(usize),
    EndWrite(usize),
    FailWrite(usize),
    TakeBackAll(usize),
    TakeBackIdle(usize),
    Crash(usize, bool),
    Pass(u64),
    SetLimit(u64),
    Hear(usize),
}

fn steps(with_crashes: bool) -> impl Strategy<Value = Vec<Step>> {
    let node = || 0..NODES;
    let message = any::<prop::sample::Index>;
    let crash = move |(node, was_written)| match with_crashes {
        true => Step::Crash(node, was_written),
        false => Step::Pass(0),
    };
    let step = prop_oneof![
        12 => (node(), 1..20u8).prop_map(|(node, units)| Step::Take(node, units)),
        2 => node().prop_map(Step::GiveBack),
        10 => node().prop_map(Step::Ask),
        4 => node().prop_map(Step::AskFailed),
        12 => message().prop_map(Step::Deliver),
        4 => message().prop_map(Step::Repeat),
        2 => message().prop_map(Step::Lose),
        8 => node().prop_map(Step::BeginWrite),
        8 => node().prop_map(Step::EndWrite),
        1 => node().prop_map(Step::FailWrite),
        1 => node().prop_map(Step::TakeBackAll),
        1 => node().prop_map(Step::TakeBackIdle),
        1 => (node(), any::<bool>()).prop_map(crash),
        1 => (1..300u64).prop_map(Step::SetLimit),
        2 => node().prop_map(Step::Hear),
        6 => prop_oneof![Just(0), 1..3000u64, 1..60_000u64].prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..400)
}

fn run(world: &mut World, steps: Vec<Step>) -> Result<(), TestCaseError> {
    for step in steps {
        match step {
            Step::Take(node, units) => {
                for _ in 0..units {
                    world.take(node);
                }
            }
            Step::GiveBack(node) => world.give_back(node),
            Step::Ask(node) => world.ask(node),
            Step::AskFailed(node) => world.nodes[node].slot.ask_failed(),
            Step::Deliver(which) if !world.network.is_empty() => {
                let message = world.network.swap_remove(which.index(world.network.len()));
                world.deliver(&message);
            }
            Step::Repeat(which) if !world.network.is_empty() => {
                let message = which.get(&world.network).clone();
                world.deliver(&message);
            }
            Step::Lose(which) if !world.network.is_empty() => {
                world.network.swap_remove(which.index(world.network.len()));
            }
            Step::Deliver(_) | Step::Repeat(_) | Step::Lose(_) => {}
            Step::BeginWrite(node) => world.nodes[node].begin_write(world.now_ns),
            Step::EndWrite(node) => world.nodes[node].end_write(),
            Step::FailWrite(node) => world.nodes[node].writing = None,
            Step::TakeBackAll(node) => {
                world.nodes[node].slot.take_back_all();
            }
            Step::TakeBackIdle(node) => {
                world.nodes[node].slot.take_back_idle(world.now_ns);
            }
            Step::Crash(node, was_written) => world.crash(node, was_written),
            Step::SetLimit(limit) => world.store.set_limit(limit),
            Step::Hear(node) => world.hear(node),
            Step::Pass(ms) => world.now_ns += ms * MS,
        }
        world.check()?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_period_ever_admits_more_than_its_limit(limit in 1..300u64, steps in steps(true)) {
        let mut world = World::new(limit);
        run(&mut world, steps)?;
        world.settle(30);
        world.check()?;
    }

    #[test]
    fn without_crashes_all_of_the_limit_in_force_can_be_used_and_no_more(
        limit in 1..300u64,
        steps in steps(false),
        last_limit in 1..300u64,
    ) {
        let mut world = World::new(limit);
        run(&mut world, steps)?;
        // What was asked before is answered or lost.
        world.network.clear();
        let next = (world.period() + 1) * PERIOD_MS * MS;
        for period_begins_at in [None, Some(next)] {
            world.now_ns = period_begins_at.unwrap_or(world.now_ns);
            let period = world.period();
            // Nodes give back what the limit does not cover, before anything more is spent.
            world.store.set_limit(last_limit);
            (0..12).for_each(|_| world.exchange(false));
            let used = world.admitted.get(&period).copied().unwrap_or(0);
            world.settle(140);
            if world.period() == period {
                let admitted = world.admitted.get(&period).copied().unwrap_or(0);
                prop_assert_eq!(admitted, used.max(last_limit));
            }
            world.check()?;
        }
    }
}
