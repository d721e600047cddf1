//! Reward modelling: scores of the candidates of problems.

use super::network::{Batch, Moment};
use super::objective::{Objective, Targets};
use super::{TrainHead, Trainer};
use crate::attention::Cell;
use crate::item::common_prefix;
use crate::kernel::Precision;
use crate::layers::{rms_norm, rms_norm_backward};

/// The candidates of one problem, tokens and all.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a> {
    /// What the decoder reads of each candidate: problem and program. Not empty.
    pub items: &'a [&'a [u32]],
    /// What is known of them.
    pub targets: Targets<'a>,
    /// Whether the tokens that all begin with are computed once. The scores differ by rounding
    /// only.
    pub share: bool,
}

/// What one batch came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardStep {
    /// The mean loss.
    pub loss: f64,
    /// The share of pairs whose chosen program has the larger score; `None` without pairs.
    pub accuracy: Option<f64>,
    /// Every item's score, group by group.
    pub scores: Vec<f32>,
    /// Tokens that went through the decoder.
    pub tokens: usize,
}

impl Trainer {
    /// Scores groups and adds the gradient of the mean loss, times `weight`, to what
    /// [`Trainer::update`] applies. `centring`: see [`Objective`].
    ///
    /// # Panics
    /// If the trainer has no score head, an item is empty, a token beyond the vocabulary or a pair
    /// beyond its group.
    pub fn reward_loss(
        &mut self,
        groups: &[Group<'_>],
        objective: Objective,
        centring: f64,
        weight: f64,
    ) -> RewardStep {
        match self.precision {
            Precision::F32 => self.reward_loss_in::<f32>(groups, objective, centring, weight),
            Precision::Bf16 | Precision::Int8 => {
                self.reward_loss_in::<u16>(groups, objective, centring, weight)
            }
        }
    }

    fn moment<C: Cell>(&self, groups: &[Group<'_>]) -> Moment<'_, C> {
        assert_eq!(self.head, TrainHead::Score, "the head scores");
        let lengths = groups.iter().flat_map(|group| group.items).map(|item| item.len());
        let positions = lengths.max().unwrap_or(0);
        Moment::new(self, positions)
    }

    fn reward_loss_in<C: Cell>(
        &mut self,
        groups: &[Group<'_>],
        objective: Objective,
        centring: f64,
        weight: f64,
    ) -> RewardStep {
        let mut grads = std::mem::take(&mut self.grads);
        let (batch, last) = batch(groups);
        let moment = self.moment::<C>(groups);
        let forward = moment.forward(&batch);
        let scores: Vec<f32> = last.iter().map(|row| moment.score(&forward.x, *row)).collect();
        let mut losses = Vec::new();
        let mut rest = &scores[..];
        for group in groups {
            let (own, after) = rest.split_at(group.items.len());
            let own: Vec<f64> = own.iter().map(|score| f64::from(*score)).collect();
            losses.push(objective.loss(&own, group.targets, centring));
            rest = after;
        }
        let sum = |of: fn(&super::objective::Loss) -> f64| losses.iter().map(of).sum::<f64>();
        let (total, count) = (sum(|loss| loss.sum), sum(|loss| loss.count).max(1.0));
        let pairs: usize = groups.iter().map(|group| group.targets.pairs.len()).sum();
        let accuracy = (pairs > 0).then(|| sum(|loss| loss.ordered) / pairs as f64);
        let mut dx = self.memory.numbers(forward.x.len());
        dx.fill(0.0);
        let dscores = losses.iter().flat_map(|loss| &loss.dscores);
        for (row, dscore) in last.iter().zip(dscores) {
            let dscore = (dscore * weight / count) as f32;
            moment.score_backward(&forward.x, *row, dscore, (&mut dx, &mut grads));
        }
        let tokens = batch.tokens.len();
        moment.backward(&batch, forward, &mut dx, &mut grads);
        drop((moment, dx));
        self.grads = grads;
        RewardStep { loss: total / count, accuracy, scores, tokens }
    }
}

/// All tokens to compute, and the row of each item's last one.
fn batch(groups: &[Group<'_>]) -> (Batch, Vec<usize>) {
    let mut batch = Batch::default();
    for group in groups {
        // Every item keeps a token of its own.
        let shared = if group.share { common_prefix(group.items, 1) } else { 0 };
        batch.push(group.items, shared);
    }
    let last = batch.trees.iter().flat_map(|tree| &tree.branches).map(|rows| rows.end - 1);
    let last = last.collect();
    (batch, last)
}

impl<C: Cell> Moment<'_, C> {
    fn score(&self, x: &[f32], row: usize) -> f32 {
        let c = self.config.hidden;
        let mut normed = vec![0.0; c];
        let norm = &self.values[self.layout.norm.clone()];
        rms_norm(&x[row * c..][..c], norm, self.config.norm_eps, &mut normed);
        normed.iter().zip(self.score_head()).map(|(a, b)| a * b).sum()
    }

    fn score_head(&self) -> &[f32] {
        &self.values[self.layout.head.clone().expect("a score head has its own weights")]
    }

    fn score_backward(
        &self,
        x: &[f32],
        row: usize,
        dscore: f32,
        (dx, grads): (&mut [f32], &mut [f32]),
    ) {
        let (c, eps) = (self.config.hidden, self.config.norm_eps);
        let norm = &self.values[self.layout.norm.clone()];
        let x = &x[row * c..][..c];
        let mut normed = vec![0.0; c];
        rms_norm(x, norm, eps, &mut normed);
        let head = self.layout.head.clone().expect("a score head has its own weights");
        grads[head].iter_mut().zip(&normed).for_each(|(grad, x)| *grad += dscore * x);
        let dnormed: Vec<f32> = self.score_head().iter().map(|w| dscore * w).collect();
        let dnorm = &mut grads[self.layout.norm.clone()];
        rms_norm_backward((x, norm, eps), &dnormed, &mut dx[row * c..][..c], dnorm);
    }
}
