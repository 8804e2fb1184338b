//! What the lease task knows of a slot: totals, and the units that no core can reach yet.

use snapshot::lease::{Lease, Outcome};

use super::demand::Demand;
use super::lane::Lane;
use super::{Applied, Held, LaneMark, Mark, SECOND_NS, Terms};

const RETRY_NS: u64 = SECOND_NS;
/// Doublings of the wait after answers that nothing is left: 32 seconds at most.
const RETRY_DOUBLINGS_MAX: u32 = 5;

/// So many totals of left periods are remembered: more than days and weeks of a month.
const LEFT_MAX: usize = 40;

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) periods: [Option<Period>; 2],
    pub(super) demand: Demand,
    /// In periods that are over.
    spent_before: u64,
    /// Totals of periods that were left, for when one is drawn from again: a tenant came back to a
    /// plan of that period, or the store's clock went back.
    left: Vec<Left>,
    /// Of periods up to this one not even the totals are kept: answers about them change nothing.
    forgotten_until_ms: Option<i64>,
    /// By which plan the quota is limited, as far as snapshots say; `None`: none has said.
    pub(super) terms: Option<Option<Terms>>,
    pub(super) misses: u64,
    /// Those that were told no, or for which units were set aside.
    pub(super) misses_served: u64,
    pub(super) asked_at_ns: Option<u64>,
    pub(super) drew_at_ns: u64,
    /// Units of the last draw, which doubles when it did not last.
    pub(super) drew: u64,
    pub(super) exhausted_times: u32,
    /// Grows when what was set aside is taken back.
    epoch: u64,
    /// Grows with what a draft says; what was written is as of so many.
    changes: u64,
    written_changes: u64,
}

/// A period that is not kept any more.
#[derive(Debug, Clone, Copy)]
struct Left {
    start_ms: i64,
    granted: u64,
    returned: u64,
}

/// Units of one period. What the store granted is spent, in a lane, or in exactly one place here.
#[derive(Debug, Default)]
pub(super) struct Period {
    pub(super) start_ms: i64,
    /// Totals of this incarnation, as the store keeps them.
    pub(super) granted: u64,
    pub(super) returned: u64,
    pub(super) returned_acknowledged: u64,
    /// Taken over from an earlier process.
    restored: u64,
    /// In the balance file, or soon.
    pub(super) held: u64,
    /// Not in the file any more once it is written, and spendable then.
    pub(super) aside: u64,
    /// Not in the file any more once it is written, and told to the store then.
    pub(super) returning: u64,
    pub(super) limit: u64,
    /// What the store had left; `None`: it has not said.
    pub(super) available: Option<u64>,
    /// What was out beyond the limit in force, as the store last said: nothing is spent meanwhile.
    pub(super) excess: u64,
    /// The store grants nothing of it any more, though it has not ended: it is left once what goes
    /// back is acknowledged.
    pub(super) is_closed: bool,
    /// The quota's terms changed then: the store is to be heard anew.
    pub(super) refresh_since_ns: Option<u64>,
    told_at_ns: u64,
    pub(super) added_at_ns: u64,
}

impl Period {
    /// What this node may still spend.
    pub(super) fn own(&self, lane: &Lane) -> u64 {
        self.held
            .saturating_add(self.aside)
            .saturating_add(lane.balance())
    }

    /// What this incarnation can give back: of what it was granted itself. Units taken over from an
    /// earlier process were granted to that one; they are spent here, or by the next process.
    pub(super) fn returnable(&self) -> u64 {
        self.granted
            .saturating_sub(self.returned)
            .saturating_sub(self.returning)
    }

    /// Taken back, or to be, and not acknowledged.
    pub(super) fn is_returning(&self) -> bool {
        self.returned.saturating_add(self.returning) > self.returned_acknowledged
    }

    /// Nothing of it may be spent.
    pub(super) fn is_recalled(&self) -> bool {
        self.is_closed || self.excess > 0
    }

    fn acknowledge(&mut self, returned_total: u64) {
        let acknowledged = returned_total.min(self.returned);
        self.returned_acknowledged = self.returned_acknowledged.max(acknowledged);
    }

    fn spent(&self, lane: &Lane) -> u64 {
        self.granted
            .saturating_add(self.restored)
            .saturating_sub(self.returned)
            .saturating_sub(self.returning)
            .saturating_sub(self.own(lane))
    }

    pub(super) fn show(&self, lane: &Lane) {
        let beyond = self
            .available
            .unwrap_or(0)
            .saturating_add(self.held)
            .saturating_add(self.aside);
        lane.set_known(self.limit, beyond);
    }
}

impl Books {
    pub(super) fn observe(&mut self, lanes: &[Lane; 2], misses: u64, now_ns: u64) {
        self.misses = misses;
        let spent: u64 = self
            .live(lanes)
            .map(|(period, lane)| period.spent(lane))
            .sum();
        self.demand
            .observe(self.spent_before.saturating_add(spent), now_ns);
    }

    pub(super) fn live<'b>(
        &'b self,
        lanes: &'b [Lane; 2],
    ) -> impl Iterator<Item = (&'b Period, &'b Lane)> {
        let both = self.periods.iter().zip(lanes);
        both.filter_map(|(period, lane)| Some((period.as_ref()?, lane)))
    }

    pub(super) fn live_mut<'b>(
        &'b mut self,
        lanes: &'b [Lane; 2],
    ) -> impl Iterator<Item = (&'b mut Period, &'b Lane)> {
        let both = self.periods.iter_mut().zip(lanes);
        both.filter_map(|(period, lane)| Some((period.as_mut()?, lane)))
    }

    pub(super) fn restore(&mut self, lanes: &[Lane; 2], held: Held) {
        let span = (held.starts_at_ns, held.ends_at_ns);
        let Some(index) = self.open(lanes, held.period_start_ms, span, held.starts_at_ns) else {
            return;
        };
        if let Some(period) = &mut self.periods[index] {
            period.held = period.held.saturating_add(held.units);
            period.restored = period.restored.saturating_add(held.units);
            period.limit = held.limit;
            period.show(&lanes[index]);
        }
    }

    /// Also says from when on to ask again, if that changes.
    pub(super) fn apply(
        &mut self,
        lanes: &[Lane; 2],
        lease: &Lease,
        asked_at_ns: u64,
        now_ns: u64,
    ) -> (Applied, Option<u64>) {
        self.asked_at_ns = None;
        let found = self.find(lease.period_start_ms);
        match lease.outcome() {
            Outcome::NoQuota => {
                self.misses_served = self.misses;
                return (Applied::NoQuota, Some(self.retry_at(asked_at_ns)));
            }
            Outcome::PeriodOver => {
                if let Some(index) = found {
                    self.close(lanes, index, lease, (asked_at_ns, now_ns));
                }
                return (Applied::Over, None);
            }
            Outcome::Granted | Outcome::Exhausted => {}
        }
        // The store spoke between asking and now: this is neither early to start nor late to end.
        let after = |at_ns: u64, ms: u64| at_ns.saturating_add(ms.saturating_mul(1_000_000));
        let span = (
            after(now_ns, lease.starts_in_ms),
            after(asked_at_ns, lease.ends_in_ms),
        );
        if span.1 <= now_ns {
            return (Applied::Over, None);
        }
        let Some(index) = found.or_else(|| self.open(lanes, lease.period_start_ms, span, now_ns))
        else {
            return (Applied::Over, None);
        };
        self.fit(&lanes[index], index, span, asked_at_ns);
        let added = self.add(lanes, index, lease, asked_at_ns);
        self.recall(lanes);
        if added > 0 {
            self.exhausted_times = 0;
            return (Applied::Added(added), Some(0));
        }
        let is_empty = self.periods[index]
            .as_ref()
            .is_none_or(|period| period.is_recalled() || period.own(&lanes[index]) == 0);
        if lease.outcome() == Outcome::Granted || lease.starts_in_ms > 0 || !is_empty {
            return (Applied::Added(0), None);
        }
        self.misses_served = self.misses;
        let retry_at = self.retry_at(asked_at_ns).min(lanes[index].ends_at_ns());
        (Applied::Exhausted, Some(retry_at))
    }

    /// Takes a period's span in: as it is now, where the terms changed, and otherwise widening.
    fn fit(&mut self, lane: &Lane, index: usize, span: (u64, u64), asked_at_ns: u64) {
        let Some(period) = &mut self.periods[index] else {
            return;
        };
        let refreshed = |since: &u64| asked_at_ns >= *since;
        if period
            .refresh_since_ns
            .take_if(|since| refreshed(since))
            .is_some()
        {
            lane.set_span(lane.starts_at_ns().min(span.0), span.1);
        } else {
            lane.widen(span.0, span.1);
        }
    }

    /// The store grants nothing of a period any more. Where that is not because it has ended, what
    /// is left of it goes back first.
    fn close(
        &mut self,
        lanes: &[Lane; 2],
        index: usize,
        lease: &Lease,
        (asked_at_ns, now_ns): (u64, u64),
    ) {
        let Some(period) = &mut self.periods[index] else {
            return;
        };
        period.acknowledge(lease.returned_total);
        if now_ns < lanes[index].ends_at_ns() {
            period.is_closed = true;
            period.told_at_ns = period.told_at_ns.max(asked_at_ns);
            period.refresh_since_ns = None;
            self.recall(lanes);
        }
        let is_returning = self.periods[index]
            .as_ref()
            .is_some_and(|period| period.is_closed && period.is_returning());
        if !is_returning {
            self.leave(lanes, index);
        }
    }

    fn add(&mut self, lanes: &[Lane; 2], index: usize, lease: &Lease, asked_at_ns: u64) -> u64 {
        let Some(period) = &mut self.periods[index] else {
            return 0;
        };
        let added = lease.granted_total.saturating_sub(period.granted);
        period.granted += added;
        period.held = period.held.saturating_add(added);
        period.acknowledge(lease.returned_total);
        if asked_at_ns >= period.told_at_ns {
            period.told_at_ns = asked_at_ns;
            period.limit = lease.limit;
            period.available = Some(lease.available);
            period.excess = lease.excess;
            period.is_closed = false;
        }
        if added > 0 {
            period.added_at_ns = asked_at_ns;
        }
        period.show(&lanes[index]);
        if added > 0 {
            self.note_change();
        }
        added
    }

    pub(super) fn is_running(&self, lanes: &[Lane; 2], now_ns: u64) -> bool {
        self.live(lanes).any(|(_, lane)| lane.is_running(now_ns))
    }

    /// Counts units as granted that were spent beyond what the store had granted: it learns of them
    /// from the total.
    pub(super) fn charge(&mut self, lanes: &[Lane; 2], units: u64, now_ns: u64) {
        let mut running = self
            .live_mut(lanes)
            .filter(|(_, lane)| lane.is_running(now_ns));
        if let Some((period, _)) = running.next()
            && units > 0
        {
            period.granted = period.granted.saturating_add(units);
            period.refresh_since_ns = Some(now_ns);
        }
    }

    pub(super) fn note_change(&mut self) {
        self.changes += 1;
    }

    pub(super) fn needs_writing(&self) -> bool {
        self.written_changes < self.changes
    }

    fn retry_at(&mut self, asked_at_ns: u64) -> u64 {
        let doublings = self.exhausted_times.min(RETRY_DOUBLINGS_MAX);
        self.exhausted_times = doublings + 1;
        asked_at_ns.saturating_add(RETRY_NS << doublings)
    }

    fn find(&self, start_ms: i64) -> Option<usize> {
        let is_it = |period: &Option<Period>| {
            period
                .as_ref()
                .is_some_and(|period| period.start_ms == start_ms)
        };
        self.periods.iter().position(is_it)
    }

    /// Makes room for a period that is not kept yet: a free lane, or one whose period has ended.
    fn open(
        &mut self,
        lanes: &[Lane; 2],
        start_ms: i64,
        span: (u64, u64),
        now_ns: u64,
    ) -> Option<usize> {
        let left = self.left.iter().position(|left| left.start_ms == start_ms);
        let is_forgotten = self
            .forgotten_until_ms
            .is_some_and(|until| start_ms <= until);
        if left.is_none() && is_forgotten {
            return None;
        }
        let free = self.periods.iter().position(Option::is_none);
        let index = free.or_else(|| {
            let ended = |index: &usize| lanes[*index].ends_at_ns() <= now_ns;
            (0..2)
                .filter(ended)
                .min_by_key(|index| lanes[*index].ends_at_ns())
        })?;
        let (granted, returned) = left.map_or((0, 0), |at| {
            let left = self.left.remove(at);
            (left.granted, left.returned)
        });
        self.spent_before = self.spent_before.saturating_sub(granted - returned);
        self.leave(lanes, index);
        lanes[index].turn(span.0, span.1);
        self.periods[index] = Some(Period {
            start_ms,
            granted,
            returned,
            returned_acknowledged: returned,
            ..Period::default()
        });
        Some(index)
    }

    /// Its units are void. Its totals are remembered, so that what was granted of it is never taken
    /// for new.
    fn leave(&mut self, lanes: &[Lane; 2], index: usize) {
        if let Some(period) = self.periods[index].take() {
            let spent = period.spent(&lanes[index]);
            self.spent_before = self.spent_before.saturating_add(spent);
            if self.left.len() == LEFT_MAX {
                let forgotten = self.left.remove(0).start_ms;
                self.forgotten_until_ms = self.forgotten_until_ms.max(Some(forgotten));
            }
            self.left.push(Left {
                start_ms: period.start_ms,
                granted: period.granted,
                returned: period.returned.min(period.granted),
            });
            self.note_change();
            lanes[index].turn(0, 0);
        }
    }

    pub(super) fn draft(&self, lanes: &[Lane; 2], now_ns: u64) -> (Vec<Held>, Mark) {
        let entry = |(period, lane): (&Period, &Lane)| Held {
            period_start_ms: period.start_ms,
            units: period.held,
            limit: period.limit,
            starts_at_ns: lane.starts_at_ns(),
            ends_at_ns: lane.ends_at_ns(),
        };
        let mut held: Vec<Held> = self.live(lanes).map(entry).collect();
        held.retain(|held| held.units > 0 && now_ns < held.ends_at_ns);
        held.sort_by_key(|held| held.period_start_ms);
        let mark = |index: usize| {
            self.periods[index].as_ref().map(|period| LaneMark {
                tag: lanes[index].tag(),
                aside: period.aside,
                returning: period.returning,
            })
        };
        let lanes = [mark(0), mark(1)];
        (
            held,
            Mark {
                epoch: self.epoch,
                changes: self.changes,
                lanes,
            },
        )
    }

    pub(super) fn written(&mut self, lanes: &[Lane; 2], mark: &Mark) {
        self.written_changes = self.written_changes.max(mark.changes);
        for (index, lane) in lanes.iter().enumerate() {
            let (Some(period), Some(mark_of_lane)) = (&mut self.periods[index], mark.lanes[index])
            else {
                continue;
            };
            if mark_of_lane.tag != lane.tag() {
                continue;
            }
            let returning = mark_of_lane.returning.min(period.returning);
            period.returning -= returning;
            period.returned += returning;
            if mark.epoch == self.epoch {
                let aside = mark_of_lane.aside.min(period.aside);
                period.aside -= aside;
                lane.add(mark_of_lane.tag, aside);
            }
            period.show(lane);
        }
    }

    pub(super) fn take_back_all(&mut self, lanes: &[Lane; 2]) -> u64 {
        self.take_back(lanes, |_| true)
    }

    /// Takes back what the limit in force does not cover, and what was given back to it since.
    pub(super) fn recall(&mut self, lanes: &[Lane; 2]) {
        self.take_back(lanes, Period::is_recalled);
    }

    fn take_back(&mut self, lanes: &[Lane; 2], of: fn(&Period) -> bool) -> u64 {
        let (mut moved, mut taken) = (0u64, 0u64);
        for (period, lane) in self.live_mut(lanes).filter(|(period, _)| of(period)) {
            let in_reach = period.aside.saturating_add(lane.withdraw(u64::MAX));
            let units = period.held.saturating_add(in_reach);
            let back = units.min(period.returnable());
            period.held = units - back;
            period.aside = 0;
            period.returning = period.returning.saturating_add(back);
            period.show(lane);
            moved = moved.saturating_add(in_reach.max(back));
            taken = taken.saturating_add(back);
        }
        if moved > 0 {
            self.epoch += 1;
            self.note_change();
        }
        taken
    }

    pub(super) fn is_returning(&self, lanes: &[Lane; 2], now_ns: u64) -> bool {
        self.live(lanes)
            .any(|(period, lane)| now_ns < lane.ends_at_ns() && period.is_returning())
    }
}
