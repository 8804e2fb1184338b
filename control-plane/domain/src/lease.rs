//! Quota leases: the rule by which the ledger of a period answers a node.
//!
//! Both sides keep totals that only grow. The ledger takes the larger of its own and the node's,
//! and grants anew only for a sequence that it has not seen, so retries, duplicates and reordered
//! calls change nothing, and live nodes teach a ledger that lost writes.

use crate::quota::UNITS_MAX;

/// A period of a (tenant, quota group).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// In force now: nothing is granted beyond it.
    pub limit: u64,
    /// The highest that was in force in the period, which what is out never exceeds.
    pub highest_limit: u64,
    /// Of all nodes, as all totals.
    pub granted: u64,
    pub returned: u64,
    /// Units beyond the highest limit that nodes turned out to hold after writes were lost.
    pub overdrawn: u64,
}

impl Ledger {
    /// What nobody holds or has spent.
    pub fn available(&self) -> u64 {
        self.limit
            .saturating_add(self.returned)
            .saturating_sub(self.granted)
    }

    /// What is out beyond the limit in force: nodes are to give back what of it they still hold.
    pub fn excess(&self) -> u64 {
        self.granted
            .saturating_sub(self.returned)
            .saturating_sub(self.limit)
    }

    /// Brings a limit into force.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
        self.highest_limit = self.highest_limit.max(limit);
    }

    fn note_overdraft(&mut self) {
        let held = self.granted.saturating_sub(self.returned);
        self.overdrawn = self.overdrawn.max(held.saturating_sub(self.highest_limit));
    }
}

/// What one process of a node was granted and gave back in the period.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holding {
    pub granted: u64,
    pub returned: u64,
    /// The last request that was granted something, or could have been.
    pub last_sequence: u64,
}

/// What the node says: its own totals, and what it would like on top.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ask {
    pub sequence: u64,
    pub granted_total: u64,
    pub returned_total: u64,
    pub wanted: u64,
}

/// Takes the larger totals into the ledger. Nothing is granted.
pub fn learn(ledger: &mut Ledger, holding: &mut Holding, ask: Ask) {
    let granted = holding.granted.max(ask.granted_total.min(UNITS_MAX));
    let returned = holding.returned.max(ask.returned_total.min(granted));
    ledger.granted += granted - holding.granted;
    ledger.returned += returned - holding.returned;
    holding.granted = granted;
    holding.returned = returned;
    ledger.note_overdraft();
}

/// Learns, then grants what is wanted as far as it is available, once per sequence. Returns what
/// was granted anew.
pub fn draw(ledger: &mut Ledger, holding: &mut Holding, ask: Ask) -> u64 {
    learn(ledger, holding, ask);
    if ask.sequence <= holding.last_sequence {
        return 0;
    }
    holding.last_sequence = ask.sequence;
    let granted = ask.wanted.min(ledger.available());
    ledger.granted += granted;
    holding.granted += granted;
    granted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(sequence: u64, granted_total: u64, returned_total: u64, wanted: u64) -> Ask {
        Ask {
            sequence,
            granted_total,
            returned_total,
            wanted,
        }
    }

    #[test]
    fn a_repeated_sequence_is_granted_nothing_new() {
        let (mut ledger, mut holding) = (
            Ledger {
                limit: 10,
                highest_limit: 10,
                ..Ledger::default()
            },
            Holding::default(),
        );
        assert_eq!(draw(&mut ledger, &mut holding, ask(1, 0, 0, 4)), 4);
        assert_eq!(draw(&mut ledger, &mut holding, ask(1, 0, 0, 4)), 0);
        assert_eq!((holding.granted, ledger.available()), (4, 6));
        assert_eq!(draw(&mut ledger, &mut holding, ask(2, 4, 0, 9)), 6);
        assert_eq!(draw(&mut ledger, &mut holding, ask(3, 10, 3, 9)), 3);
        assert_eq!(ledger.available(), 0);
    }

    #[test]
    fn a_ledger_that_lost_writes_learns_from_the_node_and_grants_no_more_than_is_left() {
        let mut ledger = Ledger {
            limit: 10,
            highest_limit: 10,
            ..Ledger::default()
        };
        let mut holding = Holding::default();
        assert_eq!(draw(&mut ledger, &mut holding, ask(7, 8, 1, 9)), 3);
        assert_eq!((ledger.granted, ledger.returned), (11, 1));
        assert_eq!(ledger.overdrawn, 0);
    }

    #[test]
    fn what_is_held_beyond_the_limit_is_noted_and_nothing_more_is_granted() {
        let mut ledger = Ledger {
            limit: 10,
            highest_limit: 10,
            granted: 10,
            ..Ledger::default()
        };
        let mut holding = Holding::default();
        assert_eq!(draw(&mut ledger, &mut holding, ask(1, 5, 0, 1)), 0);
        assert_eq!((ledger.overdrawn, ledger.available()), (5, 0));
    }

    #[test]
    fn totals_of_any_size_are_bounded() {
        let (mut ledger, mut holding) = (Ledger::default(), Holding::default());
        learn(
            &mut ledger,
            &mut holding,
            ask(u64::MAX, u64::MAX, u64::MAX, u64::MAX),
        );
        assert_eq!((holding.granted, holding.returned), (UNITS_MAX, UNITS_MAX));
    }

    proptest! {
        /// Three nodes draw, give back, lose answers, repeat and reorder their calls.
        #[test]
        fn what_nodes_hold_and_have_spent_never_exceeds_the_limit(
            limit in 0u64..200,
            calls in proptest::collection::vec((0usize..3, 0u64..50, 0u64..50, any::<bool>(), any::<bool>()), 1..60),
            lowered_by in 0u64..200,
        ) {
            let mut ledger = Ledger { limit, highest_limit: limit, ..Ledger::default() };
            let mut holdings = [Holding::default(); 3];
            // The node's side: totals it knows, and the last call it made.
            let mut nodes = [(0u64, 0u64, 0u64); 3];
            let mut old_calls: Vec<(usize, Ask)> = Vec::new();
            for (node, wanted, back, is_answer_lost, is_repeated) in calls {
                let (granted, returned, sequence) = nodes[node];
                let returned = (returned + back).min(granted);
                let call = ask(sequence + 1, granted, returned, wanted);
                nodes[node] = (granted, returned, sequence + 1);
                draw(&mut ledger, &mut holdings[node], call);
                if !is_answer_lost {
                    nodes[node].0 = nodes[node].0.max(holdings[node].granted);
                }
                old_calls.push((node, call));
                if is_repeated {
                    for (node, call) in old_calls.iter().rev() {
                        let before = (ledger, holdings);
                        draw(&mut ledger, &mut holdings[*node], *call);
                        prop_assert_eq!(before, (ledger, holdings));
                    }
                }
                let held: u64 = holdings.iter().map(|h| h.granted - h.returned).sum();
                prop_assert!(held <= limit);
                prop_assert_eq!(held + ledger.available(), limit);
                prop_assert_eq!(ledger.overdrawn, 0);
            }
            ledger.set_limit(limit.saturating_sub(lowered_by));
            for (node, (granted, returned, sequence)) in nodes.into_iter().enumerate() {
                let before = ledger.granted - ledger.returned;
                draw(&mut ledger, &mut holdings[node], ask(sequence + 1, granted, returned, 7));
                let held = ledger.granted - ledger.returned;
                prop_assert!(held <= before.max(ledger.limit));
                prop_assert_eq!(ledger.limit + ledger.excess(), held + ledger.available());
                prop_assert_eq!(ledger.overdrawn, 0);
            }
        }
    }
}
