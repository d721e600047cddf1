//! Advantages of reasoning that may be stopped: every prefix of it is worth what the answers are
//! worth that are forced out of it there.

/// How likely each budget of tokens is to be the one that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetPrior {
    /// All alike.
    Uniform,
    /// In proportion to their tokens.
    Linear,
    /// Only the largest: plain reinforcement learning with a limit.
    Largest,
}

impl BudgetPrior {
    /// The probabilities of rising budgets.
    pub fn of(self, budgets: &[usize]) -> Vec<f64> {
        let sum: usize = budgets.iter().sum();
        let probability = |(index, tokens): (usize, &usize)| match self {
            Self::Uniform => 1.0 / budgets.len() as f64,
            Self::Linear => *tokens as f64 / sum.max(1) as f64,
            Self::Largest => f64::from(u8::from(index + 1 == budgets.len())),
        };
        budgets.iter().enumerate().map(probability).collect()
    }
}

/// The advantages of the segments of reasonings, each up to a budget: `scores` has for each
/// reasoning of a problem the mean score of the answers that were forced at each budget, and
/// `prior` the budgets' probabilities.
///
/// AnytimeReasoner's budget-relative policy optimisation (BRPO, arXiv:2505.13438; the
/// weights of earlier scores are those of its released code): what a segment may still bring,
/// `R_s = sum of P_j score_j over j >= s`, less a baseline. That is the reasoning's own earlier
/// scores, later ones doubly weighted, times what probability is left, in the share s/S; and the
/// mean of `R_s` in the group in the rest. No deviation is divided by.
///
/// # Panics
/// If a reasoning has not one score for each budget.
pub fn thinking_advantages(scores: &[Vec<f64>], prior: &[f64]) -> Vec<Vec<f64>> {
    let n = prior.len();
    assert!(scores.iter().all(|own| own.len() == n), "a score for each budget");
    let left = |own: &[f64], s: usize| -> f64 {
        own[s..].iter().zip(&prior[s..]).map(|(score, p)| p * score).sum()
    };
    let mean = |s| scores.iter().map(|own| left(own, s)).sum::<f64>() / scores.len() as f64;
    let means: Vec<f64> = (0..n).map(mean).collect();
    let advantage = |own: &Vec<f64>, s: usize| {
        // 2^i over its sum: the last of the earlier scores counts as much as all before it.
        let mut so_far = 0.0;
        let mut weight = 0.0;
        for score in &own[..s] {
            (so_far, weight) = (so_far / 2.0 + score, weight / 2.0 + 1.0);
        }
        let probability: f64 = prior[s..].iter().sum();
        let before = if s > 0 { so_far / weight * probability } else { 0.0 };
        let share = s as f64 / n as f64;
        left(own, s) - (share * before + (1.0 - share) * means[s])
    };
    scores.iter().map(|own| (0..n).map(|s| advantage(own, s)).collect()).collect()
}

/// The advantages of a reasoning's episodes: what the whole of it is worth, less what answers are
/// worth that are forced before the episode. `values` has the mean score of answers forced before
/// the first episode, and behind each.
///
/// MRT's reinforcement learning (arXiv:2503.07572): ending where the episode begins takes the place
/// of the group's mean as baseline, so that the sum of the progress still to come is rewarded. There
/// one prefix of a reasoning is drawn; here all of them count at once.
pub fn progress_advantages(values: &[f64]) -> Vec<f64> {
    let last = values.last().copied().unwrap_or(0.0);
    values.iter().take(values.len().saturating_sub(1)).map(|before| last - before).collect()
}

/// The cumulative regret of a reasoning, in tokens: what lacks to `best` in the answers forced
/// behind each episode, times the episode's tokens (MRT, as [`progress_advantages`]). `values` as
/// there, `tokens` of each episode.
///
/// # Panics
/// If there is not one value more than episodes.
pub fn regret(values: &[f64], tokens: &[usize], best: f64) -> f64 {
    assert_eq!(values.len(), tokens.len() + 1, "a value behind each episode, and one before");
    // Until an episode is over, the answer is that of the one before it.
    values.iter().zip(tokens).map(|(value, n)| (best - value) * *n as f64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len(), "{got:?} {want:?}");
        let near = got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(near, "{got:?} {want:?}");
    }

    #[test]
    fn priors_are_probabilities() {
        let budgets = [2000, 4000, 6000, 8000];
        check(&BudgetPrior::Uniform.of(&budgets), &[0.25; 4]);
        check(&BudgetPrior::Linear.of(&budgets), &[0.1, 0.2, 0.3, 0.4]);
        check(&BudgetPrior::Largest.of(&budgets), &[0.0, 0.0, 0.0, 1.0]);
        assert!(BudgetPrior::Linear.of(&[]).is_empty());
    }

    /// The formulas of the release, index by index.
    #[test]
    fn thinking_is_worth_what_it_may_still_bring() {
        let scores = [
            vec![0.0, 0.25, 0.5, 1.0],
            vec![0.5, 0.0, 0.75, 0.25],
            vec![1.0; 4],
            vec![0.0, 0.0, 0.0, 0.125],
        ];
        for prior in [BudgetPrior::Uniform, BudgetPrior::Linear, BudgetPrior::Largest] {
            let p = prior.of(&[2, 4, 6, 8]);
            let got = thinking_advantages(&scores, &p);
            let r = |g: usize, s: usize| (s..4).map(|j| p[j] * scores[g][j]).sum::<f64>();
            for (g, own) in got.iter().enumerate() {
                let want = |s: usize| {
                    let power = |i: usize| f64::from(1_u32 << i);
                    let up: f64 = (0..s).map(|i| power(i) * scores[g][i]).sum();
                    let down: f64 = (0..s).map(power).sum();
                    let v1 = if s == 0 { 0.0 } else { up / down * p[s..].iter().sum::<f64>() };
                    let v2 = (0..4).map(|g| r(g, s)).sum::<f64>() / 4.0;
                    r(g, s) - (s as f64 * v1 + (4 - s) as f64 * v2) / 4.0
                };
                check(own, &[0, 1, 2, 3].map(want));
            }
        }
        // With one budget it is the reward less the group's mean.
        check(&thinking_advantages(&[vec![1.0], vec![0.0]], &[1.0]).concat(), &[0.5, -0.5]);
        assert!(thinking_advantages(&[], &[1.0]).is_empty());
    }

    #[test]
    fn progress_is_what_is_still_to_come() {
        let values = [0.25, 0.5, 0.375, 1.0];
        check(&progress_advantages(&values), &[0.75, 0.5, 0.625]);
        // Each less the next is the progress of the episode between them.
        let to_come = progress_advantages(&values);
        check(&[to_come[0] - to_come[1], to_come[1] - to_come[2]], &[0.25, -0.125]);
        check(&progress_advantages(&[0.5]), &[]);
        check(&progress_advantages(&[]), &[]);
        check(&[regret(&values, &[10, 20, 30], 1.0)], &[7.5 + 10.0 + 18.75]);
    }
}
