//! From rewards to advantages, and what each token weighs.

/// How much better than expected a completion is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advantage {
    /// `(r - mean) / (deviation + 1e-6)` among the completions of a prompt, with the deviation of a
    /// sample (divided by n - 1), as CodeScaler's trainer and TRL have it (GRPO, arXiv:2402.03300,
    /// section 4.1.2).
    Grpo,
    /// `r - mean` among the completions of a prompt (Dr. GRPO, arXiv:2503.20783, section 3.2).
    DrGrpo,
    /// `r` less the mean of the others of its prompt (RLOO, arXiv:2402.14740, equation 8).
    Rloo,
    /// `(r - mean) / deviation` over all tokens of the batch (REINFORCE++, arXiv:2501.03262,
    /// section 3.2); the divergence from a reference is in the loss here, not in the reward.
    ReinforcePlusPlus,
}

/// What the losses of tokens are averaged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// All tokens of the batch (DAPO, arXiv:2503.14476, section 3.3).
    TokenMean,
    /// The tokens of a completion, then completions (GRPO).
    SequenceMean,
    /// Completions, and so many tokens each, however long they are (Dr. GRPO).
    Constant(usize),
}

/// Keeps the share of a prompt whose completions are all alike finite.
const EPSILON: f64 = 1e-6;

impl Advantage {
    /// The advantages of completions, group by group. Each has its reward, `None` where that is not
    /// known, and its length in tokens. What is not known has advantage 0 and no part in any mean.
    pub fn of(self, groups: &[Vec<(Option<f32>, usize)>]) -> Vec<Vec<f32>> {
        let advantages = |group: &Vec<(Option<f32>, usize)>| -> Vec<Option<f64>> {
            let known: Vec<f64> =
                group.iter().filter_map(|(reward, _)| reward.map(f64::from)).collect();
            let n = known.len() as f64;
            let mean = known.iter().sum::<f64>() / n;
            let deviation = || {
                let squares: f64 = known.iter().map(|r| (r - mean) * (r - mean)).sum();
                if n > 1.0 { (squares / (n - 1.0)).sqrt() } else { 0.0 }
            };
            let of = |reward: f32| {
                let lead = f64::from(reward) - mean;
                match self {
                    Self::Grpo => lead / (deviation() + EPSILON),
                    Self::DrGrpo => lead,
                    // r - (sum - r) / (n - 1)
                    Self::Rloo if n > 1.0 => lead * n / (n - 1.0),
                    Self::Rloo => 0.0,
                    Self::ReinforcePlusPlus => f64::from(reward),
                }
            };
            group.iter().map(|(reward, _)| reward.map(of)).collect()
        };
        let mut all: Vec<Vec<Option<f64>>> = groups.iter().map(advantages).collect();
        if self == Self::ReinforcePlusPlus {
            whiten(&mut all, groups);
        }
        let plain = |group: Vec<Option<f64>>| {
            group.into_iter().map(|advantage| advantage.unwrap_or(0.0) as f32).collect()
        };
        all.into_iter().map(plain).collect()
    }
}

/// Mean 0 and deviation 1 over all tokens, each with its completion's advantage.
fn whiten(all: &mut [Vec<Option<f64>>], groups: &[Vec<(Option<f32>, usize)>]) {
    let tokens = || {
        let lengths = groups.iter().flatten().map(|(_, length)| *length as f64);
        all.iter().flatten().zip(lengths).filter_map(|(advantage, n)| Some(((*advantage)?, n)))
    };
    let count: f64 = tokens().map(|(_, n)| n).sum();
    let mean = tokens().map(|(advantage, n)| advantage * n).sum::<f64>() / count;
    let squares: f64 = tokens().map(|(a, n)| (a - mean) * (a - mean) * n).sum();
    // As verl's `masked_whiten`: the variance of a sample, and 1e-8 below the root.
    let variance = if count > 1.0 { squares / (count - 1.0) } else { 0.0 };
    let scale = 1.0 / (variance + 1e-8).sqrt();
    for advantage in all.iter_mut().flatten().flatten() {
        *advantage = (*advantage - mean) * scale;
    }
}

impl Aggregation {
    /// What each token of completions with these lengths weighs; those that do not count have
    /// length 0.
    pub fn weights(self, lengths: &[usize]) -> Vec<f32> {
        let counted = lengths.iter().filter(|length| **length > 0).count() as f64;
        let tokens: usize = lengths.iter().sum();
        let weight = |length: &usize| {
            let over = match self {
                Self::TokenMean => tokens as f64,
                Self::SequenceMean => counted * *length as f64,
                Self::Constant(tokens) => counted * tokens as f64,
            };
            if *length == 0 { 0.0 } else { (1.0 / over) as f32 }
        };
        lengths.iter().map(weight).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(estimator: Advantage, groups: &[&[(f32, usize)]], expected: &[&[f32]]) {
        // A reward of NaN stands for one that is not known.
        let known =
            |(reward, length): &(f32, usize)| (Some(*reward).filter(|r| !r.is_nan()), *length);
        let groups: Vec<Vec<_>> = groups.iter().map(|g| g.iter().map(known).collect()).collect();
        let got = estimator.of(&groups);
        for (got, want) in got.iter().flatten().zip(expected.iter().copied().flatten()) {
            assert!((got - want).abs() < 1e-5, "{estimator:?}: {got:?} {want:?}");
        }
        assert_eq!(
            got.iter().map(Vec::len).collect::<Vec<_>>(),
            expected.iter().map(|g| g.len()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn advantages_are_their_formulas() {
        let nan = f32::NAN;
        let one: &[(f32, usize)] = &[(1.0, 3), (0.0, 5), (0.0, 2), (nan, 9)];
        let same: &[(f32, usize)] = &[(0.5, 4), (0.5, 4)];
        let alone: &[(f32, usize)] = &[(0.7, 4)];
        // Deviation of (1, 0, 0): the root of 1/3.
        check(
            Advantage::Grpo,
            &[one, same, alone],
            &[&[1.154_698, -0.577_349, -0.577_349, 0.0], &[0.0, 0.0], &[0.0]],
        );
        let third = 1.0 / 3.0;
        check(Advantage::DrGrpo, &[one, alone], &[&[2.0 * third, -third, -third, 0.0], &[0.0]]);
        check(Advantage::Rloo, &[one, same, alone], &[&[1.0, -0.5, -0.5, 0.0], &[0.0; 2], &[0.0]]);
        // Ten tokens, three of them with 1: mean 0.3, variance 2.1 / 9.
        let scale = 1.0 / (2.1_f32 / 9.0).sqrt();
        check(
            Advantage::ReinforcePlusPlus,
            &[one],
            &[&[0.7 * scale, -0.3 * scale, -0.3 * scale, 0.0]],
        );
    }

    #[test]
    fn weights_add_up() {
        for (aggregation, expected) in [
            (Aggregation::TokenMean, [0.2, 0.0, 0.2]),
            (Aggregation::SequenceMean, [0.5, 0.0, 0.125]),
            (Aggregation::Constant(10), [0.05, 0.0, 0.05]),
        ] {
            assert_eq!(aggregation.weights(&[1, 0, 4]), expected);
        }
        assert!(Aggregation::TokenMean.weights(&[]).is_empty());
    }
}
