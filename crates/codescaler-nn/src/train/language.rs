//! Next-token prediction.

use super::Trainer;
use super::buffers::Buffer;
use super::gemm::set;
use super::network::{Batch, Both, Moment};
use crate::attention::Cell;
use crate::item::common_prefix;
use crate::kernel::{Precision, Rows};
use crate::layers::{exp, largest, sum};

/// Rows whose logits exist at the same time.
const ROWS: usize = 1024;

impl Trainer {
    /// Mean negative log-likelihood (nats) of every token but the first of each text; tokens that
    /// all texts of a group begin with are computed, and count, once. Its gradient times `weight`
    /// is added up for [`Trainer::update`].
    ///
    /// # Panics
    /// If the trainer has no language-model head, or a token is beyond the vocabulary.
    pub fn language_loss(&mut self, groups: &[&[&[u32]]], weight: f32) -> f64 {
        match self.precision {
            Precision::F32 => self.language_loss_in::<f32>(groups, weight),
            Precision::Bf16 | Precision::Int8 => self.language_loss_in::<u16>(groups, weight),
        }
    }

    fn language_loss_in<C: Cell>(&mut self, groups: &[&[&[u32]]], weight: f32) -> f64 {
        assert_eq!(self.head, super::TrainHead::LanguageModel, "the head predicts tokens");
        let mut batch = Batch::default();
        for group in groups {
            // The last common token stays with each text, which predicts its own next one.
            batch.push(group, common_prefix(group, 1).saturating_sub(1));
        }
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
        let lengths = groups.iter().flat_map(|group| group.iter()).map(|text| text.len());
        let positions = lengths.max().unwrap_or(0);
        let mut grads = std::mem::take(&mut self.grads);
        self.memory.tidy();
        let moment = Moment::<C>::new(self, positions);
        let forward = moment.forward(&batch);
        let (loss, mut dx) = moment.predict(&forward.x, &targets, weight, &mut grads);
        moment.backward(&batch, forward, &mut dx, &mut grads);
        drop((moment, dx));
        self.grads = grads;
        loss
    }
}

impl<'a, C: Cell> Moment<'a, C> {
    /// The mean loss of the rows with a target, and its gradient by `x`, (T, C), times `weight`.
    fn predict(
        &self,
        x: &[f32],
        targets: &[Option<u32>],
        weight: f32,
        grads: &mut [f32],
    ) -> (f64, Buffer<'a, f32>) {
        let (c, vocab) = (self.config.hidden, self.config.vocab);
        let head = self.layout.head.as_ref().unwrap_or(&self.layout.embedding);
        let matrix = Both::<C>::of(self.team, self.memory, &self.values[head.clone()], c);
        let count = targets.iter().flatten().count().max(1) as f32;
        let mut dx = self.memory.numbers(x.len());
        dx.fill(0.0);
        let mut sum = 0.0;
        // Filled up to what kernels take.
        let stride = matrix.backward.k;
        for (block, targets) in targets.chunks(ROWS).enumerate() {
            let rows = block * ROWS * c..(block * ROWS + targets.len()) * c;
            let x = &x[rows.clone()];
            let normed = self.normed(x, &self.layout.norm);
            let a = Rows::new(&normed, targets.len(), c);
            let mut logits = self.memory.numbers(targets.len() * vocab);
            matrix.forward.multiply(a, &mut logits, set);
            let mut dlogits = self.memory.cells(targets.len() * stride);
            let mut losses = vec![0.0; targets.len()];
            let items = logits.chunks_mut(vocab).zip(dlogits.chunks_mut(stride));
            let items = items.zip(targets.iter().zip(&mut losses));
            self.team.each(items, |((logits, out), (target, loss))| {
                out[vocab..].fill(C::default());
                let Some(target) = target.map(|target| target as usize) else {
                    out.fill(C::default());
                    return;
                };
                self.team.isa.wide(
                    #[inline(always)]
                    || {
                        *loss = match self.team.isa.fuses() {
                            true => cross_entropy::<true>(logits, target),
                            false => cross_entropy::<false>(logits, target),
                        };
                        out.iter_mut().zip(&*logits).for_each(|(out, x)| *out = C::round(*x));
                    },
                );
            });
            sum += losses.iter().sum::<f64>();
            let mut dnormed = self.memory.numbers(x.len());
            let a = Rows::new(&dlogits, targets.len(), stride);
            matrix.backward.multiply(a, &mut dnormed, set);
            // Small gradients keep their digits in the products and are scaled here.
            let scale = weight / count;
            dnormed.iter_mut().for_each(|x| *x *= scale);
            self.norm_backward((x, &self.layout.norm), &dnormed, &mut dx[rows], grads);
            let write = |out: &mut [f32], sums: &[f32]| {
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum * scale);
            };
            let grad = &mut grads[head.clone()];
            self.add_weight_gradient(&dlogits, (&normed, c), grad, write);
        }
        (sum / f64::from(count), dx)
    }
}

/// `-log softmax(logits)[target]`; its gradient takes the logits' place.
#[inline(always)]
fn cross_entropy<const FUSED: bool>(logits: &mut [f32], target: usize) -> f64 {
    let max = largest(logits);
    let lead = f64::from(logits[target] - max);
    logits.iter_mut().for_each(|logit| *logit = exp::<FUSED>(*logit - max));
    let sum = sum(logits);
    let scale = 1.0 / sum;
    logits.iter_mut().for_each(|x| *x *= scale);
    logits[target] -= 1.0;
    f64::from(sum).ln() - lead
}
