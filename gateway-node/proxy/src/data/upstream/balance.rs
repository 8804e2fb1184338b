//! Smooth weighted round robin: over any run of as many picks as the weights sum to, each target is
//! picked exactly as often as its weight says, spread out.

/// A target's weight and how far it is behind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    weight: u32,
    credit: i64,
}

impl Share {
    pub(super) fn new(weight: u32) -> Self {
        Self { weight, credit: 0 }
    }
}

/// The next target among those that are not `skipped`; weight 0 takes nothing.
pub(super) fn pick(shares: &mut [Share], skipped: &[usize]) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<usize> = None;
    for place in 0..shares.len() {
        if shares[place].weight == 0 || skipped.contains(&place) {
            continue;
        }
        let weight = i64::from(shares[place].weight);
        total += weight;
        shares[place].credit += weight;
        if best.is_none_or(|best| shares[place].credit > shares[best].credit) {
            best = Some(place);
        }
    }
    let best = best?;
    shares[best].credit -= total;
    Some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_picked_by_weight_and_spread_out() {
        let mut shares = [5, 1, 0, 1].map(Share::new);
        let picks: Vec<_> = (0..7).filter_map(|_| pick(&mut shares, &[])).collect();
        assert_eq!(picks, [0, 0, 1, 0, 3, 0, 0]);
    }

    #[test]
    fn a_target_without_weight_or_already_tried_is_not_picked() {
        let mut shares = [0, 3].map(Share::new);
        assert_eq!(pick(&mut shares, &[]), Some(1));
        assert_eq!(pick(&mut shares, &[1]), None);
        assert_eq!(pick(&mut [], &[]), None);
    }
}
