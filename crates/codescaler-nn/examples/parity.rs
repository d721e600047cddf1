//! Answers for `bench/parity/parity.py`: a request in JSON on stdin, the answer on stdout.
#![expect(clippy::print_stdout, reason = "the answer goes to stdout")]

use std::error::Error;
use std::io::{read_to_string, stdin};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use codescaler_nn::{
    GroupError, Item, Message, Options, Policy, Precision, Progress, Request, RewardModel,
    Sampling, TextEncoder, TooLong,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(tag = "question", rename_all = "lowercase")]
enum Question {
    /// Scores of a problem's programs: what they begin with computed once, and each in whole.
    Scores { dir: PathBuf, precision: String, groups: Vec<(String, Vec<String>)> },
    /// Tokens that a policy writes, and their log-probabilities.
    Samples { dir: PathBuf, precision: String, requests: Vec<Asked> },
    /// Conversations as text and tokens, and the prompt for such an answer.
    Texts { dir: PathBuf, vocab: usize, conversations: Vec<(String, String)> },
}

#[derive(Deserialize)]
struct Asked {
    prompt: String,
    n: usize,
    tokens: usize,
    temperature: f32,
    stop: Vec<String>,
}

type Answer = Result<Value, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let answer = match serde_json::from_str(&read_to_string(stdin())?)? {
        Question::Scores { dir, precision, groups } => scores(&dir, &precision, &groups)?,
        Question::Samples { dir, precision, requests } => samples(&dir, &precision, &requests)?,
        Question::Texts { dir, vocab, conversations } => texts(&dir, vocab, &conversations)?,
    };
    println!("{answer}");
    Ok(())
}

fn options(precision: &str) -> Result<Options, Box<dyn Error>> {
    let precision = match precision {
        "f32" => Precision::F32,
        "bf16" => Precision::Bf16,
        "int8" => Precision::Int8,
        other => return Err(format!("no precision {other}").into()),
    };
    Ok(Options { precision, tokens_max: usize::MAX, ..Options::default() })
}

fn scores(dir: &Path, precision: &str, groups: &[(String, Vec<String>)]) -> Answer {
    let reward_model = RewardModel::load(dir, &options(precision)?)?;
    let (mut shared, mut apart) = (Vec::new(), Vec::new());
    for (prompt, programs) in groups {
        let items = programs.iter().map(|p| reward_model.item(prompt, p, TooLong::Error));
        let items: Vec<Item> = items.collect::<Result<_, _>>()?;
        let items: Vec<&Item> = items.iter().collect();
        shared.extend(gather(items.len(), |see| reward_model.score_items(&items, see))?);
        apart.extend(gather(items.len(), |see| reward_model.score_items_apart(&items, see))?);
    }
    let isa = format!("{:?}", reward_model.kernels().isa);
    Ok(json!({ "isa": isa, "shared": shared, "apart": apart }))
}

/// What `score` tells of `n` items, in their order.
fn gather(
    n: usize,
    score: impl FnOnce(&mut dyn FnMut(Progress<'_>) -> ControlFlow<()>) -> Result<(), GroupError>,
) -> Result<Vec<f32>, GroupError> {
    let mut scores = vec![f32::NAN; n];
    score(&mut |step| {
        step.ready.iter().for_each(|&(index, score)| scores[index] = score);
        ControlFlow::Continue(())
    })?;
    Ok(scores)
}

fn samples(dir: &Path, precision: &str, requests: &[Asked]) -> Answer {
    let policy = Policy::load(dir, &options(precision)?)?;
    let mut answer = Vec::new();
    for asked in requests {
        let messages = [Message { role: "user", content: &asked.prompt }];
        let sampling = Sampling { temperature: asked.temperature, ..Sampling::default() };
        let request = Request {
            messages: &messages,
            n: asked.n,
            tokens_max: asked.tokens,
            sampling,
            stop: &asked.stop,
        };
        let samples = policy.generate(&request, &mut |_, _| ControlFlow::Continue(()))?;
        answer.push(samples.into_iter().map(|s| (s.tokens, s.logprobs)).collect::<Vec<_>>());
    }
    Ok(json!({ "isa": format!("{:?}", policy.kernels().isa), "samples": answer }))
}

fn texts(dir: &Path, vocab: usize, conversations: &[(String, String)]) -> Answer {
    let text = TextEncoder::load(dir, vocab)?;
    let mut answer = Vec::new();
    for (user, assistant) in conversations {
        let messages = [
            Message { role: "user", content: user },
            Message { role: "assistant", content: assistant },
        ];
        let (whole, prompt) = (text.render(&messages, false)?, text.render(&messages[..1], true)?);
        let (tokens, prompt_tokens) = (text.encode(&whole)?, text.encode(&prompt)?);
        answer.push(json!([[whole, prompt], [tokens, prompt_tokens]]));
    }
    Ok(json!(answer))
}
