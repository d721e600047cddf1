//! What can be made of a problem before anybody wants it solved: sleep-time compute (Lin et al.,
//! arXiv:2504.13171), for code. The paper has a language model write down inferences; here inputs
//! and tests are written, and programs that print inputs, as HardTests (arXiv:2505.24098) has them.
//! Methods ask for the same in the same words later. Where answers are kept (`solve --answers`),
//! they are there then.

use codescaler::problem::Test;
use serde::{Deserialize, Serialize};

use super::pool::{
    Count, MAKERS_MAX, Outcome, Programmed, Temperature, count, programmed, sampling,
};
use crate::{
    ask::{Ask, Asked, all},
    prompt::Prompt,
    reply,
};

/// Inputs and tests ahead of time. Numbers, temperature and tokens are to be those of the method
/// that comes later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prepare {
    /// Inputs of one answer; 0 for none.
    pub inputs_max: u32,
    /// Programs that print inputs, tried one after the other until one does; 0 for none. What else
    /// wants such inputs tries three.
    pub makers_max: u32,
    /// Answers with tests.
    pub tests: u32,
    /// Tests of each.
    pub per_reply: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// Tokens of an answer.
    pub tokens_max: Count,
}

impl Default for Prepare {
    fn default() -> Prepare {
        Prepare {
            inputs_max: 20,
            makers_max: MAKERS_MAX,
            tests: 16,
            per_reply: count(1),
            temperature: Temperature::of(0.7),
            tokens_max: count(4096),
        }
    }
}

impl Prepare {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let sampling = sampling(self.temperature, self.tokens_max);
        let entry = &ask.task().problem().entry;
        let inputs = match self.inputs_max {
            0 => Ok(None),
            count => ask.chat(&Prompt::Inputs { count }, sampling, 0),
        };
        let count = self.per_reply.get();
        let prompt = Prompt::Tests { about: None, count };
        let tests = all((0..self.tests).map(|index| ask.chat(&prompt, sampling, index)));
        let printed = programmed(ask, self.makers_max, (u32::MAX, sampling));
        let (inputs, tests) = (inputs?, tests?);
        let Programmed { inputs: printed, bad } = printed?;
        let n_inputs = inputs
            .map_or(0, |reply| reply::inputs(&reply.text, entry, self.inputs_max as usize).len());
        let mut made: Vec<Test> = Vec::new();
        for reply in tests.into_iter().flatten() {
            let new = reply::tests(&reply.text, entry, count as usize);
            made.extend(new.into_iter().filter(|test| !made.contains(test)).collect::<Vec<_>>());
        }
        let n_printed = match (printed.len(), bad) {
            (n, 0) => format!("{n} inputs of a program"),
            (n, bad) => format!("{n} inputs of a program after {bad} bad ones"),
        };
        let n_tests = made.len();
        Ok(Outcome::default()
            .with_note(format!("prepared: {n_inputs} inputs, {n_printed}, {n_tests} tests")))
    }
}
