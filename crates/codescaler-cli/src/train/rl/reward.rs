//! What a completion is worth.

use std::{collections::BTreeMap, ops::ControlFlow};

use clap::ValueEnum;
use codescaler::{candidate::Candidate, inputs, problem::Problem, seed::derive, shaping::Shaping};
use codescaler_extract::Policy as Extraction;
use codescaler_nn::Sample;
use codescaler_reward::{Outcome, program_of};
use codescaler_sandbox::{Cases, Job, Sandbox};
use serde::Serialize;

use crate::{
    failure::Failure,
    policy::{candidate, pass_rates},
    score::{Scorer, score_batch},
    stage::Item,
    terminal::check_interrupt,
};

/// Where rewards come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// 1 when every test of the problem passes, else 0.
    Execution,
    /// The share of tests that pass.
    Fraction,
    /// The reward model's score, shaped; nothing is run.
    RewardModel,
    /// Execution for the share --executed-share of the problems with tests, the reward model for
    /// all others.
    Hybrid,
    /// 1 for the programs that behave as most of their group on the tests' inputs and others like
    /// them; expected values are not read.
    Consistency,
}

impl Kind {
    /// Whether a reward model is asked.
    pub(super) fn scores(self) -> bool {
        match self {
            Kind::RewardModel | Kind::Hybrid => true,
            Kind::Execution | Kind::Fraction | Kind::Consistency => false,
        }
    }
}

/// What one completion came to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Worth {
    /// The reward; `None` where a fault of ours hides it.
    pub(super) reward: Option<f32>,
    /// The reward model's raw score.
    pub(super) score: Option<f32>,
    /// Whether there is a program.
    pub(super) is_valid: bool,
}

/// Who says what a completion is worth.
pub(super) struct Judge {
    pub(super) kind: Kind,
    pub(super) scorer: Option<Scorer>,
    pub(super) sandbox: Sandbox,
    pub(super) shaping: Shaping,
    pub(super) extraction: Extraction,
    pub(super) executed_share: f64,
    pub(super) seed: u64,
}

/// A problem with the completions of its group.
pub(super) type Written<'a> = (&'a Problem, Vec<Candidate>);

/// Problems with what a policy wrote to them.
pub(super) fn written<'a>(problems: &[&'a Problem], samples: &[Vec<Sample>]) -> Vec<Written<'a>> {
    let group = |(problem, samples): (&&'a Problem, &Vec<Sample>)| {
        let own = samples.iter().enumerate();
        (*problem, own.map(|(i, sample)| candidate(problem, i, sample, "policy")).collect())
    };
    problems.iter().zip(samples).map(group).collect()
}

/// How a group is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Tests,
    Share,
    Score,
    Agreement,
}

impl Judge {
    /// Whether a problem can be judged.
    pub(super) fn expect_usable(&self, problem: &Problem) -> Result<(), Failure> {
        let has_tests = !problem.tests.visible.is_empty();
        match self.kind {
            Kind::RewardModel | Kind::Hybrid => Ok(()),
            Kind::Execution | Kind::Fraction | Kind::Consistency if has_tests => Ok(()),
            Kind::Execution | Kind::Fraction | Kind::Consistency => Err(Failure::input(format!(
                "problem {:?} has no visible tests to reward with (hidden ones are for measuring): \
                 leave it out, or use --reward hybrid or reward-model",
                problem.id
            ))),
        }
    }

    fn by(&self, problem: &Problem) -> By {
        match self.kind {
            Kind::Execution => By::Tests,
            Kind::Fraction => By::Share,
            Kind::RewardModel => By::Score,
            Kind::Consistency => By::Agreement,
            Kind::Hybrid => {
                let draw = derive(self.seed, &["executed", &problem.id]) >> 11;
                let is_drawn = (draw as f64) < self.executed_share * (1_u64 << 53) as f64;
                let is_executed = is_drawn && !problem.tests.visible.is_empty();
                if is_executed { By::Tests } else { By::Score }
            }
        }
    }

    /// What every completion is worth, group by group.
    pub(super) fn judge(&self, groups: &[Written<'_>]) -> Result<Vec<Vec<Worth>>, Failure> {
        let mut worths: Vec<Vec<Worth>> = groups
            .iter()
            .map(|(problem, candidates)| {
                let worth = |candidate| Worth {
                    is_valid: program_of(candidate, problem, self.extraction).is_ok(),
                    ..Worth::default()
                };
                candidates.iter().map(worth).collect()
            })
            .collect();
        let of = |by: By| -> Vec<(usize, &Written<'_>)> {
            groups.iter().enumerate().filter(|(_, group)| self.by(group.0) == by).collect()
        };
        self.by_score(&of(By::Score), &mut worths)?;
        for (by, all) in [(By::Tests, true), (By::Share, false)] {
            let run = of(by);
            let rates =
                pass_rates(&self.sandbox, &pairs(&run), self.extraction, |p| &p.tests.visible)?;
            let mut rates = rates.into_iter();
            for (place, _) in run {
                for (worth, rate) in worths[place].iter_mut().zip(&mut rates) {
                    let whole =
                        |rate: f64| if all { f64::from(u8::from(rate >= 1.0)) } else { rate };
                    worth.reward = rate.ok().map(|rate| whole(rate) as f32);
                }
            }
        }
        self.by_agreement(&of(By::Agreement), &mut worths)?;
        Ok(worths)
    }

    /// The reward model's rewards of any groups: what hacking is watched by.
    pub(super) fn score(&self, groups: &[Written<'_>]) -> Result<Vec<Vec<Worth>>, Failure> {
        let blank = |(_, candidates): &Written<'_>| vec![Worth::default(); candidates.len()];
        let mut worths: Vec<Vec<Worth>> = groups.iter().map(blank).collect();
        self.by_score(&groups.iter().enumerate().collect::<Vec<_>>(), &mut worths)?;
        Ok(worths)
    }

    /// The share of completions with a program.
    pub(super) fn valid_share(&self, groups: &[Written<'_>]) -> f64 {
        let all = || groups.iter().flat_map(|(p, own)| own.iter().map(move |c| (*p, c)));
        let valid = all().filter(|(p, c)| program_of(c, p, self.extraction).is_ok()).count();
        valid as f64 / all().count().max(1) as f64
    }

    fn by_score(
        &self,
        groups: &[(usize, &Written<'_>)],
        worths: &mut [Vec<Worth>],
    ) -> Result<(), Failure> {
        let Some(scorer) = self.scorer.as_ref().filter(|_| !groups.is_empty()) else {
            return Ok(());
        };
        let item =
            |(problem, candidate): (_, &Candidate)| Item { problem, candidate: candidate.clone() };
        let items: Vec<Item<'_>> = pairs(groups).into_iter().map(item).collect();
        let mut scored = Vec::with_capacity(items.len());
        score_batch(scorer, &items, self.extraction, &mut |record| {
            scored.push(record);
            Ok(())
        })?;
        let mut scored = scored.iter();
        for (place, _) in groups {
            for (worth, record) in worths[*place].iter_mut().zip(&mut scored) {
                let (score, is_known) = match Outcome::from(record) {
                    Outcome::Ok(score) => (Some(score), true),
                    Outcome::Invalid(_) => (None, true),
                    Outcome::TooLong(_) => (None, false),
                };
                worth.score = score.map(codescaler::score::Score::get);
                worth.reward = is_known.then(|| self.shaping.reward(score));
            }
        }
        Ok(())
    }

    /// Runs every program on the inputs of the visible tests and on others made from them.
    fn by_agreement(
        &self,
        groups: &[(usize, &Written<'_>)],
        worths: &mut [Vec<Worth>],
    ) -> Result<(), Failure> {
        for (place, (problem, candidates)) in groups {
            check_interrupt()?;
            let mut cases = inputs::visible(problem);
            let seed = derive(self.seed, &["inputs", &problem.id]);
            cases.extend(inputs::mutate(problem, &inputs::MutateOptions::default(), seed));
            let programs: Vec<_> = candidates
                .iter()
                .map(|candidate| program_of(candidate, problem, self.extraction).ok())
                .collect();
            let valid: Vec<usize> =
                (0..programs.len()).filter(|&index| programs[index].is_some()).collect();
            let job = |&index: &usize| Job {
                program: programs[index].as_deref().unwrap_or_default(),
                prelude: &problem.prelude,
                language: problem.language,
                entry: &problem.entry,
                cases: Cases::Inputs(&cases),
                limits: problem.limits,
                stop_at_first_failure: false,
            };
            let jobs: Vec<Job<'_>> = valid.iter().map(job).collect();
            let mut behaviours: BTreeMap<Vec<Option<u64>>, Vec<usize>> = BTreeMap::new();
            for worth in &mut worths[*place] {
                worth.reward = Some(0.0);
            }
            self.sandbox.run_all(&jobs, &mut |job, run| {
                let index = valid[job];
                match run {
                    Err(_) => worths[*place][index].reward = None,
                    Ok(run) => {
                        let output = |case: &codescaler_sandbox::CaseRun| {
                            case.output.as_ref().map(codescaler_sandbox::Output::digest)
                        };
                        let behaviour: Vec<_> = run.cases.iter().map(output).collect();
                        // Programs that fail everywhere agree about nothing.
                        if behaviour.iter().any(Option::is_some) {
                            behaviours.entry(behaviour).or_default().push(index);
                        }
                    }
                }
                ControlFlow::Continue(())
            });
            let most = behaviours.values().map(Vec::len).max().unwrap_or(0);
            for index in behaviours.values().filter(|same| same.len() == most).flatten() {
                worths[*place][*index].reward = Some(1.0);
            }
        }
        Ok(())
    }
}

/// Candidates one after the other, each with its problem.
fn pairs<'a>(groups: &[(usize, &'a Written<'_>)]) -> Vec<(&'a Problem, &'a Candidate)> {
    let of = |(_, (problem, candidates)): &(usize, &'a Written<'_>)| {
        candidates.iter().map(|candidate| (*problem, candidate)).collect::<Vec<_>>()
    };
    groups.iter().flat_map(of).collect()
}
