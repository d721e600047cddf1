//! Low-rank adapters (LoRA, arXiv:2106.09685): matrices W stay as they are and learn a product of
//! two thin ones, `W + alpha / rank * B A`.
//!
//! The sum is made after every update, so that forward and backward pass are those of full
//! training and what is exported are whole weights. Spared are the moments of the optimiser, and
//! overfitting; not the gradients of whole matrices.

use std::ops::Range;

use super::Trainer;
use super::adamw::{AdamW, Moments};
use super::gemm::{Team, add};
use super::layout::{SCORE, Tensor};
use crate::layers::dot;
use crate::sample::uniform;

/// How an adapter is shaped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lora {
    /// The inner width of the product.
    pub rank: usize,
    /// The product is scaled by `alpha / rank`.
    pub alpha: f32,
}

/// What is learnt in place of the decoder's own parameters.
pub(crate) struct Adapters {
    scale: f32,
    matrices: Vec<Adapted>,
    /// Where a score head stands in the decoder's parameters and here: it is learnt in full.
    head: Option<[Range<usize>; 2]>,
    /// What stands in `values`.
    pub tensors: Vec<Tensor>,
    pub values: Vec<f32>,
    grads: Vec<f32>,
    /// The decoder's parameters before.
    base: Vec<f32>,
}

/// One matrix W, (N, K), with A, (rank, K), and B, (N, rank).
struct Adapted {
    w: Range<usize>,
    a: Range<usize>,
    b: Range<usize>,
    rank: usize,
    k: usize,
}

impl Trainer {
    /// From now on trains adapters of all projections, and the score head; everything else stays.
    /// A begins uniform in ±1/√K and B at zero, as in `peft`, so that nothing changes yet.
    ///
    /// # Panics
    /// If updates were made before, or the rank is 0.
    pub fn adapt(&mut self, lora: Lora, seed: u64) {
        assert!(self.step == 0 && lora.rank > 0, "adapters come before the first update");
        let mut adapters = Adapters {
            scale: lora.alpha / lora.rank as f32,
            matrices: Vec::new(),
            head: None,
            tensors: Vec::new(),
            values: Vec::new(),
            grads: Vec::new(),
            base: self.values.clone(),
        };
        for (index, tensor) in self.layout.tensors.iter().enumerate() {
            let w = tensor.range.clone();
            if tensor.name == SCORE {
                let own = adapters.push(SCORE, &tensor.shape);
                adapters.values[own.clone()].copy_from_slice(&self.values[w.clone()]);
                adapters.head = Some([w, own]);
            } else if let (Some(name), &[n, k]) =
                (tensor.name.strip_suffix("_proj.weight"), &tensor.shape[..])
            {
                let a = adapters.push(&format!("{name}_proj.lora_A.weight"), &[lora.rank, k]);
                let b = adapters.push(&format!("{name}_proj.lora_B.weight"), &[n, lora.rank]);
                let bound = 1.0 / (k as f32).sqrt();
                for (at, value) in adapters.values[a.clone()].iter_mut().enumerate() {
                    let number = uniform([seed, index as u64, at as u64]) as f32;
                    *value = bound * (2.0 * number - 1.0);
                }
                adapters.matrices.push(Adapted { w, a, b, rank: lora.rank, k });
            }
        }
        adapters.grads = vec![0.0; adapters.values.len()];
        let zeros = || vec![0.0; adapters.values.len()];
        self.moments = Moments { first: zeros(), second: zeros() };
        self.adapters = Some(adapters);
    }
}

impl Adapters {
    fn push(&mut self, name: &str, shape: &[usize]) -> Range<usize> {
        let start = self.values.len();
        self.values.resize(start + shape.iter().product::<usize>(), 0.0);
        let range = start..self.values.len();
        self.tensors.push(Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            range: range.clone(),
            rate: 1.0,
        });
        range
    }

    /// An update of the adapters, given the gradients of the decoder's parameters, `values`, which
    /// follow. Returns the norm of the adapters' gradients before clipping.
    pub(crate) fn update(
        &mut self,
        team: Team,
        (optimizer, moments): (&AdamW, &mut Moments),
        (values, grads): (&mut [f32], &[f32]),
        at: (u64, f32),
    ) -> f64 {
        self.take_gradients(team, grads);
        let own = (&self.tensors[..], &mut self.values[..]);
        let norm = optimizer.update(team, own, (&mut self.grads, moments), at);
        self.merge(team, values);
        norm
    }

    /// The gradients of A, `B^T dW`, and of B, `dW A^T`, both scaled.
    pub(crate) fn take_gradients(&mut self, team: Team, grads: &[f32]) {
        let scale = self.scale;
        for Adapted { w, a, b, rank, k } in &self.matrices {
            let dw = &grads[w.clone()];
            let (a_values, b_values) = (&self.values[a.clone()], &self.values[b.clone()]);
            team.each(self.grads[a.clone()].chunks_mut(*k).enumerate(), |(row, da)| {
                team.isa.wide(
                    #[inline(always)]
                    || {
                        da.fill(0.0);
                        for (dw, b) in dw.chunks(*k).zip(b_values.chunks(*rank)) {
                            let b = b[row] * scale;
                            da.iter_mut().zip(dw).for_each(|(da, dw)| *da += b * dw);
                        }
                    },
                );
            });
            let rows = self.grads[b.clone()].chunks_mut(*rank).zip(dw.chunks(*k));
            team.each(rows, |(db, dw)| {
                team.isa.wide(
                    #[inline(always)]
                    || {
                        let rows = db.iter_mut().zip(a_values.chunks(*k));
                        rows.for_each(|(db, a)| *db = scale * dot(dw, a));
                    },
                );
            });
        }
        if let Some([theirs, own]) = &self.head {
            self.grads[own.clone()].copy_from_slice(&grads[theirs.clone()]);
        }
    }

    /// The decoder's parameters with the adapters added.
    pub(crate) fn merge(&self, team: Team, values: &mut [f32]) {
        for Adapted { w, a, b, rank, k } in &self.matrices {
            let a = &self.values[a.clone()];
            let rows = values[w.clone()].chunks_mut(*k).zip(self.base[w.clone()].chunks(*k));
            let rows = rows.zip(self.values[b.clone()].chunks(*rank));
            team.each(rows, |((w, base), b)| {
                team.isa.wide(
                    #[inline(always)]
                    || {
                        w.fill(0.0);
                        for (b, a) in b.iter().zip(a.chunks(*k)) {
                            let b = b * self.scale;
                            w.iter_mut().zip(a).for_each(|(w, a)| *w += b * a);
                        }
                        add(w, base);
                    },
                );
            });
        }
        if let Some([theirs, own]) = &self.head {
            values[theirs.clone()].copy_from_slice(&self.values[own.clone()]);
        }
    }

    #[cfg(test)]
    pub(crate) fn grads(&self) -> &[f32] {
        &self.grads
    }
}
