//! Takes what the cores counted, spools it each moment and hands it to the control plane, in order
//! and once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use snapshot::usage::{PATH, UsageAck};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::client::{Bounds, CallError, SignedCalls};
use super::counts::Counts;
use super::health::Health;
use super::spool::{Outgoing, Place, Spool};
use crate::meter::CoreUsage;

const SPOOL_EVERY: Duration = Duration::from_millis(500);
const BOUNDS: Bounds = Bounds {
    timeout: Duration::from_secs(15),
    answer_bytes_max: 16 << 10,
};
/// How long a stopping node goes on handing usage over; what is left stays in the spool.
const FAREWELL: Duration = Duration::from_secs(5);

type Sending = Pin<Box<dyn Future<Output = (Place, Result<UsageAck, CallError>)>>>;

pub(crate) struct Usage {
    pub(crate) calls: Arc<SignedCalls>,
    pub(crate) health: Arc<Health>,
    pub(crate) spool: Spool,
    pub(crate) reports: mpsc::Receiver<CoreUsage>,
    pub(crate) incarnation: watch::Receiver<Option<u64>>,
}

/// The usage side while it runs. One owner: a batch is never written while it is being read.
struct Running {
    calls: Arc<SignedCalls>,
    health: Arc<Health>,
    spool: Option<Spool>,
    pending: Counts,
    sending: Option<Sending>,
    backoff: Backoff,
    /// Nothing is sent before.
    not_before: tokio::time::Instant,
}

impl Usage {
    /// Runs until `shutdown`, which comes when the cores have ended; then spools the rest and
    /// hands over what it can.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut running = Running {
            calls: self.calls,
            health: self.health,
            spool: Some(self.spool),
            pending: Counts::default(),
            sending: None,
            backoff: Backoff::default(),
            not_before: tokio::time::Instant::now(),
        };
        let mut tick = tokio::time::interval(SPOOL_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_incarnation = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(report) = self.reports.recv() => running.absorb(report),
                _ = tick.tick() => running.put().await,
                Ok(()) = self.incarnation.changed(), if !has_incarnation => {
                    let incarnation = *self.incarnation.borrow_and_update();
                    has_incarnation = running.name(incarnation).await;
                }
                acknowledged = running.acknowledged() => {
                    running.settle(acknowledged).await;
                }
            }
            running.send_next().await;
        }
        while let Ok(report) = self.reports.try_recv() {
            running.absorb(report);
        }
        running.put().await;
        let farewell = running.hand_over_all();
        let is_late = tokio::time::timeout(FAREWELL, farewell).await.is_err();
        let left = running
            .spool
            .as_ref()
            .map_or(0, |spool| spool.size().batches);
        if is_late || left > 0 {
            tracing::warn!(left, "usage stays in the spool until the next start");
        }
    }
}

impl Running {
    fn absorb(&mut self, report: CoreUsage) {
        self.health.traffic.absorb(&report);
        self.pending.absorb(report);
    }

    async fn put(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let written = self.with_spool(move |spool| spool.put(pending)).await;
        self.health.note_state_dir(&written);
        self.note_size();
    }

    async fn name(&mut self, incarnation: Option<u64>) -> bool {
        let Some(incarnation) = incarnation else {
            return false;
        };
        let written = self.with_spool(move |spool| spool.set_incarnation(incarnation));
        let written = written.await;
        self.health.note_state_dir(&written);
        true
    }

    /// Begins to send the next batch, if there is one and none is on its way.
    async fn send_next(&mut self) {
        if self.sending.is_some() || tokio::time::Instant::now() < self.not_before {
            return;
        }
        if let Some(Outgoing { place, body }) = self.with_spool(Spool::next).await {
            let calls = self.calls.clone();
            self.sending = Some(Box::pin(async move {
                (place, calls.post_bytes(PATH, body, BOUNDS).await)
            }));
        }
    }

    /// The answer to what is on its way; without that, the end of the pause after a failure.
    async fn acknowledged(&mut self) -> Option<(Place, Result<UsageAck, CallError>)> {
        match &mut self.sending {
            Some(sending) => {
                let answer = sending.await;
                self.sending = None;
                Some(answer)
            }
            None if tokio::time::Instant::now() < self.not_before => {
                tokio::time::sleep_until(self.not_before).await;
                None
            }
            None => std::future::pending().await,
        }
    }

    /// `true` if the batch that was on its way is applied.
    async fn settle(&mut self, answer: Option<(Place, Result<UsageAck, CallError>)>) -> bool {
        let Some((place, answer)) = answer else {
            return false;
        };
        let is_applied = match answer {
            Ok(ack) => {
                let applied = ack.applied_sequence;
                self.with_spool(move |spool| spool.acknowledge(place, applied))
                    .await
            }
            Err(cause) => {
                if self.health.note_usage_failure(cause.code()) {
                    tracing::warn!(%cause, "usage could not be handed over, it stays in the spool");
                }
                false
            }
        };
        if is_applied {
            self.backoff.reset();
            self.health.note_usage_sent();
        } else {
            self.not_before = tokio::time::Instant::now() + self.backoff.pause();
        }
        self.note_size();
        is_applied
    }

    /// Until the spool is empty or something fails: a control plane that is away would only delay
    /// the node's end.
    async fn hand_over_all(&mut self) {
        loop {
            self.send_next().await;
            if self.sending.is_none() {
                return;
            }
            let answer = self.acknowledged().await;
            if !self.settle(answer).await {
                return;
            }
        }
    }

    fn note_size(&self) {
        if let Some(spool) = &self.spool {
            self.health.note_spool(spool.size());
        }
    }

    /// Runs disk work beside the control thread, which answers leases meanwhile.
    async fn with_spool<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Spool) -> T + Send + 'static,
    ) -> T {
        let mut spool = self.spool.take().expect("work on the spool never overlaps");
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut spool);
            (spool, result)
        });
        let (spool, result) = worked.await.expect("work on the spool does not panic");
        self.spool = Some(spool);
        result
    }
}
