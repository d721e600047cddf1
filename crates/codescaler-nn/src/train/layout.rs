//! Where every parameter stands in one flat buffer, by the names of a Hugging Face directory.

use std::ops::Range;

use crate::config::DecoderConfig;
use crate::network::{EMBEDDING, LM_HEAD};

/// The score head of sequence classification.
pub(crate) const SCORE: &str = "score.weight";

/// One tensor as a file holds it.
pub(crate) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub range: Range<usize>,
    /// What the learning rate is multiplied with for it.
    pub rate: f32,
}

/// The parameters of one decoder. Gradients and moments of an optimiser have the same places.
pub(crate) struct Layout {
    pub tensors: Vec<Tensor>,
    pub embedding: Range<usize>,
    pub blocks: Vec<BlockLayout>,
    pub norm: Range<usize>,
    /// `None` where the embedding is the head.
    pub head: Option<Range<usize>>,
}

/// One block's places. Tensors that are multiplied together stand one after the other.
pub(crate) struct BlockLayout {
    pub attention_norm: Range<usize>,
    /// (q + 2 kv, C)
    pub qkv: Range<usize>,
    pub qkv_bias: Option<Range<usize>>,
    pub qk_norms: Option<[Range<usize>; 2]>,
    /// (C, q)
    pub output: Range<usize>,
    pub output_bias: Option<Range<usize>>,
    pub ffn_norm: Range<usize>,
    /// Gate, then up: (2 F, C)
    pub gate_up: Range<usize>,
    /// (C, F)
    pub down: Range<usize>,
}

/// What the decoder is trained to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainHead {
    /// The next token: logits over the vocabulary.
    LanguageModel,
    /// One score after the last token (`score.weight`, without bias).
    Score,
}

impl Layout {
    pub(crate) fn new(config: &DecoderConfig, head: TrainHead) -> Self {
        let DecoderConfig { hidden, ffn, head_dim, .. } = *config;
        let (q, kv) = (config.heads * head_dim, config.kv_heads * head_dim);
        let mut places = Places::default();
        let embedding = places.add(EMBEDDING.to_owned(), &[config.vocab, hidden]);
        let block = |layer: usize| {
            let mut add = |suffix: &str, shape: &[usize]| {
                places.add(format!("model.layers.{layer}.{suffix}"), shape)
            };
            let attention_norm = add("input_layernorm.weight", &[hidden]);
            let q_proj = add("self_attn.q_proj.weight", &[q, hidden]);
            add("self_attn.k_proj.weight", &[kv, hidden]);
            let v_proj = add("self_attn.v_proj.weight", &[kv, hidden]);
            let qkv_bias = config.qkv_bias.then(|| {
                let start = add("self_attn.q_proj.bias", &[q]).start;
                add("self_attn.k_proj.bias", &[kv]);
                start..add("self_attn.v_proj.bias", &[kv]).end
            });
            let norms = ["self_attn.q_norm.weight", "self_attn.k_norm.weight"];
            let qk_norms = config.qk_norm.then(|| norms.map(|name| add(name, &[head_dim])));
            let output = add("self_attn.o_proj.weight", &[hidden, q]);
            let output_bias = config.output_bias.then(|| add("self_attn.o_proj.bias", &[hidden]));
            let ffn_norm = add("post_attention_layernorm.weight", &[hidden]);
            let gate = add("mlp.gate_proj.weight", &[ffn, hidden]);
            let up = add("mlp.up_proj.weight", &[ffn, hidden]);
            BlockLayout {
                attention_norm,
                qkv: q_proj.start..v_proj.end,
                qkv_bias,
                qk_norms,
                output,
                output_bias,
                ffn_norm,
                gate_up: gate.start..up.end,
                down: add("mlp.down_proj.weight", &[hidden, ffn]),
            }
        };
        let blocks = (0..config.layers).map(block).collect();
        let norm = places.add("model.norm.weight".to_owned(), &[hidden]);
        let head = match head {
            TrainHead::Score => Some(places.add(SCORE.to_owned(), &[1, hidden])),
            TrainHead::LanguageModel if config.tied => None,
            TrainHead::LanguageModel => {
                Some(places.add(LM_HEAD.to_owned(), &[config.vocab, hidden]))
            }
        };
        Self { tensors: places.tensors, embedding, blocks, norm, head }
    }

    /// Numbers in all tensors.
    pub(crate) fn len(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range.end)
    }
}

impl Tensor {
    /// Weight decay is for what is multiplied with activations, not for scales and offsets.
    pub(crate) fn decays(&self) -> bool {
        self.shape.len() > 1
    }
}

#[derive(Default)]
struct Places {
    tensors: Vec<Tensor>,
}

impl Places {
    fn add(&mut self, name: String, shape: &[usize]) -> Range<usize> {
        let start = self.tensors.last().map_or(0, |tensor| tensor.range.end);
        let range = start..start + shape.iter().product::<usize>();
        self.tensors.push(Tensor { name, shape: shape.to_vec(), range: range.clone(), rate: 1.0 });
        range
    }
}
