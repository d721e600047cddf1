//! Metrics of pairs: a right and a wrong program of one problem.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Judged, LeftOut, float};

/// Right and wrong programs of one problem, compared by score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pairs {
    /// Pairs in which the right program has the higher score, plus half of those with equal scores.
    pub won: f64,
    /// Pairs in which both have a score; above 0.
    pub scored: u64,
    /// Pairs left out because a score is missing.
    pub unscored: u64,
}

impl Pairs {
    /// The share of pairs won: the pairwise accuracy with ties as half, which is the same number
    /// as the area under the ROC curve of telling right from wrong within the problem (Mann and
    /// Whitney 1947).
    pub fn accuracy(&self) -> f64 {
        self.won / float(self.scored)
    }
}

/// Compares every right with every wrong program of a problem.
///
/// # Errors
/// [`LeftOut::NoLabel`]; [`LeftOut::AllAlike`]; [`LeftOut::NoScore`] when no pair has both scores.
pub fn pairs(judged: &Judged<'_>) -> Result<Pairs, LeftOut> {
    compare(judged, LeftOut::AllAlike, |_, _| true)
}

/// By how much the pass rates of two sources may differ for their programs to be matched.
pub const MATCHED_POINTS: f64 = 0.05;

/// How often each source of candidates is right, over all labelled candidates of a file.
///
/// A source without a name is nobody's: it matches none, not even itself.
#[derive(Clone, Debug, Default)]
pub struct Sources<'a>(BTreeMap<&'a str, Tally>);

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    samples: u64,
    right: u64,
}

impl<'a> Sources<'a> {
    /// Adds a labelled candidate that stands for `count` samples of `source`.
    pub fn add(&mut self, source: &'a str, label: bool, count: u32) {
        let tally = self.0.entry(source).or_default();
        tally.samples += u64::from(count);
        tally.right += u64::from(count) * u64::from(label);
    }

    /// The share of a source's samples that are right; `None` for a source without any.
    pub fn rate(&self, source: &str) -> Option<f64> {
        let tally = self.0.get(source).filter(|tally| tally.samples > 0)?;
        Some(float(tally.right) / float(tally.samples))
    }

    /// Whether two named sources are right about as often: within [`MATCHED_POINTS`], the limit
    /// included. Decided in whole numbers, so that no rounding moves the limit.
    pub fn matched(&self, a: &str, b: &str) -> bool {
        const PARTS: u128 = 20; // 1 / MATCHED_POINTS
        if a.is_empty() || b.is_empty() {
            return false;
        }
        match (self.0.get(a), self.0.get(b)) {
            (Some(a), Some(b)) => {
                let cross = |x: &Tally, y: &Tally| u128::from(x.right) * u128::from(y.samples);
                let difference = cross(a, b).abs_diff(cross(b, a));
                difference * PARTS <= u128::from(a.samples) * u128::from(b.samples)
            }
            (Some(_) | None, _) => false,
        }
    }
}

/// Compares the right and wrong programs of a problem whose sources are right about as often
/// overall. A scorer that merely recognises who wrote a program wins about half of these pairs;
/// one that reads programs wins more. `sources` names one source per candidate.
///
/// # Errors
/// [`LeftOut::NoLabel`]; [`LeftOut::AllAlike`]; [`LeftOut::NoMatch`] when there are pairs but no
/// matched one; [`LeftOut::NoScore`] when no matched pair has both scores.
///
/// # Panics
/// When there are not as many sources as candidates.
pub fn matched_pairs(
    judged: &Judged<'_>,
    sources: &[&str],
    rates: &Sources<'_>,
) -> Result<Pairs, LeftOut> {
    assert_eq!(sources.len(), judged.labels.len(), "every candidate needs its source");
    compare(judged, LeftOut::NoMatch, |right, wrong| rates.matched(sources[right], sources[wrong]))
}

/// Compares the pairs of a right and a wrong candidate that `wanted` accepts; `unwanted` is the
/// reason when there are pairs and it accepts none.
fn compare(
    judged: &Judged<'_>,
    unwanted: LeftOut,
    wanted: impl Fn(usize, usize) -> bool,
) -> Result<Pairs, LeftOut> {
    let (right, wrong): (Vec<_>, Vec<_>) = judged.labelled().partition(|&(_, label)| label);
    match (right.is_empty(), wrong.is_empty()) {
        (true, true) => return Err(LeftOut::NoLabel),
        (true, false) | (false, true) => return Err(LeftOut::AllAlike),
        (false, false) => (),
    }
    let mut pairs = Pairs::default();
    for &(right, _) in &right {
        for &(wrong, _) in wrong.iter().filter(|&&(wrong, _)| wanted(right, wrong)) {
            let samples = judged.count(right) * judged.count(wrong);
            match (judged.score(right), judged.score(wrong)) {
                (Some(of_right), Some(of_wrong)) => {
                    pairs.scored += samples;
                    pairs.won += match of_right.cmp(&of_wrong) {
                        std::cmp::Ordering::Greater => float(samples),
                        std::cmp::Ordering::Equal => float(samples) / 2.0,
                        std::cmp::Ordering::Less => 0.0,
                    };
                }
                (Some(_) | None, _) => pairs.unscored += samples,
            }
        }
    }
    match (pairs.scored, pairs.unscored) {
        (0, 0) => Err(unwanted),
        (0, _) => Err(LeftOut::NoScore),
        (_, _) => Ok(pairs),
    }
}
