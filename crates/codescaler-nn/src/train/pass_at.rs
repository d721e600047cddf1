//! Cross-entropy that stops where more confidence no longer helps best-of-N.

use std::num::NonZeroU32;
use std::ops::Range;

/// The loss `-ln(1 - (1 - p)^N)`: minus the log of the chance that one of N samples is the answer
/// that is learnt, which the answer is drawn with probability p (direct coverage optimization,
/// arXiv:2502.07154). With N = 1 it is cross-entropy.
///
/// Its gradient is that of cross-entropy times `N p (1 - p)^(N - 1) / (1 - (1 - p)^N)`: near 1 for
/// an answer that N samples are not likely to hit, near 0 for one that they hit anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PassAt {
    /// N: how many samples will be drawn of the policy.
    pub samples: NonZeroU32,
    /// What p is the probability of.
    pub of: Confidence,
}

/// What the confidence of a policy is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// The whole answer: the paper's. Only so is the loss that of pass@N; but a long program has a
    /// p of nearly 0 until it is known by heart, and is learnt by cross-entropy until then.
    Answer,
    /// Each line of the answer by itself, as the paper does with steps of proofs: N samples of
    /// every line.
    Line,
    /// The whole answer, with the geometric mean of its tokens' probabilities as p, and the loss
    /// times their number. Ours, not the paper's: N samples of a typical token.
    TokenMean,
}

impl Confidence {
    /// The parts of an answer that each have a p: tokens `answer` of a text, whose lines end with
    /// the tokens for which `ends_line` holds.
    pub fn parts(
        self,
        answer: Range<usize>,
        ends_line: impl Fn(usize) -> bool,
    ) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = answer.start;
        for token in answer.clone() {
            let ends = match self {
                Confidence::Line => ends_line(token),
                Confidence::Answer | Confidence::TokenMean => false,
            };
            if ends || token + 1 == answer.end {
                parts.push(start..token + 1);
                start = token + 1;
            }
        }
        parts
    }
}

/// What the loss says of one part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limited {
    /// The loss, in nats.
    pub loss: f64,
    /// What the gradient of cross-entropy is multiplied with, from 0 to 1.
    pub factor: f64,
}

impl PassAt {
    /// The loss of a part of so many tokens, whose log-probabilities have this sum.
    pub(super) fn of_part(self, logprob: f64, tokens: usize) -> Limited {
        let over = match self.of {
            Confidence::Answer | Confidence::Line => 1.0,
            Confidence::TokenMean => tokens.max(1) as f64,
        };
        let one = limited(logprob / over, self.samples);
        Limited { loss: one.loss * over, factor: one.factor }
    }
}

/// Below this log-probability 1 - (1 - p)^N is N p to the last digit, for every N below 2^32.
const TINY: f64 = -80.0;

/// The loss of log-probability `a`, without 1 - p or (1 - p)^N ever being rounded to 1: where the
/// reference takes p below 1e-6 for 0, nothing is cut off here.
fn limited(a: f64, samples: NonZeroU32) -> Limited {
    let n = f64::from(samples.get());
    if samples.get() == 1 || a < TINY {
        return Limited { loss: -n.ln() - a, factor: 1.0 };
    }
    // ln(1 - p), from whichever side keeps its digits.
    let miss = match a < -std::f64::consts::LN_2 {
        true => (-a.exp()).ln_1p(),
        false => (-a.exp_m1()).ln(),
    };
    let hit = -(n * miss).exp_m1();
    Limited { loss: -hit.ln(), factor: n * a.exp() * ((n - 1.0) * miss).exp() / hit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: u32, of: Confidence) -> PassAt {
        PassAt { samples: NonZeroU32::new(samples).unwrap(), of }
    }

    fn factor(p: f64, samples: u32) -> f64 {
        of(samples, Confidence::Answer).of_part(p.ln(), 3).factor
    }

    #[test]
    fn the_factor_is_its_formula() {
        // 16 * 0.1 * 0.9^15 / (1 - 0.9^16) = 0.3294 / 0.8147
        assert!((factor(0.1, 16) - 0.404).abs() < 5e-4, "{}", factor(0.1, 16));
        for n in [1, 2, 16, 256, 4096] {
            for p in [1e-5, 1e-3, 0.1, 0.4, 0.6, 0.9, 0.999] {
                let power = |k: f64| (1.0_f64 - p).powf(k);
                let want = f64::from(n) * p * power(f64::from(n) - 1.0) / (1.0 - power(n.into()));
                assert!((factor(p, n) - want).abs() < 1e-9, "{p} {n}: {} {want}", factor(p, n));
            }
        }
    }

    #[test]
    fn the_factor_is_the_slope_and_limits_are_reached() {
        for samples in [1, 2, 16, 4096, u32::MAX] {
            for a in [-5000.0_f64, -300.0, -80.1, -79.9, -30.0, -9.0, -1.0, -0.5, -0.1, -1e-4] {
                for (of, tokens) in
                    [(Confidence::Answer, 1), (Confidence::Line, 7), (Confidence::TokenMean, 7)]
                {
                    let loss = PassAt { samples: NonZeroU32::new(samples).unwrap(), of };
                    let at = |a: f64| loss.of_part(a, tokens);
                    let step = 1e-6 * a.abs();
                    let slope = (at(a - step).loss - at(a + step).loss) / (2.0 * step);
                    let got = at(a).factor;
                    assert!((got - slope).abs() < 1e-4, "{loss:?} {a}: {got} {slope}");
                    assert!((0.0..=1.0).contains(&got) && at(a).loss.is_finite());
                }
            }
        }
        let near = |x: f64, want: f64| assert!((x - want).abs() < 1e-12, "{x} {want}");
        near(factor(1e-300, 4096), 1.0);
        near(of(7, Confidence::Answer).of_part(-1e4, 3).factor, 1.0);
        near(of(7, Confidence::Answer).of_part(0.0, 3).factor, 0.0);
        near(of(1, Confidence::Answer).of_part(0.0, 3).factor, 1.0);
    }

    #[test]
    fn parts_tile_the_answer() {
        let ends = |token: usize| [1, 4, 5, 8].contains(&token);
        for (confidence, answer, expected) in [
            (Confidence::Answer, 3..9, &[(3, 9)][..]),
            (Confidence::TokenMean, 3..9, &[(3, 9)]),
            (Confidence::Line, 3..9, &[(3, 5), (5, 6), (6, 9)]),
            (Confidence::Line, 3..8, &[(3, 5), (5, 6), (6, 8)]),
            (Confidence::Line, 3..3, &[]),
            (Confidence::Answer, 3..3, &[]),
        ] {
            let parts = confidence.parts(answer, ends).into_iter();
            let got: Vec<(usize, usize)> = parts.map(|part| (part.start, part.end)).collect();
            assert_eq!(got, expected, "{confidence:?}");
        }
    }
}
