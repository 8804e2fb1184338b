//! Usage counts in memory and as batches: merging, folding to coarser time, dropping with a tally.

use std::collections::HashMap;

use snapshot::DecodeError;
use snapshot::id::{ApiKeyId, RouteId, TenantId};
use snapshot::usage::{COUNTS_MAX, Class, LATENCY_BUCKETS, RouteLatency, UsageBatch, UsageCount};

use crate::meter::{CoreUsage, CountKey, Latency};

const MINUTES_PER_HOUR: u32 = 60;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    counts: HashMap<CountKey, u64>,
    latencies: HashMap<(RouteId, u32), Latency>,
    /// Requests whose counts were lost.
    dropped: u64,
}

impl Counts {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries() == 0 && self.dropped == 0
    }

    pub(crate) fn entries(&self) -> usize {
        self.counts.len() + self.latencies.len()
    }

    /// Both together might be more than a batch may hold.
    pub(crate) fn is_full_with(&self, other: &Counts) -> bool {
        self.entries() + other.entries() > COUNTS_MAX
    }

    pub(crate) fn absorb(&mut self, usage: CoreUsage) {
        for (key, count) in usage.counts {
            self.add(key, count);
        }
        for (place, latency) in usage.latencies {
            self.add_latency(place, &latency);
        }
    }

    pub(crate) fn merge(&mut self, other: Counts) {
        for (key, count) in other.counts {
            self.add(key, count);
        }
        for (place, latency) in other.latencies {
            self.add_latency(place, &latency);
        }
        self.dropped += other.dropped;
    }

    pub(crate) fn note_dropped(&mut self, requests: u64) {
        self.dropped += requests;
    }

    /// Adds minutes up to hours.
    pub(crate) fn fold_to_hours(self) -> Self {
        let mut folded = Self {
            dropped: self.dropped,
            ..Self::default()
        };
        let hour = |minute: u32| minute - minute % MINUTES_PER_HOUR;
        for (mut key, count) in self.counts {
            key.minute = hour(key.minute);
            folded.add(key, count);
        }
        for ((route, minute), latency) in self.latencies {
            folded.add_latency((route, hour(minute)), &latency);
        }
        folded
    }

    /// Forgets what is here and keeps the number of requests that it stood for.
    pub(crate) fn drop_all(&mut self) -> u64 {
        let lost = self.requests();
        self.counts.clear();
        self.latencies.clear();
        self.dropped += lost;
        lost
    }

    /// Requests: each is counted once when it is admitted or refused.
    pub(crate) fn requests(&self) -> u64 {
        let counts = self.counts.iter();
        counts
            .filter(|(key, _)| is_arrival(key.class))
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Cuts off as much as one batch may hold.
    pub(crate) fn split_batch(&mut self) -> Counts {
        if self.entries() <= COUNTS_MAX {
            return std::mem::take(self);
        }
        let mut batch = Counts {
            dropped: std::mem::take(&mut self.dropped),
            ..Counts::default()
        };
        let latencies: Vec<_> = self.latencies.keys().take(COUNTS_MAX).copied().collect();
        for place in latencies {
            if let Some(latency) = self.latencies.remove(&place) {
                batch.latencies.insert(place, latency);
            }
        }
        let room = COUNTS_MAX - batch.latencies.len();
        let keys: Vec<CountKey> = self.counts.keys().take(room).copied().collect();
        for key in keys {
            if let Some(count) = self.counts.remove(&key) {
                batch.counts.insert(key, count);
            }
        }
        batch
    }

    /// As a batch that still lacks its incarnation and sequence.
    pub(crate) fn to_batch(&self) -> UsageBatch {
        let mut counts: Vec<UsageCount> = self.counts.iter().map(to_count).collect();
        counts.sort_by(|a, b| {
            (a.minute, &a.tenant_id, &a.key_id, &a.route_id, a.class).cmp(&(
                b.minute,
                &b.tenant_id,
                &b.key_id,
                &b.route_id,
                b.class,
            ))
        });
        let mut latencies: Vec<RouteLatency> = self.latencies.iter().map(to_latency).collect();
        latencies.sort_by(|a, b| (a.minute, &a.route_id).cmp(&(b.minute, &b.route_id)));
        UsageBatch {
            counts,
            latencies,
            dropped: self.dropped,
            ..UsageBatch::default()
        }
    }

    pub(crate) fn from_batch(batch: UsageBatch) -> Result<Self, DecodeError> {
        let mut read = Self {
            dropped: batch.dropped,
            ..Self::default()
        };
        for count in batch.counts {
            let key = CountKey {
                tenant_id: optional(&count.tenant_id, TenantId::from_bytes)?,
                key_id: optional(&count.key_id, ApiKeyId::from_bytes)?,
                route_id: optional(&count.route_id, RouteId::from_bytes)?,
                class: Class::try_from(count.class).unwrap_or(Class::Unspecified),
                minute: count.minute,
            };
            read.add(key, count.count);
        }
        for latency in batch.latencies {
            let mut buckets = [0; LATENCY_BUCKETS];
            for (bucket, count) in buckets.iter_mut().zip(latency.buckets) {
                *bucket = count;
            }
            let place = (RouteId::from_bytes(&latency.route_id)?, latency.minute);
            let latency = Latency {
                buckets,
                sum_us: latency.sum_us,
            };
            read.add_latency(place, &latency);
        }
        Ok(read)
    }

    fn add(&mut self, key: CountKey, count: u64) {
        let total = self.counts.entry(key).or_default();
        *total = total.saturating_add(count);
    }

    fn add_latency(&mut self, place: (RouteId, u32), more: &Latency) {
        let total = self.latencies.entry(place).or_insert(Latency {
            buckets: [0; LATENCY_BUCKETS],
            sum_us: 0,
        });
        total.sum_us = total.sum_us.saturating_add(more.sum_us);
        for (bucket, more) in total.buckets.iter_mut().zip(more.buckets) {
            *bucket = bucket.saturating_add(more);
        }
    }
}

/// The classes of which every request has exactly one.
fn is_arrival(class: Class) -> bool {
    match class {
        Class::Admitted | Class::Throttled | Class::QuotaExceeded | Class::Denied => true,
        Class::Unspecified
        | Class::Success
        | Class::Redirect
        | Class::ClientError
        | Class::ServerError
        | Class::Aborted
        | Class::GivenBack => false,
    }
}

fn to_count((key, count): (&CountKey, &u64)) -> UsageCount {
    UsageCount {
        tenant_id: key.tenant_id.map(TenantId::to_bytes).unwrap_or_default(),
        key_id: key.key_id.map(ApiKeyId::to_bytes).unwrap_or_default(),
        route_id: key.route_id.map(RouteId::to_bytes).unwrap_or_default(),
        class: key.class as i32,
        minute: key.minute,
        count: *count,
    }
}

fn to_latency(((route, minute), latency): (&(RouteId, u32), &Latency)) -> RouteLatency {
    RouteLatency {
        route_id: route.to_bytes(),
        minute: *minute,
        buckets: latency.buckets.to_vec(),
        sum_us: latency.sum_us,
    }
}

fn optional<T>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    read(bytes).map(Some)
}

#[cfg(test)]
pub(crate) fn admitted(tenant: u128, minute: u32, count: u64) -> CoreUsage {
    let key = CountKey {
        tenant_id: Some(TenantId(uuid::Uuid::from_u128(tenant))),
        key_id: None,
        route_id: None,
        class: Class::Admitted,
        minute,
    };
    CoreUsage {
        counts: [(key, count)].into_iter().collect(),
        ..CoreUsage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(usages: impl IntoIterator<Item = CoreUsage>) -> Counts {
        let mut counts = Counts::default();
        usages.into_iter().for_each(|usage| counts.absorb(usage));
        counts
    }

    #[test]
    fn counts_survive_the_wire() {
        let mut counts = of([admitted(1, 61, 5), admitted(2, 61, 7), admitted(1, 61, 1)]);
        counts.note_dropped(3);
        let batch = counts.to_batch();
        assert_eq!(batch.counts.len(), 2);
        let read = Counts::from_batch(batch.clone()).expect("reads");
        assert_eq!(read.to_batch(), batch);
        assert_eq!((read.requests(), read.dropped()), (13, 3));
    }

    #[test]
    fn folding_keeps_every_count_and_drops_only_minutes() {
        let counts = of((0..180).map(|minute| admitted(1, minute, 2))).fold_to_hours();
        let batch = counts.to_batch();
        let found: Vec<_> = batch.counts.iter().map(|c| (c.minute, c.count)).collect();
        assert_eq!(found, [(0, 120), (60, 120), (120, 120)]);
    }

    #[test]
    fn a_batch_is_never_larger_than_the_wire_allows() {
        let mut counts = of((0..COUNTS_MAX as u128 + 10).map(|tenant| admitted(tenant, 1, 1)));
        let (first, second) = (counts.split_batch(), counts.split_batch());
        assert_eq!((first.entries(), second.entries()), (COUNTS_MAX, 10));
        assert!(counts.is_empty());
    }
}
