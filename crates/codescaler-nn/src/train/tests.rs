//! Against central differences of the definition in f64, and the laws of training.

mod definition;
mod framework;

use super::*;
use crate::config::{Rope, RopeScaling};
use crate::sample::uniform;
use definition::Definition;

/// The families' flags on a decoder small enough to differentiate number by number; widths that
/// are no multiple of any vector's.
fn config(family: &str) -> DecoderConfig {
    let qwen3 = DecoderConfig {
        hidden: 10,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        ffn: 14,
        vocab: 13,
        positions_max: 512,
        norm_eps: 1e-6,
        rope: Rope { theta: 100.0, scaling: RopeScaling::Plain },
        qkv_bias: false,
        output_bias: false,
        qk_norm: true,
        tied: true,
    };
    match family {
        "qwen3" => qwen3,
        "qwen2" => DecoderConfig { qkv_bias: true, qk_norm: false, kv_heads: 1, ..qwen3 },
        _ => DecoderConfig {
            qk_norm: false,
            tied: false,
            qkv_bias: true,
            output_bias: true,
            kv_heads: 4,
            ..qwen3
        },
    }
}

const FAMILIES: [&str; 3] = ["qwen3", "qwen2", "llama"];

fn options(isa: Isa, precision: Precision, threads: usize) -> TrainOptions {
    TrainOptions { precision, isa, threads: NonZeroUsize::new(threads).unwrap() }
}

/// Every parameter away from 0 and 1.
fn trainer(family: &str, head: TrainHead, options: &TrainOptions) -> Trainer {
    let mut trainer = Trainer::new(config(family), head, 1, options);
    for (index, value) in trainer.values.iter_mut().enumerate() {
        let wide = if *value == 1.0 { 1.0 } else { *value * 10.0 };
        *value = wide + 0.4 * (uniform([7, index as u64, 0]) as f32 - 0.5);
    }
    trainer
}

fn tokens(seed: u64, n: usize) -> Vec<u32> {
    (0..n).map(|i| (uniform([seed, i as u64, 1]) * 13.0) as u32).collect()
}

/// Problems with programs: what they begin with, what follows.
fn problems() -> Vec<Vec<Vec<u32>>> {
    let problem = |seed: u64, shared: usize, tails: &[usize]| {
        let tail = |(i, n): (usize, &usize)| {
            [tokens(seed, shared), tokens(100 * seed + i as u64, *n)].concat()
        };
        tails.iter().enumerate().map(tail).collect()
    };
    vec![problem(3, 5, &[3, 1, 6]), problem(4, 0, &[4]), problem(5, 7, &[2, 2])]
}

const LABELS: [f32; 6] = [1.0, 0.0, 0.5, 1.0, 0.0, 1.0];
const PAIRS: [&[(usize, usize)]; 3] = [&[(0, 1), (2, 1)], &[], &[(1, 0)]];

fn with_groups<R>(share: bool, work: impl FnOnce(&[Group<'_>]) -> R) -> R {
    let problems = problems();
    let items: Vec<Vec<&[u32]>> =
        problems.iter().map(|items| items.iter().map(Vec::as_slice).collect()).collect();
    let labels = [&LABELS[..3], &LABELS[3..4], &LABELS[4..]];
    let group = |(index, items)| {
        let targets = Targets { labels: labels[index], pairs: PAIRS[index] };
        Group { items, targets, share }
    };
    let groups: Vec<Group<'_>> = items.iter().map(Vec::as_slice).enumerate().map(group).collect();
    work(&groups)
}

/// Compares every gradient with central differences of `loss`.
#[track_caller]
fn check_gradients(what: &str, trainer: &Trainer, loss: impl Fn(&Definition<'_>) -> f64) {
    const STEP: f64 = 1e-5;
    let mut values: Vec<f64> = trainer.values.iter().map(|x| f64::from(*x)).collect();
    for tensor in &trainer.layout.tensors {
        for index in tensor.range.clone() {
            let before = values[index];
            let mut at = |value: f64| {
                values[index] = value;
                let (config, layout) = (&trainer.config, &trainer.layout);
                loss(&Definition { config, layout, values: &values })
            };
            let slope = (at(before + STEP) - at(before - STEP)) / (2.0 * STEP);
            at(before);
            let got = f64::from(trainer.grads[index]);
            let name = &tensor.name;
            assert!(
                (got - slope).abs() < 2e-5 + 1e-4 * slope.abs(),
                "{what} {name}: {got} {slope}"
            );
        }
    }
}

#[test]
fn every_gradient_of_language_is_the_slope() {
    let shared = tokens(4, 5);
    let text = |seed, n| [shared.clone(), vec![seed as u32], tokens(seed, n)].concat();
    let texts = [tokens(1, 9), tokens(2, 1), text(3, 6), text(5, 2), text(6, 0)];
    let views: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let groups = [&views[..1], &views[1..2], &views[2..]];
    for family in FAMILIES {
        let options = options(Isa::detect(), Precision::F32, 2);
        let mut trainer = trainer(family, TrainHead::LanguageModel, &options);
        let got = trainer.language_loss(&groups, 1.0);
        let loss = |definition: &Definition<'_>| {
            let mut losses = Vec::new();
            for (index, text) in texts.iter().enumerate() {
                // What the texts of a group begin with counts once.
                let first = if index > 2 { shared.len() - 1 } else { 0 };
                for (hidden, target) in definition.hidden(text).iter().zip(&text[1..]).skip(first) {
                    let logits = definition.outputs(hidden);
                    let sum: f64 = logits.iter().map(|x| x.exp()).sum();
                    losses.push(sum.ln() - logits[*target as usize]);
                }
            }
            losses.iter().sum::<f64>() / losses.len() as f64
        };
        let values: Vec<f64> = trainer.values.iter().map(|x| f64::from(*x)).collect();
        let (config, layout) = (&trainer.config, &trainer.layout);
        let want = loss(&Definition { config, layout, values: &values });
        assert!((got - want).abs() < 1e-5, "{family}: {got} {want}");
        check_gradients(family, &trainer, loss);
    }
}

fn loss_of_scores(definition: &Definition<'_>, loss: &RewardLoss) -> f64 {
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    with_groups(false, |groups| {
        let (mut sum, mut count) = (0.0, 0.0);
        let (mut token_sum, mut token_count) = (0.0, 0.0);
        for group in groups {
            let values = group.items.iter().map(|item| {
                let hidden = definition.hidden(item);
                hidden.iter().map(|hidden| definition.outputs(hidden)[0]).collect::<Vec<f64>>()
            });
            let values: Vec<Vec<f64>> = values.collect();
            let scores: Vec<f64> = values.iter().map(|values| values[values.len() - 1]).collect();
            let made = loss.objective.loss(&scores, group.targets, loss.centring);
            (sum, count) = (sum + made.sum, count + made.count);
            let first = crate::item::common_prefix(group.items, 1);
            let mut add = |item: usize, side: f64, times: f64| {
                let own = &values[item][first..];
                let losses = own.iter().map(|value| softplus(-side * value));
                token_sum += times * losses.sum::<f64>() / own.len() as f64;
                token_count += times;
            };
            for &(chosen, rejected) in group.targets.pairs {
                add(chosen, 1.0, 1.0);
                add(rejected, -1.0, 1.0);
            }
            if group.targets.pairs.is_empty() {
                for (item, label) in group.targets.labels.iter().enumerate() {
                    add(item, 1.0, f64::from(*label));
                    add(item, -1.0, 1.0 - f64::from(*label));
                }
            }
        }
        sum / count + loss.every_token * token_sum / token_count
    })
}

#[test]
fn every_gradient_of_scores_is_the_slope() {
    let objectives = [
        (Objective::BradleyTerry { margin: 0.3 }, 0.01, 0.0),
        (Objective::Listwise, 0.0, 0.7),
        (Objective::Pointwise, 0.0, 0.0),
    ];
    for (family, (objective, centring, every_token)) in FAMILIES.into_iter().zip(objectives) {
        let loss = RewardLoss { objective, centring, every_token };
        for share in [false, true] {
            let options = options(Isa::detect(), Precision::F32, 2);
            let mut trainer = trainer(family, TrainHead::Score, &options);
            with_groups(share, |groups| trainer.reward_loss(groups, &loss, 1.0));
            check_gradients(&format!("{family} shared: {share}"), &trainer, |definition| {
                loss_of_scores(definition, &loss)
            });
        }
    }
}

/// The gradient of one batch, and the scores.
fn gradient(options: &TrainOptions, share: bool) -> (Vec<f32>, Vec<f32>) {
    let mut trainer = trainer("qwen3", TrainHead::Score, options);
    let objective = Objective::BradleyTerry { margin: 0.0 };
    let step = with_groups(share, |groups| trainer.reward_loss(groups, &objective.into(), 1.0));
    (trainer.grads, step.scores)
}

#[test]
fn threads_change_no_bit() {
    for precision in [Precision::F32, Precision::Bf16] {
        let one = gradient(&options(Isa::detect(), precision, 1), true);
        assert_eq!(one, gradient(&options(Isa::detect(), precision, 3), true));
    }
}

#[test]
fn bfloat16_is_close_to_f32_with_every_kernel() {
    let (want, _) = gradient(&options(Isa::Portable, Precision::F32, 1), false);
    let size = want.iter().map(|x| x * x).sum::<f32>().sqrt();
    for isa in [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available())
    {
        for (precision, tolerance) in [(Precision::F32, 1e-5), (Precision::Bf16, 3e-2)] {
            for share in [false, true] {
                let (got, _) = gradient(&options(isa, precision, 2), share);
                let off = got.iter().zip(&want).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
                assert!(off < tolerance * size, "{isa:?} {precision:?}: {off} of {size}");
            }
        }
    }
}

/// Adapters learn along the slopes of the sum that they are part of; nothing else moves.
#[test]
fn every_gradient_of_adapters_is_the_slope() {
    for family in FAMILIES {
        let options = options(Isa::Portable, Precision::F32, 2);
        let mut trainer = trainer(family, TrainHead::Score, &options);
        let before = trainer.values.clone();
        trainer.adapt(Lora { rank: 3, alpha: 6.0 }, 5);
        let mut adapters = trainer.adapters.take().unwrap();
        adapters.merge(trainer.team, &mut trainer.values);
        assert_eq!(trainer.values, before, "adapters begin without effect");
        for (index, value) in adapters.values.iter_mut().enumerate() {
            *value += 0.2 * (uniform([8, index as u64, 0]) as f32 - 0.5);
        }
        adapters.merge(trainer.team, &mut trainer.values);
        let objective = Objective::Pointwise;
        with_groups(true, |groups| trainer.reward_loss(groups, &objective.into(), 1.0));
        adapters.take_gradients(trainer.team, &trainer.grads);
        let mut merged = before.clone();
        for (index, slope) in adapters.grads().to_vec().into_iter().enumerate().step_by(7) {
            const STEP: f32 = 1.0 / 512.0;
            let kept = adapters.values[index];
            let mut at = |value: f32| {
                adapters.values[index] = value;
                adapters.merge(trainer.team, &mut merged);
                let values: Vec<f64> = merged.iter().map(|x| f64::from(*x)).collect();
                let (config, layout) = (&trainer.config, &trainer.layout);
                let definition = Definition { config, layout, values: &values };
                loss_of_scores(&definition, &objective.into())
            };
            let want = (at(kept + STEP) - at(kept - STEP)) / f64::from(2.0 * STEP);
            at(kept);
            assert!((f64::from(slope) - want).abs() < 1e-4 + 1e-2 * want.abs(), "{slope} {want}");
        }
    }
}
