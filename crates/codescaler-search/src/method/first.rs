//! First Finish Search (Agarwal et al., arXiv:2505.18149): all samples at once, and the first ones
//! that end. Right answers tend to be the shorter ones of language models that reason at length;
//! for others a short answer may just be a careless one, so that `enough` above 1 with a rule over
//! those is the safer form. Only whole answers with a valid program count.

use codescaler::select::Rule;
use serde::{Deserialize, Serialize};

use super::pool::{
    Count, Outcome, Temperature, Wanted, count, decide, evidence, program_of, sampling,
    scores_needed,
};
use crate::{
    ask::{Ask, Asked, Chat},
    prompt::Prompt,
};

/// First Finish Search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct First {
    /// Samples begun.
    pub n: Count,
    /// Samples waited for.
    pub enough: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Chooses among those.
    pub rule: Rule,
    /// Whether visible tests are run.
    pub visible: bool,
}

impl Default for First {
    fn default() -> First {
        First {
            n: count(8),
            enough: count(1),
            temperature: Temperature::of(0.7),
            tokens_max: count(4096),
            rule: Rule::First,
            visible: false,
        }
    }
}

impl First {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let prompt = Prompt::Draft { plan: None };
        let chats: Vec<Chat> = (0..self.n.get())
            .map(|index| Chat { prompt: prompt.clone(), sampling, index })
            .collect();
        let counts = |reply: &crate::Reply| reply.is_whole && reply.program.is_some();
        let replies = ask.first_chats(&chats, self.enough.get() as usize, counts)?;
        let candidates: Vec<_> = replies.iter().map(|reply| program_of(ask, reply)).collect();
        let wanted = Wanted {
            visible: self.visible,
            scores: scores_needed(&self.rule),
            ..Wanted::default()
        };
        let evidence = evidence(ask, &candidates, wanted)?;
        Ok(decide(ask, &self.rule, candidates, &evidence))
    }
}
