//! What a core counts: a map of its own, drained each second into a bounded queue.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use snapshot::id::{ApiKeyId, RouteId, TenantId};
use snapshot::usage::{Class, LATENCY_BUCKETS, latency_bucket};

use crate::shared::Shared;

/// Distinct counts that a core holds while reports cannot be handed on; above, counts are dropped
/// and the drops are counted.
const ENTRIES_MAX: usize = 100_000;

/// What is counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CountKey {
    pub tenant_id: Option<TenantId>,
    pub key_id: Option<ApiKeyId>,
    pub route_id: Option<RouteId>,
    pub class: Class,
    /// Minutes since 1970-01-01 UTC.
    pub minute: u32,
}

/// Durations of a route's forwarded requests, whole answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latency {
    pub buckets: [u64; LATENCY_BUCKETS],
    pub sum_us: u64,
}

/// By ids, statuses and codes: nothing that a client chooses.
type Counts<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What one core counted since its last report.
#[derive(Debug, Default)]
pub struct CoreUsage {
    pub counts: Counts<CountKey, u64>,
    pub latencies: Counts<(RouteId, u32), Latency>,
    /// Answers that the node made itself, by code.
    pub refusals: Counts<&'static str, u64>,
    /// Answers by status.
    pub statuses: Counts<u16, u64>,
}

impl CoreUsage {
    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.latencies.is_empty() && self.statuses.is_empty()
    }
}

/// The meter of one core; never leaves its thread.
pub(crate) struct Meter {
    shared: Arc<Shared>,
    held: RefCell<CoreUsage>,
}

impl Meter {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            held: RefCell::default(),
        }
    }

    pub(crate) fn count(&self, key: CountKey) {
        let held = &mut *self.held.borrow_mut();
        if let Some(count) = held.counts.get_mut(&key) {
            *count += 1;
        } else if held.counts.len() < ENTRIES_MAX {
            held.counts.insert(key, 1);
        } else {
            let dropped = &self.shared.gauges.counts_dropped;
            dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn latency(&self, route_id: RouteId, minute: u32, micros: u64) {
        let held = &mut *self.held.borrow_mut();
        if held.latencies.len() >= ENTRIES_MAX && !held.latencies.contains_key(&(route_id, minute))
        {
            return;
        }
        let latency = held.latencies.entry((route_id, minute)).or_insert(Latency {
            buckets: [0; LATENCY_BUCKETS],
            sum_us: 0,
        });
        latency.buckets[latency_bucket(micros)] += 1;
        latency.sum_us += micros;
    }

    pub(crate) fn status(&self, status: u16) {
        *self.held.borrow_mut().statuses.entry(status).or_default() += 1;
    }

    /// `code` is one of a closed set.
    pub(crate) fn refusal(&self, code: &'static str) {
        *self.held.borrow_mut().refusals.entry(code).or_default() += 1;
    }

    /// Hands over what was counted; keeps it for the next time, and says false, where it cannot.
    pub(crate) fn drain(&self) -> bool {
        self.held.borrow().is_empty() || self.shared.report(|| self.held.take())
    }
}
