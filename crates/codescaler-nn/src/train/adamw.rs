//! The optimiser and its schedule.

use super::gemm::Team;
use super::layout::Tensor;

/// AdamW: decoupled weight decay (arXiv:1711.05101, algorithm 2), with the bias corrections and
/// the order of operations of PyTorch's `torch.optim.AdamW`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Decay rates of the first and the second moment.
    pub betas: (f32, f32),
    /// Added to the square root of the second moment.
    pub eps: f32,
    /// Of matrices, at the common rate, whatever a parametrization makes of it for a tensor;
    /// vectors do not decay.
    pub weight_decay: f32,
    /// Gradients are scaled down to this Euclidean norm.
    pub clip: f32,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { betas: (0.9, 0.95), eps: 1e-8, weight_decay: 0.1, clip: 1.0 }
    }
}

/// A learning rate that rises linearly and falls as a half cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The largest rate.
    pub peak: f32,
    /// Steps until it is reached.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
    /// The last rate, as a share of the largest.
    pub end: f32,
}

impl Schedule {
    /// The rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f32 {
        if step < self.warmup {
            return self.peak * (step + 1) as f32 / self.warmup as f32;
        }
        let span = self.steps.saturating_sub(self.warmup).max(1);
        let done = ((step - self.warmup) as f32 / span as f32).min(1.0);
        let cosine = f32::midpoint(1.0, (std::f32::consts::PI * done).cos());
        self.peak * (self.end + (1.0 - self.end) * cosine)
    }
}

/// Moments of every parameter.
pub(crate) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// Numbers that one thread takes at a time; sums over gradients are by such pieces.
const PIECE: usize = 1 << 14;

/// The Euclidean norm, the same whatever the number of threads.
pub(crate) fn norm(team: Team, x: &[f32]) -> f64 {
    let mut squares = vec![0.0; x.len().div_ceil(PIECE)];
    team.each(squares.iter_mut().zip(x.chunks(PIECE)), |(square, x)| {
        *square = team.isa.wide(
            #[inline(always)]
            || {
                // Sums side by side, which do not wait for one another.
                let mut lanes = [0.0_f64; 32];
                for x in x.chunks(lanes.len()) {
                    lanes
                        .iter_mut()
                        .zip(x)
                        .for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
                }
                lanes.iter().sum()
            },
        );
    });
    squares.iter().sum::<f64>().sqrt()
}

impl AdamW {
    /// Update number `step`, counted from 1. Returns the norm of the gradients before clipping, and
    /// leaves zeros in their place.
    pub(crate) fn update(
        &self,
        team: Team,
        (tensors, values): (&[Tensor], &mut [f32]),
        (grads, moments): (&mut [f32], &mut Moments),
        (step, rate): (u64, f32),
    ) -> f64 {
        let norm = norm(team, grads);
        let scale = (f64::from(self.clip) / (norm + 1e-6)).min(1.0) as f32;
        let (beta1, beta2) = self.betas;
        let power = i32::try_from(step).unwrap_or(i32::MAX);
        let correction1 = 1.0 - f64::from(beta1).powi(power);
        let correction2 = (1.0 - f64::from(beta2).powi(power)).sqrt() as f32;
        for tensor in tensors {
            let step_size = (f64::from(rate) * f64::from(tensor.rate) / correction1) as f32;
            let keep = if tensor.decays() { 1.0 - rate * self.weight_decay } else { 1.0 };
            let range = tensor.range.clone();
            let pieces = values[range.clone()].chunks_mut(PIECE);
            let pieces = pieces.zip(grads[range.clone()].chunks_mut(PIECE));
            let moments = moments.first[range.clone()]
                .chunks_mut(PIECE)
                .zip(moments.second[range].chunks_mut(PIECE));
            team.each(pieces.zip(moments), |((values, grads), (first, second))| {
                team.isa.wide(
                    #[inline(always)]
                    || {
                        let moments = first.iter_mut().zip(second);
                        for ((x, g), (m, v)) in values.iter_mut().zip(grads).zip(moments) {
                            let g = std::mem::take(g) * scale;
                            *m = *m * beta1 + g * (1.0 - beta1);
                            *v = *v * beta2 + g * g * (1.0 - beta2);
                            let denominator = v.sqrt() / correction2 + self.eps;
                            *x = *x * keep - step_size * *m / denominator;
                        }
                    },
                );
            });
        }
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let schedule = Schedule { peak: 1.0, warmup: 4, steps: 12, end: 0.1 };
        let table = [(0, 0.25), (3, 1.0), (4, 1.0), (8, 0.55), (12, 0.1), (100, 0.1)];
        for (step, want) in table {
            assert!((schedule.rate(step) - want).abs() < 1e-6, "{step}");
        }
    }
}
