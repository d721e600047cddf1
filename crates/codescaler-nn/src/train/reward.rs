//! Reward modelling: scores of the candidates of problems.

use std::ops::Range;

use super::buffers::Buffer;
use super::network::{Batch, Moment};
use super::objective::{Loss, Objective, Targets, sigmoid, softplus};
use super::{TrainHead, Trainer};
use crate::attention::Cell;
use crate::item::common_prefix;
use crate::kernel::Precision;
use crate::layers::{dot, rms_norm};

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

/// What is learnt of the candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RewardLoss {
    /// The loss on scores.
    pub objective: Objective,
    /// Keeps scores around zero: see [`Objective`].
    pub centring: f64,
    /// The weight of a second loss, on what the score would be after every token of a program:
    /// logistic, chosen against rejected, or by label where there are no pairs; the mean over a
    /// program's tokens (the token-level verifier of arXiv:2110.14168, section 4.2, which trains a
    /// value of what is written so far).
    pub every_token: f64,
}

impl From<Objective> for RewardLoss {
    fn from(objective: Objective) -> Self {
        Self { objective, centring: 0.0, every_token: 0.0 }
    }
}

/// What one batch came to.
#[derive(Debug, Clone, PartialEq)]
pub struct RewardStep {
    /// The mean loss on scores.
    pub loss: f64,
    /// The mean loss on tokens, without its weight; 0 where that is 0.
    pub token_loss: f64,
    /// The share of pairs whose chosen program has the larger score; `None` without pairs.
    pub accuracy: Option<f64>,
    /// Every item's score, group by group.
    pub scores: Vec<f32>,
    /// Tokens that went through the decoder.
    pub tokens: usize,
}

impl Trainer {
    /// Scores groups and adds the gradient of the mean loss, times `weight`, to what
    /// [`Trainer::update`] applies.
    ///
    /// # Panics
    /// If the trainer has no score head, an item is empty, a token beyond the vocabulary or a pair
    /// beyond its group.
    pub fn reward_loss(
        &mut self,
        groups: &[Group<'_>],
        loss: &RewardLoss,
        weight: f64,
    ) -> RewardStep {
        match self.precision {
            Precision::F32 => self.reward_loss_in::<f32>(groups, loss, weight),
            Precision::Bf16 | Precision::Int8 => self.reward_loss_in::<u16>(groups, loss, weight),
        }
    }

    fn reward_loss_in<C: Cell>(
        &mut self,
        groups: &[Group<'_>],
        loss: &RewardLoss,
        weight: f64,
    ) -> RewardStep {
        assert_eq!(self.head, TrainHead::Score, "the head scores");
        let mut grads = std::mem::take(&mut self.grads);
        self.memory.tidy();
        let (batch, own) = batch(groups, loss.every_token != 0.0);
        let lengths = groups.iter().flat_map(|group| group.items).map(|item| item.len());
        let moment = Moment::<C>::new(self, lengths.max().unwrap_or(0));
        let forward = moment.forward(&batch);
        let (normed, values) = moment.values(&forward.x);
        let scores: Vec<f32> = own.iter().map(|rows| values[rows.end - 1]).collect();

        let mut dvalues = vec![0.0; values.len()];
        let losses = losses(groups, &scores, loss);
        let sum = |of: fn(&Loss) -> f64| losses.iter().map(of).sum::<f64>();
        let (total, count) = (sum(|loss| loss.sum), sum(|loss| loss.count).max(1.0));
        for (rows, dscore) in own.iter().zip(losses.iter().flat_map(|loss| &loss.dscores)) {
            dvalues[rows.end - 1] = (dscore * weight / count) as f32;
        }
        let token_loss = if loss.every_token == 0.0 {
            0.0
        } else {
            let weight = weight * loss.every_token;
            add_token_loss(groups, &own, &values, (weight, &mut dvalues))
        };
        let pairs: usize = groups.iter().map(|group| group.targets.pairs.len()).sum();
        let accuracy = (pairs > 0).then(|| sum(|loss| loss.ordered) / pairs as f64);

        let dx = moment.values_backward((&forward.x, &normed), &dvalues, &mut grads);
        let tokens = batch.tokens.len();
        moment.backward(&batch, forward, dx, &mut grads);
        drop((moment, normed, values));
        self.grads = grads;
        RewardStep { loss: total / count, token_loss, accuracy, scores, tokens }
    }
}

/// All tokens to compute, and which of the rows that the head reads are each item's: the last one,
/// or with `every_token` all that are its alone, even if what it begins with was computed for it as
/// well.
fn batch(groups: &[Group<'_>], every_token: bool) -> (Batch, Vec<Range<usize>>) {
    let mut batch = Batch::default();
    let mut own = Vec::new();
    for group in groups {
        // Every item keeps a token of its own.
        let common = common_prefix(group.items, 1);
        let shared = if group.share { common } else { 0 };
        batch.push(group.items, shared);
        for rows in batch.trees.last().into_iter().flat_map(|tree| &tree.branches) {
            let first = if every_token { rows.start + common - shared } else { rows.end - 1 };
            let start = batch.read.len();
            batch.read.extend(first..rows.end);
            own.push(start..batch.read.len());
        }
    }
    (batch, own)
}

/// Each group's loss on the scores of its items.
fn losses(groups: &[Group<'_>], scores: &[f32], loss: &RewardLoss) -> Vec<Loss> {
    let mut rest = scores;
    let of_group = |group: &Group<'_>| {
        let (own, after) = rest.split_at(group.items.len());
        rest = after;
        let own: Vec<f64> = own.iter().map(|score| f64::from(*score)).collect();
        loss.objective.loss(&own, group.targets, loss.centring)
    };
    groups.iter().map(of_group).collect()
}

/// The mean loss on the value of every token of every item; its gradient is added.
fn add_token_loss(
    groups: &[Group<'_>],
    own: &[Range<usize>],
    values: &[f32],
    (weight, dvalues): (f64, &mut [f32]),
) -> f64 {
    let targets: Vec<[f64; 2]> = groups.iter().flat_map(verdicts).collect();
    let count = targets.iter().flatten().sum::<f64>().max(1.0);
    let mut sum = 0.0;
    for (rows, [right, wrong]) in own.iter().zip(targets) {
        let share = 1.0 / rows.len() as f64;
        for row in rows.clone() {
            let value = f64::from(values[row]);
            sum += share * (right * softplus(-value) + wrong * softplus(value));
            let slope = right * (sigmoid(value) - 1.0) + wrong * sigmoid(value);
            dvalues[row] += (weight * share * slope / count) as f32;
        }
    }
    sum / count
}

/// How often each item is right, and how often wrong: as chosen and as rejected, or by its label.
fn verdicts(group: &Group<'_>) -> Vec<[f64; 2]> {
    let Targets { labels, pairs } = group.targets;
    if pairs.is_empty() {
        return labels.iter().map(|label| [f64::from(*label), 1.0 - f64::from(*label)]).collect();
    }
    let mut verdicts = vec![[0.0; 2]; group.items.len()];
    for &(chosen, rejected) in pairs {
        verdicts[chosen][0] += 1.0;
        verdicts[rejected][1] += 1.0;
    }
    verdicts
}

impl<'a, C: Cell> Moment<'a, C> {
    /// The residual stream, (R, C), normed for the head, and what the head makes of it, (R).
    fn values(&self, x: &[f32]) -> (Buffer<'a, f32>, Buffer<'a, f32>) {
        let (c, eps) = (self.config.hidden, self.config.norm_eps);
        let (norm, head) = (&self.values[self.layout.norm.clone()], self.score_head());
        let mut normed = self.memory.numbers(x.len());
        let mut values = self.memory.numbers(x.len() / c);
        let rows = self.team.rows(values.len());
        let items = normed.chunks_mut(rows * c).zip(values.chunks_mut(rows));
        self.team.each(items.zip(x.chunks(rows * c)), |((normed, values), x)| {
            self.team.isa.wide(
                #[inline(always)]
                || {
                    let rows = normed.chunks_mut(c).zip(values).zip(x.chunks(c));
                    for ((normed, value), x) in rows {
                        rms_norm(x, norm, eps, normed);
                        *value = dot(normed, head);
                    }
                },
            );
        });
        (normed, values)
    }

    /// The gradient by the residual stream, given that of [`Moment::values`]; those of the norm and
    /// the head are added.
    fn values_backward(
        &self,
        (x, normed): (&[f32], &[f32]),
        dvalues: &[f32],
        grads: &mut [f32],
    ) -> Buffer<'a, f32> {
        let c = self.config.hidden;
        let head = self.score_head();
        let mut dnormed = self.memory.numbers(x.len());
        for (dnormed, dvalue) in dnormed.chunks_mut(c).zip(dvalues) {
            dnormed.iter_mut().zip(head).for_each(|(dnormed, w)| *dnormed = dvalue * w);
        }
        let mut dx = self.memory.numbers(x.len());
        dx.fill(0.0);
        self.norm_backward((x, &self.layout.norm), &dnormed, &mut dx, grads);
        let dhead = self.layout.head.clone().expect(HAS_HEAD);
        for (normed, dvalue) in normed.chunks(c).zip(dvalues).filter(|(_, d)| **d != 0.0) {
            let dhead = grads[dhead.clone()].iter_mut().zip(normed);
            dhead.for_each(|(dhead, x)| *dhead += dvalue * x);
        }
        dx
    }

    fn score_head(&self) -> &[f32] {
        &self.values[self.layout.head.clone().expect(HAS_HEAD)]
    }
}

const HAS_HEAD: &str = "a score head has its own weights";
