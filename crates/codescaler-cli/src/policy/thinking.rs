//! Thinking that may be stopped at any token, and answers that are written from what there is of it.

use codescaler::{problem::Problem, prompt::reward_prompt, seed::derive};
use codescaler_nn::{Finish, Message, Policy, Sample};

use super::{SamplingOptions, cannot_write, write_to};
use crate::failure::Failure;

/// What begins thinking, and what ends it.
const BEGIN: &str = "<think>\n";
const END: &str = "</think>";

/// `n` thoughts about every problem, of `tokens_max` tokens at most. The text of one that ends by
/// itself has no mark of its end, its tokens have.
pub(crate) fn think(
    policy: &Policy,
    problems: &[&Problem],
    (n, tokens_max): (usize, usize),
    options: &SamplingOptions,
    seed: u64,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let prompts: Vec<String> = problems.iter().map(|problem| reward_prompt(problem)).collect();
    let to: Vec<(&str, Vec<Message<'_>>)> = problems
        .iter()
        .zip(&prompts)
        .map(|(problem, text)| (&*problem.id, conversation(text, BEGIN).to_vec()))
        .collect();
    let options = SamplingOptions { completion_tokens_max: tokens_max, ..options.clone() };
    write_to(policy, &to, (n, &options), &[END.to_owned()], seed)
}

/// The question, and how its answer begins.
fn conversation<'a>(question: &'a str, begin: &'a str) -> [Message<'a>; 2] {
    [Message { role: "user", content: question }, Message { role: "assistant", content: begin }]
}

/// The tokens that a thought about a problem is written after.
pub(crate) fn prompt(policy: &Policy, problem: &Problem) -> Result<Vec<u32>, Failure> {
    encoded(policy, problem, BEGIN)
}

fn encoded(policy: &Policy, problem: &Problem, begin: &str) -> Result<Vec<u32>, Failure> {
    let question = reward_prompt(problem);
    policy.prompt(&conversation(&question, begin)).map_err(|error| cannot_write(error, &problem.id))
}

/// Whether a thought came to its end.
pub(crate) fn is_whole(thought: &Sample) -> bool {
    match thought.finish {
        Finish::StopText | Finish::StopToken => true,
        Finish::Length | Finish::Cancelled => false,
    }
}

/// How an answer begins whose thinking was stopped after so many tokens: with what there is of it,
/// closed.
pub(crate) fn stopped(policy: &Policy, thought: &Sample, tokens: usize) -> Result<String, Failure> {
    let text = match thought.tokens.get(..tokens).filter(|_| tokens < thought.tokens.len()) {
        Some(first) => policy.text(first).map_err(|error| cannot_write(error, "of a thought"))?,
        None => thought.text.clone(),
    };
    // A stop within the mark of the end leaves a part of it.
    let text = text.split("</").next().unwrap_or_default().trim_end();
    let line_end = if text.is_empty() { "" } else { "\n" };
    Ok(format!("{BEGIN}{text}{line_end}{END}\n"))
}

/// A place where answers are written: the problem, and how they begin.
pub(crate) struct Begun<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) begin: String,
}

impl Begun<'_> {
    /// The tokens that its answers are written after.
    pub(crate) fn prompt(&self, policy: &Policy) -> Result<Vec<u32>, Failure> {
        encoded(policy, self.problem, &self.begin)
    }
}

/// `n` answers to each.
pub(crate) fn answer(
    policy: &Policy,
    begun: &[Begun<'_>],
    (n, options): (usize, &SamplingOptions),
    seed: u64,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let questions: Vec<String> = begun.iter().map(|own| reward_prompt(own.problem)).collect();
    // Another beginning draws other samples.
    let names: Vec<String> =
        begun.iter().map(|own| format!("{}: {}", own.problem.id, own.begin)).collect();
    let to: Vec<(&str, Vec<Message<'_>>)> = begun
        .iter()
        .zip(&questions)
        .zip(&names)
        .map(|((own, question), name)| (&**name, conversation(question, &own.begin).to_vec()))
        .collect();
    write_to(policy, &to, (n, options), &[], seed)
}

/// `n` completions of every problem that think for `tokens_max` tokens at most before they answer.
/// Text and tokens are of both together.
pub(crate) fn write(
    policy: &Policy,
    problems: &[&Problem],
    (n, tokens_max): (usize, usize),
    options: &SamplingOptions,
    seed: u64,
) -> Result<Vec<Vec<Sample>>, Failure> {
    let thoughts = think(policy, problems, (n, tokens_max), options, seed)?;
    let mut all = Vec::with_capacity(problems.len());
    for number in 0..n {
        let begun = problems.iter().zip(&thoughts).map(|(problem, thoughts)| {
            let begin = stopped(policy, &thoughts[number], tokens_max)?;
            Ok(Begun { problem, begin })
        });
        let begun: Vec<Begun<'_>> = begun.collect::<Result<_, Failure>>()?;
        let seed = derive(seed, &["answer", &number.to_string()]);
        all.push((answer(policy, &begun, (1, options), seed)?, begun));
    }
    let joined = |(at, thoughts): (usize, &Vec<Sample>)| {
        let one = |(thought, (answers, begun)): (&Sample, &(Vec<Vec<Sample>>, Vec<Begun<'_>>))| {
            let answer = &answers[at][0];
            Sample {
                text: begun[at].begin.clone() + &answer.text,
                tokens: [&*thought.tokens, &*answer.tokens].concat(),
                logprobs: [&*thought.logprobs, &*answer.logprobs].concat(),
                finish: answer.finish,
            }
        };
        thoughts.iter().zip(&all).map(one).collect()
    };
    Ok(thoughts.iter().enumerate().map(joined).collect())
}
