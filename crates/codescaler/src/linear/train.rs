//! Training: the Bradley-Terry loss over all pairs of a right and a wrong program of one problem.
//!
//! The gradient of a problem's loss by the weights is its gradient by the scores, carried back
//! through each program's features once: a problem with n programs costs n sparse vectors, not
//! n² pairs of them.

use super::{FeatureOptions, LinearRewardModel, PreparedProblem, ProgramView, features};
use crate::{
    problem::Problem,
    record::Extra,
    seed::{Rng, derive},
};

/// How to train.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainOptions {
    /// What the reward model reads.
    pub features: FeatureOptions,
    /// Passes over the problems.
    pub epochs: u32,
    /// Length of a gradient step.
    pub step: f32,
    /// Seed of the order of problems.
    pub seed: u64,
}

impl Default for TrainOptions {
    /// Tuned on the validation split.
    fn default() -> TrainOptions {
        TrainOptions { features: FeatureOptions::default(), epochs: 16, step: 1.5, seed: 1 }
    }
}

/// One problem with programs whose verdicts are known.
#[derive(Clone, Copy, Debug)]
pub struct TrainingGroup<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The programs.
    pub programs: &'a [LabelledProgram<'a>],
    /// What the group counts against others, whatever its number of pairs; usually 1.
    pub weight: f32,
}

/// A program and whether it is right.
#[derive(Clone, Copy, Debug)]
pub struct LabelledProgram<'a> {
    /// The program.
    pub program: ProgramView<'a>,
    /// Whether it passed every test.
    pub right: bool,
}

/// Programs as features, ready for training. Texts are not kept.
#[derive(Debug)]
pub struct TrainingSet {
    features: FeatureOptions,
    groups: Vec<Group>,
}

/// The programs of one problem: a matrix with one sparse row each.
#[derive(Debug)]
struct Group {
    weight: f32,
    right: Vec<bool>,
    starts: Vec<usize>, // Where each row begins, and after the last where it ends.
    buckets: Vec<u32>,
    values: Vec<f32>,
}

/// How much there is to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrainingSizes {
    /// Problems with at least one pair.
    pub n_problems: usize,
    /// Their programs.
    pub n_programs: usize,
    /// Features of these programs, with repetitions.
    pub n_features: usize,
}

impl TrainingSet {
    /// An empty set for these features.
    pub fn new(features: FeatureOptions) -> TrainingSet {
        TrainingSet { features, groups: Vec::new() }
    }

    /// Adds a problem; one without a right or without a wrong program has no pair and is left out.
    pub fn push(&mut self, group: &TrainingGroup<'_>) {
        let right: Vec<bool> = group.programs.iter().map(|program| program.right).collect();
        if !right.contains(&true) || !right.contains(&false) {
            return;
        }
        let problem = PreparedProblem::of(group.problem, self.features);
        let mut made = Group {
            weight: group.weight,
            right,
            starts: vec![0],
            buckets: Vec::new(),
            values: Vec::new(),
        };
        for labelled in group.programs {
            for (bucket, value) in features::vector(&problem, &labelled.program, self.features) {
                made.buckets.push(bucket);
                made.values.push(value);
            }
            made.starts.push(made.buckets.len());
        }
        self.groups.push(made);
    }

    /// How much there is to train on.
    pub fn sizes(&self) -> TrainingSizes {
        TrainingSizes {
            n_problems: self.groups.len(),
            n_programs: self.groups.iter().map(|group| group.right.len()).sum(),
            n_features: self.groups.iter().map(|group| group.buckets.len()).sum(),
        }
    }
}

impl Group {
    fn scores(&self, weights: &[f32]) -> Vec<f64> {
        let score = |row: &[usize]| {
            let terms = self.buckets[row[0]..row[1]].iter().zip(&self.values[row[0]..row[1]]);
            f64::from(terms.map(|(&bucket, &value)| weights[bucket as usize] * value).sum::<f32>())
        };
        self.starts.windows(2).map(score).collect()
    }

    /// Moves each program's score along `-step` times its slope.
    fn descend(&self, slopes: &[f64], step: f64, weights: &mut [f32]) {
        for (row, slope) in self.starts.windows(2).zip(slopes) {
            let change = (step * slope) as f32;
            let terms = self.buckets[row[0]..row[1]].iter().zip(&self.values[row[0]..row[1]]);
            for (&bucket, &value) in terms {
                weights[bucket as usize] -= change * value;
            }
        }
    }
}

/// What one epoch did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct EpochLog {
    /// Which epoch, from 1.
    pub epoch: u32,
    /// Loss of a pair in nats, before each step; mean over the pairs of a problem, then over
    /// problems.
    pub loss_nats: f64,
    /// Share of pairs in the right order, averaged likewise.
    pub pair_accuracy: f64,
}

/// A training between two epochs. It takes seconds and depends on nothing but the set and the
/// options, so an interrupted one is simply run again.
#[derive(Debug)]
pub struct Training<'s> {
    set: &'s TrainingSet,
    options: TrainOptions,
    epoch: u32,
    weights: Vec<f32>,
    sum: Vec<f32>, // Of the weights after each epoch of the second half.
}

impl<'s> Training<'s> {
    /// A training that starts from zero.
    ///
    /// # Panics
    /// When `options.features` are not those of the set.
    pub fn new(set: &'s TrainingSet, options: TrainOptions) -> Training<'s> {
        assert_eq!(set.features, options.features, "the set was made for other features");
        let n_weights = 1 << options.features.bits;
        Training {
            set,
            options,
            epoch: 0,
            weights: vec![0.0; n_weights],
            sum: vec![0.0; n_weights],
        }
    }

    /// Runs the next epoch, one gradient step per problem; `None` when all are done.
    pub fn step(&mut self) -> Option<EpochLog> {
        if self.epoch == self.options.epochs {
            return None;
        }
        self.epoch += 1;
        let (mut loss_nats, mut pair_accuracy) = (0.0, 0.0);
        for idx in self.order() {
            let group = &self.set.groups[idx];
            let pairs = Pairs::of(&group.right, &group.scores(&self.weights));
            let step = f64::from(self.options.step * group.weight);
            group.descend(&pairs.slopes, step, &mut self.weights);
            loss_nats += pairs.loss_nats;
            pair_accuracy += pairs.accuracy;
        }
        if 2 * self.epoch > self.options.epochs {
            for (sum, weight) in self.sum.iter_mut().zip(&self.weights) {
                *sum += weight;
            }
        }
        let n_groups = self.set.groups.len().max(1) as f64;
        Some(EpochLog {
            epoch: self.epoch,
            loss_nats: loss_nats / n_groups,
            pair_accuracy: pair_accuracy / n_groups,
        })
    }

    /// The order of problems in this epoch: a function of the seed and the epoch's number.
    fn order(&self) -> Vec<usize> {
        let epoch = self.epoch.to_string();
        let mut rng = Rng::new(derive(self.options.seed, &["linear training", &epoch]));
        let mut order: Vec<usize> = (0..self.set.groups.len()).collect();
        for last in (1..order.len()).rev() {
            let other = rng.below(last as u64 + 1);
            order.swap(last, usize::try_from(other).expect("it is at most `last`"));
        }
        order
    }

    /// The reward model: the mean of the weights after each epoch of the second half (before
    /// that, the weights as they are), rounded to eight bits. `provenance` is stored with it.
    pub fn finish(self, provenance: Extra) -> LinearRewardModel {
        let weights = match self.epoch.saturating_sub(self.options.epochs / 2) {
            0 => self.weights,
            n_summed => self.sum.iter().map(|sum| sum / n_summed as f32).collect(),
        };
        LinearRewardModel::quantised(self.options.features, provenance, &weights)
    }
}

/// All pairs of one problem at some scores.
#[derive(Debug, PartialEq)]
struct Pairs {
    /// Mean loss of a pair.
    loss_nats: f64,
    /// Share of pairs in which the right program has the higher score.
    accuracy: f64,
    /// Derivative of the mean loss by each program's score.
    slopes: Vec<f64>,
}

impl Pairs {
    /// The loss of a pair is `-log sigmoid(score_right - score_wrong)` (Bradley & Terry 1952;
    /// InstructGPT eq. 1, arXiv:2203.02155, whose mean over a problem's pairs we take too).
    fn of(right: &[bool], scores: &[f64]) -> Pairs {
        let mut pairs = Pairs { loss_nats: 0.0, accuracy: 0.0, slopes: vec![0.0; scores.len()] };
        let mut n_pairs = 0.0;
        let rights = (0..right.len()).filter(|&idx| right[idx]);
        for chosen in rights {
            for rejected in (0..right.len()).filter(|&idx| !right[idx]) {
                let margin = scores[chosen] - scores[rejected];
                let slope = 1.0 / (1.0 + margin.exp());
                pairs.slopes[chosen] -= slope;
                pairs.slopes[rejected] += slope;
                pairs.loss_nats += softplus(-margin);
                pairs.accuracy += if margin > 0.0 { 1.0 } else { 0.0 };
                n_pairs += 1.0;
            }
        }
        if n_pairs > 0.0 {
            pairs.loss_nats /= n_pairs;
            pairs.accuracy /= n_pairs;
            pairs.slopes.iter_mut().for_each(|slope| *slope /= n_pairs);
        }
        pairs
    }
}

/// `log(1 + exp(x))`, written so that neither tail overflows.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn loss(right: &[bool], scores: &[f64]) -> f64 {
        Pairs::of(right, scores).loss_nats
    }

    #[test]
    fn equal_scores_cost_ln_2_and_far_ones_stay_finite() {
        let right = [true, false, false];
        assert!((loss(&right, &[1.0; 3]) - 2f64.ln()).abs() < 1e-15);
        assert_eq!(loss(&right, &[900.0, 0.0, 0.0]), 0.0);
        assert_eq!(loss(&right, &[-900.0, 0.0, 0.0]), 900.0);
    }

    proptest! {
        #[test]
        fn slopes_are_the_derivative_of_the_loss(
            programs in prop::collection::vec((any::<bool>(), -5.0..5.0f64), 0..7),
        ) {
            const H: f64 = 1e-5;
            let (right, scores): (Vec<bool>, Vec<f64>) = programs.into_iter().unzip();
            let slopes = Pairs::of(&right, &scores).slopes;
            for idx in 0..scores.len() {
                let moved = |by: f64| {
                    let mut scores = scores.clone();
                    scores[idx] += by;
                    loss(&right, &scores)
                };
                let numeric = (moved(H) - moved(-H)) / (2.0 * H);
                prop_assert!((slopes[idx] - numeric).abs() < 1e-8, "{} {numeric}", slopes[idx]);
            }
        }

        /// The same through the features: a small step changes the loss by minus the step times
        /// the squared length of the gradient.
        #[test]
        fn weights_descend_along_the_gradient(
            rows in prop::collection::vec(
                (any::<bool>(), prop::collection::vec((0u32..8, -1.0..1.0f32), 0..5)),
                2..6,
            ),
            weights in prop::collection::vec(-1.0..1.0f32, 8),
        ) {
            const STEP: f64 = 1e-2;
            let mut group =
                Group { weight: 1.0, right: Vec::new(), starts: vec![0], buckets: Vec::new(), values: Vec::new() };
            for (right, row) in &rows {
                group.right.push(*right);
                group.buckets.extend(row.iter().map(|&(bucket, _)| bucket));
                group.values.extend(row.iter().map(|&(_, value)| value));
                group.starts.push(group.buckets.len());
            }
            let pairs = Pairs::of(&group.right, &group.scores(&weights));
            let mut moved = weights.clone();
            group.descend(&pairs.slopes, STEP, &mut moved);
            let squared: f64 =
                weights.iter().zip(&moved).map(|(a, b)| f64::from((a - b) / STEP as f32).powi(2)).sum();
            let change = loss(&group.right, &group.scores(&moved)) - pairs.loss_nats;
            prop_assert!((change + STEP * squared).abs() < 2e-2 * (squared * STEP).max(1e-4));
        }
    }
}
