//! The decoder: a reward model reads a problem and a program and gives a score, without running
//! anything.
//!
//! One decoder computes Qwen2, Qwen2.5, Qwen3 and Llama 3 from their Hugging Face directories.
//! Layers are functions on plain buffers; kernels are chosen once; a reference in f32 stands
//! beside every fast path. Nothing is downloaded, and only this crate knows tensors and vector
//! instructions.

mod config;
mod directory;
mod error;
mod reward;
mod generate;
mod sample;
mod item;
mod identity;
mod text;
mod tokenizer;
mod weights;
mod network;
mod decoder;
mod attention;
mod layers;
mod matrix;
mod kernel;
mod parallel;
mod train;
mod speed;
#[cfg(test)]
mod reference;

pub use config::{DecoderConfig, Programs, Rope, RopeScaling};
pub use directory::Directory;
pub use error::{GroupError, LoadError, LoadErrorKind, ScoreError};
pub use generate::{Finish, Policy, Request, Sample};
pub use identity::identify;
pub use item::{Item, Part, TooLong, Trimmed, Verbatim, tokens_computed};
pub use kernel::{GROUP, Isa, Precision};
pub use reward::{Kernels, Options, Progress, RewardModel};
pub use sample::Sampling;
pub use speed::gflops;
pub use text::{Message, TextEncoder};
pub use tokenizer::{TokenizerError, train_tokenizer};
pub use train::{
    AdamW, Advantage, Aggregation, Answers, BudgetPrior, CheckpointError, Completion, Confidence,
    Group, Lora, Objective, Parametrization, PassAt, PolicyLoss, PolicyStep, RewardLoss,
    RewardStep, Rollouts, Schedule, Targets, TrainHead, TrainOptions, Trainer, progress_advantages,
    regret, thinking_advantages,
};
