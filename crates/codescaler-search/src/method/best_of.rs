//! Best of n: samples, the evidence that a rule needs, and the rule.
//!
//! With the rules of [`codescaler::select`] this is best-of-N with a reward model (CodeScaler),
//! test voting (CodeRM, CURE), dual agreement (CodeT, B4), minimum Bayes risk (MBR-exec), clusters
//! (AlphaCode), R2E-Gym's hybrid and voting over temperatures.

use codescaler::{
    problem::Test,
    select::{Need, Rule},
};
use serde::{Deserialize, Serialize};

use super::pool::{
    Count, InputSource, Outcome, Temperature, Temperatures, Wanted, count, decide, evidence,
    made_inputs, sample, sampling, scores_needed,
};
use crate::{
    ask::{Ask, Asked, Digest, all},
    method::Slot,
    prompt::Prompt,
    reply,
};

/// Best of n.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BestOf {
    /// Samples.
    pub n: Count,
    /// Temperature of the samples.
    pub temperature: Temperature,
    /// Temperatures with `/` between them, taken in turn; empty for one.
    pub temperatures: Temperatures,
    /// Tokens of an answer.
    pub tokens_max: Count,
    /// Whether the visible tests are run, and those that pass most of them kept.
    pub visible: bool,
    /// The rule that chooses.
    pub rule: Rule,
    /// Answers of the test writer.
    pub tests: u32,
    /// Tests taken from each.
    pub per_reply: Count,
    /// Whether the test writer sees a sample, each time another one.
    pub tests_about: bool,
    /// Where inputs come from, for rules that need outputs.
    pub inputs: InputSource,
    /// How many.
    pub inputs_max: u32,
}

impl Default for BestOf {
    fn default() -> BestOf {
        BestOf {
            n: count(16),
            temperature: Temperature::of(0.7),
            temperatures: Temperatures::default(),
            tokens_max: count(4096),
            visible: true,
            rule: Rule::RmArgmax,
            tests: 0,
            per_reply: count(10),
            tests_about: false,
            inputs: InputSource::None,
            inputs_max: 20,
        }
    }
}

impl BestOf {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let candidates = self.samples(ask)?;
        let needs = |wanted: Need| self.rule.needs().contains(&wanted);
        let tests = if self.tests > 0 { self.tests(ask, &candidates)? } else { None };
        let inputs = if needs(Need::Outputs) {
            made_inputs(
                ask,
                self.inputs,
                self.inputs_max,
                sampling(self.temperature, self.tokens_max),
            )?
        } else {
            None
        };
        let wanted = Wanted {
            visible: self.visible || needs(Need::Visible),
            tests,
            inputs,
            scores: scores_needed(&self.rule),
        };
        let evidence = evidence(ask, &candidates, wanted)?;
        Ok(decide(ask, &self.rule, candidates, &evidence))
    }

    fn samples(&self, ask: &mut Ask<'_>) -> Asked<Vec<Slot>> {
        let one = [self.temperature];
        let temperatures = match &self.temperatures.0[..] {
            [] => &one[..],
            several => several,
        };
        let prompt = Prompt::Draft { plan: None };
        all((0..self.n.get()).zip(temperatures.iter().cycle()).map(|(index, &temperature)| {
            sample(ask, &prompt, sampling(temperature, self.tokens_max), index)
        }))
    }

    /// The tests of all answers, each once.
    fn tests(&self, ask: &mut Ask<'_>, candidates: &[Slot]) -> Asked<Option<Digest>> {
        let shown: Vec<Digest> = candidates.iter().copied().flatten().collect();
        let entry = &ask.task().problem().entry;
        let (count, sampling) = (self.per_reply.get(), sampling(self.temperature, self.tokens_max));
        let replies = all((0..self.tests).map(|index| {
            let about = match (self.tests_about, shown.len()) {
                (false, _) | (_, 0) => None,
                (true, n) => Some(shown[index as usize % n]),
            };
            ask.chat(&Prompt::Tests { about, count }, sampling, index)
        }))?;
        let mut tests: Vec<Test> = Vec::new();
        for reply in replies.into_iter().flatten() {
            for test in reply::tests(&reply.text, entry, count as usize) {
                if !tests.contains(&test) {
                    tests.push(test);
                }
            }
        }
        Ok((!tests.is_empty()).then(|| ask.keep_tests(tests)))
    }
}
