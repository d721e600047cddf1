//! From logits to a token.

use std::num::NonZeroUsize;

/// How tokens are drawn. The default is the likeliest token, always.
#[derive(Debug, Clone)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token.
    pub temperature: f32,
    /// Only so many of the likeliest tokens count (and those as likely as the last of them).
    pub top_k: Option<NonZeroUsize>,
    /// Only the likeliest tokens count whose probabilities together reach this (nucleus sampling,
    /// arXiv:1904.09751); 1 keeps all.
    pub top_p: f32,
    /// What randomness is derived from, with the number of the sample and the token's position:
    /// a sample does not depend on the others, nor on when it was drawn.
    pub seed: u64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: 1.0, seed: 0 }
    }
}

/// A token that was drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Drawn {
    pub token: u32,
    /// Its natural log-probability before temperature and cuts.
    pub logprob: f32,
}

impl Sampling {
    /// Draws token `position` of sample `sample`. Temperature, then top-k, then top-p, as the
    /// reference framework does.
    pub(crate) fn draw(&self, logits: &[f32], sample: u64, position: u64) -> Drawn {
        let token = match self.temperature > 0.0 {
            false => likeliest(logits),
            true => self.pick(logits, uniform([self.seed, sample, position])),
        };
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - max).exp()).sum();
        let logprob = f64::from(logits[token] - max) - sum.ln();
        Drawn { token: token as u32, logprob: logprob as f32 }
    }

    /// The token at which the probabilities of those that count have reached the share `u`.
    fn pick(&self, logits: &[f32], u: f64) -> usize {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let temperature = f64::from(self.temperature);
        let weigh = |token: usize| (f64::from(logits[token] - max) / temperature).exp();
        let mut tokens: Vec<usize> = (0..logits.len()).collect();
        if self.top_k.is_some() || self.top_p < 1.0 {
            // Stable: of equally likely tokens the first comes first.
            tokens.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        }
        if let Some(last) = self.top_k.map(|k| k.get().min(tokens.len()) - 1) {
            let least = logits[tokens[last]];
            tokens.retain(|token| logits[*token] >= least);
        }
        if self.top_p < 1.0 {
            let total: f64 = tokens.iter().map(|token| weigh(*token)).sum();
            let mut before = 0.0;
            tokens.retain(|token| {
                let counts = before < f64::from(self.top_p) * total;
                before += weigh(*token);
                counts
            });
        }
        tokens.truncate(tokens.len().max(1));
        let total: f64 = tokens.iter().map(|token| weigh(*token)).sum();
        let mut left = u * total;
        for &token in &tokens {
            left -= weigh(token);
            if left < 0.0 {
                return token;
            }
        }
        // Rounding: the last that counts at all.
        *tokens.iter().rev().find(|token| weigh(**token) > 0.0).unwrap_or(&tokens[0])
    }
}

/// The largest logit; the first of several.
fn likeliest(logits: &[f32]) -> usize {
    let better =
        |best: usize, token: usize| if logits[token] > logits[best] { token } else { best };
    (1..logits.len()).fold(0, better)
}

/// A number in [0, 1) that depends on `key` alone: SplitMix64 (Steele, Lea and Flood, 2014), fed
/// with one word after the other.
pub(crate) fn uniform(key: [u64; 3]) -> f64 {
    let mix = |state: u64, word: u64| {
        let mut z = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let bits = key.into_iter().fold(0, mix);
    // 53 bits fill the fraction of an f64.
    (mix(bits, 0) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampling(temperature: f32, top_k: usize, top_p: f32) -> Sampling {
        Sampling { temperature, top_k: NonZeroUsize::new(top_k), top_p, seed: 7 }
    }

    /// The probabilities of all tokens, by the definition.
    fn probabilities(sampling: &Sampling, logits: &[f32]) -> Vec<f64> {
        let mut p: Vec<f64> = logits
            .iter()
            .map(|x| (f64::from(*x) / f64::from(sampling.temperature)).exp())
            .collect();
        let mut order: Vec<usize> = (0..p.len()).collect();
        order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
        if let Some(k) = sampling.top_k {
            let least = p[order[k.get().min(p.len()) - 1]];
            p.iter_mut().filter(|p| **p < least).for_each(|p| *p = 0.0);
        }
        let total: f64 = p.iter().sum();
        let mut before = 0.0;
        for token in order {
            let own = p[token];
            if before >= f64::from(sampling.top_p) * total && sampling.top_p < 1.0 {
                p[token] = 0.0;
            }
            before += own;
        }
        let total: f64 = p.iter().sum();
        p.iter().map(|p| p / total).collect()
    }

    /// Draws many tokens and compares how often each came with its probability.
    #[track_caller]
    fn check(sampling: &Sampling, logits: &[f32]) {
        const N: usize = 20_000;
        let mut counts = vec![0_usize; logits.len()];
        for position in 0..N {
            counts[sampling.draw(logits, 3, position as u64).token as usize] += 1;
        }
        for (count, p) in counts.iter().zip(probabilities(sampling, logits)) {
            let (mean, spread) = (p * N as f64, (N as f64 * p * (1.0 - p)).sqrt());
            assert!((*count as f64 - mean).abs() <= 5.0 * spread, "{count} instead of {mean}");
        }
    }

    #[test]
    fn tokens_come_as_often_as_they_should() {
        let logits = [0.3, -1.2, 2.0, 0.3, -0.5, 1.1, 2.0, -3.0];
        check(&sampling(1.0, 0, 1.0), &logits);
        check(&sampling(0.5, 0, 1.0), &logits);
        check(&sampling(1.5, 3, 1.0), &logits);
        check(&sampling(1.0, 1, 1.0), &logits);
        check(&sampling(1.0, 0, 0.6), &logits);
        check(&sampling(2.0, 6, 0.8), &logits);
        check(&sampling(0.7, 100, 0.999), &logits);
    }

    #[test]
    fn without_temperature_the_likeliest_comes() {
        let drawn = Sampling::default().draw(&[1.0, 3.0, 3.0, 2.0], 0, 0);
        assert_eq!(drawn.token, 1);
        let sum = 1_f64.exp() + 2.0 * 3_f64.exp() + 2_f64.exp();
        assert!((f64::from(drawn.logprob) - (3.0 - sum.ln())).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn what_is_cut_off_never_comes(
            logits in proptest::collection::vec(-9.0_f32..9.0, 1..40),
            (temperature, top_k, top_p) in (0.05_f32..4.0, 0_usize..50, 0.01_f32..1.0),
            position in 0_u64..1000,
        ) {
            let sampling = sampling(temperature, top_k, top_p);
            let drawn = sampling.draw(&logits, 0, position);
            prop_assert!(probabilities(&sampling, &logits)[drawn.token as usize] > 0.0);
        }
    }
}
