//! Metrics of drawing samples and of choosing among them.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Judged, LeftOut, Measured, float};
use crate::{
    score::Score,
    select::{Choice, Note},
};

/// The probability that k draws without replacement from n samples hit none of c of them:
/// `C(n − c, k) / C(n, k)`, as a product, so that no binomial is ever formed.
fn none_of(n: u64, c: u64, k: u64) -> f64 {
    if n - c < k {
        return 0.0;
    }
    // The roles of c and k are symmetric: the shorter product has fewer roundings.
    let (few, many) = (c.min(k), c.max(k));
    (0..few).map(|i| float(n - many - i) / float(n - i)).product()
}

/// Unbiased pass@k of a problem of which `right` of `samples` samples are right:
/// `1 − C(n − c, k) / C(n, k)` (Codex, arXiv:2107.03374, equation 1).
///
/// # Errors
/// [`LeftOut::TooFew`] when there are fewer than k samples.
///
/// # Panics
/// When more samples are right than there are, or k is 0.
pub fn pass_at_k_of(samples: u64, right: u64, k: u64) -> Measured {
    assert!(right <= samples, "more right samples than samples: {right} of {samples}");
    assert!(k > 0, "k counts from 1");
    if k > samples { Err(LeftOut::TooFew) } else { Ok(1.0 - none_of(samples, right, k)) }
}

/// Unbiased pass@k of one problem over its labelled samples; averaged over problems it is the
/// coverage that a perfect selector of k samples reaches.
///
/// # Errors
/// [`LeftOut::NoLabel`]; [`LeftOut::TooFew`] with fewer than k labelled samples.
///
/// # Panics
/// When k is 0.
pub fn pass_at_k(judged: &Judged<'_>, k: u64) -> Measured {
    let (mut samples, mut right) = (0, 0);
    for (index, label) in judged.labelled() {
        samples += judged.count(index);
        right += judged.count(index) * u64::from(label);
    }
    if samples == 0 { Err(LeftOut::NoLabel) } else { pass_at_k_of(samples, right, k) }
}

/// The probability that the sample of highest score among k is right: the exact expectation over
/// all k-subsets of the labelled samples and over ties, each of the tied being as likely.
///
/// With samples in groups of equal score, `m` of them above group g, the best of a subset is in g
/// with probability `[C(n − m, k) − C(n − m − n_g, k)] / C(n, k)`, and is then right with
/// probability `c_g / n_g`. Samples without a score are below all others.
///
/// # Errors
/// [`LeftOut::NoLabel`]; [`LeftOut::NoScore`] when no labelled candidate has one;
/// [`LeftOut::TooFew`] with fewer than k labelled samples.
///
/// # Panics
/// When k is 0.
pub fn best_of_k(judged: &Judged<'_>, k: u64) -> Measured {
    assert!(k > 0, "k counts from 1");
    let mut groups: BTreeMap<Reverse<Option<Score>>, (u64, u64)> = BTreeMap::new();
    let mut n = 0;
    for (index, label) in judged.labelled() {
        let (samples, right) = groups.entry(Reverse(judged.score(index))).or_default();
        *samples += judged.count(index);
        *right += judged.count(index) * u64::from(label);
        n += judged.count(index);
    }
    match groups.first_key_value() {
        None => return Err(LeftOut::NoLabel),
        Some((Reverse(None), _)) => return Err(LeftOut::NoScore),
        Some((Reverse(Some(_)), _)) if n < k => return Err(LeftOut::TooFew),
        Some((Reverse(Some(_)), _)) => (),
    }
    let (mut above, mut expected) = (0, 0.0);
    for (samples, right) in groups.into_values() {
        let best_is_here = none_of(n, above, k) - none_of(n, above + samples, k);
        expected += best_is_here * float(right) / float(samples);
        above += samples;
    }
    Ok(expected)
}

/// The probability that the sample of highest score among all labelled ones is right: best-of-N
/// with the whole pool, in expectation over ties.
///
/// # Errors
/// As [`best_of_k`].
pub fn best_of_all(judged: &Judged<'_>) -> Measured {
    let samples = judged.labelled().map(|(index, _)| judged.count(index)).sum::<u64>();
    if samples == 0 { Err(LeftOut::NoLabel) } else { best_of_k(judged, samples) }
}

/// The probability that a rule's choice is right, in expectation over what it holds equal.
///
/// Tied candidates without a label are not counted. A rule that abstains because no candidate has
/// a program is wrong, since the problem stays unsolved.
///
/// # Errors
/// [`LeftOut::Abstained`] when it abstains for another reason; [`LeftOut::NoLabel`] when no tied
/// candidate has a label, or the problem has none.
pub fn accuracy(choice: &Choice, judged: &Judged<'_>) -> Measured {
    if choice.chosen.is_none() {
        return if !choice.notes.contains(&Note::NoProgram) {
            Err(LeftOut::Abstained)
        } else if judged.labelled().next().is_none() {
            Err(LeftOut::NoLabel)
        } else {
            Ok(0.0)
        };
    }
    let (mut samples, mut right) = (0, 0);
    for &index in &choice.ties {
        if let Some(label) = judged.labels[index] {
            samples += judged.count(index);
            right += judged.count(index) * u64::from(label);
        }
    }
    if samples == 0 { Err(LeftOut::NoLabel) } else { Ok(float(right) / float(samples)) }
}

/// What the best possible choice reaches: 1 where a labelled candidate is right, else 0.
///
/// # Errors
/// [`LeftOut::NoLabel`].
pub fn oracle(judged: &Judged<'_>) -> Measured {
    let best = judged.labelled().map(|(_, label)| label).max().ok_or(LeftOut::NoLabel)?;
    Ok(f64::from(u8::from(best)))
}
