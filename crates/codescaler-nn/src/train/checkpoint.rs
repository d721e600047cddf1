//! What a training leaves behind: checkpoints to go on from, directories to use.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};
use serde_json::{Value, json};

use super::layout::Tensor;
use super::{TrainHead, Trainer};
use crate::config::{DecoderConfig, Programs, RopeScaling};
use crate::error::LoadError;
use crate::kernel::{Precision, to_bf16};
use crate::weights::{WEIGHTS, Weights};

/// A checkpoint or a directory could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}", path.display())]
pub struct CheckpointError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub kind: CheckpointErrorKind,
}

/// What is wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointErrorKind {
    /// The file cannot be written or read.
    #[error("not accessible")]
    Io(#[source] io::Error),
    /// The file cannot be laid out as safetensors.
    #[error("not a safetensors file")]
    Safetensors(#[source] SafeTensorError),
    /// The file is damaged, or of a decoder of another shape.
    #[error("not a checkpoint of this decoder")]
    Load(#[source] LoadError),
    /// The number of updates is missing.
    #[error("the header does not say how many updates were made")]
    NoStep,
}

const VALUES: &str = "values";
const FIRST: &str = "first_moments";
const SECOND: &str = "second_moments";
const STEP: &str = "step";

/// Numbers on their way into a file.
struct Numbers<'a> {
    numbers: &'a [f32],
    shape: Vec<usize>,
    precision: Precision,
}

impl View for &Numbers<'_> {
    fn dtype(&self) -> Dtype {
        if self.precision == Precision::F32 { Dtype::F32 } else { Dtype::BF16 }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.precision {
            Precision::F32 => self.numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Precision::Bf16 | Precision::Int8 => {
                self.numbers.iter().flat_map(|x| to_bf16(*x).to_le_bytes()).collect()
            }
        }
    }

    fn data_len(&self) -> usize {
        self.numbers.len() * if self.precision == Precision::F32 { 4 } else { 2 }
    }
}

impl Trainer {
    /// Writes everything that [`Trainer::resume`] needs, all of it or nothing.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        let values = self.adapters.as_ref().map_or(&self.values, |adapters| &adapters.values);
        let buffers =
            [(VALUES, values), (FIRST, &self.moments.first), (SECOND, &self.moments.second)];
        let buffers = buffers.map(|(name, numbers)| {
            let shape = vec![numbers.len()];
            (name, Numbers { numbers, shape, precision: Precision::F32 })
        });
        let buffers = buffers.iter().map(|(name, numbers)| (*name, numbers));
        write(path, buffers, (STEP, self.step.to_string()))
    }

    /// Goes on from what [`Trainer::save`] wrote: the next updates are those of a training that
    /// was never interrupted, bit for bit.
    ///
    /// # Errors
    /// If the file is missing, damaged, or of a decoder of another shape.
    pub fn resume(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let fail = |kind| CheckpointError { path: path.to_owned(), kind };
        let load = |source| fail(CheckpointErrorKind::Load(source));
        let weights = Weights::open_file(path).map_err(load)?;
        let buffers = [
            (VALUES, self.adapters.as_mut().map_or(&mut self.values, |own| &mut own.values)),
            (FIRST, &mut self.moments.first),
            (SECOND, &mut self.moments.second),
        ];
        for (name, buffer) in buffers {
            weights.take(name, &[buffer.len()]).map_err(load)?.read(0, buffer);
        }
        weights.finish().map_err(load)?;
        let step = weights.note(STEP).and_then(|step| step.parse().ok());
        self.step = step.ok_or_else(|| fail(CheckpointErrorKind::NoStep))?;
        if let Some(adapters) = &self.adapters {
            adapters.merge(self.team, &mut self.values);
        }
        self.grads.fill(0.0);
        Ok(())
    }

    /// Writes configuration and weights of a Hugging Face directory, which this crate,
    /// `transformers` and servers of theirs load; tokenizer and template are the caller's to add.
    /// Weights are rounded to bfloat16 unless `precision` is f32.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn export(&self, dir: &Path, precision: Precision) -> Result<(), CheckpointError> {
        let config = dir.join("config.json");
        let fail = |source| CheckpointError {
            path: config.clone(),
            kind: CheckpointErrorKind::Io(source),
        };
        fs::create_dir_all(dir).map_err(fail)?;
        let dtype = if precision == Precision::F32 { "float32" } else { "bfloat16" };
        let text = format!("{:#}\n", config_json(&self.config, self.head, dtype));
        fs::write(&config, text).map_err(fail)?;
        let tensors = self.tensors(precision);
        let tensors = tensors.iter().map(|(name, numbers)| (*name, numbers));
        write(&dir.join(WEIGHTS), tensors, ("format", "pt".to_owned()))
    }

    /// The file of weights that [`Trainer::export`] writes, in memory.
    pub(crate) fn weights(&self, precision: Precision) -> Vec<u8> {
        let tensors = self.tensors(precision);
        let tensors = tensors.iter().map(|(name, numbers)| (*name, numbers));
        safetensors::serialize(tensors, None).expect("tensors have their shapes' sizes")
    }

    fn tensors(&self, precision: Precision) -> Vec<(&str, Numbers<'_>)> {
        let tensor = |tensor: &'_ Tensor| {
            let numbers = &self.values[tensor.range.clone()];
            Numbers { numbers, shape: tensor.shape.clone(), precision }
        };
        self.layout.tensors.iter().map(|own| (own.name.as_str(), tensor(own))).collect()
    }
}

/// Writes beside `path`, then renames. `note` goes into the header.
fn write<'a, S: AsRef<str> + Ord + std::fmt::Display>(
    path: &Path,
    tensors: impl Iterator<Item = (S, &'a Numbers<'a>)>,
    note: (&str, String),
) -> Result<(), CheckpointError> {
    let partial = path.with_extension("partial");
    let fail = |kind| CheckpointError { path: path.to_owned(), kind };
    let io = |source| fail(CheckpointErrorKind::Io(source));
    let header = [(note.0.to_owned(), note.1)].into();
    safetensors::serialize_to_file(tensors, Some(header), &partial)
        .map_err(|source| fail(CheckpointErrorKind::Safetensors(source)))?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&partial, path).map_err(io)
}

/// `config.json` of the family that has exactly these flags.
fn config_json(config: &DecoderConfig, head: TrainHead, dtype: &str) -> Value {
    let (family, name) = if config.qk_norm {
        ("qwen3", "Qwen3")
    } else if config.qkv_bias && !config.output_bias {
        ("qwen2", "Qwen2")
    } else {
        ("llama", "Llama")
    };
    let class = match head {
        TrainHead::LanguageModel => "ForCausalLM",
        TrainHead::Score => "ForSequenceClassification",
    };
    let scaling = match config.rope.scaling {
        RopeScaling::Plain => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        RopeScaling::Llama3 { factor, low, high, original_positions } => json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": low,
            "high_freq_factor": high,
            "original_max_position_embeddings": original_positions,
        }),
    };
    let mut json = json!({
        "architectures": [format!("{name}{class}")],
        "model_type": family,
        "hidden_size": config.hidden,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.ffn,
        "vocab_size": config.vocab,
        "max_position_embeddings": config.positions_max,
        "rms_norm_eps": f64::from(config.norm_eps),
        "hidden_act": "silu",
        "rope_theta": config.rope.theta,
        "rope_scaling": scaling,
        "attention_bias": config.qkv_bias && config.output_bias,
        "tie_word_embeddings": config.tied,
        "use_sliding_window": false,
        "torch_dtype": dtype,
    });
    if config.programs != Programs::default() {
        json["codescaler_programs"] = json!(config.programs.name());
    }
    if head == TrainHead::Score {
        json["num_labels"] = json!(1);
        json["problem_type"] = json!("regression");
        json["id2label"] = json!({"0": "score"});
        json["label2id"] = json!({"score": 0});
        json["pad_token_id"] = json!(0);
    }
    json
}
