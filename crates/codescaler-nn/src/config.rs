use serde::Deserialize;
use serde_json::Value;

use crate::directory::Directory;
use crate::error::{LoadError, LoadErrorKind};

/// The shape of one decoder: what `config.json` of a Hugging Face directory says, validated.
///
/// Qwen2, Qwen2.5, Qwen3 and Llama 3 are one decoder with flags: pre-norm blocks of grouped-query
/// attention with rotary positions and a SwiGLU feed-forward, all without dropout.
#[derive(Debug, Clone, PartialEq)]
pub struct DecoderConfig {
    /// Width of the residual stream (C).
    pub hidden: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Query heads (H).
    pub heads: usize,
    /// Key and value heads (G); divides `heads`.
    pub kv_heads: usize,
    /// Width of one head (D); even. `heads * head_dim` need not be `hidden`.
    pub head_dim: usize,
    /// Inner width of the feed-forward.
    pub ffn: usize,
    /// Rows of the embedding (V).
    pub vocab: usize,
    /// Positions that the weights were trained for.
    pub positions_max: usize,
    /// Added to the mean square in every norm.
    pub norm_eps: f32,
    /// Frequencies of the rotary positions.
    pub rope: Rope,
    /// Query, key and value projections have biases (Qwen2 always).
    pub qkv_bias: bool,
    /// The attention's output projection has a bias.
    pub output_bias: bool,
    /// Queries and keys are normalised per head (Qwen3).
    pub qk_norm: bool,
    /// The language-model head is the embedding.
    pub tied: bool,
    /// How programs are to be written for it.
    pub programs: Programs,
}

/// How programs are written before a decoder reads them: `codescaler_programs` in `config.json`,
/// which `transformers` keeps. Whoever makes the texts sees to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Programs {
    /// As they are.
    #[default]
    AsWritten,
    /// In canonical form, the same for all that differ in comments, layout and names of variables
    /// only.
    Canonical,
}

impl Programs {
    /// Every form.
    pub const ALL: [Self; 2] = [Self::AsWritten, Self::Canonical];

    /// The name, as options and files have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AsWritten => "as-written",
            Self::Canonical => "canonical",
        }
    }
}

/// Rotary positions (RoFormer, arXiv:2104.09864) in Hugging Face's half-split layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of wavelengths.
    pub theta: f64,
    /// How the frequencies are stretched for longer contexts.
    pub scaling: RopeScaling,
}

/// How rotary frequencies are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// As trained.
    Plain,
    /// Every frequency divided by `factor`.
    Linear {
        /// How much longer the context is.
        factor: f64,
    },
    /// Llama 3.1: long wavelengths are divided, short ones kept, those between are blended.
    Llama3 {
        /// How much longer the context is.
        factor: f64,
        /// Wavelengths above `original_positions / low` are divided by `factor`.
        low: f64,
        /// Wavelengths below `original_positions / high` are kept.
        high: f64,
        /// Context of the first training.
        original_positions: f64,
    },
}

impl Rope {
    /// Radians per position for each of the `head_dim / 2` pairs.
    ///
    /// In f32 where the reference framework computes in f32, so that long positions agree.
    pub fn frequencies(&self, head_dim: usize) -> Vec<f32> {
        let plain = (0..head_dim / 2).map(|pair| {
            let exponent = (2 * pair) as f32 / head_dim as f32;
            1.0 / (self.theta as f32).powf(exponent)
        });
        plain.map(|frequency| self.scaling.apply(frequency)).collect()
    }
}

impl RopeScaling {
    fn apply(self, frequency: f32) -> f32 {
        match self {
            Self::Plain => frequency,
            Self::Linear { factor } => frequency / factor as f32,
            Self::Llama3 { factor, low, high, original_positions } => {
                let wavelength = std::f64::consts::TAU / f64::from(frequency);
                let turns = original_positions / wavelength;
                if turns > high {
                    frequency
                } else if turns < low {
                    frequency / factor as f32
                } else {
                    let smooth = ((turns - low) / (high - low)) as f32;
                    (1.0 - smooth) * frequency / factor as f32 + smooth * frequency
                }
            }
        }
    }
}

/// `config.json` as written. Keys that do not change what is computed are not read.
#[derive(Debug, Deserialize)]
struct Written {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    hidden_act: Option<String>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Value>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    use_sliding_window: Option<bool>,
    layer_types: Option<Vec<String>>,
    codescaler_programs: Option<String>,
}

impl DecoderConfig {
    /// Cosines and sines for `n` positions from `first` on, (n, D / 2) each.
    pub(crate) fn rotary(&self, first: usize, n: usize) -> (Vec<f32>, Vec<f32>) {
        let frequencies = self.rope.frequencies(self.head_dim);
        let angles = (first..first + n)
            .flat_map(|position| frequencies.iter().map(move |f| position as f32 * f));
        angles.map(|angle| (angle.cos(), angle.sin())).unzip()
    }

    /// Numbers in the matrices of all layers.
    pub(crate) fn layer_weights(&self) -> u64 {
        let (q, kv) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let attention = self.hidden * (q + 2 * kv) + q * self.hidden;
        (self.layers * (attention + 3 * self.hidden * self.ffn)) as u64
    }

    /// Reads and validates `config.json`.
    ///
    /// # Errors
    /// When the file is unreadable, lacks a key, or asks for something this decoder does not
    /// compute (another family, a sliding window, an unknown rotary scaling).
    pub fn read<'a>(dir: impl Into<Directory<'a>>) -> Result<Self, LoadError> {
        const NAME: &str = "config.json";
        let dir = dir.into();
        Self::parse(&dir.read_text(NAME)?).map_err(|kind| dir.fail(NAME, kind))
    }

    /// Validates the text of a `config.json`.
    ///
    /// # Errors
    /// As [`DecoderConfig::read`], without the path.
    pub fn parse(text: &str) -> Result<Self, LoadErrorKind> {
        let written: Written = serde_json::from_str(text).map_err(LoadErrorKind::Json)?;
        written.refuse_what_is_not_computed()?;
        let bias = written.attention_bias.unwrap_or(false);
        let (qkv_bias, output_bias, qk_norm) = match written.model_type.as_str() {
            "qwen2" => (true, false, false),
            "qwen3" => (bias, bias, true),
            "llama" => (bias, bias, false),
            other => {
                return Err(unsupported("model_type", other, "qwen2, qwen3 or llama"));
            }
        };
        let heads = written.num_attention_heads;
        let config = Self {
            hidden: written.hidden_size,
            layers: written.num_hidden_layers,
            heads,
            kv_heads: written.num_key_value_heads.unwrap_or(heads),
            head_dim: written.head_dim.unwrap_or(written.hidden_size / heads.max(1)),
            ffn: written.intermediate_size,
            vocab: written.vocab_size,
            positions_max: written.max_position_embeddings,
            norm_eps: written.rms_norm_eps as f32,
            rope: written.rope()?,
            qkv_bias,
            output_bias,
            qk_norm,
            tied: written.tie_word_embeddings.unwrap_or(false),
            programs: written.programs()?,
        };
        config.check_sizes()?;
        Ok(config)
    }

    fn check_sizes(&self) -> Result<(), LoadErrorKind> {
        let positive: [(&'static str, usize); 8] = [
            ("hidden_size", self.hidden),
            ("num_hidden_layers", self.layers),
            ("num_attention_heads", self.heads),
            ("num_key_value_heads", self.kv_heads),
            ("head_dim", self.head_dim),
            ("intermediate_size", self.ffn),
            ("vocab_size", self.vocab),
            ("max_position_embeddings", self.positions_max),
        ];
        // The bound keeps every product of two sizes far from overflow.
        if let Some((key, found)) = positive.iter().find(|(_, n)| *n == 0 || *n > 1 << 28) {
            return Err(unsupported(key, &found.to_string(), "a size from 1 to 2^28"));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            let found = self.kv_heads.to_string();
            return Err(unsupported("num_key_value_heads", &found, "a divisor of the heads"));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(unsupported("head_dim", &self.head_dim.to_string(), "an even number"));
        }
        Ok(())
    }
}

impl Written {
    fn refuse_what_is_not_computed(&self) -> Result<(), LoadErrorKind> {
        if self.use_sliding_window == Some(true) {
            return Err(unsupported("use_sliding_window", "true", "false: every layer sees all"));
        }
        if let Some(other) = self.layer_types.iter().flatten().find(|t| *t != "full_attention") {
            return Err(unsupported("layer_types", other, "full_attention in every layer"));
        }
        if let Some(other) = self.hidden_act.as_deref().filter(|act| *act != "silu") {
            return Err(unsupported("hidden_act", other, "silu"));
        }
        if self.mlp_bias == Some(true) {
            return Err(unsupported("mlp_bias", "true", "false"));
        }
        Ok(())
    }

    fn programs(&self) -> Result<Programs, LoadErrorKind> {
        let Some(name) = &self.codescaler_programs else { return Ok(Programs::default()) };
        let known = Programs::ALL.into_iter().find(|programs| programs.name() == name);
        known.ok_or_else(|| unsupported("codescaler_programs", name, "as-written or canonical"))
    }

    /// Older files have `rope_theta` and `rope_scaling`, newer ones `rope_parameters` for both.
    fn rope(&self) -> Result<Rope, LoadErrorKind> {
        let scaling = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let number = |key: &'static str| {
            let found = scaling.and_then(|s| s.get(key)).and_then(Value::as_f64);
            found.ok_or(LoadErrorKind::MissingKey { key })
        };
        let theta = number("rope_theta").ok().or(self.rope_theta).unwrap_or(10_000.0);
        let kind = scaling.and_then(|s| s.get("rope_type").or(s.get("type")));
        let scaling = match kind.and_then(Value::as_str).unwrap_or("default") {
            "default" => RopeScaling::Plain,
            "linear" => RopeScaling::Linear { factor: number("factor")? },
            "llama3" => RopeScaling::Llama3 {
                factor: number("factor")?,
                low: number("low_freq_factor")?,
                high: number("high_freq_factor")?,
                original_positions: number("original_max_position_embeddings")?,
            },
            other => return Err(unsupported("rope_scaling", other, "default, linear or llama3")),
        };
        Ok(Rope { theta, scaling })
    }
}

fn unsupported(key: &'static str, found: &str, needs: &'static str) -> LoadErrorKind {
    LoadErrorKind::Unsupported { key, found: found.to_owned(), needs }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QWEN3: &str = r#"{"model_type":"qwen3","hidden_size":1024,"num_hidden_layers":28,
        "num_attention_heads":16,"num_key_value_heads":8,"head_dim":128,"intermediate_size":3072,
        "vocab_size":151936,"max_position_embeddings":40960,"rms_norm_eps":1e-06,
        "hidden_act":"silu","rope_theta":1000000,"rope_scaling":null,"attention_bias":false,
        "tie_word_embeddings":true,"use_sliding_window":false,"sliding_window":null}"#;

    #[track_caller]
    fn check(from: &str, to: &str, message: &str) {
        assert!(QWEN3.contains(from), "{from} is not in the config");
        let found = match DecoderConfig::parse(&QWEN3.replace(from, to)) {
            Ok(_) => "accepted".to_owned(),
            Err(kind) => kind.to_string(),
        };
        assert_eq!(found, message);
    }

    #[test]
    fn qwen3_0_6b() {
        let config = DecoderConfig::parse(QWEN3).unwrap();
        assert_eq!((config.heads, config.kv_heads, config.head_dim), (16, 8, 128));
        assert!(config.qk_norm && config.tied && !config.qkv_bias);
        assert_eq!(config.rope, Rope { theta: 1e6, scaling: RopeScaling::Plain });
    }

    #[test]
    fn what_is_not_computed_is_refused_by_key() {
        check(
            r#""use_sliding_window":false"#,
            r#""use_sliding_window":true"#,
            "`use_sliding_window` is true, but this decoder needs false: every layer sees all",
        );
        check(
            r#""model_type":"qwen3""#,
            r#""model_type":"gemma3""#,
            "`model_type` is gemma3, but this decoder needs qwen2, qwen3 or llama",
        );
        check(
            r#""num_key_value_heads":8"#,
            r#""num_key_value_heads":5"#,
            "`num_key_value_heads` is 5, but this decoder needs a divisor of the heads",
        );
        check(
            r#""rope_scaling":null"#,
            r#""rope_scaling":{"rope_type":"yarn","factor":4.0}"#,
            "`rope_scaling` is yarn, but this decoder needs default, linear or llama3",
        );
        check(
            r#""rope_scaling":null"#,
            r#""rope_scaling":{"rope_type":"llama3","factor":8.0}"#,
            "`low_freq_factor` is missing",
        );
        check(
            r#""model_type":"qwen3""#,
            r#""model_type":"qwen3","codescaler_programs":"upside-down""#,
            "`codescaler_programs` is upside-down, but this decoder needs as-written or canonical",
        );
        check(
            r#""num_hidden_layers":28"#,
            r#""num_hidden_layers":0"#,
            "`num_hidden_layers` is 0, but this decoder needs a size from 1 to 2^28",
        );
    }
}
