//! Totals of the traffic since the process started, for `/metrics`: by route, class, status class
//! and refusal code; never by tenant or key.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use snapshot::id::RouteId;
use snapshot::usage::{Class, LATENCY_BUCKETS};

use crate::meter::CoreUsage;

/// Routes with series of their own; those that come later are counted together.
const ROUTES_MAX: usize = 1_000;

#[derive(Debug, Default)]
pub(crate) struct Traffic(Mutex<Totals>);

#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Known routes, including "no route".
    routes: BTreeMap<Option<RouteId>, RouteTotals>,
    /// Of the routes beyond [`ROUTES_MAX`].
    other: RouteTotals,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// By the status's first digit.
    pub(crate) status_classes: BTreeMap<u16, u64>,
}

#[derive(Debug, Default)]
pub(crate) struct RouteTotals {
    pub(crate) classes: BTreeMap<Class, u64>,
    pub(crate) latency_buckets: [u64; LATENCY_BUCKETS],
    pub(crate) latency_sum_us: u64,
}

impl Traffic {
    pub(crate) fn absorb(&self, usage: &CoreUsage) {
        let totals = &mut *self.totals();
        for (key, count) in &usage.counts {
            *totals
                .route(key.route_id)
                .classes
                .entry(key.class)
                .or_default() += count;
        }
        for ((route, _), latency) in &usage.latencies {
            let total = totals.route(Some(*route));
            total.latency_sum_us += latency.sum_us;
            for (bucket, more) in total.latency_buckets.iter_mut().zip(latency.buckets) {
                *bucket += more;
            }
        }
        for (code, count) in &usage.refusals {
            *totals.refusals.entry(code).or_default() += count;
        }
        for (status, count) in &usage.statuses {
            *totals.status_classes.entry(status / 100).or_default() += count;
        }
    }

    pub(crate) fn totals(&self) -> MutexGuard<'_, Totals> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    /// Every route by the text of its label.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (String, &RouteTotals)> {
        let named = self.routes.iter().map(|(route, totals)| {
            let label = route.map_or_else(|| String::from("none"), |id| id.to_string());
            (label, totals)
        });
        named.chain([(String::from("other"), &self.other)])
    }

    fn route(&mut self, id: Option<RouteId>) -> &mut RouteTotals {
        if self.routes.len() >= ROUTES_MAX && !self.routes.contains_key(&id) {
            return &mut self.other;
        }
        self.routes.entry(id).or_default()
    }
}
