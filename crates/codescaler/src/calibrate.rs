//! Calibration: from raw logits of one reward model to the probability that a program is right.

use serde::{Deserialize, Serialize};

use crate::score::Score;

/// What is known of one candidate: its score, and whether it is right.
pub type Sample = (Score, bool);

/// `P(right) = 1 / (1 + exp(-(scale * score + offset)))`, Platt's sigmoid (1999).
///
/// It belongs to one reward model and to programs like those it was fitted on. It moves the zero
/// of the scores to where right and wrong are equally likely; the order within a problem stays.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Log-odds per unit of score.
    pub scale: f64,
    /// Log-odds of a program with score 0.
    pub offset: f64,
}

/// What several reward models, or one trained with several seeds, say of one program.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Joint {
    /// The mean of their calibrated log-odds.
    pub log_odds: f64,
    /// The standard deviation of the members' log-odds: how little they agree, which grows on
    /// programs unlike those of their training.
    pub deviation: f64,
}

/// Joins the members of a deep ensemble (arXiv:1612.01474); `None` of none. Deviation: members
/// speak in log-odds, not in means and variances, so theirs is that of the means alone (equation 2
/// without its first term).
pub fn join(log_odds: &[f64]) -> Option<Joint> {
    let n = log_odds.len() as f64;
    let mean = (!log_odds.is_empty()).then(|| log_odds.iter().sum::<f64>() / n)?;
    let variance = log_odds.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    Some(Joint { log_odds: mean, deviation: variance.sqrt() })
}

/// There is nothing to fit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFitted {
    /// Every sample is right, or every one is wrong, or there is none.
    #[error("it takes programs that are right and programs that are wrong, both with scores")]
    OneSided,
    /// All scores are the same.
    #[error("every score is the same")]
    NoSpread,
    /// The search did not come to rest.
    #[error("the fit does not converge")]
    NotConverged,
}

const STEPS_MAX: usize = 100;
const HALVINGS_MAX: usize = 60;

impl Calibration {
    /// The log-odds that a program with this score is right.
    pub fn log_odds(self, score: Score) -> f64 {
        self.scale * f64::from(score.get()) + self.offset
    }

    /// The probability that a program with this score is right.
    pub fn probability(self, score: Score) -> f64 {
        1.0 / (1.0 + (-self.log_odds(score)).exp())
    }

    /// Fits to samples by Newton's method with a line search, as Lin, Lin and Weng (2007) do.
    ///
    /// The aims are Platt's, `(n + 1) / (n + 2)` for the `n` right ones and `1 / (m + 2)` for the
    /// `m` wrong ones, so that there is one finite answer also where a score tells them apart
    /// without fail.
    ///
    /// # Errors
    /// When the samples do not determine an answer.
    pub fn fit(samples: &[Sample]) -> Result<Calibration, NotFitted> {
        let aims = Aims::of(samples).ok_or(NotFitted::OneSided)?;
        // Scores are centred and scaled, so that no unit of theirs spoils the arithmetic.
        let n = samples.len() as f64;
        let scores = || samples.iter().map(|(score, _)| f64::from(score.get()));
        let mean = scores().sum::<f64>() / n;
        let spread = (scores().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        if spread.is_nan() || spread <= 1e-9 * mean.abs().max(1e-30) {
            return Err(NotFitted::NoSpread);
        }
        let points: Vec<(f64, f64)> = samples
            .iter()
            .map(|&(score, right)| ((f64::from(score.get()) - mean) / spread, aims.of_one(right)))
            .collect();
        let (scale, offset) = newton(&points)?;
        Ok(Calibration { scale: scale / spread, offset: offset - scale * mean / spread })
    }

    /// Mean negative log-likelihood of the labels, in nats.
    pub fn log_loss(self, samples: &[Sample]) -> Option<f64> {
        let loss = |&(score, right): &Sample| {
            let z = self.log_odds(score);
            softplus(if right { -z } else { z })
        };
        let n = samples.len() as f64;
        (!samples.is_empty()).then(|| samples.iter().map(loss).sum::<f64>() / n)
    }
}

/// What the sigmoid aims at for right and for wrong programs.
struct Aims {
    right: f64,
    wrong: f64,
}

impl Aims {
    fn of(samples: &[Sample]) -> Option<Aims> {
        let right = samples.iter().filter(|(_, right)| *right).count();
        let wrong = samples.len() - right;
        (right > 0 && wrong > 0).then(|| Aims {
            right: (right as f64 + 1.0) / (right as f64 + 2.0),
            wrong: 1.0 / (wrong as f64 + 2.0),
        })
    }

    fn of_one(&self, right: bool) -> f64 {
        if right { self.right } else { self.wrong }
    }
}

/// The scale and offset with the least cross-entropy to `(score, aim)`.
fn newton(points: &[(f64, f64)]) -> Result<(f64, f64), NotFitted> {
    let (mut scale, mut offset) = (0.0, 0.0);
    let mut loss = cross_entropy(points, (scale, offset));
    for _ in 0..STEPS_MAX {
        let (gradient, [aa, ab, bb]) = slopes(points, (scale, offset));
        if gradient.0.hypot(gradient.1) <= 1e-10 * points.len() as f64 {
            return Ok((scale, offset));
        }
        let determinant = aa * bb - ab * ab;
        let step = (
            -(bb * gradient.0 - ab * gradient.1) / determinant,
            -(aa * gradient.1 - ab * gradient.0) / determinant,
        );
        let mut part = 1.0;
        let better = (0..HALVINGS_MAX).find_map(|_| {
            let trial = (scale + part * step.0, offset + part * step.1);
            let trial_loss = cross_entropy(points, trial);
            part *= 0.5;
            (trial_loss < loss).then_some((trial, trial_loss))
        });
        match better {
            Some((trial, trial_loss)) => ((scale, offset), loss) = (trial, trial_loss),
            // At the bottom the loss is the same to the last bit all around.
            None if gradient.0.hypot(gradient.1) <= 1e-5 * points.len() as f64 => {
                return Ok((scale, offset));
            }
            None => return Err(NotFitted::NotConverged),
        }
    }
    Err(NotFitted::NotConverged)
}

fn cross_entropy(points: &[(f64, f64)], (scale, offset): (f64, f64)) -> f64 {
    let loss = |&(x, aim): &(f64, f64)| {
        let z = scale * x + offset;
        softplus(z) - aim * z
    };
    points.iter().map(loss).sum()
}

/// Gradient and Hessian (upper triangle) of the cross-entropy.
fn slopes(points: &[(f64, f64)], (scale, offset): (f64, f64)) -> ((f64, f64), [f64; 3]) {
    let (mut gradient, mut hessian) = ((0.0, 0.0), [1e-12, 0.0, 1e-12]);
    for &(x, aim) in points {
        let p = 1.0 / (1.0 + (-(scale * x + offset)).exp());
        let curvature = p * (1.0 - p);
        gradient.0 += (p - aim) * x;
        gradient.1 += p - aim;
        hessian[0] += curvature * x * x;
        hessian[1] += curvature * x;
        hessian[2] += curvature;
    }
    (gradient, hessian)
}

/// `ln(1 + exp(z))` without overflow.
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check_join(log_odds: &[f64], expected: Option<(f64, f64)>) {
        assert_eq!(join(log_odds).map(|joint| (joint.log_odds, joint.deviation)), expected);
    }

    #[test]
    fn members_are_joined() {
        check_join(&[], None);
        check_join(&[1.5], Some((1.5, 0.0)));
        check_join(&[1.0, 3.0], Some((2.0, 1.0)));
        check_join(&[-1.0, -1.0, 2.0, 4.0], Some((1.0, 4.5_f64.sqrt())));
    }

    use proptest::prelude::*;

    use super::*;

    fn samples(scores: &[f32], right: impl Fn(usize) -> bool) -> Vec<Sample> {
        let samples = scores.iter().enumerate();
        samples.map(|(i, &score)| (Score::try_from(score).unwrap(), right(i))).collect()
    }

    fn points(samples: &[Sample]) -> Vec<(f64, f64)> {
        let aims = Aims::of(samples).unwrap();
        let point = |&(score, right): &Sample| (f64::from(score.get()), aims.of_one(right));
        samples.iter().map(point).collect()
    }

    /// The best of a grid that is drawn ever finer around its best point.
    fn brute_force(samples: &[Sample]) -> (f64, f64) {
        let points = points(samples);
        let (mut best, mut width) = ((0.0, 0.0), 16.0);
        while width > 1e-6 {
            let (around, cell) = (best, width / 10.0);
            let mut least = f64::INFINITY;
            for i in -10..=10 {
                for j in -10..=10 {
                    let trial = (around.0 + f64::from(i) * cell, around.1 + f64::from(j) * cell);
                    let loss = cross_entropy(&points, trial);
                    if loss < least {
                        (best, least) = (trial, loss);
                    }
                }
            }
            width *= 0.8;
        }
        best
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn the_fit_is_the_best_of_all(
            scores in prop::collection::vec(-3.0f32..3.0, 4..40),
            threshold in -1.0f32..1.0,
            noise in any::<u64>(),
        ) {
            let right = |i: usize| (scores[i] > threshold) ^ ((noise >> (i % 64)) & 7 == 0) ^ (i == 0);
            let samples = samples(&scores, right);
            prop_assume!(Aims::of(&samples).is_some());
            let spread = scores.iter().copied().fold(f32::MIN, f32::max)
                - scores.iter().copied().fold(f32::MAX, f32::min);
            prop_assume!(spread > 0.5);
            let fitted = Calibration::fit(&samples).unwrap();
            let loss = |at| cross_entropy(&points(&samples), at);
            let (found, best) = (loss((fitted.scale, fitted.offset)), loss(brute_force(&samples)));
            prop_assert!(found <= best + 1e-9, "{fitted:?}: {found} instead of {best}");
        }

        /// Other units and another zero of the scores change no probability.
        #[test]
        fn the_zero_of_the_scores_does_not_matter(
            scores in prop::collection::vec(-3i16..3, 6..40),
            shift in -50i16..50,
        ) {
            let plain: Vec<f32> = scores.iter().map(|&s| f32::from(s)).collect();
            let moved: Vec<f32> = plain.iter().map(|s| 4.0 * s + f32::from(shift)).collect();
            let right = |i: usize| scores[i] > 0 || i.is_multiple_of(3);
            let (plain, moved) = (samples(&plain, right), samples(&moved, right));
            match (Calibration::fit(&plain), Calibration::fit(&moved)) {
                (Ok(a), Ok(b)) => for (x, y) in plain.iter().zip(&moved) {
                    prop_assert!((a.probability(x.0) - b.probability(y.0)).abs() < 1e-6);
                },
                (a, b) => prop_assert_eq!(a.err(), b.err()),
            }
        }
    }

    #[test]
    fn what_determines_no_answer_is_refused_and_what_is_separable_is_finite() {
        let fit = |scores: &[f32], right: &[bool]| Calibration::fit(&samples(scores, |i| right[i]));
        assert_eq!(fit(&[], &[]), Err(NotFitted::OneSided));
        assert_eq!(fit(&[1.0, 2.0], &[true, true]), Err(NotFitted::OneSided));
        assert_eq!(fit(&[7.0, 7.0], &[true, false]), Err(NotFitted::NoSpread));
        let apart = fit(&[-1.0, -2.0, 1.0, 2.0], &[false, false, true, true]).unwrap();
        assert!(apart.scale > 0.5 && apart.scale < 5.0 && apart.offset.abs() < 1e-6, "{apart:?}");
        let extreme = fit(&[-3e38, 3e38, 3e38], &[false, true, true]).unwrap();
        assert!(extreme.scale.is_finite() && extreme.offset.is_finite());
    }

    #[test]
    fn loss_is_that_of_the_labels() {
        let even = Calibration { scale: 0.0, offset: 0.0 };
        let both = samples(&[5.0, -5.0], |i| i == 0);
        assert_eq!(even.log_loss(&both), Some(std::f64::consts::LN_2));
        assert_eq!(even.log_loss(&[]), None);
        assert!(Calibration { scale: 1.0, offset: 0.0 }.log_loss(&both) < even.log_loss(&both));
    }
}
