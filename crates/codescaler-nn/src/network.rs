//! What the weight files of a directory hold, in the order of the computation.

use std::iter;
use std::num::NonZeroUsize;

use crate::config::DecoderConfig;
use crate::error::LoadError;
use crate::matrix::{Matrix, Part};
use crate::parallel;
use crate::weights::Weights;

/// One block's parameters. Vectors are f32; `M` says how matrices are kept.
pub(crate) struct Block<M> {
    pub attention_norm: Vec<f32>,
    /// Query, key and value projections in one matrix.
    pub qkv: M,
    pub qkv_bias: Option<Vec<f32>>,
    /// Per-head norms of queries and keys.
    pub qk_norms: Option<[Vec<f32>; 2]>,
    pub output: M,
    pub output_bias: Option<Vec<f32>>,
    pub ffn_norm: Vec<f32>,
    pub gate_up: M,
    pub down: M,
}

/// What the last hidden state becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadKind {
    /// One number: `score.weight`, with or without `score.bias` (sequence or token
    /// classification with one label).
    Score,
    /// One number: `v_head.summary` (AceCodeRM, as `trl` names it).
    ValueHead,
    /// One logit per token of the vocabulary.
    LanguageModel,
}

/// All parameters but the embedding, which stays in the mapped file.
pub(crate) struct Network<M> {
    pub blocks: Vec<Block<M>>,
    pub norm: Vec<f32>,
    pub head: Head,
}

/// A matrix of (outputs, C) in f32 and its bias; `None` where the embedding is the matrix.
pub(crate) struct Head {
    pub kind: HeadKind,
    pub weight: Option<Vec<f32>>,
    pub bias: Vec<f32>,
}

/// The head of a policy, where it is not the embedding.
pub(crate) const LM_HEAD: &str = "lm_head.weight";
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";

impl<M: Matrix> Network<M> {
    /// Takes every tensor out of `weights`; the embedding is only checked. Threads share the
    /// blocks.
    pub(crate) fn load(
        config: &DecoderConfig,
        weights: &Weights,
        plan: M::Plan,
        threads: NonZeroUsize,
    ) -> Result<Self, LoadError> {
        let mut blocks: Vec<_> = (0..config.layers).map(|_| None).collect();
        let mut embedding = Ok(());
        let jobs = iter::once(Job::Embedding(&mut embedding));
        let jobs = jobs.chain(blocks.iter_mut().enumerate().map(|(i, block)| Job::Block(i, block)));
        let jobs: Vec<_> = jobs.collect();
        parallel::for_each(&mut vec![(); threads.get()], jobs.into_iter(), |(), job| match job {
            Job::Embedding(out) => {
                *out = weights.take(EMBEDDING, &[config.vocab, config.hidden]).map(|_| ());
                weights.release(EMBEDDING);
            }
            Job::Block(index, out) => {
                *out = Some(Block::load(config, weights, plan, index));
                weights.release(&format!("model.layers.{index}."));
            }
        });
        embedding?;
        Ok(Self {
            blocks: blocks.into_iter().flatten().collect::<Result<_, _>>()?,
            norm: weights.take_f32("model.norm.weight", &[config.hidden])?,
            head: Head::load(config, weights)?,
        })
    }
}

/// What one thread does at a time while weights are loaded, with the place of its result.
enum Job<'a, M> {
    Embedding(&'a mut Result<(), LoadError>),
    Block(usize, &'a mut Option<Result<Block<M>, LoadError>>),
}

impl<M: Matrix> Block<M> {
    fn load(
        config: &DecoderConfig,
        weights: &Weights,
        plan: M::Plan,
        index: usize,
    ) -> Result<Self, LoadError> {
        let name = |suffix: &str| format!("model.layers.{index}.{suffix}");
        let vector = |suffix: &str, n: usize| weights.take_f32(&name(suffix), &[n]);
        let part = |suffix: &str, rows: usize, k: usize| {
            let numbers = weights.take(&name(&format!("{suffix}.weight")), &[rows, k])?;
            Ok::<_, LoadError>(Part { numbers, rows })
        };
        let DecoderConfig { hidden, ffn, head_dim, .. } = *config;
        let (q, kv) = (config.heads * head_dim, config.kv_heads * head_dim);
        let qkv = [
            part("self_attn.q_proj", q, hidden)?,
            part("self_attn.k_proj", kv, hidden)?,
            part("self_attn.v_proj", kv, hidden)?,
        ];
        let qkv_bias = || {
            let q = vector("self_attn.q_proj.bias", q)?;
            let k = vector("self_attn.k_proj.bias", kv)?;
            let v = vector("self_attn.v_proj.bias", kv)?;
            Ok::<_, LoadError>([q, k, v].concat())
        };
        let qk_norms = || {
            let q = vector("self_attn.q_norm.weight", head_dim)?;
            Ok::<_, LoadError>([q, vector("self_attn.k_norm.weight", head_dim)?])
        };
        let output_bias = || vector("self_attn.o_proj.bias", hidden);
        Ok(Self {
            attention_norm: vector("input_layernorm.weight", hidden)?,
            qkv: M::stack(plan, &qkv, hidden),
            qkv_bias: config.qkv_bias.then(qkv_bias).transpose()?,
            qk_norms: config.qk_norm.then(qk_norms).transpose()?,
            output: M::stack(plan, &[part("self_attn.o_proj", hidden, q)?], q),
            output_bias: config.output_bias.then(output_bias).transpose()?,
            ffn_norm: vector("post_attention_layernorm.weight", hidden)?,
            gate_up: M::gate_up(
                plan,
                part("mlp.gate_proj", ffn, hidden)?,
                part("mlp.up_proj", ffn, hidden)?,
                hidden,
            ),
            down: M::stack(plan, &[part("mlp.down_proj", hidden, ffn)?], ffn),
        })
    }
}

impl Head {
    /// Which head it is, is told by the names of the tensors, not by the class name in
    /// `config.json`, which trainers leave stale.
    fn load(config: &DecoderConfig, weights: &Weights) -> Result<Self, LoadError> {
        let (kind, layer) = if weights.has("v_head.summary.weight") {
            // The language-model head that it was trained beside is still in the file.
            weights.ignore(LM_HEAD);
            (HeadKind::ValueHead, "v_head.summary")
        } else if weights.has("score.weight") {
            (HeadKind::Score, "score")
        } else {
            return Self::language_model(config, weights);
        };
        let weight = weights.take_f32(&format!("{layer}.weight"), &[1, config.hidden])?;
        let bias = format!("{layer}.bias");
        let bias = if weights.has(&bias) { weights.take_f32(&bias, &[1])? } else { vec![0.0] };
        Ok(Self { kind, weight: Some(weight), bias })
    }

    fn language_model(config: &DecoderConfig, weights: &Weights) -> Result<Self, LoadError> {
        let weight = if config.tied {
            // Some writers store the shared tensor twice.
            weights.ignore(LM_HEAD);
            None
        } else {
            Some(weights.take_f32(LM_HEAD, &[config.vocab, config.hidden])?)
        };
        Ok(Self { kind: HeadKind::LanguageModel, weight, bias: vec![0.0; config.vocab] })
    }
}
