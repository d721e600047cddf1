//! Metrics of pairs: a right and a wrong program of one problem.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Judged, LeftOut, float};
use crate::score::Score;

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

    /// These pairs where there are any with scores; `none` is the reason when there is no pair.
    fn known_or(self, none: LeftOut) -> Result<Pairs, LeftOut> {
        match (self.scored, self.unscored) {
            (0, 0) => Err(none),
            (0, _) => Err(LeftOut::NoScore),
            (_, _) => Ok(self),
        }
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
    pairs_where(judged, |right, wrong| rates.matched(sources[right], sources[wrong]))
}

/// Compares the right and wrong programs of a problem that `wanted` accepts, by their positions:
/// those whose rejected program passes some share of the tests, or belongs to another problem.
///
/// # Errors
/// As [`matched_pairs`].
pub fn pairs_where(
    judged: &Judged<'_>,
    wanted: impl Fn(usize, usize) -> bool,
) -> Result<Pairs, LeftOut> {
    compare(judged, LeftOut::NoMatch, wanted)
}

/// How often a rewrite that keeps the label of a program changes which program of a pair is
/// preferred. `rewrite_of` gives the position of each rewrite's original, `None` for originals.
///
/// A pair is a right and a wrong original; one of them is replaced by each of its rewrites in
/// turn. The rewrite wins a pair whose sign it changes, and half of one where a tie comes or goes:
/// [`Pairs::accuracy`] is the share of changed preferences, 0 for a scorer that rewrites do not
/// move. Labels and counts of rewrites are not looked at.
///
/// # Errors
/// [`LeftOut::NoLabel`]; [`LeftOut::AllAlike`]; [`LeftOut::NoMatch`] without a rewrite of a program
/// of a pair; [`LeftOut::NoScore`] when in no pair both programs and the rewrite have a score.
///
/// # Panics
/// When there are not as many entries as candidates.
pub fn sign_changes(judged: &Judged<'_>, rewrite_of: &[Option<usize>]) -> Result<Pairs, LeftOut> {
    assert_eq!(rewrite_of.len(), judged.labels.len(), "every candidate needs its entry");
    let originals: Vec<_> = judged.labelled().filter(|&(at, _)| rewrite_of[at].is_none()).collect();
    let n_right = originals.iter().filter(|&&(_, label)| label).count();
    match (n_right, originals.len()) {
        (_, 0) => return Err(LeftOut::NoLabel),
        (right, all) if right == 0 || right == all => return Err(LeftOut::AllAlike),
        (_, _) => (),
    }
    let preferred = |a: Score, b: Score| f64::from(a.cmp(&b) as i8);
    let mut pairs = Pairs::default();
    for (rewrite, original) in rewrite_of.iter().enumerate() {
        let Some((original, label)) = original.and_then(|at| Some((at, judged.labels[at]?))) else {
            continue;
        };
        for &(other, _) in originals.iter().filter(|&&(_, of_other)| of_other != label) {
            let samples = judged.count(original) * judged.count(other);
            match [rewrite, original, other].map(|at| judged.score(at)) {
                [Some(rewrite), Some(original), Some(other)] => {
                    let change = preferred(rewrite, other) - preferred(original, other);
                    pairs.scored += samples;
                    pairs.won += float(samples) * change.abs() / 2.0;
                }
                [_, _, _] => pairs.unscored += samples,
            }
        }
    }
    pairs.known_or(LeftOut::NoMatch)
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
    pairs.known_or(unwanted)
}
