//! Training: the Bradley-Terry loss over pairs of programs of one problem, by gradient descent.

use std::collections::BTreeMap;

use super::{
    FeatureOptions, LinearRewardModel, PreparedProblem, ProgramView, features, file,
};
use crate::{problem::Problem, record::Extra, seed::Rng};

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
    /// Two authors match when their pass rates differ by less than about this; pairs of matched
    /// authors count in full.
    pub matched_rate_sd: f64,
    /// What pairs of authors far apart count, relative to matched ones: 0 to 1.
    pub unmatched_weight: f64,
    /// What a pair counts when one of its labels is not certain: 0 to 1.
    pub uncertain_weight: f64,
    /// Seed of the order of problems.
    pub seed: u64,
}

impl Default for TrainOptions {
    fn default() -> TrainOptions {
        TrainOptions {
            features: FeatureOptions::default(),
            epochs: 10,
            step: 3.0,
            matched_rate_sd: 0.05,
            unmatched_weight: 0.5,
            uncertain_weight: 0.3,
            seed: 1,
        }
    }
}

/// One problem with programs whose verdicts are known.
#[derive(Clone, Copy, Debug)]
pub struct TrainingGroup<'a> {
    /// The problem.
    pub problem: &'a Problem,
    /// The programs.
    pub programs: &'a [LabelledProgram<'a>],
    /// What the group counts: 1 is a group of the main data set.
    pub weight: f32,
}

/// A program with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct LabelledProgram<'a> {
    /// The program.
    pub program: ProgramView<'a>,
    /// Probability that it is right: 0 or 1 where it was tested.
    pub right: f32,
    /// Whether all tests that decide were run on this very program.
    pub certain: bool,
    /// Who wrote it.
    pub source: &'a str,
}

/// Programs as features, ready for training. Texts are not kept.
#[derive(Debug)]
pub struct TrainingSet {
    features: FeatureOptions,
    groups: Vec<Group>,
    sources: BTreeMap<(String, String), (u32, Tally)>, // By data set and author.
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    n_right: f64,
    n_programs: f64,
}

#[derive(Debug)]
struct Group {
    weight: f64,
    programs: Vec<Program>,
    starts: Vec<usize>, // Where each program's features begin; one more entry for the end.
    buckets: Vec<u32>,
    values: Vec<f32>,
}

#[derive(Clone, Copy, Debug)]
struct Program {
    right: f64,
    certain: bool,
    source: u32,
}

/// How much there is to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TrainingSizes {
    /// Problems with at least one pair.
    pub n_problems: usize,
    /// Their programs.
    pub n_programs: usize,
    /// Their features, with repetitions.
    pub n_features: usize,
}

impl TrainingSet {
    /// An empty set for these features.
    pub fn new(features: FeatureOptions) -> TrainingSet {
        TrainingSet { features, groups: Vec::new(), sources: BTreeMap::new() }
    }

    /// Adds a problem; one without any pair still counts towards its authors' pass rates.
    pub fn push(&mut self, group: &TrainingGroup<'_>) {
        let data_set = group.problem.meta.source.as_deref().unwrap_or_default();
        let prepared = PreparedProblem::of(group.problem, self.features);
        let mut made = Group {
            weight: f64::from(group.weight),
            programs: Vec::new(),
            starts: vec![0],
            buckets: Vec::new(),
            values: Vec::new(),
        };
        let has_pair = group.programs.iter().any(|program| program.right > 0.0)
            && group.programs.iter().any(|program| program.right < 1.0);
        for labelled in group.programs {
            let n_sources = u32::try_from(self.sources.len()).expect("fewer than 2^32 authors");
            let (source, tally) = self
                .sources
                .entry((data_set.to_owned(), labelled.source.to_owned()))
                .or_insert((n_sources, Tally::default()));
            if labelled.certain {
                tally.n_right += f64::from(labelled.right);
                tally.n_programs += 1.0;
            }
            if !has_pair {
                continue;
            }
            for (bucket, value) in features::vector(&prepared.asked, &labelled.program, self.features) {
                made.buckets.push(bucket);
                made.values.push(value);
            }
            made.starts.push(made.buckets.len());
            made.programs.push(Program {
                right: f64::from(labelled.right),
                certain: labelled.certain,
                source: *source,
            });
        }
        if has_pair {
            self.groups.push(made);
        }
    }

    /// How much there is to train on.
    pub fn sizes(&self) -> TrainingSizes {
        TrainingSizes {
            n_problems: self.groups.len(),
            n_programs: self.groups.iter().map(|group| group.programs.len()).sum(),
            n_features: self.groups.iter().map(|group| group.buckets.len()).sum(),
        }
    }

    /// Pass rate by author; one half where nothing certain is known.
    fn rates(&self) -> Vec<f64> {
        let mut rates = vec![0.5; self.sources.len()];
        for &(source, tally) in self.sources.values() {
            if tally.n_programs > 0.0 {
                rates[source as usize] = tally.n_right / tally.n_programs;
            }
        }
        rates
    }
}

/// What one epoch did.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct EpochLog {
    /// Which epoch, from 1.
    pub epoch: u32,
    /// Mean loss of a pair in nats, before each step, weighted as in training.
    pub loss_nats: f64,
    /// Share of pairs in the right order, weighted likewise.
    pub pair_accuracy: f64,
}

/// A training between two epochs.
#[derive(Debug)]
pub struct Training<'s> {
    set: &'s TrainingSet,
    options: TrainOptions,
    rates: Vec<f64>,
    epoch: u32,
    weights: Vec<f32>,
    sum: Vec<f32>, // Of the weights after each epoch of the second half.
    gradient: Vec<f32>,
}

#[derive(Default)]
struct Totals {
    loss: f64,
    right: f64,
    weight: f64,
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
            rates: set.rates(),
            epoch: 0,
            weights: vec![0.0; n_weights],
            sum: vec![0.0; n_weights],
            gradient: vec![0.0; n_weights],
        }
    }

    /// Runs the next epoch; `None` when all are done.
    pub fn step(&mut self) -> Option<EpochLog> {
        if self.epoch == self.options.epochs {
            return None;
        }
        self.epoch += 1;
        // Each epoch's order depends on its own number alone.
        let mut rng = Rng::new(self.options.seed ^ u64::from(self.epoch) << 32);
        let mut order: Vec<usize> = (0..self.set.groups.len()).collect();
        for last in (1..order.len()).rev() {
            order.swap(last, usize::try_from(rng.below(last as u64 + 1)).expect("an index"));
        }
        let mut totals = Totals::default();
        for idx in order {
            self.learn(&self.set.groups[idx], &mut totals);
        }
        if 2 * self.epoch > self.options.epochs {
            for (sum, weight) in self.sum.iter_mut().zip(&self.weights) {
                *sum += weight;
            }
        }
        Some(EpochLog {
            epoch: self.epoch,
            loss_nats: totals.loss / totals.weight,
            pair_accuracy: totals.right / totals.weight,
        })
    }

    /// One gradient step on all pairs of one problem.
    fn learn(&mut self, group: &Group, totals: &mut Totals) {
        let scores: Vec<f64> = (0..group.programs.len()).map(|idx| group.score(idx, &self.weights)).collect();
        let (slopes, weight) = self.slopes(group, &scores, totals);
        if weight == 0.0 {
            return;
        }
        let rate = f64::from(self.options.step) * group.weight / weight;
        for (idx, slope) in slopes.into_iter().enumerate() {
            let step = (rate * slope) as f32;
            let range = group.starts[idx]..group.starts[idx + 1];
            for (&bucket, &value) in group.buckets[range.clone()].iter().zip(&group.values[range]) {
                self.weights[bucket as usize] -= step * value;
            }
        }
    }

    /// Derivative of the summed loss by each program's score, and the summed weight of the pairs.
    ///
    /// The loss of a pair is `-log sigmoid(r_right - r_wrong)` (Bradley & Terry 1952;
    /// arXiv:2203.02155 eq. 1), its weight the probability that the first is right and the second
    /// wrong, times what the options say of its authors and its certainty.
    fn slopes(&self, group: &Group, scores: &[f64], totals: &mut Totals) -> (Vec<f64>, f64) {
        let mut slopes = vec![0.0; scores.len()];
        let mut sum = 0.0;
        for (a, right) in group.programs.iter().enumerate().filter(|(_, p)| p.right > 0.0) {
            for (b, wrong) in group.programs.iter().enumerate().filter(|(_, p)| p.right < 1.0) {
                if a == b {
                    continue;
                }
                let weight = self.pair_weight(right, wrong);
                let margin = scores[a] - scores[b];
                let slope = weight / (1.0 + margin.exp());
                slopes[a] -= slope;
                slopes[b] += slope;
                sum += weight;
                totals.loss += weight * softplus(-margin);
                totals.right += if margin > 0.0 { weight } else { 0.0 };
            }
        }
        totals.weight += sum;
        (slopes, sum)
    }

    fn pair_weight(&self, right: &Program, wrong: &Program) -> f64 {
        let options = &self.options;
        let certainty =
            if right.certain && wrong.certain { 1.0 } else { options.uncertain_weight };
        let apart = self.rates[right.source as usize] - self.rates[wrong.source as usize];
        let likeness = (-0.5 * (apart / options.matched_rate_sd).powi(2)).exp();
        let authors = options.unmatched_weight + (1.0 - options.unmatched_weight) * likeness;
        right.right * (1.0 - wrong.right) * certainty * authors
    }

    /// The reward model: the mean of the weights after each epoch of the second half, rounded to
    /// eight bits. `provenance` is stored with it.
    pub fn finish(self, provenance: Extra) -> LinearRewardModel {
        file::quantise(self.options.features, provenance, &self.sum)
    }
}

impl Group {
    fn score(&self, idx: usize, weights: &[f32]) -> f64 {
        let range = self.starts[idx]..self.starts[idx + 1];
        let terms = self.buckets[range.clone()].iter().zip(&self.values[range]);
        f64::from(terms.map(|(&bucket, &value)| weights[bucket as usize] * value).sum::<f32>())
    }
}

/// `log(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
