//! Dynamic allocation: where the next unit of a budget helps most (CodeRM, arXiv:2501.01054,
//! section 3.3, after Damani et al., arXiv:2410.04707).

use std::collections::BinaryHeap;

/// How many units of `budget` each problem gets, at most `each_max` and at least `each_min` where
/// the budget allows it.
///
/// With `b` units a problem of rate λ is solved with probability `1 − (1 − λ)^b`; the next unit
/// gains `λ (1 − λ)^b`, less each time, so that giving each unit to the largest gain is optimal. A
/// rate of 0 gains nothing and gets no more than `each_min`; what nobody gains from is not spent.
/// Of equal gains the earlier problem comes first. Rates are clamped to 0..=1.
pub fn allocate(rates: &[f64], budget: u64, (each_min, each_max): (u64, u64)) -> Vec<u64> {
    let rate = |at: usize| if rates[at].is_nan() { 0.0 } else { rates[at].clamp(0.0, 1.0) };
    let mut given = vec![0; rates.len()];
    let mut left = budget;
    for given in &mut given {
        *given = each_min.min(each_max).min(left);
        left -= *given;
    }
    let next = |at: usize, given: u64| {
        let gain = rate(at) * (1.0 - rate(at)).powf(given as f64);
        (gain > 0.0 && given < each_max).then_some(Gain { gain, at })
    };
    let mut gains: BinaryHeap<Gain> =
        given.iter().enumerate().filter_map(|(at, &given)| next(at, given)).collect();
    while left > 0
        && let Some(Gain { at, .. }) = gains.pop()
    {
        given[at] += 1;
        left -= 1;
        gains.extend(next(at, given[at]));
    }
    given
}

/// What a problem gains from its next unit.
struct Gain {
    gain: f64,
    at: usize,
}

impl Ord for Gain {
    fn cmp(&self, other: &Gain) -> std::cmp::Ordering {
        self.gain.total_cmp(&other.gain).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Gain {
    fn partial_cmp(&self, other: &Gain) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Gain {
    fn eq(&self, other: &Gain) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Gain {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_published_vectors() {
        let all = |rates: &[f64], budget| allocate(rates, budget, (0, u64::MAX));
        assert_eq!(all(&[0.9, 0.5, 0.2, 0.05], 12), [2, 4, 6, 0]);
        assert_eq!(all(&[0.9, 0.5, 0.2, 0.05], 40), [2, 5, 12, 21]);
        assert_eq!(all(&[0.0, 1.0, 0.01], 20), [0, 1, 19]);
        assert_eq!(allocate(&[0.0, 0.5], 10, (2, 3)), [2, 3]);
        assert_eq!(allocate(&[0.5, 0.5], 3, (2, 9)), [2, 1]);
    }

    /// Every way to spend the budget, counted out.
    fn best(rates: &[f64], budget: u64) -> f64 {
        let Some((&rate, rest)) = rates.split_last() else { return 0.0 };
        (0..=budget)
            .map(|b| 1.0 - (1.0 - rate).powf(b as f64) + best(rest, budget - b))
            .fold(0.0, f64::max)
    }

    #[test]
    fn nothing_is_better() {
        proptest!(|(rates in proptest::collection::vec(0.0..=1.0_f64, 1..4), budget in 0..8_u64)| {
            let given = allocate(&rates, budget, (0, u64::MAX));
            let solved: f64 = rates.iter().zip(&given).map(|(rate, &b)| 1.0 - (1.0 - rate).powf(b as f64)).sum();
            prop_assert!((solved - best(&rates, budget)).abs() < 1e-9);
        });
    }
}
