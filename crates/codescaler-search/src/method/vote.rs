//! Weighted votes: samples vote for what they do, each with a weight.
//!
//! RPC (Zhou et al., *Bridging Internal Probability and Self-Consistency*, arXiv:2502.00511) weighs
//! with the probability that the language model gives its own answer, after improbable answers
//! were pruned. Weights by a verifier's probability are those of DiVeRSe (Li et al.,
//! arXiv:2206.02336, section 3.2), here the reward model's.
//!
//! As in the released code of RPC, and other than in its text, a probability is `exp` of the mean
//! log-probability of a token: that of a whole program is zero for all practical purposes. For
//! code, "the same answer" is the same behaviour on inputs.

use codescaler::{
    evidence::{Table, answered},
    reasoning::failed_steps,
};
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{
        Count, InputSource, Outcome, Temperature, Wanted, clusters, count, evidence, made_inputs,
        passing, program_of, replies, sampling,
    },
    weibull,
};
use crate::ask::{Ask, Asked, Digest, Reply};

/// A weighted vote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Vote {
    /// Samples.
    pub n: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Whether only those vote that pass the most visible tests.
    pub visible: bool,
    /// Where inputs come from; without any, nobody agrees and the heaviest is chosen.
    pub inputs: InputSource,
    /// How many.
    pub inputs_max: u32,
    /// What a vote weighs.
    pub weight: Weight,
    /// What is voted for.
    pub by: By,
    /// Whether improbable samples are pruned first.
    pub prune: bool,
}

/// What a vote weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// As much as any other.
    One,
    /// The probability that the program is right, as the reward model has it.
    Score,
    /// The probability that the language model gave it, per token.
    Probability,
    /// One minus the failed-step fraction of its reasoning (arXiv:2509.19284).
    Steps,
}

/// What is voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// What a program does on all inputs together.
    Behaviour,
    /// What it gives on each input: it gets the share of the weight that agrees, summed.
    Output,
}

impl Default for Vote {
    fn default() -> Vote {
        Vote {
            n: count(16),
            temperature: Temperature::of(0.7),
            tokens_max: count(4096),
            visible: true,
            inputs: InputSource::Mutated,
            inputs_max: 20,
            weight: Weight::Probability,
            by: By::Behaviour,
            prune: false,
        }
    }
}

impl Vote {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let replies = replies(ask, self.n.get(), sampling)?;
        let of = |reply: &Option<_>| reply.as_deref().and_then(|reply| program_of(ask, reply));
        let candidates: Vec<Slot> = replies.iter().map(of).collect();
        let inputs = made_inputs(ask, self.inputs, self.inputs_max, sampling)?;
        let wanted = Wanted {
            visible: self.visible,
            inputs,
            scores: self.weight == Weight::Score,
            tests: None,
        };
        let found = evidence(ask, &candidates, wanted)?;
        let replies: Vec<Option<&Reply>> = replies.iter().map(Option::as_deref).collect();
        let (mut voters, pass) = match &found.visible {
            Some(visible) => passing(visible, &candidates),
            None => ((0..candidates.len()).filter(|&at| candidates[at].is_some()).collect(), true),
        };
        if voters.is_empty() {
            return Ok(Outcome { candidates, ..Outcome::default() }
                .with_note("abstained: no sample has a valid program"));
        }
        let mut notes = Vec::new();
        if !pass {
            notes.push("unverified: no candidate passes every visible test".to_owned());
        }
        if self.prune {
            let before = voters.len();
            voters = pruned(voters, &replies);
            if voters.len() < before {
                notes.push(format!("{} improbable samples were pruned", before - voters.len()));
            }
        }
        let scores = found.scores.first();
        let weights: Vec<Option<f64>> = (0..candidates.len())
            .map(|at| match self.weight {
                Weight::One => Some(1.0),
                Weight::Score => {
                    let score = scores.and_then(|scores| scores[at]);
                    score.map(|score| 1.0 / (1.0 + f64::from(-score.get()).exp()))
                }
                Weight::Probability => replies[at].and_then(probability),
                Weight::Steps => replies[at].and_then(|reply| {
                    let reasoning = reply.reasoning.as_deref().unwrap_or(&reply.text);
                    failed_steps(reasoning).map(|failed| 1.0 - failed)
                }),
            })
            .collect();
        if voters.iter().all(|&at| weights[at].is_none()) {
            notes.push(match self.weight {
                Weight::One | Weight::Score => "no sample has a score: each counts as one".into(),
                Weight::Probability => "no log-probabilities: each sample counts as one".into(),
                Weight::Steps => "no reasoning: each sample counts as one".into(),
            });
        }
        let weights = self.counted(weights, &voters, &replies);
        let ties = match (&found.outputs, self.by) {
            (Some(outputs), By::Output) => by_output(outputs, &voters, &weights),
            (Some(outputs), By::Behaviour) => heaviest(&clusters(outputs, &voters), &weights),
            (None, By::Output | By::Behaviour) => of_most(voters, &weights),
        };
        let outcome = Outcome::among(ask, candidates, ties);
        Ok(notes.into_iter().fold(outcome, Outcome::with_note))
    }

    /// Weights of the voters. Where nobody's is known all count as one; where some are, the others
    /// count nothing. The same completion drawn twice has its probability once.
    fn counted(
        &self,
        weights: Vec<Option<f64>>,
        voters: &[usize],
        replies: &[Option<&Reply>],
    ) -> Vec<f64> {
        if voters.iter().all(|&at| weights[at].is_none()) {
            return vec![1.0; weights.len()];
        }
        let mut counted = vec![0.0; weights.len()];
        for (place, &at) in voters.iter().enumerate() {
            let again = voters[..place].iter().any(|&before| {
                let same = |of: &[Option<&Reply>]| match (of[at], of[before]) {
                    (Some(one), Some(other)) => {
                        one.text == other.text && one.program == other.program
                    }
                    (None, _) | (_, None) => false,
                };
                self.weight == Weight::Probability && same(replies)
            });
            counted[at] = weights[at].filter(|_| !again).unwrap_or(0.0);
        }
        counted
    }
}

/// The mean probability of a token.
fn probability(reply: &Reply) -> Option<f64> {
    reply.logprob_mean().map(f64::exp)
}

/// Reasoning pruning: two Weibull distributions are fitted to the probabilities; a sample goes when
/// it more likely belongs to the one of lower mean, and is below the mean of all.
fn pruned(voters: Vec<usize>, replies: &[Option<&Reply>]) -> Vec<usize> {
    let known: Vec<f64> =
        voters.iter().filter_map(|&at| replies[at].and_then(probability)).collect();
    let mean = sum(known.iter().copied()) / known.len().max(1) as f64;
    let Some(mixture) = weibull::fit(&known) else { return voters };
    let stays = |at: &usize| {
        let probability = replies[*at].and_then(probability);
        probability.is_none_or(|p| p >= mean || mixture.of_higher(p) >= 0.5)
    };
    voters.into_iter().filter(stays).collect()
}

/// Members of the groups of largest weight; of those the heaviest.
fn heaviest(groups: &[Vec<usize>], weights: &[f64]) -> Vec<usize> {
    let total = |group: &[usize]| sum(group.iter().map(|&at| weights[at]));
    let most = groups.iter().map(|group| total(group)).fold(f64::NEG_INFINITY, f64::max);
    let winners = groups.iter().filter(|group| total(group) == most).flatten().copied();
    of_most(winners.collect(), weights)
}

/// Those whose outputs have the largest share of the weight, over all inputs on which anybody gives
/// one; of those the heaviest.
fn by_output(outputs: &Table<Digest>, voters: &[usize], weights: &[f64]) -> Vec<usize> {
    let inputs = answered(outputs, voters);
    let mut points = vec![0.0; weights.len()];
    for &at in voters {
        let agreeing = inputs.iter().map(|&input| {
            let output = outputs[at][input];
            let agree =
                voters.iter().filter(|&&other| output.is_some() && outputs[other][input] == output);
            sum(agree.map(|&other| weights[other]))
        });
        points[at] = sum(agreeing);
    }
    of_most(of_most(voters.to_vec(), &points), weights)
}

/// Those of `members` with the most.
fn of_most(mut members: Vec<usize>, of: &[f64]) -> Vec<usize> {
    let most = members.iter().map(|&at| of[at]).fold(f64::NEG_INFINITY, f64::max);
    members.retain(|&at| of[at] == most);
    members.sort_unstable();
    members
}

/// A sum that does not depend on the order.
fn sum(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers.into_iter().sum()
}
