//! Sampling from a policy directory, and running what it wrote.

pub(crate) mod thinking;

use std::{num::NonZeroUsize, ops::ControlFlow, path::Path};

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    candidate::{Candidate, Source},
    execution::{Fault, Verdict},
    problem::{Problem, Test},
    prompt::reward_prompt,
    record::Extra,
    seed::derive,
};
use codescaler_extract::Policy as Extraction;
use codescaler_nn::{Message, Policy, Precision, Request, Sample, Sampling, ScoreError};
use codescaler_reward::program_of;
use codescaler_sandbox::{Cases, Job, Sandbox};
use rayon::prelude::*;

use crate::{failure::Failure, terminal::check_interrupt};

/// How a policy is sampled.
#[derive(Args, Clone, Debug)]
pub(crate) struct SamplingOptions {
    /// Logits are divided by it.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) temperature: f32,
    /// Only the likeliest tokens count whose probabilities together reach this.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) top_p: f32,
    /// Only so many of the likeliest tokens count.
    #[arg(long)]
    pub(crate) top_k: Option<NonZeroUsize>,
    /// The longest completion, in tokens.
    #[arg(long, default_value_t = 512)]
    pub(crate) completion_tokens_max: usize,
}

impl SamplingOptions {
    /// Refuses what cannot be drawn with.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let usable = self.temperature.is_finite() && self.temperature > 0.0;
        if usable && self.top_p > 0.0 && self.top_p <= 1.0 && self.completion_tokens_max > 0 {
            return Ok(());
        }
        Err(Failure::input(
            "--temperature is above zero, --top-p above zero and at most 1, \
             --completion-tokens-max at least 1",
        ))
    }
}

/// A policy of a directory that samples one problem per core.
pub(crate) fn open(dir: &Path, precision: Precision) -> Result<Policy, Failure> {
    let options = codescaler_nn::Options {
        precision,
        threads: NonZeroUsize::MIN,
        ..codescaler_nn::Options::default()
    };
    let policy = Policy::load(dir, &options)
        .with_context(|| format!("{} is no usable policy", dir.display()))
        .map_err(Failure::Input)?;
    if !policy.ends() {
        return Err(Failure::input(format!(
            "{}: no eos_token_id in generation_config.json or config.json, so no completion would \
             end: write {{\"eos_token_id\": [...]}} into its generation_config.json",
            dir.display()
        )));
    }
    Ok(policy)
}

/// `n` completions of every problem. What is drawn depends on the seed, the problem and the number
/// of the sample alone.
pub(crate) fn write(
    policy: &Policy,
    problems: &[&Problem],
    (n, options): (usize, &SamplingOptions),
    seed: u64,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let prompts: Vec<String> = problems.iter().map(|problem| reward_prompt(problem)).collect();
    let said = |text| vec![Message { role: "user", content: text }];
    let to: Vec<(&str, Vec<Message<'_>>)> =
        problems.iter().zip(&prompts).map(|(problem, text)| (&*problem.id, said(text))).collect();
    write_to(policy, &to, (n, options), &[], seed)
}

/// `n` answers to every conversation, each about the problem of an id; they end before a text of
/// `stop`.
pub(crate) fn write_to(
    policy: &Policy,
    conversations: &[(&str, Vec<Message<'_>>)],
    (n, options): (usize, &SamplingOptions),
    stop: &[String],
    seed: u64,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let one = |(id, messages): &(&str, Vec<Message<'_>>)| {
        check_interrupt()?;
        let request = Request {
            messages,
            n,
            tokens_max: options.completion_tokens_max,
            sampling: Sampling {
                temperature: options.temperature,
                top_k: options.top_k,
                top_p: options.top_p,
                seed: derive(seed, &["sample", id]),
            },
            stop,
        };
        let written = policy.generate(&request, &mut |_, _| ControlFlow::Continue(()));
        written.map_err(|error| cannot_write(error, id))
    };
    conversations.par_iter().map(one).collect()
}

fn cannot_write(error: ScoreError, id: &str) -> Failure {
    let what = format!("the policy cannot write to problem {id:?}");
    Failure::Input(anyhow::Error::new(error).context(what))
}

/// A sample as record.
pub(crate) fn candidate(problem: &Problem, index: usize, sample: &Sample, name: &str) -> Candidate {
    Candidate {
        problem: problem.id.clone(),
        index: u32::try_from(index).unwrap_or(u32::MAX),
        completion: Some(sample.text.clone()),
        program: None,
        language: problem.language,
        source: Source { name: name.to_owned(), ..Source::default() },
        logprob_sum: Some(sample.logprobs.iter().copied().map(f64::from).sum()),
        tokens: u32::try_from(sample.tokens.len()).ok(),
        extra: Extra::new(),
    }
}

/// The share of tests that each candidate passes, 0 without a program.
pub(crate) fn pass_rates(
    sandbox: &Sandbox,
    candidates: &[(&Problem, &Candidate)],
    extraction: Extraction,
    tests: impl for<'a> Fn(&'a Problem) -> &'a [Test] + Sync,
) -> Result<Vec<Result<f64, Fault>>, Failure> {
    let programs: Vec<Result<_, String>> = candidates
        .par_iter()
        .map(|(problem, candidate)| program_of(candidate, problem, extraction))
        .collect();
    let mut rates: Vec<Result<f64, Fault>> = programs.iter().map(|_| Ok(0.0)).collect();
    let (mut places, mut jobs) = (Vec::new(), Vec::new());
    for (place, ((problem, candidate), program)) in candidates.iter().zip(&programs).enumerate() {
        let Ok(program) = program else { continue };
        places.push(place);
        jobs.push(Job {
            program,
            prelude: &problem.prelude,
            language: candidate.language,
            entry: &problem.entry,
            cases: Cases::Tests(tests(problem)),
            limits: problem.limits,
            stop_at_first_failure: false,
        });
    }
    let mut stop = Ok(());
    sandbox.run_all(&jobs, &mut |job, run| {
        rates[places[job]] = run.map(|run| {
            let passed = run.cases.iter().filter(|case| case.verdict == Verdict::Pass).count();
            passed as f64 / run.cases.len().max(1) as f64
        });
        stop = check_interrupt();
        if stop.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    stop.map(|()| rates)
}

/// The tests that decide: the hidden ones, or all there are.
pub(crate) fn deciding_tests(problem: &Problem) -> &[Test] {
    let tests = &problem.tests;
    if tests.hidden.is_empty() { &tests.visible } else { &tests.hidden }
}
