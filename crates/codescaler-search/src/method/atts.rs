//! ATTS (*Asynchronous Test-Time Scaling via Conformal Prediction*, arXiv:2509.15148): a small
//! language model drafts an answer step by step, and a large one, which only has to read for that,
//! says how likely each step is. Steps that are too unlikely are written by the large one. Samples
//! do not wait for each other.
//!
//! What "too unlikely" is, is calibrated: first steps of other drafts of the same problem are
//! weighed, and a step is rejected when its conformal p-value among those is at most `reject`: of
//! steps like them, at most this share, whatever the language models are. Later steps, and longer
//! ones, may be likelier or less likely than those. The released code compares a percentile instead of that p-value, and lets the large language model go on *behind*
//! the step that it rejected (`appended=true`); here it writes the step anew, as the paper says.

use codescaler::select::Rule;
use serde::{Deserialize, Serialize};

use super::{
    growth::{Growth, grown_by},
    pool::{Count, Outcome, Temperature, Wanted, count, decide, evidence, sampling, scores_needed},
};
use crate::{
    ask::{Ask, Asked, Digest, Sampling, all},
    prompt::Prompt,
};

/// ATTS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Atts {
    /// Samples.
    pub n: Count,
    /// Drafts that steps are compared with.
    pub calibration: Count,
    /// Tokens of each of those.
    pub calibration_tokens: Count,
    /// Temperature of those.
    pub calibration_temperature: Temperature,
    /// Tokens of a step.
    pub step_tokens: Count,
    /// Steps of a sample, at most.
    pub steps_max: Count,
    /// Temperature.
    pub temperature: Temperature,
    /// The share of steps like those that they are compared with that the large language model is
    /// to write, at most.
    pub reject: f64,
    /// Whether what it writes follows the rejected step.
    pub appended: bool,
    /// Chooses among the samples.
    pub rule: Rule,
}

impl Default for Atts {
    fn default() -> Atts {
        Atts {
            n: count(16),
            calibration: count(16),
            calibration_tokens: count(100),
            calibration_temperature: Temperature::of(0.7),
            step_tokens: count(200),
            steps_max: count(40),
            temperature: Temperature::of(0.6),
            reject: 0.4,
            appended: false,
            rule: Rule::RmWithinPassing,
        }
    }
}

/// A sample with what became of its steps.
#[derive(Clone, Copy, Debug, Default)]
struct Steps {
    taken: u32,
    rejected: u32,
    /// Those whose likelihood nobody said; they are taken as they are.
    unknown: u32,
}

impl Atts {
    pub(super) fn solve(&self, ask: &mut Ask<'_>) -> Asked<Outcome> {
        let calibration = self.calibration(ask)?;
        let samples = all((0..self.n.get()).map(|index| self.sample(ask, &calibration, index)))?;
        let candidates: Vec<_> =
            samples.iter().map(|(growth, _)| growth.program.filter(|_| growth.has_ended)).collect();
        let wanted =
            Wanted { visible: true, scores: scores_needed(&self.rule), ..Wanted::default() };
        let found = evidence(ask, &candidates, wanted)?;
        let total = |part: fn(&Steps) -> u32| samples.iter().map(|(_, s)| part(s)).sum::<u32>();
        let unknown = total(|steps| steps.unknown);
        let outcome = decide(ask, &self.rule, candidates, &found).with_note(format!(
            "of {} steps, {} were written anew",
            total(|steps| steps.taken),
            total(|steps| steps.rejected)
        ));
        Ok(match unknown {
            0 => outcome,
            _ => outcome.with_note(format!(
                "nobody said how likely {unknown} steps are (vLLM does, and servers of plain \
                 completions that echo)"
            )),
        })
    }

    /// How unlikely first steps of this problem are: their mean negative log-probabilities, whose
    /// order is that of perplexities.
    fn calibration(&self, ask: &mut Ask<'_>) -> Asked<Vec<f64>> {
        let sampling = sampling(self.calibration_temperature, self.calibration_tokens);
        // Other samples than those that are judged by them.
        let own = self.n.get()..self.n.get().saturating_add(self.calibration.get());
        let weighed = all(own.map(|index| {
            let step = grown_by(ask, &Growth::default(), Prompt::step, sampling, index)?;
            weighed(ask, &Growth::default(), &step)
        }))?;
        Ok(weighed.into_iter().flatten().collect())
    }

    /// One sample, to its end.
    fn sample(&self, ask: &mut Ask<'_>, calibration: &[f64], index: u32) -> Asked<(Growth, Steps)> {
        let sampling: Sampling = sampling(self.temperature, self.step_tokens);
        let (mut sample, mut steps) = (Growth::default(), Steps::default());
        while !sample.has_ended && steps.taken < self.steps_max.get() {
            let draft = grown_by(ask, &sample, Prompt::step, sampling, index)?;
            if draft.text == sample.text {
                sample = draft;
                break;
            }
            let surprise = weighed(ask, &sample, &draft)?;
            let is_rejected =
                surprise.is_some_and(|surprise| p_value(calibration, surprise) <= self.reject);
            steps.taken += 1;
            steps.rejected += u32::from(is_rejected);
            steps.unknown += u32::from(surprise.is_none());
            sample = match is_rejected {
                false => draft,
                true => {
                    let from = if self.appended { &draft } else { &sample };
                    let from = Growth { has_ended: false, ..from.clone() };
                    grown_by(ask, &from, Prompt::go_on, sampling, index)?
                }
            };
        }
        Ok((sample, steps))
    }
}

/// How unlikely the last step is in the eyes of the large language model.
fn weighed(ask: &mut Ask<'_>, before: &Growth, after: &Growth) -> Asked<Option<f64>> {
    let Some(text) = after.text.filter(|_| after.text != before.text) else { return Ok(None) };
    let from = before.text.map_or(0, |text: Digest| ask.text(text).len());
    let exact = Sampling { temperature_milli: 0, tokens_max: 1, trim: None };
    let reply = ask.chat(&Prompt::Weigh { text, from }, exact, 0)?;
    Ok(reply.and_then(|reply| reply.logprob_mean()).map(|mean| -mean))
}

/// The conformal p-value of a step: of it and those that it is compared with, the share that are
/// at least as surprising.
fn p_value(calibration: &[f64], surprise: f64) -> f64 {
    let more = calibration.iter().filter(|&&other| other >= surprise).count();
    (more + 1) as f64 / (calibration.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use codescaler::seed::Rng;

    use super::*;

    #[test]
    fn the_share_of_rejected_steps_is_kept() {
        let mut rng = Rng::new(5);
        for n in [9, 16, 99] {
            let rounds = 4_000;
            let rejected = (0..rounds).filter(|_| {
                // Whatever the distribution: only the order counts.
                let mut draw = || ((rng.next_u64() >> 11) as f64).sqrt();
                let calibration: Vec<f64> = (0..n).map(|_| draw()).collect();
                p_value(&calibration, draw()) <= 0.4
            });
            let share = rejected.count() as f64 / f64::from(rounds);
            let exact = (0.4 * f64::from(n + 1)).floor() / f64::from(n + 1);
            assert!((share - exact).abs() < 0.03, "{n}: {share} and {exact}");
        }
    }

    #[test]
    fn without_calibration_nothing_is_rejected() {
        assert!((p_value(&[], 9.0) - 1.0).abs() < 1e-12);
        assert!((p_value(&[1.0, 2.0, 3.0], 2.0) - 0.75).abs() < 1e-12);
    }
}
