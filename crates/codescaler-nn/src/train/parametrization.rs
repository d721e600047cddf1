//! What parameters start from and how fast each of them learns.

use super::layout::{SCORE, Tensor};
use crate::config::DecoderConfig;
use crate::network::{EMBEDDING, LM_HEAD};

/// How first weights and learning rates depend on a decoder's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parametrization {
    /// Matrices normal with deviation 0.02, those that write to the residual stream narrower by
    /// the root of twice the layers (GPT-2), norms 1, biases and the score head 0; one rate for
    /// all. The best rate falls with the width.
    Standard,
    /// u-μP (arXiv:2407.17465): a rate that is best for a small width is best for larger
    /// ones. There, weights start with deviation 1, products are divided by the root of the
    /// fan-in (the head's by the fan-in), and rates by the root of the fan-in (the embedding's by
    /// that of the width, the head's by 1), those of blocks by the root of the layers as well.
    /// Adam does not see the scale of a gradient, so that a factor A on a product, a deviation B
    /// and a rate C do the same as no factor, deviation AB and rate AC: with these the decoder
    /// stays a plain Qwen3.
    ///
    /// Every block adds to the residual stream by one over the root of the layers, which is the
    /// paper's rule with both of its ratios 1, its scales of the stream taken out: norms do not
    /// see them. Norms stay 1, as in the paper, which found that trained gains do not transfer;
    /// biases learn at the rate of its release.
    ///
    /// Left out is what does not depend on the width: constants of activations, and attention
    /// divided by the head's width in place of its root, which with norms of queries and keys
    /// would bound what attention can prefer. Gradients are clipped by the norm of the plain ones.
    UnitScaled,
}

/// Where a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Start {
    /// All numbers the same.
    Constant(f32),
    /// Normal around 0 with this deviation.
    Normal(f32),
}

impl Parametrization {
    /// Where a tensor starts, and what the learning rate is multiplied with for it.
    pub(super) fn of(self, tensor: &Tensor, config: &DecoderConfig) -> (Start, f32) {
        let is_norm = tensor.name.ends_with("norm.weight");
        let writes = [".o_proj.weight", ".down_proj.weight"];
        let writes = writes.iter().any(|end| tensor.name.ends_with(end));
        let layers = config.layers as f32;
        match self {
            Parametrization::Standard => {
                let narrow = 1.0 / (2.0 * layers).sqrt();
                let start = if is_norm {
                    Start::Constant(1.0)
                } else if tensor.decays() && tensor.name != SCORE {
                    Start::Normal(if writes { 0.02 * narrow } else { 0.02 })
                } else {
                    Start::Constant(0.0)
                };
                (start, 1.0)
            }
            Parametrization::UnitScaled => {
                let depth = 1.0 / layers.sqrt();
                let fan_in = *tensor.shape.last().expect("tensors have shapes") as f32;
                if is_norm {
                    (Start::Constant(1.0), 0.0)
                } else if tensor.name == EMBEDDING {
                    // Of what a row of it becomes; its fan-in is one token.
                    (Start::Normal(1.0), 1.0 / fan_in.sqrt())
                } else if tensor.name == LM_HEAD {
                    (Start::Normal(1.0 / fan_in), 1.0 / fan_in)
                } else if tensor.name == SCORE {
                    (Start::Constant(0.0), 1.0 / fan_in)
                } else if !tensor.decays() {
                    (Start::Constant(0.0), depth)
                } else {
                    let product = if writes { depth } else { 1.0 } / fan_in.sqrt();
                    (Start::Normal(product), product * depth / fan_in.sqrt())
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
