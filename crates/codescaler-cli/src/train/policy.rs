//! `train policy`: next-token prediction.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use codescaler_nn::{
    AdamW, Completion, DecoderConfig, Message, PolicyLoss, Rollouts, Rope, RopeScaling, Schedule,
    TextEncoder, TrainHead, Trainer, tokens_computed,
};
use rayon::prelude::*;
use serde_json::json;

use super::{
    Training,
    session::{Session, steps},
    texts::{Conversation, TextOptions, Texts},
};
use crate::{
    failure::{Failure, Outcome},
    files::write_whole,
    terminal::Terminal,
};

#[derive(Args)]
pub(crate) struct Options {
    /// A directory with a tokenizer; where it has weights, they are trained on.
    #[arg(long)]
    base: PathBuf,
    #[command(flatten)]
    texts: TextOptions,
    #[command(flatten)]
    shape: ShapeOptions,
    /// Passes over the texts.
    #[arg(long, default_value_t = 1)]
    epochs: u32,
    /// Seed of the first weights and of the order of texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    training: Training,
    /// Where to write the policy: a Hugging Face directory.
    #[arg(long)]
    out: PathBuf,
}

/// The shape of a decoder from nothing: Qwen3's, with heads of 64 of which two share a key.
#[derive(Args)]
#[command(next_help_heading = "For a decoder from nothing")]
struct ShapeOptions {
    /// Width of the residual stream.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Blocks.
    #[arg(long, default_value_t = 6)]
    layers: usize,
    /// Inner width of the feed-forward [default: 8/3 of the width].
    #[arg(long)]
    ffn: Option<usize>,
}

impl ShapeOptions {
    fn config(&self, vocab: usize, positions_max: usize) -> Result<DecoderConfig, Failure> {
        const HEAD: usize = 64;
        if self.width == 0 || !self.width.is_multiple_of(2 * HEAD) || self.layers == 0 {
            return Err(Failure::input("--width must be a multiple of 128, --layers at least 1"));
        }
        Ok(DecoderConfig {
            hidden: self.width,
            layers: self.layers,
            heads: self.width / HEAD,
            kv_heads: self.width / (2 * HEAD),
            head_dim: HEAD,
            ffn: self.ffn.unwrap_or((self.width * 8 / 3).next_multiple_of(64)),
            vocab,
            positions_max,
            norm_eps: 1e-6,
            rope: Rope { theta: 10_000.0, scaling: RopeScaling::Plain },
            qkv_bias: false,
            output_bias: false,
            qk_norm: true,
            tied: true,
        })
    }
}

/// Programs of one problem that share its computation.
const GROUP_MAX: usize = 12;
/// Positions that an own decoder is said to have.
const POSITIONS_MAX: usize = 4096;

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let unusable = |what: &'static str| {
        move |error: codescaler_nn::LoadError| {
            Failure::Input(anyhow::Error::new(error).context(what))
        }
    };
    let has_weights = options.base.join("config.json").exists();
    if !has_weights && options.training.engine.lora_rank.is_some() {
        return Err(Failure::input(
            "--lora-rank trains beside weights, and --base has none: leave it out",
        ));
    }
    let train = options.training.engine.options();
    let (mut trainer, text) = if has_weights {
        let trainer = Trainer::load(&options.base, TrainHead::LanguageModel, &train)
            .map_err(unusable("--base has no usable weights"))?;
        let text = TextEncoder::load(&options.base, trainer.config().vocab)
            .map_err(unusable("--base has no usable tokenizer"))?;
        (trainer, text)
    } else {
        let text = TextEncoder::load(&options.base, usize::MAX)
            .map_err(unusable("--base has no usable tokenizer"))?;
        let config = options.shape.config(text.vocab(), POSITIONS_MAX)?;
        (Trainer::new(config, TrainHead::LanguageModel, options.seed, &train), text)
    };
    options.training.engine.adapt(&mut trainer, options.seed);
    let texts = options.texts.read(terminal)?;
    let lessons = lessons(&text, &texts, options.training.tokens_max)?;
    let costs: Vec<usize> = lessons.iter().map(Lesson::cost).collect();
    let tokens_per_step = options.training.tokens_per_step.unwrap_or(8192);
    let steps = steps(&costs, tokens_per_step, options.epochs, options.seed);
    let tokens: usize = costs.iter().sum();
    terminal.print(&format!(
        "{} parameters, {tokens} tokens, {} steps",
        trainer.parameters(),
        steps.len()
    ));
    let plan = json!({
        "verb": "train policy", "base": options.base, "texts": texts.plan(), "epochs": options.epochs,
        "seed": options.seed, "training": options.training.plan(tokens_per_step), "steps": steps.len(),
        "parameters": trainer.parameters(),
    });
    let session = Session::open(&options.out, &plan, &options.training.engine)?;
    if !session.is_done() {
        let schedule = options.training.schedule(steps.len());
        let optimizer = options.training.optimizer();
        session.run(terminal, &mut trainer, (steps.len(), 1), |trainer, lines| {
            let index = lines.len();
            let of_step: Vec<&Lesson> = steps[index].iter().map(|&at| &lessons[at]).collect();
            let loss = learn(trainer, &of_step);
            let norm = trainer.update(&optimizer, schedule.rate(index as u64));
            Ok(ControlFlow::Continue(json!({"step": index + 1, "loss": loss, "norm": norm})))
        })?;
        session.finish(terminal, &trainer, &options.base)?;
        write_ends(&text, &options.out)?;
    }
    terminal.print(&format!("policy written to {}", options.out.display()));
    Ok(Outcome::done(json!({
        "verb": "train policy", "out": options.out, "steps": steps.len(), "tokens": tokens,
        "parameters": trainer.parameters(),
    })))
}

/// Says which tokens end a completion, unless the directory to start from did.
fn write_ends(text: &TextEncoder, out: &Path) -> Result<(), Failure> {
    let path = out.join("generation_config.json");
    if path.exists() {
        return Ok(());
    }
    let end = text.end_of_turn().context("cannot render a turn").map_err(Failure::Input)?;
    let ends: Vec<u32> = end.into_iter().chain(text.end_token()).collect();
    write_whole(&path, format!("{:#}\n", json!({"eos_token_id": ends})).as_bytes())
}

/// What is learnt at once.
enum Lesson {
    /// Texts, every token of them; those of one problem share its text.
    Texts(Vec<Vec<u32>>),
    /// An answer, given what stands before it.
    Answer { given: Vec<u32>, answer: Vec<u32> },
}

impl Lesson {
    /// Tokens that go through the decoder.
    fn cost(&self) -> usize {
        match self {
            Lesson::Texts(texts) => tokens_computed(texts),
            Lesson::Answer { given, answer } => given.len() + answer.len() - 1,
        }
    }

    /// Tokens that are predicted.
    fn learnt(&self) -> usize {
        match self {
            Lesson::Texts(texts) => tokens_computed(texts).saturating_sub(1),
            Lesson::Answer { answer, .. } => answer.len(),
        }
    }
}

/// The mean negative log-likelihood of what is learnt in a step, every token alike, in nats.
fn learn(trainer: &mut Trainer, lessons: &[&Lesson]) -> f64 {
    let all = lessons.iter().map(|lesson| lesson.learnt()).sum::<usize>().max(1) as f32;
    let mut texts: Vec<Vec<&[u32]>> = Vec::new();
    let mut answers: Vec<(&[u32], &[u32])> = Vec::new();
    for lesson in lessons {
        match lesson {
            Lesson::Texts(group) => texts.push(group.iter().map(Vec::as_slice).collect()),
            Lesson::Answer { given, answer } => answers.push((given, answer)),
        }
    }
    let mut loss = 0.0;
    if !texts.is_empty() {
        let groups: Vec<&[&[u32]]> = texts.iter().map(Vec::as_slice).collect();
        let learnt: usize = answers.iter().map(|(_, answer)| answer.len()).sum();
        let weight = 1.0 - learnt as f32 / all;
        loss += f64::from(weight) * trainer.language_loss(&groups, weight);
    }
    if !answers.is_empty() {
        // The gradient of a log-likelihood is that of a policy whose every token had advantage 1.
        let longest = answers.iter().map(|(_, answer)| answer.len()).max().unwrap_or(0);
        let ones = vec![1.0; longest];
        let completions: Vec<[Completion<'_>; 1]> = answers
            .iter()
            .map(|(_, answer)| {
                let advantages = &ones[..answer.len()];
                let weight = 1.0 / all;
                [Completion { tokens: answer, advantages, weight, old: None, reference: None }]
            })
            .collect();
        let rollouts = answers.iter().zip(&completions);
        let rollouts: Vec<Rollouts<'_>> =
            rollouts.map(|((prompt, _), completions)| Rollouts { prompt, completions }).collect();
        let said = trainer.policy_loss(&rollouts, &PolicyLoss::default()).logprobs;
        loss -= said.iter().flatten().copied().map(f64::from).sum::<f64>() / f64::from(all);
    }
    loss
}

/// Everything there is to learn, in tokens.
fn lessons(text: &TextEncoder, texts: &Texts, tokens_max: usize) -> Result<Vec<Lesson>, Failure> {
    let end = text.end_token();
    let code = texts.code.par_iter().map(|code| {
        let mut tokens = encoded(text, code)?;
        tokens.extend(end);
        let piece = |piece: &[u32]| Lesson::Texts(vec![piece.to_vec()]);
        Ok::<_, Failure>(tokens.chunks(tokens_max).map(piece).collect::<Vec<_>>())
    });
    let programs = texts.programs.par_iter().map(|(prompt, programs)| {
        let mut items = Vec::new();
        for program in programs {
            let messages = [
                Message { role: "user", content: prompt },
                Message { role: "assistant", content: program },
            ];
            let tokens = encoded(text, &rendered(text, &messages, false)?)?;
            // One that is cut would teach that programs end anywhere.
            if tokens.len() <= tokens_max {
                items.push(tokens);
            }
        }
        Ok(items.chunks(GROUP_MAX).map(|group| Lesson::Texts(group.to_vec())).collect())
    });
    let answers = texts.conversations.par_iter().map(|conversation| {
        let lesson = answer(text, conversation)?;
        Ok(Vec::from_iter(Some(lesson).filter(|lesson| lesson.cost() <= tokens_max)))
    });
    let all: Result<Vec<Vec<Lesson>>, Failure> = code.chain(programs).chain(answers).collect();
    Ok(all?.into_iter().flatten().collect())
}

/// The last answer of a conversation, cut into tokens as when it is written.
fn answer(text: &TextEncoder, conversation: &Conversation) -> Result<Lesson, Failure> {
    let turns = conversation.messages.iter();
    let messages: Vec<Message<'_>> =
        turns.map(|turn| Message { role: &turn.role, content: &turn.content }).collect();
    let before = rendered(text, &messages[..messages.len() - 1], true)?;
    let whole = rendered(text, &messages, false)?;
    let Some(said) = whole.strip_prefix(&before) else {
        return Err(Failure::input(
            "the chat template of --base renders an answer otherwise than it asks for one, so that \
             conversations cannot be learnt with it",
        ));
    };
    Ok(Lesson::Answer { given: encoded(text, &before)?, answer: encoded(text, said)? })
}

fn encoded(text: &TextEncoder, piece: &str) -> Result<Vec<u32>, Failure> {
    text.encode(piece).context("cannot tokenize a text").map_err(Failure::Input)
}

fn rendered(text: &TextEncoder, messages: &[Message<'_>], ask: bool) -> Result<String, Failure> {
    text.render(messages, ask).context("cannot render a conversation").map_err(Failure::Input)
}

impl Training {
    pub(super) fn schedule(&self, steps: usize) -> Schedule {
        let warmup = (steps as f32 * self.warmup).ceil() as u64;
        Schedule { peak: self.rate, warmup, steps: steps as u64, end: 0.1 }
    }

    pub(super) fn optimizer(&self) -> AdamW {
        AdamW { weight_decay: self.weight_decay, ..AdamW::default() }
    }
}
