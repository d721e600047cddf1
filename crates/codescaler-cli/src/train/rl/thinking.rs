//! Thinking under budgets: answers are written from every beginning of a thought, and what they are
//! worth says what each part of it was worth (AnytimeReasoner, arXiv:2505.13438; MRT,
//! arXiv:2503.07572).

use std::{collections::BTreeMap, time::Instant};

use clap::{Args, ValueEnum};
use codescaler::{problem::Problem, seed::derive};
use codescaler_nn::{BudgetPrior, Sample, progress_advantages, regret, thinking_advantages};
use serde_json::{Value as Json, json};

use super::{
    Run,
    lesson::{Group, Turn},
    reward::{Worth, written},
};
use crate::{
    failure::Failure,
    policy::thinking::{self, Begun},
};

/// A policy that thinks between `<think>` and `</think>` before it answers.
#[derive(Args, Clone)]
#[command(next_help_heading = "Thinking under budgets")]
pub(super) struct ThinkingOptions {
    /// Tokens of thinking after which it is stopped and answers are written, rising, the last one
    /// the longest that a thought gets, as in 0,8,16,32. --group is how many thoughts are had about
    /// a problem.
    #[arg(long, value_delimiter = ',')]
    budgets: Vec<usize>,
    /// Answers from every beginning of a thought.
    #[arg(long, default_value_t = 4)]
    answers: usize,
    /// What a part of a thought is worth.
    #[arg(long, value_enum, default_value_t = Credit::Anytime)]
    credit: Credit,
    /// How likely each budget is to be the one that counts, for --credit anytime.
    #[arg(long, value_enum, default_value_t = Prior::Uniform)]
    budget_prior: Prior,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Credit {
    /// The answers at all budgets still to come, less earlier ones and the group's
    /// (AnytimeReasoner).
    Anytime,
    /// The answers after the whole thought, less those before the part (MRT).
    Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Prior {
    /// All alike.
    Uniform,
    /// In proportion to its tokens.
    Linear,
    /// Only the last.
    Largest,
}

impl From<Prior> for BudgetPrior {
    fn from(prior: Prior) -> BudgetPrior {
        match prior {
            Prior::Uniform => BudgetPrior::Uniform,
            Prior::Linear => BudgetPrior::Linear,
            Prior::Largest => BudgetPrior::Largest,
        }
    }
}

impl ThinkingOptions {
    /// Whether the policy thinks.
    pub(super) fn is_on(&self) -> bool {
        !self.budgets.is_empty()
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        let rises = self.budgets.windows(2).all(|two| two[0] < two[1]);
        if !rises || self.budgets == [0] || self.answers == 0 {
            return Err(Failure::input(
                "--budgets rise and end above 0, as in 0,8,16; --answers is at least 1",
            ));
        }
        if self.is_on() && self.credit == Credit::Progress && self.budgets[0] != 0 {
            return Err(Failure::input(
                "--credit progress compares with answering at once: let --budgets begin with 0",
            ));
        }
        Ok(())
    }

    /// What it is, for the plan of the training.
    pub(super) fn plan(&self) -> Json {
        json!({
            "budgets": self.budgets, "answers": self.answers,
            "credit": format!("{:?}", self.credit), "prior": format!("{:?}", self.budget_prior),
        })
    }

    /// The advantages of the parts of a problem's thoughts, given the mean worths of the answers at
    /// each budget; a part goes from the budget before, or the beginning, to its own.
    fn parts(&self, values: &[Vec<f64>]) -> Vec<Vec<f64>> {
        match self.credit {
            Credit::Anytime => {
                thinking_advantages(values, &BudgetPrior::from(self.budget_prior).of(&self.budgets))
            }
            Credit::Progress => {
                // The part before the budget 0 is empty.
                let part = |own: &Vec<f64>| [vec![0.0], progress_advantages(own)].concat();
                values.iter().map(part).collect()
            }
        }
    }

    /// The advantage of every token of a thought.
    fn by_token(&self, parts: &[f64], tokens: usize) -> Vec<f32> {
        let part = |token: usize| self.budgets.partition_point(|budget| *budget <= token);
        (0..tokens).map(|token| parts[part(token).min(parts.len() - 1)] as f32).collect()
    }

    /// The mean regret of thoughts against the best answers of their group, in tokens.
    fn regret(&self, values: &[Vec<f64>]) -> f64 {
        let best = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let steps: Vec<usize> = self.budgets.windows(2).map(|two| two[1] - two[0]).collect();
        let sum: f64 = values.iter().map(|own| regret(own, &steps, best)).sum();
        sum / values.len().max(1) as f64
    }
}

impl<'a> Run<'a> {
    /// Thinks about problems, answers from every beginning, and judges. Of each problem come its
    /// thoughts, and its answers by the beginning that they share. `number` is that of the first
    /// problem.
    pub(super) fn think(
        &mut self,
        problems: &[&'a Problem],
        number: u64,
    ) -> Result<Vec<Group>, Failure> {
        let super::Options { learning, sampling, thinking: options, seed, .. } = self.options;
        let began = Instant::now();
        let seed = derive(*seed, &["write", &number.to_string()]);
        let longest = options.budgets.last().copied().unwrap_or(0);
        let thoughts =
            thinking::think(&self.policy, problems, (learning.group, longest), sampling, seed)?;
        let mut begun: Vec<Begun<'_>> = Vec::new();
        let mut known: BTreeMap<(usize, String), usize> = BTreeMap::new();
        // By problem, thought and budget: which of `begun`.
        let mut places: Vec<Vec<Vec<usize>>> = Vec::with_capacity(problems.len());
        for (at, (&problem, thoughts)) in problems.iter().zip(&thoughts).enumerate() {
            let mut place = |thought: &Sample, budget: usize| -> Result<usize, Failure> {
                let begin = thinking::stopped(&self.policy, thought, budget)?;
                Ok(*known.entry((at, begin.clone())).or_insert_with(|| {
                    begun.push(Begun { problem, begin });
                    begun.len() - 1
                }))
            };
            let of = |thought: &Sample| -> Result<Vec<usize>, Failure> {
                options.budgets.iter().map(|&budget| place(thought, budget)).collect()
            };
            places.push(thoughts.iter().map(of).collect::<Result<_, Failure>>()?);
        }
        let seed = derive(seed, &["answers"]);
        let answers = thinking::answer(&self.policy, &begun, (options.answers, sampling), seed)?;
        self.wrote += began.elapsed();
        let of: Vec<&Problem> = begun.iter().map(|own| own.problem).collect();
        let worths = self.judge.judge(&written(&of, &answers))?;
        let values: Vec<Option<f64>> = worths.iter().map(|own| value(own)).collect();
        let mut groups = Vec::with_capacity(problems.len() + begun.len());
        for ((problem, thoughts), places) in problems.iter().zip(thoughts).zip(&places) {
            groups.push(self.thoughts(problem, thoughts, places, &values)?);
        }
        for ((own, samples), mut worths) in begun.iter().zip(answers).zip(worths) {
            self.punish(&mut worths, &samples);
            let prompt = own.prompt(&self.policy)?;
            groups.push(Group { worths, ..Group::new(Turn::Draft, prompt, samples) });
        }
        Ok(groups)
    }

    /// The thoughts about a problem, with what is to be learnt of each token.
    fn thoughts(
        &self,
        problem: &Problem,
        thoughts: Vec<Sample>,
        places: &[Vec<usize>],
        values: &[Option<f64>],
    ) -> Result<Group, Failure> {
        let options = &self.options.thinking;
        let of = |places: &Vec<usize>| -> Option<Vec<f64>> {
            places.iter().map(|&place| values[place]).collect()
        };
        // A thought some of whose answers are not known takes no part.
        let all: Vec<Option<Vec<f64>>> = places.iter().map(of).collect();
        let known: Vec<Vec<f64>> = all.iter().flatten().cloned().collect();
        let mut parts = options.parts(&known).into_iter();
        let mut worths = Vec::with_capacity(thoughts.len());
        let mut advantages = Vec::with_capacity(thoughts.len());
        for (thought, own) in thoughts.iter().zip(&all) {
            let (tokens, is_valid) = (thought.tokens.len(), thinking::is_whole(thought));
            let reward = own.as_ref().and_then(|own| own.last()).map(|last| *last as f32);
            worths.push(Worth { reward, score: None, is_valid });
            advantages.push(match own {
                Some(_) => options.by_token(&parts.next().expect("one for each"), tokens),
                None => vec![0.0; tokens],
            });
        }
        let prompt = thinking::prompt(&self.policy, problem)?;
        let regret = Some(options.regret(&known)).filter(|_| !known.is_empty());
        let by_token = Some(advantages);
        Ok(Group { worths, by_token, regret, ..Group::new(Turn::Think, prompt, thoughts) })
    }
}

/// The mean worth of answers; nothing where none is known.
fn value(worths: &[Worth]) -> Option<f64> {
    let known: Vec<f64> = worths.iter().filter_map(|worth| worth.reward).map(f64::from).collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(budgets: &[usize], credit: Credit) -> ThinkingOptions {
        let budget_prior = Prior::Uniform;
        ThinkingOptions { budgets: budgets.to_vec(), answers: 4, credit, budget_prior }
    }

    /// The advantages of six tokens of the first of two thoughts.
    #[track_caller]
    fn check(budgets: &[usize], credit: Credit, values: [&[f64]; 2], expected: [f32; 6]) {
        let options = options(budgets, credit);
        let parts = options.parts(&values.map(<[f64]>::to_vec));
        let got = options.by_token(&parts[0], 6);
        assert!(got.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?}");
    }

    #[test]
    fn every_part_has_its_own_advantage() {
        // MRT: the end less what was there before the part.
        let values: [&[f64]; 2] = [&[0.25, 0.5, 1.0], &[0.25, 0.0, 0.0]];
        check(&[0, 2, 6], Credit::Progress, values, [0.75, 0.75, 0.5, 0.5, 0.5, 0.5]);
        // AnytimeReasoner with one budget: the reward less the group's mean.
        check(&[6], Credit::Anytime, [&[1.0], &[0.0]], [0.5; 6]);
        // Two budgets of probability one half each: 0.5 * (0 + 1) less the group's 0.5 * (0.5 + 1),
        // then 0.5 * 1 less half of the own 0 and half of the group's 0.5.
        let values: [&[f64]; 2] = [&[0.0, 1.0], &[1.0, 1.0]];
        check(&[3, 6], Credit::Anytime, values, [-0.25, -0.25, -0.25, 0.25, 0.25, 0.25]);
    }

    #[test]
    fn regret_is_what_lacks_on_the_way() {
        let options = options(&[0, 2, 6], Credit::Progress);
        assert_eq!(options.regret(&[vec![0.5, 0.5, 1.0], vec![1.0; 3]]), (1.0 + 2.0) / 2.0);
    }

    #[test]
    fn budgets_rise() {
        let usable = |budgets: &[usize], credit| options(budgets, credit).check().is_ok();
        assert!(usable(&[], Credit::Progress) && usable(&[8], Credit::Anytime));
        assert!(!usable(&[8, 8], Credit::Anytime) && !usable(&[0], Credit::Anytime));
        assert!(usable(&[0, 8], Credit::Progress) && !usable(&[4, 8], Credit::Progress));
    }
}
