//! Solves a problem by another method, and says what it taught: ReasoningBank (Ouyang et al.,
//! arXiv:2509.25140, section 3.2) and ArcMemo (Ho et al., arXiv:2509.04439).
//!
//! Whoever drives searches keeps the lessons and gives them to later problems
//! ([`Task::with_lessons`](crate::Task::with_lessons)); a method itself knows one problem. The papers
//! learn from successes and failures, told apart by a judge; here the visible tests tell, and are
//! shown. At most three lessons a problem is ReasoningBank's number. ArcMemo's concepts are written
//! in a form of its own; here a lesson is a sentence or two.

use serde::{Deserialize, Serialize};

use super::{
    Method,
    pool::{Count, Outcome, Temperature, count, sampling},
    route::Named,
};
use crate::{
    ask::{Ask, Asked, Cases},
    prompt::Prompt,
    reply,
};

/// A method that learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Learn {
    /// Solves the problem; in quotes where it has several parameters.
    pub method: Named,
    /// Lessons, at most.
    pub lessons_max: Count,
    /// Temperature of those.
    pub temperature: Temperature,
    /// Tokens of those.
    pub tokens_max: Count,
}

impl Default for Learn {
    fn default() -> Learn {
        Learn {
            method: Named::of("codescaler_run"),
            lessons_max: count(3),
            temperature: Temperature::of(0.0),
            tokens_max: count(1024),
        }
    }
}

impl Learn {
    /// The method that solves.
    pub(super) fn inner(&self) -> &Method {
        self.method.method()
    }

    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let outcome = self.method.solve(ask)?;
        let Some(program) = outcome.program() else { return Ok(outcome) };
        // What the visible tests say of it is shown.
        ask.run(program, Cases::Visible)?;
        let count = self.lessons_max.get();
        let prompt = Prompt::Lessons { program, count };
        let reply = ask.chat(&prompt, sampling(self.temperature, self.tokens_max), 0)?;
        let lessons =
            reply.map_or_else(Vec::new, |reply| reply::texts(&reply.text, count as usize));
        Ok(Outcome { lessons, ..outcome })
    }
}
