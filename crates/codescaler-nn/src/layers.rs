//! The layers between the matrix products, each a function on slices.
//!
//! Written so that the compiler can use wide vectors without changing a bit: sums keep
//! [`LANES`] partial sums by index, and a product and a sum are one operation only where `FUSED`
//! says so ([`Isa::fuses`]).

#[cfg(doc)]
use crate::kernel::Isa;

use crate::attention::Cell;

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

/// The gradient of [`rms_norm`]: added to `dx` and `dweight`, given that of its output.
#[inline(always)]
pub(crate) fn rms_norm_backward(
    (x, weight, eps): (&[f32], &[f32], f32),
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
) {
    let scale = rms_scale(x, eps);
    let mut dot = [0.0; LANES];
    for ((x, dy), weight) in x.chunks(LANES).zip(dy.chunks(LANES)).zip(weight.chunks(LANES)) {
        for (((dot, x), dy), weight) in dot.iter_mut().zip(x).zip(dy).zip(weight) {
            *dot += x * dy * weight;
        }
    }
    let along = scale * scale * scale * sum_lanes(dot) / x.len() as f32;
    let gradients = dx.iter_mut().zip(dweight);
    for (((dx, dweight), (x, dy)), weight) in gradients.zip(x.iter().zip(dy)).zip(weight) {
        *dx += scale * weight * dy - along * x;
        *dweight += dy * x * scale;
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

/// Turns one head back: the inverse of [`rotate`], and so its gradient.
#[inline(always)]
pub(crate) fn rotate_back(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = x.split_at_mut(x.len() / 2);
    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*low, *high) = (*low * cos + *high * sin, *high * cos - *low * sin);
    }
}

/// `out = silu(gate) * up` (SwiGLU, arXiv:2002.05202).
#[inline(always)]
pub(crate) fn swiglu<const FUSED: bool>(gate: &[f32], up: &[f32], out: &mut [f32]) {
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp::<FUSED>(-gate)) * up;
    }
}

/// The gradients of [`swiglu`] by `gate` and `up`, given that of its output.
#[inline(always)]
pub(crate) fn swiglu_backward<const FUSED: bool>(gate: f32, up: f32, dy: f32) -> (f32, f32) {
    let sigmoid = 1.0 / (1.0 + exp::<FUSED>(-gate));
    let silu = gate * sigmoid;
    (dy * up * (sigmoid + silu * (1.0 - sigmoid)), dy * silu)
}

/// One step of a softmax to the base of 2 over blocks of keys (FlashAttention, arXiv:2205.14135,
/// algorithm 1).
///
/// `scores` are the products of one query with one block of keys; only the first `visible` count,
/// at least one. `weights` are what becomes of them relative to the largest score so far, and
/// `state` takes them in. Returns the factor for what was summed up with the weights before.
#[inline(always)]
pub(crate) fn softmax_step<C: Cell, const FUSED: bool>(
    scores: &mut [f32],
    weights: &mut [C],
    visible: usize,
    state: &mut SoftmaxState,
) -> f32 {
    if visible < scores.len() {
        scores[visible..].fill(f32::NEG_INFINITY);
    }
    let max = state.max.max(largest(scores));
    let mut sums = [0.0; LANES];
    let chunks = scores.as_chunks::<LANES>().0.iter().zip(weights.as_chunks_mut::<LANES>().0);
    for (scores, weights) in chunks {
        for ((sum, score), weight) in sums.iter_mut().zip(scores).zip(weights) {
            *weight = C::round(exp2::<FUSED>(*score - max));
            // What is added up is what values are multiplied with, so that weights make a mean.
            *sum += weight.widen();
        }
    }
    let factor = exp2::<FUSED>(state.max - max);
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

/// The sum of the products, in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut add = |a: &[f32], b: &[f32]| {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    };
    a.iter().zip(b).for_each(|(a, b)| add(a, b));
    add(a_rest, b_rest);
    sum_lanes(sums)
}

/// The largest of all numbers, none of which is NaN.
#[inline(always)]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let mut largest = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut take = |x: &[f32]| {
        for (largest, x) in largest.iter_mut().zip(x) {
            *largest = if *x > *largest { *x } else { *largest };
        }
    };
    chunks.iter().for_each(|chunk| take(chunk));
    take(rest);
    fold_lanes(largest, f32::max)
}

/// The sum of all numbers, in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut add = |x: &[f32]| sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
    chunks.iter().for_each(|chunk| add(chunk));
    add(rest);
    sum_lanes(sums)
}

#[inline(always)]
fn sum_lanes(lanes: [f32; LANES]) -> f32 {
    fold_lanes(lanes, |a, b| a + b)
}

/// Halves until one is left.
#[inline(always)]
fn fold_lanes(mut lanes: [f32; LANES], with: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for index in 0..width {
            lanes[index] = with(lanes[index], lanes[index + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Added to a small number, it leaves the nearest integer in the lowest bits.
const ROUND: f32 = 12_582_912.0;

/// `e^x` with a relative error below 2e-7; exactly 0 below -87, and `e^88` above 88.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// `ln 2` in two parts; the first has few digits, so that `n * LN2_HIGH` is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    let clamped = if x > 88.0 { 88.0 } else { x };
    let clamped = if clamped > -87.0 { clamped } else { -87.0 };
    let rounded = multiply_add::<FUSED>(clamped, LOG2_E, ROUND);
    let n = rounded - ROUND;
    let rest = multiply_add::<FUSED>(n, -LN2_LOW, multiply_add::<FUSED>(n, -LN2_HIGH, clamped));
    let power = power_of_two::<FUSED>(rounded, rest * LOG2_E);
    if x > -87.0 { power } else { 0.0 }
}

/// `2^x` for `x` up to 127 with a relative error below 1e-7; what lies below -126 becomes a
/// subnormal or 0.
#[inline(always)]
fn exp2<const FUSED: bool>(x: f32) -> f32 {
    let clamped = if x < -127.0 { -127.0 } else { x };
    let rounded = clamped + ROUND;
    power_of_two::<FUSED>(rounded, clamped - (rounded - ROUND))
}

/// `2^(n + f)` where `rounded` is `n + ROUND` and `|f| <= 1/2`: a polynomial fitted for the least
/// relative error (1.6e-8), 1 where `f` is 0, with `n` added to its exponent.
#[inline(always)]
fn power_of_two<const FUSED: bool>(rounded: f32, f: f32) -> f32 {
    let mut p = 1.534_581_2e-4;
    for coefficient in
        [1.339_993_1e-3, 9.618_489e-3, 5.550_328_6e-2, 2.402_264_6e-1, std::f32::consts::LN_2, 1.0]
    {
        p = multiply_add::<FUSED>(p, f, coefficient);
    }
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_exp<const FUSED: bool>() {
        for step in -86_990..=87_990 {
            let x = step as f32 / 1000.0;
            let off = |got: f32, want: f64| (f64::from(got) - want).abs() / want;
            let error = off(exp::<FUSED>(x), f64::from(x).exp());
            assert!(error < 2e-7, "exp({x}) is off by {error}");
            let error = off(exp2::<FUSED>(x), f64::from(x).exp2());
            assert!(error < 1e-7, "exp2({x}) is off by {error}");
        }
        assert_eq!([exp::<FUSED>(0.0), exp2::<FUSED>(0.0)], [1.0, 1.0]);
        assert_eq!([exp::<FUSED>(f32::NEG_INFINITY), exp2::<FUSED>(f32::NEG_INFINITY)], [0.0; 2]);
    }

    #[test]
    fn powers_agree_with_the_library() {
        check_exp::<false>();
        check_exp::<true>();
    }

    #[test]
    fn softmax_by_blocks_is_softmax() {
        let scores: Vec<f32> = (0..48).map(|i| ((i * 37) % 48) as f32 - 20.0).collect();
        let mut state = SoftmaxState::EMPTY;
        let mut weights: Vec<f32> = Vec::new();
        for (block, visible) in scores.chunks(16).zip([16, 16, 9]) {
            let mut next = [0.0; 16];
            let factor =
                softmax_step::<_, false>(&mut block.to_vec(), &mut next, visible, &mut state);
            weights.iter_mut().for_each(|w| *w *= factor);
            weights.extend(next);
        }
        let seen = &scores[..41];
        let sum: f64 = seen.iter().map(|s| f64::from(*s).exp2()).sum();
        for (weight, score) in weights.iter().zip(seen) {
            let want = f64::from(*score).exp2() / sum;
            assert!((f64::from(weight / state.sum) - want).abs() < 1e-7);
        }
        assert_eq!(weights[41..], [0.0; 7]);
    }
}
