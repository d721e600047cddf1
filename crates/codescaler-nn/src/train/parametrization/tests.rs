//! The table of the paper, and that rates mean the same at every width.

use std::num::NonZeroUsize;

use super::super::layout::Layout;
use super::super::network::{Batch, Moment};
use super::super::{AdamW, TrainHead, TrainOptions, Trainer};
use super::*;
use crate::config::{Programs, Rope, RopeScaling};
use crate::kernel::{Isa, Precision};
use crate::sample::uniform;

/// A decoder of two blocks, whose heads do not grow.
fn config(width: usize) -> DecoderConfig {
    DecoderConfig {
        hidden: width,
        layers: 2,
        heads: width / 16,
        kv_heads: width / 32,
        head_dim: 16,
        ffn: 2 * width,
        vocab: 32,
        positions_max: 64,
        norm_eps: 1e-6,
        rope: Rope { theta: 10_000.0, scaling: RopeScaling::Plain },
        qkv_bias: false,
        output_bias: false,
        qk_norm: true,
        tied: false,
        programs: Programs::default(),
    }
}

/// Factors on products, deviations and rates as the paper has them, each row of the table by
/// itself; what they come to without the factors is what has to be there.
#[test]
fn plain_weights_do_what_the_table_says() {
    let config = config(64);
    let layers = 2.0_f32;
    // (end of the name, factor on the product, rate)
    let table: [(&str, f32, f32); 10] = [
        ("embed_tokens.weight", 1.0, 1.0 / 64.0_f32.sqrt()),
        ("q_proj.weight", 1.0 / 64.0_f32.sqrt(), 1.0 / (64.0 * layers).sqrt()),
        ("k_proj.weight", 1.0 / 64.0_f32.sqrt(), 1.0 / (64.0 * layers).sqrt()),
        ("v_proj.weight", 1.0 / 64.0_f32.sqrt(), 1.0 / (64.0 * layers).sqrt()),
        ("gate_proj.weight", 1.0 / 64.0_f32.sqrt(), 1.0 / (64.0 * layers).sqrt()),
        ("up_proj.weight", 1.0 / 64.0_f32.sqrt(), 1.0 / (64.0 * layers).sqrt()),
        // These end their branch, whose share of the stream is part of their factor.
        ("o_proj.weight", 1.0 / (64.0 * layers).sqrt(), 1.0 / (64.0 * layers).sqrt()),
        ("down_proj.weight", 1.0 / (128.0 * layers).sqrt(), 1.0 / (128.0 * layers).sqrt()),
        ("lm_head.weight", 1.0 / 64.0, 1.0),
        ("norm.weight", f32::NAN, 0.0),
    ];
    let layout = Layout::new(&config, TrainHead::LanguageModel);
    for tensor in &layout.tensors {
        let row = table.iter().find(|(end, ..)| tensor.name.ends_with(end)).unwrap();
        let (_, factor, rate) = *row;
        let (start, got) = Parametrization::UnitScaled.of(tensor, &config);
        match start {
            Start::Normal(deviation) => {
                assert!((deviation / factor - 1.0).abs() < 1e-5, "{}: {deviation}", tensor.name);
                assert!((got / (factor * rate) - 1.0).abs() < 1e-5, "{}: {got}", tensor.name);
            }
            Start::Constant(x) => assert_eq!((x, got, factor.is_nan()), (1.0, 0.0, true)),
        }
    }
    let (first, ..) = table[0];
    assert!(layout.tensors[0].name.ends_with(first));
}

/// The residual contributions of the paper's rule, multiplied out.
#[test]
fn every_branch_adds_the_same_to_the_stream() {
    for layers in [1, 2, 6] {
        let n = layers as f64;
        let mut stream = 1.0;
        for branch in 0..2 * layers {
            // With both ratios 1: all branches before this one, and the embedding as all of a kind.
            let ratio = 1.0 / (n + branch as f64).sqrt();
            let (a, b) = (ratio / ratio.hypot(1.0), 1.0 / ratio.hypot(1.0));
            // What is written, where the stream is not scaled down by `b` each time.
            let share: f64 = a / b * stream;
            assert!((share - 1.0 / n.sqrt()).abs() < 1e-12, "{layers} {branch}: {share}");
            stream /= b;
        }
    }
}

/// How far the stream after the last block and the logits have moved after some updates, as root
/// of the mean square, at a rate that fits the smallest width.
fn moved(width: usize, parametrization: Parametrization, rate: f32) -> [f64; 2] {
    let options =
        TrainOptions { precision: Precision::F32, isa: Isa::detect(), threads: NonZeroUsize::MIN };
    let head = TrainHead::LanguageModel;
    let mut trainer = Trainer::with(config(width), head, (parametrization, 3), &options);
    let text = |seed: u64| -> Vec<u32> {
        (0..24).map(|at| (uniform([seed, at, 9]) * 32.0) as u32).collect()
    };
    let texts = [text(1), text(2)];
    let views: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let groups: Vec<&[&[u32]]> = views.chunks(1).collect();
    let outputs = |trainer: &Trainer| {
        let mut batch = Batch::default();
        views.iter().for_each(|view| batch.push(&[view], 0));
        batch.read = (0..batch.tokens.len()).collect();
        let moment = Moment::<f32>::new(trainer, 64);
        let x = moment.forward(&batch).x.to_vec();
        let normed = moment.normed(&x, &trainer.layout.norm).to_vec();
        let head = &trainer.values[trainer.layout.head.clone().unwrap()];
        let rows = normed.chunks(width).flat_map(|row| {
            head.chunks(width).map(|w| crate::layers::dot(row, w)).collect::<Vec<f32>>()
        });
        [normed.clone(), rows.collect()]
    };
    let before = outputs(&trainer);
    let optimizer = AdamW { weight_decay: 0.0, ..AdamW::default() };
    for _ in 0..3 {
        trainer.language_loss(&groups, 1.0);
        trainer.update(&optimizer, rate);
    }
    let after = outputs(&trainer);
    [0, 1].map(|of| {
        let pairs = before[of].iter().zip(&after[of]);
        let squares: f64 = pairs.map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum();
        (squares / before[of].len() as f64).sqrt()
    })
}

/// The coordinate check of Tensor Programs V (arXiv:2203.03466).
#[test]
fn updates_move_activations_alike_at_every_width() {
    for (parametrization, rate) in
        [(Parametrization::UnitScaled, 0.05), (Parametrization::Standard, 2e-4)]
    {
        let all = [128, 256, 512].map(|width| moved(width, parametrization, rate));
        let growth = [0, 1].map(|of| all[2][of] / all[0][of]);
        match parametrization {
            Parametrization::UnitScaled => {
                assert!(growth.iter().all(|x| (0.6..1.6).contains(x)), "{all:?}");
            }
            Parametrization::Standard => assert!(growth[1] > 2.0, "{all:?}"),
        }
    }
}
