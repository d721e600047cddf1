//! What a reward model is trained to do with the scores of one problem's programs.

/// A loss on the scores of the candidates of one problem.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Objective {
    /// `-log sigmoid(s_chosen - s_rejected - margin)` for every pair (Bradley-Terry; with a margin,
    /// Llama 2, arXiv:2307.09288, equation 2).
    BradleyTerry {
        /// By how much the chosen one's score has to be larger; times the difference of the
        /// labels.
        margin: f32,
    },
    /// `-log` of the share that right candidates have of the softmax over all (the top-one
    /// probability of ListNet, Cao et al. 2007, summed over what is right). Needs no pairs.
    Listwise,
    /// `-log sigmoid(±s)`, each candidate for itself. Needs no pairs.
    Pointwise,
}

/// What is known of one problem's candidates.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// 1 for a right candidate, 0 for a wrong one, between for a pass rate.
    pub labels: &'a [f32],
    /// Indices of chosen and rejected.
    pub pairs: &'a [(usize, usize)],
}

/// A sum of losses, over how much, and its gradient by every score.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Loss {
    pub sum: f64,
    /// Pairs, problems or candidates, as the objective counts.
    pub count: f64,
    /// Pairs that the scores order right; half for equal ones.
    pub ordered: f64,
    pub dscores: Vec<f64>,
}

impl Objective {
    /// The loss of one problem. `centring` times the mean of `(s_chosen + s_rejected)^2` over the
    /// pairs, or of `s^2` over candidates, keeps scores around 0 (arXiv:2312.09244, section 3).
    pub(crate) fn loss(self, scores: &[f64], targets: Targets<'_>, centring: f64) -> Loss {
        let mut loss =
            Loss { sum: 0.0, count: 0.0, ordered: 0.0, dscores: vec![0.0; scores.len()] };
        match self {
            Self::BradleyTerry { margin } => {
                for &(chosen, rejected) in targets.pairs {
                    let apart = f64::from(targets.labels[chosen] - targets.labels[rejected]);
                    let lead = scores[chosen] - scores[rejected] - f64::from(margin) * apart;
                    loss.add(
                        softplus(-lead),
                        &[(chosen, -sigmoid(-lead)), (rejected, sigmoid(-lead))],
                    );
                    let sum = scores[chosen] + scores[rejected];
                    loss.regularise(centring, sum, &[chosen, rejected]);
                    loss.count += 1.0;
                }
            }
            Self::Listwise => {
                let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
                let right = |(w, l): (&f64, &f32)| w * f64::from(*l);
                let all: f64 = weights.iter().sum();
                let good: f64 = weights.iter().zip(targets.labels).map(right).sum();
                if good > 0.0 {
                    loss.sum += (all / good).ln();
                    loss.count += 1.0;
                    for (index, weight) in weights.iter().enumerate() {
                        let label = f64::from(targets.labels[index]);
                        loss.dscores[index] += weight / all - weight * label / good;
                        let share = centring / scores.len() as f64;
                        loss.regularise(share, scores[index], &[index]);
                    }
                }
            }
            Self::Pointwise => {
                for (index, (score, label)) in scores.iter().zip(targets.labels).enumerate() {
                    let label = f64::from(*label);
                    let value = label * softplus(-score) + (1.0 - label) * softplus(*score);
                    loss.add(value, &[(index, sigmoid(*score) - label)]);
                    loss.regularise(centring, *score, &[index]);
                    loss.count += 1.0;
                }
            }
        }
        let order = |&(chosen, rejected): &(usize, usize)| {
            let (c, r) = (scores[chosen], scores[rejected]);
            if c > r {
                1.0
            } else if c == r {
                0.5
            } else {
                0.0
            }
        };
        loss.ordered = targets.pairs.iter().map(order).sum();
        loss
    }
}

impl Loss {
    fn add(&mut self, value: f64, gradients: &[(usize, f64)]) {
        self.sum += value;
        for (index, gradient) in gradients {
            self.dscores[*index] += gradient;
        }
    }

    fn regularise(&mut self, centring: f64, value: f64, of: &[usize]) {
        self.sum += centring * value * value;
        for index in of {
            self.dscores[*index] += 2.0 * centring * value;
        }
    }
}

pub(super) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `log(1 + e^x)`
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 4] = [0.5, -1.0, 2.0, 0.25];
    const LABELS: [f32; 4] = [1.0, 0.0, 0.0, 1.0];
    const PAIRS: [(usize, usize); 4] = [(0, 1), (0, 2), (3, 1), (3, 2)];

    /// `want` is the mean loss; gradients are compared with central differences.
    #[track_caller]
    fn check(objective: Objective, centring: f64, want: f64) {
        let targets = Targets { labels: &LABELS, pairs: &PAIRS };
        let loss = objective.loss(&SCORES, targets, centring);
        assert!((loss.sum / loss.count - want).abs() < 1e-6, "{} / {}", loss.sum, loss.count);
        assert_eq!(loss.ordered, 2.0);
        for index in 0..SCORES.len() {
            let at = |step: f64| {
                let mut scores = SCORES;
                scores[index] += step;
                objective.loss(&scores, targets, centring).sum
            };
            let step = 1.0 / 1024.0;
            let slope = (at(step) - at(-step)) / (2.0 * step);
            let got = loss.dscores[index];
            assert!((got - slope).abs() < 1e-5, "{objective:?} {index}: {got} {slope}");
        }
    }

    #[test]
    fn losses_are_their_formulas() {
        let pairs = [1.5_f64, -1.5, 1.25, -1.75].map(|lead| (-lead).exp().ln_1p());
        check(Objective::BradleyTerry { margin: 0.0 }, 0.0, pairs.iter().sum::<f64>() / 4.0);
        let pairs = [1.0_f64, -2.0, 0.75, -2.25].map(|lead| (-lead).exp().ln_1p());
        let centre = 0.01 * (0.25 + 6.25 + 0.5625 + 5.0625) / 4.0;
        check(
            Objective::BradleyTerry { margin: 0.5 },
            0.01,
            pairs.iter().sum::<f64>() / 4.0 + centre,
        );
        let powers = SCORES.map(f64::exp);
        let want = (powers.iter().sum::<f64>() / (powers[0] + powers[3])).ln();
        check(Objective::Listwise, 0.0, want);
        let each = [-0.5_f64, -1.0, 2.0, -0.25].map(|x| x.exp().ln_1p());
        check(Objective::Pointwise, 0.0, each.iter().sum::<f64>() / 4.0);
    }

    #[test]
    fn a_problem_without_a_right_candidate_teaches_a_list_nothing() {
        let targets = Targets { labels: &[0.0; 4], pairs: &[] };
        let loss = Objective::Listwise.loss(&SCORES, targets, 0.1);
        assert_eq!((loss.sum, loss.count, loss.dscores), (0.0, 0.0, vec![0.0; 4]));
    }
}
