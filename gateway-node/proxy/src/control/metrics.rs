//! `/metrics`: read from the node's figures at each scrape, so that nothing is counted twice.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Registry;
use snapshot::usage::{Class, LATENCY_BOUNDS_US};

use super::health::{Health, Tally};
use super::traffic::Totals;
use crate::shared::Shared;

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, u64>> = None;

/// The registry whose one collector reads everything.
pub(crate) fn registry(shared: Arc<Shared>, health: Arc<Health>) -> Registry {
    let mut registry = Registry::with_prefix("tollgate_node");
    registry.register_collector(Box::new(NodeMetrics { shared, health }));
    registry
}

struct NodeMetrics {
    shared: Arc<Shared>,
    health: Arc<Health>,
}

impl fmt::Debug for NodeMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeMetrics")
    }
}

impl Collector for NodeMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sink = Sink(&mut encoder);
        self.snapshot(&mut sink)?;
        self.connections(&mut sink)?;
        self.control(&mut sink)?;
        let totals = self.health.traffic.totals();
        traffic(&totals, &mut sink)?;
        latencies(&totals, &mut encoder)
    }
}

impl NodeMetrics {
    fn snapshot(&self, sink: &mut Sink<'_, '_>) -> fmt::Result {
        let now = self.shared.clock.now();
        let stale_ms = self.shared.stale_ms(now);
        sink.gauge(
            "snapshot_stale_seconds",
            "Time since the control plane last confirmed the snapshot in force",
            stale_ms / 1000,
        )?;
        sink.gauge(
            "revoked",
            "Whether the control plane revoked this node, which then serves nothing",
            u64::from(self.shared.is_revoked.load(Ordering::Relaxed)),
        )?;
        let Some(snapshot) = self.shared.snapshot.load_full() else {
            return sink.gauge("ready", "Whether a verified snapshot is in force", 0);
        };
        sink.gauge("ready", "Whether a verified snapshot is in force", 1)?;
        let version = snapshot.version();
        sink.gauge(
            "snapshot_epoch",
            "Epoch of the snapshot in force",
            version.epoch,
        )?;
        sink.gauge(
            "snapshot_revision",
            "Revision of the snapshot in force",
            version.revision,
        )?;
        sink.gauge(
            "snapshot_keys",
            "API keys in the snapshot in force",
            snapshot.key_count(),
        )
    }

    fn connections(&self, sink: &mut Sink<'_, '_>) -> fmt::Result {
        let gauges = &self.shared.gauges;
        let read = |figure: &std::sync::atomic::AtomicU64| figure.load(Ordering::Relaxed);
        sink.gauge(
            "client_connections",
            "Open client connections",
            read(&gauges.client_connections),
        )?;
        sink.counter(
            "client_connections_accepted",
            "Client connections accepted",
            read(&gauges.client_connections_accepted),
        )?;
        sink.counter(
            "client_connections_refused",
            "Client connections turned away because there were too many",
            read(&gauges.client_connections_refused),
        )?;
        sink.gauge(
            "upstream_connections",
            "Open upstream connections",
            read(&gauges.upstream_connections),
        )?;
        sink.counter(
            "upstream_connections_opened",
            "Upstream connections opened",
            read(&gauges.upstream_connections_opened),
        )?;
        sink.counter(
            "log_records_dropped",
            "Access log records dropped because the writer could not keep up",
            read(&gauges.log_records_dropped),
        )?;
        sink.counter(
            "counts_dropped",
            "Usage counts dropped on the cores because reports could not be handed on",
            read(&gauges.counts_dropped),
        )
    }

    fn control(&self, sink: &mut Sink<'_, '_>) -> fmt::Result {
        let state = self.health.state();
        sink.counter("snapshots_applied", "Snapshots taken", state.applied)?;
        sink.counter("snapshots_rejected", "Snapshots refused", state.rejections)?;
        let calls = |pick: fn(&Tally) -> u64| {
            [
                ("poll", pick(&state.polls)),
                ("lease", pick(&state.leases)),
                ("rate_share", pick(&state.shares)),
                ("usage", pick(&state.usage)),
            ]
        };
        sink.counters(
            "control_plane_calls",
            "Calls to the control plane that succeeded",
            "call",
            calls(|tally| tally.successes),
        )?;
        sink.counters(
            "control_plane_call_failures",
            "Calls to the control plane that failed",
            "call",
            calls(|tally| tally.failures),
        )?;
        sink.counter(
            "lease_units_granted",
            "Quota units leased from the control plane",
            state.units_granted,
        )?;
        sink.counter(
            "lease_units_returned",
            "Quota units given back to the control plane",
            state.units_returned,
        )?;
        sink.gauge(
            "usage_spool_batches",
            "Batches of usage that wait to be handed over",
            state.spool.batches,
        )?;
        sink.gauge(
            "usage_spool_bytes",
            "Size of the usage that waits to be handed over",
            state.spool.bytes,
        )?;
        sink.counter(
            "usage_requests_dropped",
            "Requests whose counts were dropped because the spool was full",
            state.spool.dropped,
        )
    }
}

fn traffic(totals: &Totals, sink: &mut Sink<'_, '_>) -> fmt::Result {
    let statuses = totals.status_classes.iter();
    sink.counters(
        "responses",
        "Answers to clients by class of status",
        "status",
        statuses.map(|(class, count)| (format!("{class}xx"), *count)),
    )?;
    let refusals = totals.refusals.iter();
    sink.counters(
        "refusals",
        "Answers that the node made itself, by code",
        "code",
        refusals.map(|(code, count)| (*code, *count)),
    )?;
    let mut family = sink.0.encode_descriptor(
        "requests",
        "Requests by route and by how they were decided and ended",
        None,
        MetricType::Counter,
    )?;
    for (route, of_route) in totals.routes() {
        for (class, count) in &of_route.classes {
            family
                .encode_family(&[("route", route.as_str()), ("class", class_label(*class))])?
                .encode_counter(count, NO_EXEMPLAR)?;
        }
    }
    Ok(())
}

fn latencies(totals: &Totals, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "request_duration_seconds",
        "Time from a forwarded request's head to the end of its answer",
        None,
        MetricType::Histogram,
    )?;
    for (route, of_route) in totals.routes() {
        let count: u64 = of_route.latency_buckets.iter().sum();
        if count == 0 {
            continue;
        }
        let bounds = LATENCY_BOUNDS_US.iter().map(|micros| *micros as f64 / 1e6);
        let buckets: Vec<(f64, u64)> = bounds
            .chain([f64::MAX])
            .zip(of_route.latency_buckets)
            .collect();
        family
            .encode_family(&[("route", route.as_str())])?
            .encode_histogram::<NoLabelSet>(
                of_route.latency_sum_us as f64 / 1e6,
                count,
                &buckets,
                None,
            )?;
    }
    Ok(())
}

fn class_label(class: Class) -> &'static str {
    match class {
        Class::Unspecified => "unspecified",
        Class::Admitted => "admitted",
        Class::Success => "success",
        Class::Redirect => "redirect",
        Class::ClientError => "client_error",
        Class::ServerError => "server_error",
        Class::Aborted => "aborted",
        Class::GivenBack => "given_back",
        Class::Throttled => "throttled",
        Class::QuotaExceeded => "quota_exceeded",
        Class::Denied => "denied",
    }
}

struct Sink<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Sink<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        // The text format has no bound; the encoder's type does.
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(&value, NO_EXEMPLAR)
    }

    fn counters<L: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (text, value) in values {
            family
                .encode_family(&[(label, text.as_ref())])?
                .encode_counter(&value, NO_EXEMPLAR)?;
        }
        Ok(())
    }
}
