//! Training: the decoder's forward and backward pass by hand, objectives, optimiser, checkpoints.
//!
//! Parameters, gradients and moments are flat buffers with the same places. Products run on the
//! kernels that scoring uses, in f32 or in bfloat16 with f32 sums; parameters, the residual
//! stream, norms and sums are f32 with both. The same batch gives the same bits whatever the
//! number of threads.

mod adamw;
mod advantage;
mod attention;
mod budgeted;
pub(crate) mod buffers;
mod checkpoint;
mod gemm;
mod language;
mod layout;
mod lora;
mod network;
mod objective;
mod parametrization;
mod pass_at;
mod reward;
mod rollout;

use std::num::NonZeroUsize;
use std::path::Path;

use crate::config::{DecoderConfig, Programs};
use crate::error::LoadError;
use crate::kernel::{Isa, Precision};
use crate::sample::uniform;
use crate::weights::Weights;
use adamw::Moments;
use buffers::Memory;
use gemm::Team;
use layout::Layout;
use lora::Adapters;
use parametrization::Start;

pub use adamw::{AdamW, Schedule};
pub use advantage::{Advantage, Aggregation};
pub use budgeted::{BudgetPrior, progress_advantages, regret, thinking_advantages};
pub use checkpoint::CheckpointError;
pub use language::Answers;
pub use layout::TrainHead;
pub use lora::Lora;
pub use objective::{Objective, Targets};
pub use parametrization::Parametrization;
pub use pass_at::{Confidence, PassAt};
pub use reward::{Group, RewardLoss, RewardStep};
pub use rollout::{Completion, PolicyLoss, PolicyStep, Rollouts};

/// How a trainer computes.
#[derive(Debug, Clone, Copy)]
pub struct TrainOptions {
    /// What products are computed from: `F32` or `Bf16`; `Int8` trains as `Bf16` does.
    pub precision: Precision,
    /// The instruction set of the kernels.
    pub isa: Isa,
    /// Threads that share a batch.
    pub threads: NonZeroUsize,
}

/// A decoder in training.
pub struct Trainer {
    config: DecoderConfig,
    head: TrainHead,
    layout: Layout,
    team: Team,
    precision: Precision,
    values: Vec<f32>,
    grads: Vec<f32>,
    moments: Moments,
    /// What is trained in place of `values`.
    adapters: Option<Adapters>,
    memory: Memory,
    /// Updates so far.
    step: u64,
}

impl Trainer {
    /// A decoder from nothing, in [`Parametrization::Standard`].
    pub fn new(config: DecoderConfig, head: TrainHead, seed: u64, options: &TrainOptions) -> Self {
        Self::with(config, head, (Parametrization::Standard, seed), options)
    }

    /// A decoder from nothing. With [`Parametrization::UnitScaled`] the embedding is not the head,
    /// whatever `config` says: they start and learn differently.
    pub fn with(
        config: DecoderConfig,
        head: TrainHead,
        (parametrization, seed): (Parametrization, u64),
        options: &TrainOptions,
    ) -> Self {
        let tied = config.tied && parametrization == Parametrization::Standard;
        let mut trainer = Self::zeroed(DecoderConfig { tied, ..config }, head, options);
        for (index, tensor) in trainer.layout.tensors.iter_mut().enumerate() {
            let values = &mut trainer.values[tensor.range.clone()];
            let (start, rate) = parametrization.of(tensor, &trainer.config);
            tensor.rate = rate;
            match start {
                Start::Constant(number) => values.fill(number),
                Start::Normal(deviation) => {
                    for (pair, values) in values.chunks_mut(2).enumerate() {
                        let normal = normal_pair([seed, index as u64, pair as u64]);
                        values.iter_mut().zip(normal).for_each(|(x, z)| *x = z * deviation);
                    }
                }
            }
        }
        trainer
    }

    /// The decoder of a Hugging Face directory. A head that it does not have starts as in
    /// [`Trainer::new`]; one that is not trained is left out.
    ///
    /// # Errors
    /// As [`crate::RewardModel::load`], for configuration and weights.
    pub fn load(dir: &Path, head: TrainHead, options: &TrainOptions) -> Result<Self, LoadError> {
        let config = DecoderConfig::read(dir)?;
        let weights = Weights::open(dir)?;
        let mut trainer = Self::zeroed(config, head, options);
        for tensor in &trainer.layout.tensors {
            let fresh = tensor.name == layout::SCORE && !weights.has(layout::SCORE);
            if !fresh {
                let numbers = weights.take(&tensor.name, &tensor.shape)?;
                numbers.read(0, &mut trainer.values[tensor.range.clone()]);
            }
        }
        for other in [layout::SCORE, crate::network::LM_HEAD] {
            weights.ignore(other);
        }
        weights.finish()?;
        Ok(trainer)
    }

    fn zeroed(config: DecoderConfig, head: TrainHead, options: &TrainOptions) -> Self {
        let layout = Layout::new(&config, head);
        let zeros = || vec![0.0; layout.len()];
        Self {
            team: Team { isa: options.isa, threads: options.threads },
            precision: options.precision,
            values: zeros(),
            grads: zeros(),
            moments: Moments { first: zeros(), second: zeros() },
            adapters: None,
            memory: Memory::default(),
            step: 0,
            config,
            head,
            layout,
        }
    }

    /// The decoder's shape.
    pub fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Says how programs are written in what this decoder is trained on.
    pub fn set_programs(&mut self, programs: Programs) {
        self.config.programs = programs;
    }

    /// Numbers that are trained.
    pub fn parameters(&self) -> usize {
        self.adapters.as_ref().map_or(self.layout.len(), |adapters| adapters.values.len())
    }

    /// Updates so far.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Applies the gradients added up since the last update, at this learning rate, or what the
    /// parametrization makes of it. Returns their Euclidean norm before clipping.
    pub fn update(&mut self, optimizer: &AdamW, rate: f32) -> f64 {
        self.step += 1;
        let at = (self.step, rate);
        let moments = &mut self.moments;
        match &mut self.adapters {
            None => {
                let own = (&self.layout.tensors[..], &mut self.values[..]);
                optimizer.update(self.team, own, (&mut self.grads, moments), at)
            }
            Some(adapters) => {
                let decoder = (&mut self.values[..], &self.grads[..]);
                let norm = adapters.update(self.team, (optimizer, moments), decoder, at);
                self.grads.fill(0.0);
                norm
            }
        }
    }
}

/// Two independent numbers of the standard normal distribution (Box and Muller).
fn normal_pair([seed, tensor, pair]: [u64; 3]) -> [f32; 2] {
    let radius = (-2.0 * (1.0 - uniform([seed, tensor, 2 * pair])).ln()).sqrt();
    let angle = std::f64::consts::TAU * uniform([seed, tensor, 2 * pair + 1]);
    [(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]
}

#[cfg(test)]
mod tests;
