//! `train policy`: next-token prediction.

mod lessons;

use std::{
    num::NonZeroU32,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use codescaler_nn::{
    AdamW, Answers, Confidence, DecoderConfig, Parametrization, PassAt, Programs, Rope,
    RopeScaling, Schedule, TextEncoder, TrainHead, Trainer, tokens_computed,
};
use serde_json::json;

use lessons::{Lesson, lessons};

use super::{
    RATE, Training,
    session::{Session, steps},
    texts::TextOptions,
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
    /// Passes over the texts.
    #[arg(long, default_value_t = 1)]
    epochs: u32,
    /// Seed of the first weights and of the order of texts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many samples of the policy will be drawn (N): it becomes no surer of an answer than
    /// pass@N rewards. 1 is cross-entropy.
    #[arg(long, default_value_t = NonZeroU32::MIN)]
    pass_at: NonZeroU32,
    /// What it is sure of, for --pass-at.
    #[arg(long, value_enum, default_value_t = Sure::Answer)]
    confidence: Sure,
    #[command(flatten)]
    training: Training,
    /// Where to write the policy: a Hugging Face directory.
    #[arg(long)]
    out: PathBuf,
    // Last, so that its heading stands above nothing else.
    #[command(flatten)]
    shape: ShapeOptions,
}

/// What the confidence of a policy is measured on.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sure {
    /// The whole answer, as pass@N is defined.
    Answer,
    /// Each line of the answer by itself.
    Line,
    /// A typical token of the answer.
    TokenMean,
}

impl Sure {
    fn of(self) -> Confidence {
        match self {
            Sure::Answer => Confidence::Answer,
            Sure::Line => Confidence::Line,
            Sure::TokenMean => Confidence::TokenMean,
        }
    }
}

/// How first weights and rates depend on the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rule {
    /// Weights and one rate that do not depend on it.
    Standard,
    /// Unit-scaled maximal update: --rate is the paper's, about 1, and what is best for a small
    /// width is best for a larger one. The head is not the embedding.
    UMup,
}

impl Rule {
    fn of(self) -> Parametrization {
        match self {
            Rule::Standard => Parametrization::Standard,
            Rule::UMup => Parametrization::UnitScaled,
        }
    }

    /// The largest learning rate unless another is asked for.
    fn rate(self) -> f32 {
        match self {
            Rule::Standard => RATE,
            Rule::UMup => 1.0,
        }
    }
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
    /// How first weights and rates depend on the shape.
    #[arg(long, value_enum, default_value_t = Rule::Standard)]
    parametrization: Rule,
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
            programs: Programs::default(),
        })
    }
}

/// Positions that an own decoder is said to have.
const POSITIONS_MAX: usize = 4096;

/// What the training starts from.
fn start(options: &Options) -> Result<(Trainer, TextEncoder), Failure> {
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
    let is_standard = options.shape.parametrization == Rule::Standard;
    if has_weights && !is_standard {
        return Err(Failure::input(
            "--parametrization says how a decoder from nothing starts, and --base has weights: \
             leave it out",
        ));
    }
    let train = options.training.engine.options();
    if has_weights {
        let trainer = Trainer::load(&options.base, TrainHead::LanguageModel, &train)
            .map_err(unusable("--base has no usable weights"))?;
        let text = TextEncoder::load(&options.base, trainer.config().vocab)
            .map_err(unusable("--base has no usable tokenizer"))?;
        Ok((trainer, text))
    } else {
        let text = TextEncoder::load(&options.base, usize::MAX)
            .map_err(unusable("--base has no usable tokenizer"))?;
        let config = options.shape.config(text.vocab(), POSITIONS_MAX)?;
        let begin = (options.shape.parametrization.of(), options.seed);
        Ok((Trainer::with(config, TrainHead::LanguageModel, begin, &train), text))
    }
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let (mut trainer, text) = start(options)?;
    let programs = options.training.programs(&mut trainer);
    options.training.engine.adapt(&mut trainer, options.seed);
    let texts = options.texts.read(terminal, programs)?;
    let confidence = options.confidence.of();
    let lessons = lessons(&text, &texts, (options.training.tokens_max, confidence))?;
    let costs: Vec<usize> = lessons.iter().map(|lesson| tokens_computed(&lesson.texts)).collect();
    let tokens_per_step = options.training.tokens_per_step.unwrap_or(8192);
    let steps = steps(&costs, tokens_per_step, options.epochs, options.seed);
    let tokens: usize = costs.iter().sum();
    terminal.print(&format!(
        "{} parameters, {tokens} tokens, {} steps",
        trainer.parameters(),
        steps.len()
    ));
    let rule = options.shape.parametrization;
    let rate = options.training.rate.unwrap_or(rule.rate());
    let plan = json!({
        "verb": "train policy", "base": options.base, "texts": texts.plan(), "epochs": options.epochs,
        "seed": options.seed, "training": options.training.plan((tokens_per_step, rate)), "steps": steps.len(),
        "parameters": trainer.parameters(), "pass_at": options.pass_at,
        "parametrization": format!("{:?}", rule.of()),
        "confidence": (options.pass_at > NonZeroU32::MIN).then(|| format!("{confidence:?}")),
    });
    let session = Session::open(&options.out, &plan, &options.training.engine)?;
    if !session.is_done() {
        let schedule = options.training.schedule(steps.len(), rate);
        let mut optimizer = options.training.optimizer();
        if rule == Rule::UMup {
            // By which share weights decay must not depend on the rate (independent weight decay):
            // it is what the usual rate makes of it.
            optimizer.weight_decay *= RATE / rate;
        }
        session.run(terminal, &mut trainer, (steps.len(), 1), |trainer, lines| {
            let index = lines.len();
            let batch: Vec<&Lesson> = steps[index].iter().map(|&at| &lessons[at]).collect();
            let loss = PassAt { samples: options.pass_at, of: confidence };
            let loss = loss_of(trainer, &batch, loss);
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

/// The loss of one batch, whose gradient is added up.
fn loss_of(trainer: &mut Trainer, batch: &[&Lesson], loss: PassAt) -> f64 {
    let texts: Vec<Vec<&[u32]>> =
        batch.iter().map(|lesson| lesson.texts.iter().map(Vec::as_slice).collect()).collect();
    let is_plain = batch.iter().all(|lesson| lesson.learns_prompt);
    if loss.samples == NonZeroU32::MIN && is_plain {
        // What programs begin with in common is computed, and counts, once.
        let groups: Vec<&[&[u32]]> = texts.iter().map(Vec::as_slice).collect();
        return trainer.language_loss(&groups, 1.0);
    }
    let groups: Vec<Answers<'_>> = texts
        .iter()
        .zip(batch)
        .map(|(texts, Lesson { parts, learns_prompt, .. })| Answers {
            texts,
            parts,
            learns_prompt: *learns_prompt,
        })
        .collect();
    trainer.pass_at_loss(&groups, loss, 1.0)
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

impl Training {
    pub(super) fn schedule(&self, steps: usize, peak: f32) -> Schedule {
        let warmup = (steps as f32 * self.warmup).ceil() as u64;
        Schedule { peak, warmup, steps: steps as u64, end: 0.1 }
    }

    pub(super) fn optimizer(&self) -> AdamW {
        AdamW { weight_decay: self.weight_decay, ..AdamW::default() }
    }
}
