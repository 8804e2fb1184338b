//! The store's side of quota leases, for one tenant and one running period.

use std::collections::BTreeMap;

use snapshot::lease::{self, Lease, LeaseItem, LeaseRequest};

/// One tenant's quota, in one period.
pub(crate) struct Quota {
    pub(crate) limit: u64,
    /// The version of the plan that the next revision publishes.
    pub(crate) plan_version: u32,
    pub(crate) period_start_ms: i64,
    pub(crate) ends_in_ms: u64,
    /// By incarnation: granted, returned, highest sequence.
    pub(crate) held: BTreeMap<u64, (u64, u64, u64)>,
    pub(crate) requests: Vec<LeaseRequest>,
}

impl Quota {
    pub(crate) fn outstanding(&self) -> u64 {
        let held = self.held.values();
        held.map(|(granted, returned, _)| granted.saturating_sub(*returned))
            .sum()
    }
}

impl Quota {
    pub(super) fn grant(&mut self, request: &LeaseRequest, item: &LeaseItem) -> Lease {
        let (starts_in_ms, period_start_ms) = if item.is_for_next_period {
            (self.ends_in_ms, self.period_start_ms + 1)
        } else {
            (0, self.period_start_ms)
        };
        let mut lease = Lease {
            tenant_id: item.tenant_id.clone(),
            group: item.group.clone(),
            period_start_ms,
            limit: self.limit,
            starts_in_ms,
            ends_in_ms: self.ends_in_ms + starts_in_ms,
            ..Lease::default()
        };
        if item.is_for_next_period {
            lease.set_outcome(lease::Outcome::Exhausted);
            return lease;
        }
        if item.period_start_ms != 0 && item.period_start_ms != self.period_start_ms {
            lease.period_start_ms = item.period_start_ms;
            lease.ends_in_ms = 0;
            lease.set_outcome(lease::Outcome::PeriodOver);
            return lease;
        }
        let limit = self.limit;
        let outstanding = self.outstanding();
        let (granted, returned, sequence) = self.held.entry(request.incarnation).or_default();
        *granted = (*granted).max(item.granted_total);
        let gives_back = item.returned_total.saturating_sub(*returned);
        *returned += gives_back;
        let out = outstanding - gives_back;
        let available = limit.saturating_sub(out);
        let is_new = request.sequence > *sequence;
        *sequence = (*sequence).max(request.sequence);
        let grant = if is_new {
            item.wanted.min(available)
        } else {
            0
        };
        *granted += grant;
        lease.granted_total = *granted;
        lease.returned_total = *returned;
        lease.available = available - grant;
        lease.excess = out.saturating_sub(limit);
        if grant == 0 && item.wanted > 0 && available == 0 {
            lease.set_outcome(lease::Outcome::Exhausted);
        }
        lease
    }
}
