//! Debate (Du et al., arXiv:2305.14325): writers see each other's programs and write again. For
//! code they also see what the visible tests said, and the result is put to a vote of behaviour.

use codescaler::select::Rule;
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{
        Count, InputSource, Outcome, Temperature, Wanted, count, decide, drafts, evidence,
        made_inputs, rows, sample, sampling, scores_needed,
    },
};
use crate::{
    ask::{Ask, Asked, Cases, Digest, all},
    prompt::Prompt,
};

/// Debate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Debate {
    /// Writers.
    pub n: Count,
    /// Rounds after the first drafts.
    pub rounds: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Chooses among the last round's programs.
    pub rule: Rule,
    /// Inputs for a vote.
    pub inputs_max: u32,
}

impl Default for Debate {
    fn default() -> Debate {
        Debate {
            n: count(3),
            rounds: count(2),
            temperature: Temperature::of(0.7),
            tokens_max: count(4096),
            rule: Rule::OutputVote,
            inputs_max: 20,
        }
    }
}

impl Debate {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let mut programs: Vec<Slot> = drafts(ask, self.n.get(), sampling)?;
        for _ in 0..self.rounds.get() {
            rows(ask, &programs, Cases::Visible)?;
            let turns = all((0..programs.len()).map(|at| {
                let Some(own) = programs[at] else { return Ok(None) };
                let others: Vec<Digest> = (0..programs.len())
                    .filter(|&other| other != at)
                    .filter_map(|other| programs[other])
                    .collect();
                let index = u32::try_from(at).unwrap_or(u32::MAX);
                sample(ask, &Prompt::Debate { own, others }, sampling, index)
            }))?;
            // Who has nothing to say stays with what was said before.
            for (program, turn) in programs.iter_mut().zip(turns) {
                *program = turn.or(*program);
            }
        }
        let inputs = made_inputs(ask, InputSource::Mutated, self.inputs_max, sampling)?;
        let wanted = Wanted {
            visible: true,
            inputs,
            scores: scores_needed(&self.rule),
            ..Wanted::default()
        };
        let evidence = evidence(ask, &programs, wanted)?;
        Ok(decide(ask, &self.rule, programs, &evidence))
    }
}
