//! How much to draw from the store and when, and how much of it to spend next.

use snapshot::lease::LeaseItem;

use super::SECOND_NS;
use super::books::{Books, Period};
use super::lane::{BALANCE_MAX, Lane};

/// What is drawn lasts for so long at the recent rate, so that a control plane's restart is
/// nobody's outage.
const SLAB_NS: u64 = 600 * SECOND_NS;
/// One node draws at most this part of what the store has left, so that slabs shrink near the end
/// and every node gets some.
const SHARE: u64 = 4;
/// Largest first draw, when nothing is known yet.
const FIRST_MAX: u64 = 64;
/// A draw that was used up sooner than this is doubled.
const SHORT_NS: u64 = 60 * SECOND_NS;
/// A request waits for milliseconds only: what was missed before that is not waiting any more.
const WAITING_MAX: u64 = 1024;
/// Between draws that nobody waits for.
const PAUSE_NS: u64 = 5 * SECOND_NS;
/// An answer that has not come by now will not come.
const PATIENCE_NS: u64 = 10 * SECOND_NS;
/// The next period's first units are made spendable so much ahead.
const AHEAD_NS: u64 = 5 * SECOND_NS;

impl Books {
    pub(super) fn items(
        &mut self,
        lanes: &[Lane; 2],
        spread_ns: u64,
        may_draw: bool,
        now_ns: u64,
    ) -> Vec<LeaseItem> {
        if self
            .asked_at_ns
            .is_some_and(|at| now_ns < at.saturating_add(PATIENCE_NS))
        {
            return Vec::new();
        }
        let mut items = Vec::new();
        for (period, lane) in self.live(lanes) {
            let wanted = if may_draw && !period.is_closed && lane.is_running(now_ns) {
                self.wanted(period, lane, now_ns)
            } else {
                0
            };
            let is_untold = period.returned > period.returned_acknowledged
                || period.refresh_since_ns.is_some()
                || (period.is_closed && !period.is_returning());
            if wanted > 0 || (is_untold && now_ns < lane.ends_at_ns()) {
                items.push(item(period, wanted));
            }
        }
        if let Some(wanted) = self.wanted_unknown(lanes, may_draw, now_ns) {
            items.push(LeaseItem {
                wanted,
                ..LeaseItem::default()
            });
        }
        if let Some(wanted) = self.wanted_next(lanes, spread_ns, now_ns) {
            items.push(LeaseItem {
                wanted,
                is_for_next_period: true,
                ..LeaseItem::default()
            });
        }
        if !items.is_empty() {
            self.note_asked(&items, now_ns);
        }
        items
    }

    fn waiting(&self, misses: u64) -> u64 {
        misses.saturating_sub(self.misses_served).min(WAITING_MAX)
    }

    fn note_asked(&mut self, items: &[LeaseItem], now_ns: u64) {
        self.asked_at_ns = Some(now_ns);
        let drawn = items.iter().filter(|item| !item.is_for_next_period);
        let units = drawn.map(|item| item.wanted).max().unwrap_or(0);
        if units > 0 {
            self.drew = units;
            self.drew_at_ns = now_ns;
        }
    }

    /// Of a running period; 0: it has enough.
    fn wanted(&self, period: &Period, lane: &Lane, now_ns: u64) -> u64 {
        let own = period.own(lane);
        let waiting = self.waiting(self.misses);
        let is_out = (own == 0 || period.is_recalled()) && waiting > 0;
        let left_ns = lane.ends_at_ns().saturating_sub(now_ns);
        let slab = self.demand.within(SLAB_NS.min(left_ns));
        let is_low = own < slab / 2 && now_ns >= self.drew_at_ns.saturating_add(PAUSE_NS);
        if !is_out && !is_low {
            return 0;
        }
        let mut wanted = slab.saturating_sub(own).max(1);
        if is_out {
            wanted = wanted.max(waiting);
            if now_ns < self.drew_at_ns.saturating_add(SHORT_NS) {
                wanted = wanted.max(self.drew.saturating_mul(2));
            }
        }
        let share = match period.available {
            Some(available) => available.div_ceil(SHARE).max(1),
            None => FIRST_MAX,
        };
        wanted.min(share)
    }

    /// Of a period that is not known yet, when somebody waits for it.
    fn wanted_unknown(&self, lanes: &[Lane; 2], may_draw: bool, now_ns: u64) -> Option<u64> {
        let is_known = lanes.iter().any(|lane| lane.is_running(now_ns));
        let waiting = self.waiting(self.misses);
        (may_draw && !is_known && waiting > 0)
            .then(|| waiting.max(self.demand.second()).min(FIRST_MAX))
    }

    /// Of the period after the running one, some minutes before it begins.
    fn wanted_next(&self, lanes: &[Lane; 2], spread_ns: u64, now_ns: u64) -> Option<u64> {
        let (running, lane) = self.live(lanes).find(|(_, lane)| lane.is_running(now_ns))?;
        let is_kept = self
            .live(lanes)
            .any(|(period, _)| period.start_ms > running.start_ms);
        let is_soon = lane.ends_at_ns().saturating_sub(now_ns) <= spread_ns;
        if is_kept || !is_soon || !self.demand.is_any() {
            return None;
        }
        let share = running.limit.div_ceil(SHARE).max(1);
        Some(self.demand.within(SLAB_NS).clamp(1, share))
    }

    pub(super) fn set_aside(&mut self, lanes: &[Lane; 2], misses: u64, now_ns: u64) -> u64 {
        let waiting = self.waiting(misses);
        let second = self.demand.second().max(waiting).min(BALANCE_MAX);
        let mut moved = 0;
        self.recall(lanes);
        for (period, lane) in self.live_mut(lanes) {
            if period.is_recalled() {
                continue;
            }
            let is_near = lane.is_running(now_ns.saturating_add(AHEAD_NS));
            if !lane.is_running(now_ns) && !is_near {
                continue;
            }
            let units = second
                .saturating_sub(period.aside + lane.balance())
                .min(period.held);
            period.held -= units;
            period.aside += units;
            moved += units;
        }
        if moved > 0 {
            self.note_change();
            self.misses_served = misses;
        }
        moved
    }

    pub(super) fn take_back_idle(&mut self, lanes: &[Lane; 2], now_ns: u64) -> u64 {
        let demand = self.demand;
        let mut taken = 0;
        for (period, lane) in self.live_mut(lanes) {
            let has_settled = now_ns >= period.added_at_ns.saturating_add(SLAB_NS);
            if !lane.is_running(now_ns) || !has_settled {
                continue;
            }
            let surplus = period.own(lane).saturating_sub(demand.within(2 * SLAB_NS));
            let units = surplus.min(period.held).min(period.returnable());
            period.held -= units;
            period.returning += units;
            period.show(lane);
            taken += units;
        }
        if taken > 0 {
            self.note_change();
        }
        taken
    }
}

fn item(period: &Period, wanted: u64) -> LeaseItem {
    LeaseItem {
        period_start_ms: period.start_ms,
        granted_total: period.granted,
        returned_total: period.returned,
        wanted,
        ..LeaseItem::default()
    }
}
