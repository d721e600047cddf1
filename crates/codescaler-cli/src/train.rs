//! `codescaler train`: tokenizers, policies and reward models.

mod linear;
mod policy;
mod reward;
mod rl;
mod session;
mod texts;
mod tokenizer;

use std::{num::NonZeroUsize, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use codescaler_nn::{Isa, Lora, Precision, Programs, TrainOptions, Trainer};

use crate::{
    failure::{Failure, Outcome},
    score::one_of,
    terminal::Terminal,
};

/// Train reward models.
#[derive(Subcommand)]
pub(crate) enum Options {
    /// Train a tokenizer: byte-level byte-pair encoding with a chat template.
    #[command(after_help = "\
Example:
  codescaler train tokenizer --data lcb_train --corpus corpus_python.jsonl.zst \\
      --held-out lcb_validation --vocab 8192 --out tokenizer")]
    Tokenizer(tokenizer::Options),
    /// Train a policy to predict the next token of code, and of programs after their problems.
    ///
    /// It starts from nothing, or from any directory with weights. Ctrl-C stops after a checkpoint;
    /// the same command goes on, and ends in the same weights bit for bit.
    #[command(after_help = "\
Example:
  codescaler train policy --base tokenizer --width 256 --layers 6 --data lcb_train \\
      --corpus corpus_python.jsonl.zst --held-out lcb_validation --out policy")]
    Policy(policy::Options),
    /// Train a reward model: a decoder on preferences, or a linear one on labelled programs.
    ///
    /// `codescaler curate pairs` makes preferences. A data folder of the linear one holds
    /// problems.jsonl, candidates.jsonl and labels.jsonl, as `codescaler import` writes them;
    /// problems and programs that stand in a held-out folder are dropped and counted.
    #[command(after_help = "\
Examples:
  codescaler train reward --base policy --problems lcb_train/problems.jsonl \\
      --preferences pairs.jsonl --out reward-model
  codescaler train reward --kind linear --data lcb_train --data leetcode_train:0.5 \\
      --held-out lcb_validation --held-out humaneval --out linear.csrm")]
    Reward(RewardOptions),
    /// Train a policy by reinforcement learning: on what it writes, by what that is worth.
    ///
    /// GRPO as CodeScaler releases it (clip 0.2 and 0.28, mean over tokens, no divergence), and its
    /// relatives. Rewards come from a reward model that runs nothing, from tests, or from both.
    /// Every step is logged (reward, score, valid share, length, entropy, clipped share, norm) in
    /// steps.jsonl, with the pass rate on a held-out slice; what steps took is in times.jsonl.
    /// Killed at any time, the same command ends in the same weights bit for bit.
    #[command(after_help = "\
Examples:
  codescaler train rl --policy policy --problems train/problems.jsonl --reward execution \\
      --held-out held-out/problems.jsonl --rate 3e-4 --out rl-execution
  codescaler train rl --policy policy --problems train/problems.jsonl \\
      --problems without-tests/problems.jsonl --reward-model reward-model --offset -2 \\
      --held-out held-out/problems.jsonl --on-alarm stop --rate 3e-4 --out rl-reward-model")]
    Rl(Box<rl::Options>),
}

/// What kind of reward model.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A decoder that reads problem and program.
    Decoder,
    /// Linear over hashed features: the baseline, one megabyte, no neural network.
    Linear,
}

#[derive(Args)]
pub(crate) struct RewardOptions {
    /// What kind of reward model.
    #[arg(long, value_enum, default_value_t = Kind::Decoder)]
    kind: Kind,
    /// Passes over the problems [default: 1 for a decoder, 16 for a linear one].
    #[arg(long)]
    epochs: Option<u32>,
    /// Seed of the order of problems.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the reward model: a directory, or the file of a linear one.
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    decoder: reward::DecoderOptions,
    #[command(flatten)]
    linear: linear::LinearOptions,
}

/// How a decoder is trained.
#[derive(Args)]
struct Training {
    /// The largest learning rate [default: 1e-3; 1 for a policy with --parametrization
    /// u-mup].
    #[arg(long)]
    rate: Option<f32>,
    /// Steps until it is reached, as a share of all.
    #[arg(long, default_value_t = 0.05)]
    warmup: f32,
    /// Weight decay of matrices.
    #[arg(long, default_value_t = 0.1)]
    weight_decay: f32,
    /// Tokens that go through the decoder per step, about [default: 8192 for a policy, 32768 for a
    /// reward model, which learns one verdict from what gives a policy hundreds of tokens].
    #[arg(long)]
    tokens_per_step: Option<usize>,
    /// The longest text, in tokens.
    #[arg(long, default_value_t = 1024)]
    tokens_max: usize,
    /// How programs are written for the decoder, in training and ever after: as they are, or in a
    /// canonical form without comments, docstrings, layout and names of variables, so that these
    /// cannot sway it [default: as --base says; as-written for a decoder from nothing].
    #[arg(long, value_parser = one_of(&Programs::ALL, Programs::name))]
    programs: Option<Programs>,
    #[command(flatten)]
    engine: Engine,
}

/// What a decoder is trained with.
#[derive(Args, Clone)]
struct Engine {
    /// What products are computed from.
    #[arg(long, default_value = "bf16", value_parser = one_of(&PRECISIONS, Precision::name))]
    precision: Precision,
    /// Train adapters of this rank (LoRA) in place of all weights; what is written are whole
    /// weights, adapters added.
    #[arg(long)]
    lora_rank: Option<NonZeroUsize>,
    /// How much adapters count: they are scaled by this, divided by the rank [default: twice the
    /// rank].
    #[arg(long, requires = "lora_rank")]
    lora_alpha: Option<f32>,
    /// Threads; the trained weights do not depend on it [default: one per core].
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Seconds between checkpoints.
    #[arg(long, default_value_t = 120)]
    checkpoint_every: u64,
    /// Also write what is logged as an event file of TensorBoard into this folder.
    #[arg(long)]
    tensorboard: Option<PathBuf>,
}

/// The learning rate of decoders whose parameters all learn at one.
const RATE: f32 = 1e-3;

const PRECISIONS: [Precision; 2] = [Precision::Bf16, Precision::F32];

impl Training {
    /// How programs are written, which the decoder is told.
    fn programs(&self, trainer: &mut Trainer) -> Programs {
        if let Some(programs) = self.programs {
            trainer.set_programs(programs);
        }
        trainer.config().programs
    }
}

impl Engine {
    fn options(&self) -> TrainOptions {
        let threads = self.threads.unwrap_or(codescaler_nn::Options::default().threads);
        TrainOptions { precision: self.precision, isa: Isa::detect(), threads }
    }

    /// Makes what is trained adapters, where that is wanted.
    fn adapt(&self, trainer: &mut Trainer, seed: u64) {
        if let Some(rank) = self.lora_rank.map(NonZeroUsize::get) {
            let alpha = self.lora_alpha.unwrap_or(2.0 * rank as f32);
            trainer.adapt(Lora { rank, alpha }, seed);
        }
    }

    /// What of it decides the trained weights.
    fn plan(&self) -> serde_json::Value {
        serde_json::json!({
            "lora_rank": self.lora_rank,
            "lora_alpha": self.lora_alpha,
            "precision": self.precision.name(),
            "isa": Isa::detect().name(),
        })
    }
}

impl Training {
    /// What decides the trained weights, beside data and starting point.
    fn plan(&self, (tokens_per_step, rate): (usize, f32)) -> serde_json::Value {
        serde_json::json!({
            "rate": rate,
            "warmup": self.warmup,
            "weight_decay": self.weight_decay,
            "tokens_per_step": tokens_per_step,
            "tokens_max": self.tokens_max,
            "engine": self.engine.plan(),
        })
    }
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    match options {
        Options::Tokenizer(options) => tokenizer::run(terminal, options),
        Options::Policy(options) => policy::run(terminal, options),
        Options::Rl(options) => rl::run(terminal, options),
        Options::Reward(options) => match options.kind {
            Kind::Decoder => reward::run(terminal, options),
            Kind::Linear => linear::run(terminal, options),
        },
    }
}
