//! Policy gradients on what a policy wrote.

#[cfg(test)]
mod trl;

use super::language::{Reading, Said};
use super::network::{Batch, Moment};
use super::{TrainHead, Trainer};
use crate::attention::Cell;
use crate::kernel::Precision;

/// One prompt and completions that the policy wrote to it.
#[derive(Debug, Clone, Copy)]
pub struct Rollouts<'a> {
    /// The prompt's tokens; computed once for all completions. Not empty.
    pub prompt: &'a [u32],
    /// What was written.
    pub completions: &'a [Completion<'a>],
}

/// A completion and what is to be learnt of it.
#[derive(Debug, Clone, Copy)]
pub struct Completion<'a> {
    /// The tokens as drawn, the one that ended it included. Not empty.
    pub tokens: &'a [u32],
    /// How much better than expected each token was: one number per token.
    pub advantages: &'a [f32],
    /// The weight of each of its tokens in the loss: see [`super::Aggregation`].
    pub weight: f32,
    /// The tokens' log-probabilities when they were drawn (same temperature, same trainer:
    /// [`Trainer::logprobs`]); without them, those of now, so that every ratio is 1.
    pub old: Option<&'a [f32]>,
    /// The tokens' log-probabilities by a policy to stay near to.
    pub reference: Option<&'a [f32]>,
}

/// The clipped surrogate of PPO (arXiv:1707.06347, equation 7) with bounds of their own above and
/// below (DAPO, arXiv:2503.14476, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyLoss {
    /// How far below 1 a ratio counts.
    pub clip_low: f64,
    /// How far above 1 a ratio counts.
    pub clip_high: f64,
    /// The largest ratio that counts where the advantage is negative (dual-clip PPO,
    /// arXiv:1912.09729, equation 5); infinity for none.
    pub clip_dual: f64,
    /// The weight of the divergence from the reference, by the estimator `e^d - d - 1` with
    /// `d = log p_reference - log p` (k3 of Schulman's "Approximating KL Divergence", as in GRPO,
    /// arXiv:2402.03300, equation 4).
    pub kl: f64,
    /// The temperature that the tokens were drawn with: probabilities are those of the sampler.
    pub temperature: f32,
}

impl Default for PolicyLoss {
    /// The constants of CodeScaler's release: 0.2 below, 0.28 above, no divergence; and verl's
    /// dual clip, which its trainer applies.
    fn default() -> Self {
        Self { clip_low: 0.2, clip_high: 0.28, clip_dual: 3.0, kl: 0.0, temperature: 1.0 }
    }
}

/// What one batch came to. Means are over completion tokens of weight above zero.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyStep {
    /// The loss: the sum over tokens, each times its weight.
    pub loss: f64,
    /// Every completion's log-probabilities before the update, group by group.
    pub logprobs: Vec<Vec<f32>>,
    /// Mean entropy of the next token, in nats.
    pub entropy: f64,
    /// The share of tokens whose ratio was clipped.
    pub clipped: f64,
    /// Mean estimated divergence from the reference; 0 without one.
    pub kl: f64,
    /// Tokens that went through the decoder.
    pub tokens: usize,
}

/// The loss of one token, and its slope by the token's log-probability.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Term {
    loss: f64,
    slope: f64,
    clipped: bool,
    kl: f64,
}

/// Where one token of a completion stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    completion: usize,
    token: usize,
}

impl PolicyLoss {
    fn term(&self, logprob: f64, advantage: f64, old: Option<f32>, reference: Option<f32>) -> Term {
        let ratio = old.map_or(1.0, |old| (logprob - f64::from(old)).exp());
        let clipped = ratio.clamp(1.0 - self.clip_low, 1.0 + self.clip_high);
        let (free, bound) = (-advantage * ratio, -advantage * clipped);
        let mut term = match free >= bound {
            true => Term { loss: free, slope: free, ..Term::default() },
            false => Term { loss: bound, clipped: true, ..Term::default() },
        };
        let most = -advantage * self.clip_dual;
        if advantage < 0.0 && term.loss > most {
            term = Term { loss: most, clipped: true, ..Term::default() };
        }
        if let Some(reference) = reference.filter(|_| self.kl != 0.0) {
            let apart = f64::from(reference) - logprob;
            term.kl = apart.exp() - apart - 1.0;
            term.loss += self.kl * term.kl;
            term.slope += self.kl * (1.0 - apart.exp());
        }
        term
    }

    fn of(&self, completion: &Completion<'_>, token: usize, said: Said) -> Term {
        let at = |all: Option<&[f32]>| all.map(|all| all[token]);
        let advantage = f64::from(completion.advantages[token]);
        self.term(said.logprob, advantage, at(completion.old), at(completion.reference))
    }
}

impl Trainer {
    /// The loss of what was written, whose gradient is added up for [`Trainer::update`].
    ///
    /// # Panics
    /// If the trainer has no language-model head, a prompt or a completion is empty, a token beyond
    /// the vocabulary, or a completion has not one number per token.
    pub fn policy_loss(&mut self, groups: &[Rollouts<'_>], loss: &PolicyLoss) -> PolicyStep {
        match self.precision {
            Precision::F32 => self.roll::<f32>(groups, loss, true),
            Precision::Bf16 | Precision::Int8 => self.roll::<u16>(groups, loss, true),
        }
    }

    /// Every completion's log-probabilities at a temperature, group by group; nothing is learnt.
    ///
    /// # Panics
    /// As [`Trainer::policy_loss`].
    pub fn logprobs(&mut self, groups: &[Rollouts<'_>], temperature: f32) -> Vec<Vec<f32>> {
        let loss = PolicyLoss { temperature, ..PolicyLoss::default() };
        let step = match self.precision {
            Precision::F32 => self.roll::<f32>(groups, &loss, false),
            Precision::Bf16 | Precision::Int8 => self.roll::<u16>(groups, &loss, false),
        };
        step.logprobs
    }

    fn roll<C: Cell>(
        &mut self,
        groups: &[Rollouts<'_>],
        loss: &PolicyLoss,
        learn: bool,
    ) -> PolicyStep {
        assert_eq!(self.head, TrainHead::LanguageModel, "the head predicts tokens");
        let completions: Vec<&Completion<'_>> =
            groups.iter().flat_map(|group| group.completions).collect();
        let (batch, targets, places) = batch(groups);
        let longest = |group: &Rollouts<'_>| {
            let tokens = group.completions.iter().map(|completion| completion.tokens.len());
            group.prompt.len() + tokens.max().unwrap_or(0)
        };
        let positions = groups.iter().map(longest).max().unwrap_or(0);
        let mut grads = std::mem::take(&mut self.grads);
        self.memory.tidy();
        let moment = Moment::<C>::new(self, positions);
        let forward = moment.forward(&batch);
        let reading = Reading { temperature: loss.temperature, entropy: learn, scale: 1.0 };
        let slope = |index: usize, said: Said| {
            let Place { completion, token } = places[index];
            let completion = completions[completion];
            loss.of(completion, token, said).slope * f64::from(completion.weight)
        };
        let rows = (&forward.x[..], &targets[..]);
        let own = learn.then_some(&mut grads[..]);
        let (said, dx) = moment.predict(rows, reading, &slope, own);
        if learn {
            moment.backward(&batch, forward, dx, &mut grads);
        } else {
            drop((forward, dx));
        }
        drop(moment);
        self.grads = grads;
        summary(&completions, loss, said.into_iter().zip(places), batch.tokens.len())
    }
}

/// All tokens to compute, the token that each row that is read predicts, and where that stands.
fn batch(groups: &[Rollouts<'_>]) -> (Batch, Vec<u32>, Vec<Place>) {
    let mut batch = Batch::default();
    let (mut targets, mut places) = (Vec::new(), Vec::new());
    let mut completion = 0;
    for Rollouts { prompt, completions } in groups {
        // The prompt's last token stays with each completion, whose first token it predicts; what
        // a completion's last token predicts is not asked.
        let before = |completion: &Completion<'_>| {
            [prompt, &completion.tokens[..completion.tokens.len() - 1]].concat()
        };
        let items: Vec<Vec<u32>> = completions.iter().map(before).collect();
        let items: Vec<&[u32]> = items.iter().map(Vec::as_slice).collect();
        batch.push(&items, prompt.len() - 1);
        let branches = batch.trees.last().into_iter().flat_map(|tree| &tree.branches);
        for (own, rows) in completions.iter().zip(branches) {
            batch.read.extend(rows.clone());
            targets.extend(own.tokens);
            places.extend((0..own.tokens.len()).map(|token| Place { completion, token }));
            completion += 1;
        }
    }
    (batch, targets, places)
}

fn summary(
    completions: &[&Completion<'_>],
    loss: &PolicyLoss,
    said: impl Iterator<Item = (Said, Place)>,
    tokens: usize,
) -> PolicyStep {
    let mut logprobs: Vec<Vec<f32>> = vec![Vec::new(); completions.len()];
    let (mut sum, mut entropy, mut clipped, mut kl, mut count) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (said, Place { completion, token }) in said {
        logprobs[completion].push(said.logprob as f32);
        let completion = completions[completion];
        if completion.weight == 0.0 {
            continue;
        }
        let term = loss.of(completion, token, said);
        sum += term.loss * f64::from(completion.weight);
        entropy += said.entropy;
        clipped += f64::from(u8::from(term.clipped));
        kl += term.kl;
        count += 1.0;
    }
    let mean = |sum: f64| if count > 0.0 { sum / count } else { 0.0 };
    PolicyStep {
        loss: sum,
        logprobs,
        entropy: mean(entropy),
        clipped: mean(clipped),
        kl: mean(kl),
        tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PPO's loss as its paper has it, written out.
    fn written_out(loss: &PolicyLoss, advantage: f64, ratio: f64) -> f64 {
        let clip = ratio.max(1.0 - loss.clip_low).min(1.0 + loss.clip_high);
        let plain = (ratio * advantage).min(clip * advantage);
        let objective = if advantage < 0.0 { plain.max(loss.clip_dual * advantage) } else { plain };
        -objective
    }

    #[test]
    fn terms_are_their_formulas() {
        let loss = PolicyLoss { kl: 0.3, ..PolicyLoss::default() };
        for advantage in [-1.5, -0.2, 0.0, 0.4, 2.0] {
            for ratio in [0.1_f64, 0.79, 0.9, 1.0, 1.2, 1.3, 2.9, 3.5] {
                let (old, reference) = (-1.25_f32, -0.75_f32);
                let logprob = ratio.ln() + f64::from(old);
                let d = f64::from(reference) - logprob;
                let want = written_out(&loss, advantage, ratio) + 0.3 * (d.exp() - d - 1.0);
                let term = |x: f64| loss.term(x, advantage, Some(old), Some(reference));
                let got = term(logprob);
                assert!((got.loss - want).abs() < 1e-9, "{advantage} {ratio}: {got:?} {want}");
                let slope = (term(logprob + 1e-6).loss - term(logprob - 1e-6).loss) / 2e-6;
                assert!((got.slope - slope).abs() < 1e-5, "{advantage} {ratio}: {got:?} {slope}");
            }
        }
        let got = PolicyLoss::default().term(-2.0, 0.5, None, None);
        assert_eq!(got, Term { loss: -0.5, slope: -0.5, clipped: false, kl: 0.0 });
    }
}
