//! Search over the development process (Ma et al., *SWE-Reasoner*, arXiv:2503.23803), at the level
//! of one function: plans first, the best of them carried out, the best result kept. The paper
//! scores plans by a trained process reward model, which is not published; here a plan is worth what
//! its programs turn out to be worth: each plan gets one program, and the plans whose programs look
//! best get the rest of the budget.

use codescaler::select::Rule;
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{Count, Outcome, Temperature, Wanted, count, decide, evidence, sample, sampling},
};
use crate::{
    ask::{Ask, Asked, Digest, all},
    prompt::Prompt,
};

/// Plans, then programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Process {
    /// Plans.
    pub n: Count,
    /// Plans that are carried on with.
    pub keep: Count,
    /// Programs of each of those.
    pub rounds: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
}

impl Default for Process {
    fn default() -> Process {
        Process {
            n: count(8),
            keep: count(2),
            rounds: count(4),
            temperature: Temperature::of(0.8),
            tokens_max: count(4096),
        }
    }
}

impl Process {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let plans = all((0..self.n.get()).map(|index| ask.chat(&Prompt::Plan, sampling, index)))?;
        let plans: Vec<Digest> =
            plans.into_iter().flatten().map(|reply| ask.keep(&reply.text)).collect();
        let write = |ask: &mut Ask<'_>, plan: Digest, index: u32| {
            sample(ask, &Prompt::Draft { plan: Some(plan) }, sampling, index)
        };
        let mut pool: Vec<Slot> = all(plans.iter().map(|&plan| write(ask, plan, 0)))?;
        let wanted = Wanted { visible: true, scores: true, ..Wanted::default() };
        let found = evidence(ask, &pool, wanted)?;
        let order = codescaler::select::select(&Rule::RmWithinPassing, &found, ask.seed("plans"))
            .map(|choice| choice.ranking.concat())
            .unwrap_or_default();
        let kept: Vec<Digest> =
            order.into_iter().take(self.keep.get() as usize).map(|at| plans[at]).collect();
        let more =
            kept.iter().flat_map(|&plan| (1..self.rounds.get()).map(move |index| (plan, index)));
        pool.extend(all(more.map(|(plan, index)| write(ask, plan, index)))?);
        let found = evidence(ask, &pool, wanted)?;
        Ok(decide(ask, &Rule::RmWithinPassing, pool, &found))
    }
}
