//! Shares of rates: the rule by which a plan's rate and bucket are divided among nodes.
//!
//! A share grows only by what nobody may still go by: another node's share counts at the largest
//! that it has not told to have left, until that has run out. So the shares in force never add up
//! to more than the whole, whatever becomes of messages and nodes.

pub use snapshot::rate_share::WHOLE;

/// Weight of a node without demand, as a part of the plan's rate: it finds something when its
/// first requests come, and the others can do without.
const FLOOR_PART: u64 = 50;

/// What is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub per_second_milli: u64,
    pub burst: u64,
}

/// What another node holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub demand_milli: u64,
    /// The most that it may go by.
    pub counted: u32,
}

/// What the asking node holds, and how much it could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// `None`: not told yet; it is taken to be as busy as the others.
    pub demand_milli: Option<u64>,
    /// The most that it may go by until it has the answer.
    pub held: u32,
}

impl Terms {
    /// The time in which an empty bucket becomes full, in milliseconds.
    pub fn window_ms(self) -> u64 {
        let milli_tokens = u128::from(self.burst) * 1_000_000;
        let window = milli_tokens.div_ceil(u128::from(self.per_second_milli.max(1)));
        u64::try_from(window).unwrap_or(u64::MAX)
    }

    /// The smallest share whose bucket holds a request.
    fn least(self) -> u32 {
        let least = u64::from(WHOLE).div_ceil(self.burst.max(1));
        u32::try_from(least).unwrap_or(WHOLE).min(WHOLE)
    }
}

/// The share that the asking node gets, beside `others`, whose shares have not run out.
pub fn allot(terms: Terms, others: &[Holder], ask: Ask) -> u32 {
    let taken: u32 = others
        .iter()
        .fold(0, |sum, other| sum.saturating_add(other.counted));
    let free = WHOLE.saturating_sub(taken);
    let least = terms.least();
    let nodes = u32::try_from(others.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    // Too little to be split: one node has it all, until its share runs out.
    let target = if least.saturating_mul(nodes) > WHOLE {
        if others.iter().any(|other| other.counted > 0) && ask.held < WHOLE {
            0
        } else {
            WHOLE
        }
    } else {
        target(terms, others, ask).max(least)
    };
    let part = target.min(free);
    if part < least { 0 } else { part }
}

/// By demand: what nobody asks for is divided in proportion too, so that nothing lies idle.
fn target(terms: Terms, others: &[Holder], ask: Ask) -> u32 {
    let sum: u128 = others
        .iter()
        .map(|other| u128::from(other.demand_milli))
        .sum();
    let usual = u64::try_from(sum / others.len().max(1) as u128).unwrap_or(u64::MAX);
    let floor = u128::from((terms.per_second_milli / FLOOR_PART).max(1));
    let own = u128::from(ask.demand_milli.unwrap_or(usual)) + floor;
    let all = own + sum + floor * others.len() as u128;
    u32::try_from(u128::from(WHOLE) * own / all).unwrap_or(WHOLE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TERMS: Terms = Terms {
        per_second_milli: 200_000,
        burst: 100,
    };

    fn holder(demand: u64, counted: u32) -> Holder {
        Holder {
            demand_milli: demand * 1000,
            counted,
        }
    }

    fn ask(demand: u64, held: u32) -> Ask {
        Ask {
            demand_milli: Some(demand * 1000),
            held,
        }
    }

    #[test]
    fn a_node_alone_has_all() {
        assert_eq!(allot(TERMS, &[], ask(0, 0)), WHOLE);
        assert_eq!(allot(TERMS, &[], ask(5_000, WHOLE)), WHOLE);
    }

    #[test]
    fn what_another_may_go_by_is_not_given() {
        assert_eq!(allot(TERMS, &[holder(300, WHOLE)], ask(300, 0)), 0);
        // Who has all is told to have less.
        assert_eq!(allot(TERMS, &[holder(300, 0)], ask(300, WHOLE)), WHOLE / 2);
        assert_eq!(
            allot(TERMS, &[holder(300, WHOLE / 2)], ask(300, 0)),
            WHOLE / 2
        );
    }

    #[test]
    fn shares_follow_demand_and_leave_little_idle() {
        let busy = allot(TERMS, &[holder(0, 0)], ask(1_000, WHOLE));
        assert!(busy > WHOLE / 100 * 98, "{busy}");
        let idle = allot(TERMS, &[holder(1_000, 0)], ask(0, 0));
        assert!(idle > 0 && idle < WHOLE / 50, "{idle}");
        // A newcomer is taken to be as busy as the others.
        let newcomer = Ask {
            demand_milli: None,
            held: 0,
        };
        assert_eq!(allot(TERMS, &[holder(70, 0)], newcomer), WHOLE / 2);
    }

    #[test]
    fn too_little_to_split_has_one_owner() {
        let terms = Terms {
            per_second_milli: 1000,
            burst: 1,
        };
        assert_eq!(allot(terms, &[holder(1, 0)], ask(1, 0)), WHOLE);
        assert_eq!(allot(terms, &[holder(1, WHOLE)], ask(9, 0)), 0);
        assert_eq!(allot(terms, &[holder(9, 0)], ask(1, WHOLE)), WHOLE);
    }

    #[test]
    fn a_bucket_fills_in_the_time_of_the_whole_plan() {
        assert_eq!(TERMS.window_ms(), 500);
        let slow = Terms {
            per_second_milli: 1,
            burst: 1,
        };
        assert_eq!(slow.window_ms(), 1_000_000);
    }

    /// One node, as the store and as itself.
    #[derive(Debug, Clone, Copy, Default)]
    struct Node {
        demand: u64,
        /// By the store.
        part: u32,
        counted: u32,
        grant: u64,
        expires: u64,
        /// By itself: what it goes by, until when, and which grant that was.
        holds: u32,
        until: u64,
        knows: u64,
        /// An answer on its way: part, grant, when it was asked.
        answer: Option<(u32, u64, u64)>,
    }

    const LEASE: u64 = 10;

    impl Node {
        fn in_force(&self, now: u64) -> u32 {
            if now < self.until { self.holds } else { 0 }
        }
    }

    /// As the store does it.
    fn ask_store(nodes: &mut [Node], asking: usize, now: u64) {
        let others: Vec<Holder> = (0..nodes.len())
            .filter(|place| *place != asking && now < nodes[*place].expires)
            .map(|place| Holder {
                demand_milli: nodes[place].demand,
                counted: nodes[place].counted,
            })
            .collect();
        let node = &mut nodes[asking];
        let held = match (now < node.expires, node.knows == node.grant) {
            (false, _) => 0,
            (true, true) => node.part,
            (true, false) => node.counted,
        };
        let ask = Ask {
            demand_milli: Some(node.demand),
            held,
        };
        node.part = allot(TERMS, &others, ask);
        node.counted = held.max(node.part);
        node.grant += 1;
        node.expires = now + LEASE;
        node.answer = Some((node.part, node.grant, now));
    }

    proptest! {
        #[test]
        fn shares_in_force_never_exceed_the_whole(
            steps in prop::collection::vec((0usize..4, 0u8..6, 0u64..900), 1..300)
        ) {
            let mut nodes = [Node::default(); 4];
            for (now, (place, step, demand)) in (1u64..).zip(steps) {
                match step {
                    // Asks, and the answer is on its way.
                    0 | 1 => {
                        nodes[place].demand = demand * 1000;
                        ask_store(&mut nodes, place, now);
                    }
                    // The answer comes.
                    2 | 3 => {
                        let node = &mut nodes[place];
                        if let Some((part, grant, asked)) = node.answer.take() {
                            (node.holds, node.knows, node.until) = (part, grant, asked + LEASE);
                        }
                    }
                    // The answer is lost.
                    4 => nodes[place].answer = None,
                    // The process dies, and another one knows nothing.
                    _ => {
                        let node = &mut nodes[place];
                        (node.holds, node.knows, node.until, node.answer) = (0, 0, 0, None);
                    }
                }
                let sum: u64 = nodes.iter().map(|node| u64::from(node.in_force(now))).sum();
                prop_assert!(sum <= u64::from(WHOLE), "{sum} at {now}: {nodes:?}");
            }
        }
    }
}
