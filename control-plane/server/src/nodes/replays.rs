//! Tokens of node calls that were used already, so that each is good for one call.
//!
//! Kept in memory, per control plane: a token that is replayed to another one repeats a call that
//! is idempotent by its own sequence, or reads what the node itself may read.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use snapshot::node_call::LIFETIME_SECONDS;

/// Past this many live tokens the oldest are forgotten early.
const TOKENS_MAX: usize = 200_000;

#[derive(Debug, Default)]
pub struct Replays(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    tokens: HashSet<String>,
    by_age: VecDeque<(i64, String)>,
}

impl Replays {
    /// True for the first call with this token.
    pub fn is_first(&self, token_id: &str, now_seconds: i64) -> bool {
        let mut seen = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let forgotten_before = now_seconds - 2 * LIFETIME_SECONDS;
        while let Some((at, _)) = seen.by_age.front() {
            if *at >= forgotten_before && seen.by_age.len() < TOKENS_MAX {
                break;
            }
            if let Some((_, old)) = seen.by_age.pop_front() {
                seen.tokens.remove(&old);
            }
        }
        if !seen.tokens.insert(token_id.to_owned()) {
            return false;
        }
        seen.by_age.push_back((now_seconds, token_id.to_owned()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_while_it_could_be_accepted() {
        let replays = Replays::default();
        assert!(replays.is_first("a", 1_000));
        assert!(!replays.is_first("a", 1_000));
        assert!(
            !replays.is_first("a", 1_120),
            "still inside twice its lifetime"
        );
        assert!(
            replays.is_first("a", 1_121),
            "forgotten once no check could accept it"
        );
    }
}
