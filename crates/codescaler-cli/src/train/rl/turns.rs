//! What a policy writes besides programs from nothing: programs with earlier ones in sight
//! (EvoScale, arXiv:2505.23604), and tests (CURE, arXiv:2506.03136).

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    candidate::Candidate,
    problem::{Problem, Test},
    seed::derive,
};
use codescaler_nn::{Message, Sample};
use codescaler_reward::program_of;
use codescaler_sandbox::{Cases, Job};
use codescaler_search::{Ask, Known, Message as Said, Prompt, Prompts, Task, read_tests};
use serde_json::{Value as Json, json};

use super::{
    Run,
    lesson::{Group, Turn},
    reward::{Judge, Kind, Worth, written},
};
use crate::{failure::Failure, policy, solve::read_prompts};

/// What is written to every problem of a step besides its first programs.
#[derive(Args, Clone)]
#[command(next_help_heading = "Further turns")]
pub(super) struct TurnOptions {
    /// Programs that are written with the best of a problem's first ones in sight (EvoScale's
    /// self-improvement, arXiv:2505.23604); 0 for none.
    #[arg(long, default_value_t = 0)]
    improvements: usize,
    /// How many are in sight.
    #[arg(long, default_value_t = 2)]
    parents: usize,
    /// Answers with a test, each worth what it tells right programs of the group from wrong ones
    /// (CURE, arXiv:2506.03136, which writes 16): coder and tester learn in one policy. 0 for none.
    #[arg(long, default_value_t = 0)]
    tests: usize,
    /// A folder of prompts (`improve.txt`, `tests.txt`) that take the place of those in the box.
    #[arg(long)]
    prompts_from: Option<PathBuf>,
}

impl TurnOptions {
    /// Whether there are further turns.
    pub(super) fn are_asked(&self) -> bool {
        self.improvements + self.tests > 0
    }

    /// The prompts, where there are further turns.
    pub(super) fn open(&self) -> Result<Option<Prompts>, Failure> {
        if [self.improvements, self.tests].contains(&1) || self.parents == 0 {
            return Err(Failure::input(
                "--improvements and --tests compare what is written to a problem: 0, or at least 2; \
                 --parents is at least 1",
            ));
        }
        self.are_asked().then(|| read_prompts(self.prompts_from.as_deref())).transpose()
    }

    /// What it is, for the plan of the training.
    pub(super) fn plan(&self, prompts: Option<&Prompts>) -> Json {
        json!({
            "improvements": self.improvements, "parents": self.parents, "tests": self.tests,
            "prompts": prompts.map(Prompts::fingerprint),
        })
    }
}

/// A problem with the completions and worths of its first turn.
struct First<'a> {
    problem: &'a Problem,
    candidates: Vec<Candidate>,
    worths: Vec<Worth>,
}

/// A problem, and what the policy is told of it in a turn.
type Asked<'f> = (&'f First<'f>, Vec<Said>);

/// A conversation as a policy takes it.
fn messages(said: &[Said]) -> Vec<Message<'_>> {
    said.iter().map(|said| Message { role: said.speaker.name(), content: &said.text }).collect()
}

impl<'a> Run<'a> {
    /// The further groups of problems that were written to. `number` is that of the first problem.
    pub(super) fn further(
        &mut self,
        problems: &[&'a Problem],
        groups: &[Group],
        number: u64,
    ) -> Result<Vec<Group>, Failure> {
        let Some(prompts) = &self.prompts else { return Ok(Vec::new()) };
        let samples: Vec<Vec<Sample>> = groups.iter().map(|group| group.samples.clone()).collect();
        let firsts: Vec<First<'_>> = written(problems, &samples)
            .into_iter()
            .zip(groups)
            .map(|((problem, candidates), group)| First {
                problem,
                candidates,
                worths: group.worths.clone(),
            })
            .collect();
        let mut further = Vec::new();
        for turn in [Turn::Improve, Turn::Test] {
            let n = match turn {
                Turn::Draft | Turn::Think => 0,
                Turn::Improve => self.options.turns.improvements,
                Turn::Test => self.options.turns.tests,
            };
            if n == 0 {
                continue;
            }
            let asked: Vec<Asked<'_>> = firsts
                .iter()
                .filter_map(|first| Some((first, self.asked(prompts, first, turn).transpose()?)))
                .map(|(first, said)| Ok((first, said?)))
                .collect::<Result<_, Failure>>()?;
            let to: Vec<(&str, Vec<Message<'_>>)> =
                asked.iter().map(|(first, said)| (&*first.problem.id, messages(said))).collect();
            let seed = derive(self.options.seed, &["further", turn.name(), &number.to_string()]);
            let samples =
                policy::write_to(&self.policy, &to, (n, &self.options.sampling), &[], seed)?;
            let worths = self.worths(turn, &asked, &samples)?;
            for (((_, said), samples), worths) in to.iter().zip(samples).zip(worths) {
                let prompt = self.policy.prompt(said);
                let prompt = prompt.context("cannot render a turn").map_err(Failure::Input)?;
                further.push(Group { worths, ..Group::new(turn, prompt, samples) });
            }
        }
        Ok(further)
    }

    /// What the policy is asked in a turn; nothing where there is nothing to ask.
    fn asked(
        &self,
        prompts: &Prompts,
        first: &First<'_>,
        turn: Turn,
    ) -> Result<Option<Vec<Said>>, Failure> {
        let task = Task::of(first.problem);
        let mut known = Known::default();
        let prompt = match turn {
            Turn::Draft | Turn::Think => return Ok(None),
            Turn::Test => Prompt::Tests { about: None, count: 1 },
            Turn::Improve => {
                let parents = self.judge.best(first, self.options.turns.parents);
                if parents.is_empty() {
                    return Ok(None);
                }
                let mut ask = Ask::new(&task, &mut known, 0);
                Prompt::Improve { parents: parents.iter().map(|text| ask.keep(text)).collect() }
            }
        };
        let said = prompts.render(&prompt, &task, &known);
        said.map(Some).map_err(|error| Failure::Input(anyhow::Error::new(error)))
    }

    /// What the completions of a turn are worth.
    fn worths(
        &self,
        turn: Turn,
        asked: &[Asked<'_>],
        samples: &[Vec<Sample>],
    ) -> Result<Vec<Vec<Worth>>, Failure> {
        let problems: Vec<&Problem> = asked.iter().map(|(first, _)| first.problem).collect();
        match turn {
            // EvoScale's reward is what a program is worth less what its parents are, which is the
            // same for all of a group and drops out of advantages within one.
            Turn::Draft | Turn::Improve | Turn::Think => {
                self.judge.judge(&written(&problems, samples))
            }
            Turn::Test => {
                let of = |((first, _), samples): (&Asked<'_>, &Vec<Sample>)| {
                    self.judge.tested(first, samples)
                };
                asked.iter().zip(samples).map(of).collect()
            }
        }
    }
}

impl Judge {
    /// The best of a group's programs, each once, the best first.
    fn best(&self, first: &First<'_>, n: usize) -> Vec<String> {
        let mut order: Vec<usize> =
            (0..first.worths.len()).filter(|&at| first.worths[at].reward.is_some()).collect();
        let reward = |at: usize| first.worths[at].reward.unwrap_or(f32::NEG_INFINITY);
        order.sort_by(|&a, &b| reward(b).total_cmp(&reward(a)));
        let mut best: Vec<String> = Vec::new();
        for at in order {
            let program = program_of(&first.candidates[at], first.problem, self.extraction);
            if let Ok(program) = program
                && !best.contains(&program.as_ref().to_owned())
            {
                best.push(program.into_owned());
            }
        }
        best.truncate(n);
        best
    }

    /// Which of a group's programs count as right, and which as wrong: by their tests where rewards
    /// come from those; else the best and the worst third of the scores, the others as neither.
    fn sides(&self, first: &First<'_>) -> Vec<Option<bool>> {
        let rewards: Vec<Option<f32>> =
            first.worths.iter().map(|worth| worth.reward.filter(|_| worth.is_valid)).collect();
        match self.kind {
            Kind::Execution | Kind::Fraction => {
                rewards.iter().map(|reward| reward.map(|reward| reward >= 1.0)).collect()
            }
            Kind::RewardModel | Kind::Hybrid | Kind::Consistency => {
                let mut known: Vec<f32> = rewards.iter().copied().flatten().collect();
                known.sort_by(f32::total_cmp);
                let third = known.len() / 3;
                if third == 0 || known[third - 1] >= known[known.len() - third] {
                    return vec![None; rewards.len()];
                }
                let (low, high) = (known[third - 1], known[known.len() - third]);
                let side = |reward: f32| match reward {
                    reward if reward >= high => Some(true),
                    reward if reward <= low => Some(false),
                    _ => None,
                };
                rewards.iter().map(|reward| reward.and_then(side)).collect()
            }
        }
    }

    /// What the tests in some answers are worth, by what the group's programs do on them.
    fn tested(&self, first: &First<'_>, samples: &[Sample]) -> Result<Vec<Worth>, Failure> {
        let problem = first.problem;
        let tests: Vec<Option<Test>> = samples
            .iter()
            .map(|sample| read_tests(&sample.text, &problem.entry, 1).into_iter().next())
            .collect();
        let known: Vec<Test> = tests.iter().flatten().cloned().collect();
        let sides = self.sides(first);
        let programs: Vec<(bool, String)> = first
            .candidates
            .iter()
            .zip(&sides)
            .filter_map(|(candidate, side)| {
                let program = program_of(candidate, problem, self.extraction).ok()?;
                Some(((*side)?, program.into_owned()))
            })
            .collect();
        let job = |(_, program): &'_ (bool, String)| -> Vec<Option<bool>> {
            let job = Job {
                program,
                prelude: &problem.prelude,
                language: problem.language,
                entry: &problem.entry,
                cases: Cases::Tests(&known),
                limits: problem.limits,
                stop_at_first_failure: false,
            };
            match self.sandbox.run(&job) {
                Ok(run) => run.cases.iter().map(|case| case.verdict.passed()).collect(),
                Err(_) => vec![None; known.len()],
            }
        };
        let passes: Vec<Vec<Option<bool>>> =
            if known.is_empty() { Vec::new() } else { programs.iter().map(job).collect() };
        let right: Vec<bool> = programs.iter().map(|(right, _)| *right).collect();
        let mut column = 0;
        let mut worth = |test: &Option<Test>| {
            let is_valid = test.is_some();
            let reward = if is_valid {
                column += 1;
                let own: Vec<Option<bool>> = passes.iter().map(|row| row[column - 1]).collect();
                worth_of_test(&right, &own)
            } else {
                // Worse than any test that can be read, where tests are worth anything.
                right.contains(&true).then_some(-1.0)
            };
            Worth { reward, score: None, is_valid }
        };
        Ok(tests.iter().map(&mut worth).collect())
    }
}

/// What a test is worth: where every right program passes it, the share of wrong ones that fail it;
/// else less the share of wrong ones that pass it (arXiv:2506.03136, as in the authors' code). Nothing without a right program, and where a fault hides what one does.
fn worth_of_test(right: &[bool], passes: &[Option<bool>]) -> Option<f32> {
    let passes: Vec<bool> = passes.iter().copied().collect::<Option<_>>()?;
    let of = |side: bool| {
        let both = right.iter().zip(&passes).filter(move |(right, _)| **right == side);
        both.map(|(_, passes)| *passes)
    };
    of(true).next()?;
    let wrong = of(false).count().max(1) as f32;
    let passing = of(false).filter(|passes| *passes).count() as f32;
    let failing = of(false).count() as f32 - passing;
    Some(if of(true).all(|passes| passes) { failing / wrong } else { -passing / wrong })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `right` and `passes` as letters: `r` or `w` per program, `+`, `-` or `?` for what it does.
    #[track_caller]
    fn check(right: &str, passes: &str, expected: Option<f32>) {
        let right: Vec<bool> = right.chars().map(|c| c == 'r').collect();
        let read = |c| match c {
            '+' => Some(true),
            '-' => Some(false),
            _ => None,
        };
        let passes: Vec<Option<bool>> = passes.chars().map(read).collect();
        assert_eq!(worth_of_test(&right, &passes), expected);
    }

    #[test]
    fn a_test_is_worth_what_it_tells() {
        check("rrww", "++--", Some(1.0));
        check("rrww", "+++-", Some(0.5));
        check("rrww", "++++", Some(0.0));
        check("rrww", "+---", Some(0.0));
        check("rrww", "+-++", Some(-1.0));
        check("rrwwww", "-----+", Some(-0.25));
        check("rr", "++", Some(0.0));
        check("ww", "+-", None);
        check("rw", "+?", None);
        check("", "", None);
    }
}
