//! From problems to an estimate: means and ratios with bootstrap intervals over problems.
//!
//! Problems are what we have a sample of, so problems are what is drawn again, with all that
//! belongs to them. The interval is the percentile one (Efron and Tibshirani 1993, chapter 13):
//! simple, and inside the range of the data; below some thirty problems it is too narrow. With one
//! problem, or equal values, it is a point.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{LeftOut, Measured, Pairs, float};
use crate::seed::{Rng, derive};

/// How often the problems are drawn again: the ends of an interval then vary by about 2 % of its
/// width between seeds.
const RESAMPLES: usize = 10_000;

/// An average and the ends of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// The average over the problems at hand.
    pub mean: f64,
    /// The 2.5 % quantile of the averages over redrawn problems.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

/// An average over problems, and what it does not cover.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// `None` when no problem says anything, or when a ratio has nothing below the line.
    pub interval: Option<Interval>,
    /// How many problems it covers.
    pub n: usize,
    /// How many problems it leaves out, by reason.
    pub left_out: BTreeMap<LeftOut, usize>,
}

impl Estimate {
    /// How many problems it leaves out.
    pub fn n_left_out(&self) -> usize {
        self.left_out.values().sum()
    }
}

/// An average over all pairs of all problems, and what it does not cover.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pooled {
    /// The share of pairs won, with an interval over problems; it counts problems.
    pub estimate: Estimate,
    /// How many pairs it covers.
    pub pairs: u64,
    /// How many pairs of the same problems it leaves out because a score is missing.
    pub pairs_unscored: u64,
}

/// The mean over problems, each problem alike.
///
/// # Panics
/// When a value is not finite: metrics never are.
pub fn mean(values: &[Measured], seed: u64) -> Estimate {
    estimate(values.iter().map(|value| value.map(|value| (value, 1.0))), seed)
}

/// The mean of `a − b` over the problems where both are known. With an oracle as `a` it is the gap
/// that a rule leaves.
///
/// # Panics
/// When the two are not about the same problems, or a value is not finite.
pub fn paired_difference(a: &[Measured], b: &[Measured], seed: u64) -> Estimate {
    assert_eq!(a.len(), b.len(), "both must be about the same problems");
    estimate(a.iter().zip(b).map(|(a, b)| Ok(((*a)? - (*b)?, 1.0))), seed)
}

/// The share of pairs won over all problems, each pair alike; the interval is over problems,
/// because the pairs of one problem are not independent.
pub fn pooled(problems: &[Result<Pairs, LeftOut>], seed: u64) -> Pooled {
    let clusters = problems.iter().map(|pairs| pairs.map(|p| (p.won, float(p.scored))));
    let known = || problems.iter().filter_map(|pairs| pairs.as_ref().ok());
    Pooled {
        estimate: estimate(clusters, seed),
        pairs: known().map(|pairs| pairs.scored).sum(),
        pairs_unscored: known().map(|pairs| pairs.unscored).sum(),
    }
}

/// How much of the way from a random choice to the oracle a rule covers:
/// `Σ (selected − random) / Σ (oracle − random)` over the problems where all three are known. 1 is
/// the oracle, 0 is random, and below 0 is worse than random.
///
/// # Panics
/// When the three are not about the same problems, or a value is not finite.
pub fn recovered(
    selected: &[Measured],
    random: &[Measured],
    oracle: &[Measured],
    seed: u64,
) -> Estimate {
    let lengths = [selected.len(), random.len()];
    assert_eq!(lengths, [oracle.len(); 2], "all three must be about the same problems");
    let problems = selected.iter().zip(random).zip(oracle);
    let clusters = problems.map(|((selected, random), oracle)| {
        let (selected, random, oracle) = ((*selected)?, (*random)?, (*oracle)?);
        Ok((selected - random, oracle - random))
    });
    estimate(clusters, seed)
}

/// The ratio of two sums over problems.
fn estimate(clusters: impl Iterator<Item = Result<(f64, f64), LeftOut>>, seed: u64) -> Estimate {
    let mut known = Vec::new();
    let mut left_out = BTreeMap::new();
    for cluster in clusters {
        match cluster {
            Ok((above, below)) => {
                assert!(above.is_finite() && below.is_finite(), "a metric is a finite number");
                known.push((above, below));
            }
            Err(reason) => *left_out.entry(reason).or_insert(0) += 1,
        }
    }
    Estimate { interval: ratio(&known, seed), n: known.len(), left_out }
}

/// `Σ above / Σ below` with its percentile interval over redrawn clusters. Redrawn clusters with
/// nothing below the line have no ratio and are passed over.
fn ratio(clusters: &[(f64, f64)], seed: u64) -> Option<Interval> {
    let divide = |(above, below): (f64, f64)| (below > 0.0).then(|| above / below);
    let sum = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
    let mean = divide(clusters.iter().copied().fold((0.0, 0.0), sum))?;

    let mut rng = Rng::new(derive(seed, &["bootstrap"]));
    let n = clusters.len();
    let mut draw = || clusters[usize::try_from(rng.below(n as u64)).expect("it is below n")];
    let mut redrawn: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| divide((0..n).map(|_| draw()).fold((0.0, 0.0), sum)))
        .collect();
    redrawn.sort_by(f64::total_cmp);
    match redrawn.as_slice() {
        [] => Some(Interval { mean, low: mean, high: mean }),
        sorted => Some(Interval { mean, low: quantile(sorted, 25), high: quantile(sorted, 975) }),
    }
}

/// The value at so many thousandths of a sorted sample, the nearest from inside.
fn quantile(sorted: &[f64], thousandths: usize) -> f64 {
    sorted[(sorted.len() * thousandths / 1000).min(sorted.len() - 1)]
}
