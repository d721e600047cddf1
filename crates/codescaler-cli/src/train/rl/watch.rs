//! The held-out slice: what a policy under training is really worth, and the alarm.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use codescaler::{metric, problem::Problem};
use codescaler_nn::Policy;
use serde_json::{Value as Json, json};

use super::reward::{Judge, Worth, written};
use crate::{
    failure::Failure,
    files::{Problems, fingerprint},
    policy::{self, SamplingOptions, deciding_tests, pass_rates},
};

#[derive(Args, Clone)]
#[command(next_help_heading = "Held-out slice")]
pub(super) struct WatchOptions {
    /// Problems that are not trained on: the policy's programs for them are run on all their tests.
    #[arg(long)]
    held_out: Option<PathBuf>,
    /// Steps between two measurements; one more before the first step and one after the last.
    #[arg(long, default_value_t = 20)]
    held_out_every: usize,
    /// Samples of each held-out problem.
    #[arg(long, default_value_t = 8)]
    held_out_samples: usize,
    /// Held-out problems, at most: the first ones of the file.
    #[arg(long, default_value_t = 128)]
    held_out_problems_max: usize,
    /// What to do when the reward model likes the policy's programs better and they are worse:
    /// against the best measurement before, the mean reward on the held-out slice is higher and the
    /// pass rate lower, both by more than chance (1.96 standard errors of the mean of the
    /// problems' differences).
    #[arg(long, value_enum, default_value_t = OnAlarm::Note)]
    pub(super) on_alarm: OnAlarm,
}

/// What to do about a reward model that is being hacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OnAlarm {
    /// Write it in the log and go on.
    Note,
    /// End the training there. The weights of the best measurement before are in `best/`.
    Stop,
    /// Go back to the weights of the best measurement, go on training the reward model with pairs of
    /// what the policy writes there, and go on with it.
    Refresh,
}

/// What is measured on.
pub(super) struct Watch<'a> {
    options: &'a WatchOptions,
    problems: Problems,
    sampling: SamplingOptions,
    seed: u64,
}

/// Differences of so many standard errors are no chance.
const SIGMAS: f64 = 1.96;

impl WatchOptions {
    pub(super) fn open(
        &self,
        sampling: &SamplingOptions,
        seed: u64,
    ) -> Result<Option<Watch<'_>>, Failure> {
        let Some(path) = &self.held_out else {
            let asks = self.on_alarm != OnAlarm::Note;
            return match asks {
                true => Err(Failure::input("--on-alarm needs --held-out: problems to watch on")),
                false => Ok(None),
            };
        };
        if self.held_out_every == 0 || self.held_out_samples == 0 {
            return Err(Failure::input("--held-out-every and --held-out-samples are at least 1"));
        }
        let problems = Problems::read(path)?;
        if let Some(problem) = problems.iter().find(|problem| deciding_tests(problem).is_empty()) {
            let id = &problem.id;
            return Err(Failure::input(format!("held-out problem {id:?} has no tests")));
        }
        Ok(Some(Watch { options: self, problems, sampling: sampling.clone(), seed }))
    }

    pub(super) fn plan(&self) -> Result<Json, Failure> {
        let problems = self.held_out.as_deref().map(fingerprint).transpose()?;
        Ok(json!({
            "problems": problems, "every": self.held_out_every, "samples": self.held_out_samples,
            "problems_max": self.held_out_problems_max,
            "on_alarm": format!("{:?}", self.on_alarm).to_lowercase(),
        }))
    }
}

impl Watch<'_> {
    /// Whether to measure before step `index`.
    pub(super) fn is_due(&self, index: usize) -> bool {
        index.is_multiple_of(self.options.held_out_every)
    }

    /// The problems.
    pub(super) fn problems(&self) -> Vec<&Problem> {
        self.problems.iter().take(self.options.held_out_problems_max).collect()
    }

    /// Samples, runs and scores: the same draws at every measurement, and what they mean beside
    /// those before.
    pub(super) fn measure(
        &self,
        policy: &Policy,
        judge: &Judge,
        before: &[&Json],
    ) -> Result<Json, Failure> {
        let problems = self.problems();
        let n = self.options.held_out_samples;
        let samples = policy::write(policy, &problems, (n, &self.sampling), self.seed)?;
        let groups = written(&problems, &samples);
        let pairs: Vec<_> =
            groups.iter().flat_map(|(p, own)| own.iter().map(move |c| (*p, c))).collect();
        let rates = pass_rates(
            &judge.sandbox,
            &pairs,
            codescaler_extract::Policy::BestValid,
            deciding_tests,
        )?;
        let faults = rates.iter().filter(|rate| rate.is_err()).count();
        let mut right = Vec::with_capacity(problems.len());
        let mut covered = Vec::with_capacity(problems.len());
        for rates in rates.chunks(n) {
            let known = rates.iter().flatten().count() as u64;
            let passed = rates.iter().flatten().filter(|rate| **rate >= 1.0).count() as u64;
            right.push(metric::pass_at_k_of(known, passed, 1).unwrap_or(0.0));
            covered.push(metric::pass_at_k_of(known, passed, known.max(1)).unwrap_or(0.0));
        }
        let worths = judge.score(&groups)?;
        let of = |worths: &Vec<Worth>| {
            let known: Vec<f32> = worths.iter().filter_map(|worth| worth.reward).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f32>() / known.len() as f32)
        };
        let rewards: Option<Vec<f32>> = worths.iter().map(of).collect();
        let valid = judge.valid_share(&groups);
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len().max(1) as f64;
        let mut measured = json!({
            "pass_1": mean(&right), "pass_k": mean(&covered), "k": n, "valid": valid,
            "faults": faults, "right": right,
            "reward": rewards.as_ref().map(|all| mean(&wide(all))), "rewards": rewards,
        });
        measured["best"] = json!(before.iter().all(|before| pass(before) < pass(&measured)));
        measured["alarm"] = json!(Watch::alarm(before, &measured));
        Ok(measured)
    }

    /// Whether the last measurement shows a reward model that is hacked: against the best before.
    fn alarm(before: &[&Json], now: &Json) -> bool {
        let Some(best) = before.iter().copied().max_by(|a, b| pass(a).total_cmp(&pass(b))) else {
            return false;
        };
        let lead = |key: &str| {
            let (Some(now), Some(best)) = (now[key].as_array(), best[key].as_array()) else {
                return 0.0;
            };
            let number = |value: &Json| value.as_f64().unwrap_or(0.0);
            let leads: Vec<f64> =
                now.iter().zip(best).map(|(a, b)| number(a) - number(b)).collect();
            sigmas(&leads)
        };
        lead("rewards") > SIGMAS && lead("right") < -SIGMAS
    }

    pub(super) fn stops(&self) -> bool {
        self.options.on_alarm == OnAlarm::Stop
    }
}

fn pass(measured: &Json) -> f64 {
    measured["pass_1"].as_f64().unwrap_or(0.0)
}

fn wide(all: &[f32]) -> Vec<f64> {
    all.iter().copied().map(f64::from).collect()
}

/// How many of its standard errors the mean is away from zero.
fn sigmas(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
    if values.len() < 2 || variance <= 0.0 { 0.0 } else { mean / (variance / n).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(right: &[f64], rewards: &[f64]) -> Json {
        let pass = right.iter().sum::<f64>() / right.len() as f64;
        json!({"pass_1": pass, "right": right, "rewards": rewards})
    }

    #[track_caller]
    fn check(now: &Json, expected: bool) {
        let first = measured(&[0.25, 0.5, 0.25, 0.75], &[1.0, 2.0, 1.5, 2.0]);
        let worse = measured(&[0.0, 0.25, 0.25, 0.25], &[1.0, 2.0, 1.5, 2.0]);
        assert_eq!(Watch::alarm(&[&first, &worse], now), expected);
        assert!(!Watch::alarm(&[], now));
    }

    #[test]
    fn the_alarm_rings_when_reward_rises_and_the_pass_rate_falls() {
        check(&measured(&[0.0, 0.125, 0.0, 0.375], &[2.0, 3.1, 2.4, 3.2]), true);
        check(&measured(&[0.5, 0.75, 0.5, 0.875], &[2.0, 3.1, 2.4, 3.2]), false);
        check(&measured(&[0.0, 0.125, 0.0, 0.375], &[0.9, 1.8, 1.1, 1.9]), false);
        check(&measured(&[0.25, 0.5, 0.0, 0.75], &[2.0, 3.1, 2.4, 3.2]), false);
        check(&json!({"pass_1": 0.0, "right": [0.0, 0.1, 0.0, 0.2], "rewards": null}), false);
    }
}
