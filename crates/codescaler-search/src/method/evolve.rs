//! EvoScale: generations of programs, each written with the best before it in sight (Zeng et al.,
//! *Satori-SWE*, arXiv:2505.23604), for any language model. The paper trains the writer to improve
//! on what it sees; one that was not trained so may get worse, so every program ever written stays
//! in the pool.

use codescaler::select::Rule;
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{
        Count, Outcome, Temperature, Wanted, best_texts, count, decide, drafts, evidence, sample,
        sampling,
    },
};
use crate::{
    ask::{Ask, Asked, Digest, all},
    prompt::Prompt,
};

/// EvoScale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Evolve {
    /// Programs of a generation.
    pub n: Count,
    /// Generations.
    pub rounds: Count,
    /// Programs that the next generation sees.
    pub keep: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Whether visible tests come before the score.
    pub visible: bool,
}

impl Default for Evolve {
    fn default() -> Evolve {
        Evolve {
            n: count(5),
            rounds: count(4),
            keep: count(5),
            temperature: Temperature::of(0.8),
            tokens_max: count(4096),
            visible: true,
        }
    }
}

impl Evolve {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let rule = if self.visible { Rule::RmWithinPassing } else { Rule::RmArgmax };
        let wanted = Wanted { visible: self.visible, scores: true, ..Wanted::default() };
        let mut pool: Vec<Slot> = drafts(ask, self.n.get(), sampling)?;
        for _ in 1..self.rounds.get() {
            let evidence = evidence(ask, &pool, wanted)?;
            let parents = self.parents(&pool, &evidence);
            let prompt = match parents.is_empty() {
                true => Prompt::Draft { plan: None },
                false => Prompt::Improve { parents },
            };
            // Without parents the same prompt would give the same samples again.
            let first = if matches!(prompt, Prompt::Draft { .. }) { pool.len() } else { 0 };
            let first = u32::try_from(first).unwrap_or(u32::MAX);
            pool.extend(all(
                (first..first + self.n.get()).map(|index| sample(ask, &prompt, sampling, index))
            )?);
        }
        let evidence = evidence(ask, &pool, wanted)?;
        Ok(decide(ask, &rule, pool, &evidence))
    }

    /// The best programs so far, each once: by visible tests, then by score.
    fn parents(&self, pool: &[Slot], evidence: &codescaler::evidence::Evidence) -> Vec<Digest> {
        let passed = |at: usize| {
            let row = evidence.visible.as_ref().map(|table| &table[at]);
            row.map_or(0, |row| row.iter().filter(|cell| **cell == Some(true)).count())
        };
        let score = |at: usize| evidence.scores.first().and_then(|scores| scores[at]);
        let mut order: Vec<usize> = (0..pool.len()).filter(|&at| pool[at].is_some()).collect();
        order.sort_by_key(|&at| std::cmp::Reverse((passed(at), score(at))));
        best_texts(pool, order, self.keep)
    }
}
