//! Next-token prediction.

use std::ops::Range;

use super::Trainer;
use super::attention::Tree;
use super::buffers::Buffer;
use super::network::{Batch, Both, Moment};
use super::pass_at::PassAt;
use crate::attention::Cell;
use crate::item::common_prefix;
use crate::kernel::{Precision, Rows};
use crate::layers::{dot, exp, largest, sum};

/// Rows whose logits exist at the same time.
const ROWS: usize = 1024;

/// Texts that begin alike, and which of their tokens are answers.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// Prompt and answer, one text each.
    pub texts: &'a [&'a [u32]],
    /// For each text the parts of its answer that have a probability of their own
    /// ([`super::Confidence::parts`]); none for a text that answers nothing.
    pub parts: &'a [Vec<Range<usize>>],
    /// Whether what stands before the first answer is learnt, too; else it is only read.
    pub learns_prompt: bool,
}

impl Trainer {
    /// Mean negative log-likelihood (nats) of every token but the first of each text; tokens that
    /// all texts of a group begin with are computed, and count, once. Its gradient times `weight`
    /// is added up for [`Trainer::update`].
    ///
    /// # Panics
    /// If the trainer has no language-model head, or a token is beyond the vocabulary.
    pub fn language_loss(&mut self, groups: &[&[&[u32]]], weight: f32) -> f64 {
        let mut batch = Batch::default();
        for group in groups {
            // The last common token stays with each text, which predicts its own next one.
            batch.push(group, common_prefix(group, 1).saturating_sub(1));
        }
        let targets = aim(&mut batch, &[]);
        self.learn((&batch, &targets), None, weight)
    }

    /// As [`Trainer::language_loss`], but what the tokens of an answer lose together is what
    /// `loss` says of their probability. All other tokens, those of prompts that are learnt among
    /// them, lose their negative log-likelihood; tokens of answers count once for each answer, those that answers
    /// begin with in common as well.
    ///
    /// # Panics
    /// As [`Trainer::language_loss`], or if a group has not one list of parts per text, a part is
    /// empty, begins a text, or ends beyond it.
    pub fn pass_at_loss(&mut self, groups: &[Answers<'_>], loss: PassAt, weight: f32) -> f64 {
        let mut batch = Batch::default();
        let (mut rows, mut only_read) = (Vec::new(), Vec::new());
        for Answers { texts, parts, learns_prompt } in groups {
            assert_eq!(texts.len(), parts.len(), "every text has its parts");
            let first = parts.iter().flatten().map(|part| part.start).min();
            let shared = common_prefix(texts, 1).min(first.unwrap_or(usize::MAX));
            let shared = shared.saturating_sub(1);
            batch.push(texts, shared);
            let tree = batch.trees.last().expect("it was just added");
            if !learns_prompt {
                only_read.push(tree.root.clone());
            }
            for (branch, parts) in tree.branches.iter().zip(*parts) {
                // A token is predicted by the row before it.
                let row = |token: usize| branch.start + token - shared - 1;
                for part in parts {
                    assert!(part.start > 0 && !part.is_empty(), "a part is behind a token");
                    assert!(row(part.end) < branch.end, "a part is in its text");
                    rows.push(row(part.start)..row(part.end));
                }
            }
        }
        let targets = aim(&mut batch, &only_read);
        for rows in &mut rows {
            let start = batch.read.partition_point(|row| *row < rows.start);
            *rows = start..start + rows.len();
        }
        let limits = (loss.samples.get() > 1).then_some((&rows[..], loss));
        self.learn((&batch, &targets), limits, weight)
    }

    fn learn(&mut self, batch: Aimed<'_>, limits: Option<Limits<'_>>, weight: f32) -> f64 {
        assert_eq!(self.head, super::TrainHead::LanguageModel, "the head predicts tokens");
        match self.precision {
            Precision::F32 => self.learn_in::<f32>(batch, limits, weight),
            Precision::Bf16 | Precision::Int8 => self.learn_in::<u16>(batch, limits, weight),
        }
    }

    fn learn_in<C: Cell>(
        &mut self,
        (batch, targets): Aimed<'_>,
        limits: Option<Limits<'_>>,
        weight: f32,
    ) -> f64 {
        if targets.is_empty() {
            return 0.0;
        }
        let length = |tree: &Tree| {
            tree.root.len() + tree.branches.iter().map(ExactSizeIterator::len).max().unwrap_or(0)
        };
        let positions = batch.trees.iter().map(length).max().unwrap_or(0);
        let mut grads = std::mem::take(&mut self.grads);
        self.memory.tidy();
        let moment = Moment::<C>::new(self, positions);
        let forward = moment.forward(batch);
        let count = targets.len() as f32;
        let reading = Reading { temperature: 1.0, entropy: false, scale: weight / count };
        let rows = (&forward.x[..], targets);
        // Log-probabilities of whole parts come first: the slope of each token rests on them.
        let mut factors = Vec::new();
        let mut less = 0.0;
        if let Some((parts, loss)) = limits {
            let (said, _) = moment.predict(rows, reading, &|_, _| 0.0, None);
            factors.resize(targets.len(), 1.0);
            for part in parts {
                let logprob: f64 = said[part.clone()].iter().map(|said| said.logprob).sum();
                let limited = loss.of_part(logprob, part.len());
                factors[part.clone()].fill(limited.factor);
                less += -logprob - limited.loss;
            }
        }
        let slope = |index: usize, _| -factors.get(index).copied().unwrap_or(1.0);
        let (said, dx) = moment.predict(rows, reading, &slope, Some(&mut grads));
        let nats = -said.iter().map(|said| said.logprob).sum::<f64>() - less;
        moment.backward(batch, forward, dx, &mut grads);
        drop(moment);
        self.grads = grads;
        nats / f64::from(count)
    }
}

/// Which of the rows that are read have one probability, and the loss of that.
type Limits<'a> = (&'a [Range<usize>], PassAt);

/// A batch, and the token that each row of it that is read is to predict.
type Aimed<'a> = (&'a Batch, &'a [u32]);

/// Lets the head read all rows that predict a token, but those of `only_read`, and returns these
/// tokens.
fn aim(batch: &mut Batch, only_read: &[Range<usize>]) -> Vec<u32> {
    let mut targets = vec![None; batch.tokens.len()];
    for tree in &batch.trees {
        for rows in [&tree.root].into_iter().chain(&tree.branches) {
            for row in rows.start + 1..rows.end {
                targets[row - 1] = Some(batch.tokens[row]);
            }
        }
        if let (Some(last), Some(branch)) = (tree.root.clone().last(), tree.branches.first()) {
            targets[last] = Some(batch.tokens[branch.start]);
        }
    }
    for rows in only_read {
        targets[rows.clone()].fill(None);
    }
    let aimed = targets.iter().enumerate().filter(|(_, target)| target.is_some());
    batch.read = aimed.map(|(row, _)| row).collect();
    targets.into_iter().flatten().collect()
}

/// What a row of logits says of the token that came.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// The token's natural log-probability.
    pub logprob: f64,
    /// The entropy of all tokens' probabilities, in nats; 0 unless asked for.
    pub entropy: f64,
}

/// How logits are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// Logits are divided by it.
    pub temperature: f32,
    /// Whether the entropy is wanted.
    pub entropy: bool,
    /// What all gradients are scaled by.
    pub scale: f32,
}

impl<'a, C: Cell> Moment<'a, C> {
    /// What the head says of the rows of `x`, (R, C), and the gradient by `x` of the sum of
    /// `slope(index, said)` times each row's log-probability of its target. Without `grads` no
    /// gradient is computed.
    pub(super) fn predict(
        &self,
        (x, targets): (&[f32], &[u32]),
        reading: Reading,
        slope: &(impl Fn(usize, Said) -> f64 + Sync),
        mut grads: Option<&mut [f32]>,
    ) -> (Vec<Said>, Buffer<'a, f32>) {
        let (c, vocab) = (self.config.hidden, self.config.vocab);
        let head = self.layout.head.as_ref().unwrap_or(&self.layout.embedding);
        let matrix = Both::<C>::of(self.team, self.memory, &self.values[head.clone()], c);
        let mut dx = self.memory.numbers(x.len());
        dx.fill(0.0);
        let mut said = vec![Said::default(); targets.len()];
        // Filled up to what kernels take.
        let stride = matrix.backward.k;
        let blocks = targets.chunks(ROWS).zip(said.chunks_mut(ROWS)).enumerate();
        for (block, (targets, said)) in blocks {
            let first = block * ROWS;
            let rows = first * c..(first + targets.len()) * c;
            let x = &x[rows.clone()];
            let normed = self.normed(x, &self.layout.norm);
            let a = Rows::new(&normed, targets.len(), c);
            let mut logits = self.memory.numbers(targets.len() * vocab);
            matrix.forward.multiply(a, &mut logits, |x| x);
            let mut dlogits = self.memory.cells(targets.len() * stride);
            let items = logits.chunks_mut(vocab).zip(dlogits.chunks_mut(stride));
            let items = items.zip(targets.iter().zip(said).enumerate());
            self.team.each(items, |((logits, out), (row, (target, said)))| {
                out[vocab..].fill(C::default());
                self.team.isa.wide(
                    #[inline(always)]
                    || {
                        *said = match self.team.isa.fuses() {
                            true => read::<true>(logits, *target as usize, reading),
                            false => read::<false>(logits, *target as usize, reading),
                        };
                        let slope =
                            (slope(first + row, *said) / f64::from(reading.temperature)) as f32;
                        let cells = out.iter_mut().zip(&*logits);
                        cells.for_each(|(out, x)| *out = C::round(*x * slope));
                    },
                );
            });
            let Some(grads) = grads.as_deref_mut() else { continue };
            let mut dnormed = self.memory.numbers(x.len());
            let a = Rows::new(&dlogits, targets.len(), stride);
            // Small gradients keep their digits in the products and are scaled behind them.
            matrix.backward.multiply(
                a,
                &mut dnormed,
                #[inline(always)]
                |x| x * reading.scale,
            );
            self.norm_backward((x, &self.layout.norm), &dnormed, &mut dx[rows], grads);
            let write = |out: &mut [f32], sums: &[f32]| {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum * reading.scale);
            };
            let grad = &mut grads[head.clone()];
            self.add_weight_gradient(&dlogits, (&normed, c), grad, write);
        }
        (said, dx)
    }
}

/// What the logits say of `target`; the gradient of its log-probability by the logits, over the
/// temperature, takes their place.
#[inline(always)]
fn read<const FUSED: bool>(logits: &mut [f32], target: usize, reading: Reading) -> Said {
    if reading.temperature != 1.0 {
        let inverse = 1.0 / reading.temperature;
        logits.iter_mut().for_each(|logit| *logit *= inverse);
    }
    let max = largest(logits);
    let lead = f64::from(logits[target] - max);
    let leads: Vec<f32> = match reading.entropy {
        true => logits.iter().map(|logit| *logit - max).collect(),
        false => Vec::new(),
    };
    logits.iter_mut().for_each(|logit| *logit = exp::<FUSED>(*logit - max));
    let sum = sum(logits);
    let scale = -1.0 / sum;
    logits.iter_mut().for_each(|x| *x *= scale);
    let log = f64::from(sum).ln();
    let entropy = if reading.entropy { log + f64::from(dot(logits, &leads)) } else { 0.0 };
    logits[target] += 1.0;
    Said { logprob: lead - log, entropy }
}
