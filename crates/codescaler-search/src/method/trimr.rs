//! TrimR (Lin et al., arXiv:2505.17155): a reasoning is watched as it is written, and stopped when
//! its thoughts come to the same answer again and again, when they come to none, or when it
//! repeats itself.
//!
//! The paper's verifier is a language model of 7B that compares what thoughts end with, and a
//! stopped reasoning is made to answer by words put into its mouth. Here programs are compared
//! ([`Trim`] says how), so that nobody else is asked; thoughts that agree have the program that
//! they agree on, and the others are asked for theirs in a turn of its own, which every endpoint
//! can answer. Where the text and the pseudocode of the paper disagree about reasonings that come
//! to nothing (they are stopped after 20 thoughts, from half of their tokens on), we follow the
//! text. Tokens are counted as four bytes, because that is known while they come.

use std::sync::Arc;

use codescaler::{
    reasoning::{Trim, Why},
    select::Rule,
};
use serde::{Deserialize, Serialize};

use super::{
    Slot,
    pool::{
        Count, Outcome, Temperature, Wanted, count, decide, evidence, program_of, replies,
        sampling, scores_needed,
    },
};
use crate::{
    ask::{Ask, Asked, Reply, Sampling, all},
    prompt::Prompt,
};

/// TrimR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrimR {
    /// Answers.
    pub n: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer with its reasoning.
    pub tokens_max: Count,
    /// Thoughts before it that a thought has to agree with, to be the last.
    pub agreeing: u8,
    /// Odd ones that may stand between those; none is as published.
    pub odd: u8,
    /// Thoughts that may come to nothing …
    pub thoughts_max: u16,
    /// … once this share of the tokens is written.
    pub share_min: f64,
    /// Tokens of the program that is written at last.
    pub finish_tokens: Count,
    /// Chooses among the answers.
    pub rule: Rule,
}

impl Default for TrimR {
    fn default() -> TrimR {
        TrimR {
            n: count(16),
            temperature: Temperature::of(0.6),
            tokens_max: count(32_768),
            agreeing: 2,
            odd: 1,
            thoughts_max: 20,
            share_min: 0.5,
            finish_tokens: count(4096),
            rule: Rule::RmWithinPassing,
        }
    }
}

impl TrimR {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let trimmed =
            Sampling { trim: Some(self.trim()), ..sampling(self.temperature, self.tokens_max) };
        let replies: Vec<Arc<Reply>> =
            replies(ask, self.n.get(), trimmed)?.into_iter().flatten().collect();
        let programs = (0..).zip(&replies).map(|(index, reply)| self.program(ask, reply, index));
        let candidates = all(programs)?;
        let wanted =
            Wanted { visible: true, scores: scores_needed(&self.rule), ..Wanted::default() };
        let found = evidence(ask, &candidates, wanted)?;
        let counted = |why| replies.iter().filter(|reply| reply.trimmed == Some(why)).count();
        let outcome = decide(ask, &self.rule, candidates, &found);
        Ok(outcome.with_note(format!(
            "of {} reasonings {} were stopped: {} agreed with themselves, {} came to nothing, {} \
             went round in circles",
            replies.len(),
            replies.iter().filter(|reply| reply.trimmed.is_some()).count(),
            counted(Why::Agreed),
            counted(Why::GaveUp),
            counted(Why::Loops),
        )))
    }

    fn trim(&self) -> Trim {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number of bytes saturates"
        )]
        let bytes_min = (self.share_min * 4.0 * f64::from(self.tokens_max.get())) as u32;
        Trim { agreeing: self.agreeing, odd: self.odd, thoughts_max: self.thoughts_max, bytes_min }
    }

    /// The program of an answer: its own, or the one it is made to write at last.
    fn program(&self, ask: &mut Ask<'_>, reply: &Reply, index: u32) -> Asked<Slot> {
        let own = program_of(ask, reply);
        match reply.trimmed {
            None => Ok(own),
            Some(Why::Agreed) if own.is_some() => Ok(own),
            Some(Why::Agreed | Why::GaveUp | Why::Loops) => {
                let thought = reply.reasoning.as_ref().unwrap_or(&reply.text);
                let prompt = Prompt::Finish { said: ask.keep(thought) };
                let sampling = sampling(self.temperature, self.finish_tokens);
                let last = ask.chat(&prompt, sampling, index)?;
                Ok(last.and_then(|last| program_of(ask, &last)).or(own))
            }
        }
    }
}
