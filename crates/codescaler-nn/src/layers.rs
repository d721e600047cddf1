//! The layers between the matrix products, each a function on slices.
//!
//! Written so that the compiler can use wide vectors without changing a bit: sums keep
//! [`LANES`] partial sums by index, products and sums are never fused.

/// Partial sums of every reduction. Fixed, so that each instruction set adds in the same order.
const LANES: usize = 16;

/// `out = x / sqrt(mean(x^2) + eps) * weight` (RMSNorm, arXiv:1910.07467).
#[inline(always)]
pub(crate) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let scale = rms_scale(x, eps);
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

/// [`rms_norm`] in place.
#[inline(always)]
pub(crate) fn rms_norm_in_place(x: &mut [f32], weight: &[f32], eps: f32) {
    let scale = rms_scale(x, eps);
    for (x, weight) in x.iter_mut().zip(weight) {
        *x = *x * scale * weight;
    }
}

#[inline(always)]
fn rms_scale(x: &[f32], eps: f32) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += x * x;
    }
    1.0 / (sum_lanes(sums) / x.len() as f32 + eps).sqrt()
}

/// Rotates one head: pair `i` is (`x[i]`, `x[i + D/2]`), turned by the angle whose cosine and
/// sine are `cos[i]` and `sin[i]` (arXiv:2104.09864, in Hugging Face's half-split order).
#[inline(always)]
pub(crate) fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = x.split_at_mut(x.len() / 2);
    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
    }
}

/// `out = silu(gate) * up` (SwiGLU, arXiv:2002.05202).
#[inline(always)]
pub(crate) fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp(-gate)) * up;
    }
}

/// One step of a softmax over blocks of keys (FlashAttention, arXiv:2205.14135, algorithm 1).
///
/// `scores` are the raw products of one query with one block of keys; only the first `visible`
/// count, at least one. They become weights relative to the largest score so far, and `state`
/// takes them in. Returns the factor for what was summed up with the weights before.
#[inline(always)]
pub(crate) fn softmax_step(
    scores: &mut [f32],
    visible: usize,
    scale: f32,
    state: &mut SoftmaxState,
) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    for (index, score) in scores.iter_mut().enumerate() {
        *score = if index < visible { *score * scale } else { f32::NEG_INFINITY };
    }
    for chunk in scores.as_chunks::<LANES>().0 {
        for (largest, score) in largest.iter_mut().zip(chunk) {
            *largest = if *score > *largest { *score } else { *largest };
        }
    }
    let max = largest.into_iter().fold(state.max, f32::max);
    let mut sums = [0.0; LANES];
    for chunk in scores.as_chunks_mut::<LANES>().0 {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = exp(*score - max);
            *sum += *score;
        }
    }
    let factor = exp(state.max - max);
    *state = SoftmaxState { max, sum: state.sum * factor + sum_lanes(sums) };
    factor
}

/// What a softmax over blocks remembers of the blocks before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoftmaxState {
    max: f32,
    /// The sum of all weights, relative to `max`.
    pub sum: f32,
}

impl SoftmaxState {
    pub(crate) const EMPTY: Self = Self { max: f32::NEG_INFINITY, sum: 0.0 };
}

#[inline(always)]
fn sum_lanes(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut width = LANES / 2;
    while width > 0 {
        for index in 0..width {
            lanes[index] += lanes[index + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// `e^x` with a relative error below 2e-7; exactly 0 below -87, and `e^88` above 88.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`, `e^r` by its Taylor polynomial of degree 7.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// `ln 2` in two parts; the first has few digits, so that `n * LN2_HIGH` is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    /// Adding and subtracting this rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > 88.0 { 88.0 } else { x };
    let clamped = if clamped > -87.0 { clamped } else { -87.0 };
    let n = (clamped * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = p * r + coefficient;
    }
    let power = f32::from_bits((n as i32 + 127).cast_unsigned() << 23);
    if x > -87.0 { p * power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_the_library() {
        for step in -86_990..=87_990 {
            let x = step as f32 / 1000.0;
            let want = f64::from(x).exp();
            let error = (f64::from(exp(x)) - want).abs() / want;
            assert!(error < 2e-7, "exp({x}) is off by {error}");
        }
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }

    #[test]
    fn softmax_by_blocks_is_softmax() {
        let scores: Vec<f32> = (0..48).map(|i| ((i * 37) % 48) as f32 - 20.0).collect();
        let mut state = SoftmaxState::EMPTY;
        let mut weights: Vec<f32> = Vec::new();
        for block in scores.chunks(16) {
            let mut block = block.to_vec();
            let factor = softmax_step(&mut block, 16, 0.5, &mut state);
            weights.iter_mut().for_each(|w| *w *= factor);
            weights.extend(block);
        }
        let sum: f64 = scores.iter().map(|s| f64::from(*s * 0.5).exp()).sum();
        for (weight, score) in weights.iter().zip(&scores) {
            let want = f64::from(score * 0.5).exp() / sum;
            assert!((f64::from(weight / state.sum) - want).abs() < 1e-7);
        }
    }
}
