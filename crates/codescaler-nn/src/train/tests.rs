//! Against central differences of the definition in f64, and the laws of training.

mod definition;
mod framework;

use super::*;
use crate::config::{Programs, Rope, RopeScaling};
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
        programs: Programs::default(),
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

/// Where an answer begins and ends.
type Ends = (usize, usize);

/// Texts of two groups and one that answers nothing, and where their answers are.
fn answered() -> Vec<(Vec<Vec<u32>>, Vec<Ends>)> {
    let prompt = tokens(4, 5);
    let text = |seed: u64, n| [prompt.clone(), vec![seed as u32], tokens(seed, n)].concat();
    // The answers of the first two begin alike.
    let same = |n| [prompt.clone(), vec![7, 7], tokens(n, n as usize)].concat();
    vec![
        (vec![same(3), same(2), text(5, 1)], vec![(5, 10), (5, 8), (5, 7)]),
        (vec![tokens(1, 6), tokens(2, 2)], vec![(1, 4), (1, 2)]),
        (vec![tokens(3, 7)], vec![(0, 0)]),
    ]
}

/// Every third token ends a line.
fn parts(answered: &[Ends], of: Confidence) -> Vec<Vec<std::ops::Range<usize>>> {
    let parts = |&(start, end): &Ends| of.parts(start..end, |token| token % 3 == 2);
    answered.iter().map(parts).collect()
}

/// The prompt of the first group is only read where answers lose by themselves.
fn learns_prompt(texts: &[impl Sized], loss: PassAt) -> bool {
    loss.samples.get() > 1 || texts.len() < 3
}

/// What every token loses by itself, and answers together, written out.
fn loss_of_answers(definition: &Definition<'_>, loss: PassAt) -> f64 {
    let n = f64::from(loss.samples.get());
    let (mut sum, mut count) = (0.0, 0);
    for (texts, answers) in answered() {
        for (index, (text, parts)) in texts.iter().zip(parts(&answers, loss.of)).enumerate() {
            let hidden = definition.hidden(text);
            let logprob = |token: usize| {
                let logits = definition.outputs(&hidden[token - 1]);
                let all: f64 = logits.iter().map(|x| x.exp()).sum();
                logits[text[token] as usize] - all.ln()
            };
            for part in &parts {
                let together: f64 = part.clone().map(logprob).sum();
                let over = match loss.of {
                    Confidence::TokenMean => part.len() as f64,
                    Confidence::Answer | Confidence::Line => 1.0,
                };
                let p = (together / over).exp();
                sum -= over * (1.0 - (1.0 - p).powf(n)).ln();
                count += part.len();
            }
            // Prompts of a group are alike, and count once.
            let is_learnt = index == 0 && learns_prompt(&texts, loss);
            let asked = |token: &usize| is_learnt && *token < answers[0].0.max(1);
            let plain = |token: &usize| !parts.iter().any(|part| part.contains(token));
            let behind = |token: &usize| *token >= answers[index].1.max(1);
            for token in (1..text.len()).filter(plain).filter(|t| asked(t) || behind(t)) {
                sum -= logprob(token);
                count += 1;
            }
        }
    }
    sum / f64::from(count as u32)
}

#[test]
fn every_gradient_of_answers_is_the_slope() {
    let ofs = [Confidence::Line, Confidence::Answer, Confidence::TokenMean];
    for (family, of) in FAMILIES.into_iter().zip(ofs) {
        for samples in [1, 40] {
            let loss = PassAt { samples: samples.try_into().unwrap(), of };
            let options = options(Isa::detect(), Precision::F32, 2);
            let mut trainer = trainer(family, TrainHead::LanguageModel, &options);
            let answered = answered();
            let all: Vec<_> = answered
                .iter()
                .map(|(texts, answers)| {
                    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
                    let learns_prompt = learns_prompt(&texts, loss);
                    (texts, parts(answers, of), learns_prompt)
                })
                .collect();
            let groups: Vec<Answers<'_>> = all
                .iter()
                .map(|(texts, parts, learns_prompt)| Answers {
                    texts,
                    parts,
                    learns_prompt: *learns_prompt,
                })
                .collect();
            let got = trainer.pass_at_loss(&groups, loss, 1.0);
            let values: Vec<f64> = trainer.values.iter().map(|x| f64::from(*x)).collect();
            let (config, layout) = (&trainer.config, &trainer.layout);
            let want = loss_of_answers(&Definition { config, layout, values: &values }, loss);
            assert!((got - want).abs() < 1e-5, "{family} {loss:?}: {got} {want}");
            check_gradients(family, &trainer, |definition| loss_of_answers(definition, loss));
        }
    }
}

const COMPLETIONS: [usize; 3] = [4, 1, 2];

/// Three completions to two prompts: their tokens, advantages, old and reference log-probabilities.
type Written = (Vec<u32>, Vec<f32>, Vec<f32>, Vec<f32>);

fn written() -> Vec<Written> {
    let one = |(index, n): (usize, &usize)| {
        let numbers = |key: u64, from: f32, to: f32| -> Vec<f32> {
            let number = |i| uniform([key, index as u64, i as u64]) as f32;
            (0..*n).map(|i| from + (to - from) * number(i)).collect()
        };
        let index = index as u64;
        (
            tokens(30 + index, *n),
            numbers(1, -2.0, 2.0),
            numbers(2, -3.5, -1.5),
            numbers(3, -3.0, -2.0),
        )
    };
    COMPLETIONS.iter().enumerate().map(one).collect()
}

fn with_rollouts<R>(work: impl FnOnce(&[Rollouts<'_>]) -> R) -> R {
    let prompts = [tokens(21, 5), tokens(22, 1)];
    let written = written();
    let completions: Vec<Completion<'_>> = written
        .iter()
        .zip([0.25, 0.5, 0.125])
        .map(|((tokens, advantages, old, reference), weight)| Completion {
            tokens,
            advantages,
            weight,
            old: Some(old),
            reference: Some(reference),
        })
        .collect();
    let (first, second) = completions.split_at(2);
    work(&[
        Rollouts { prompt: &prompts[0], completions: first },
        Rollouts { prompt: &prompts[1], completions: second },
    ])
}

/// The loss as its papers have it, in f64.
fn loss_of_rollouts(definition: &Definition<'_>, loss: &PolicyLoss) -> f64 {
    with_rollouts(|groups| {
        let mut sum = 0.0;
        for Rollouts { prompt, completions } in groups {
            for completion in *completions {
                let text = [prompt, completion.tokens].concat();
                let hidden = definition.hidden(&text);
                for (index, token) in completion.tokens.iter().enumerate() {
                    let mut logits = definition.outputs(&hidden[prompt.len() + index - 1]);
                    logits.iter_mut().for_each(|x| *x /= f64::from(loss.temperature));
                    let all: f64 = logits.iter().map(|x| x.exp()).sum();
                    let logprob = logits[*token as usize] - all.ln();
                    let advantage = f64::from(completion.advantages[index]);
                    let ratio = (logprob - f64::from(completion.old.unwrap()[index])).exp();
                    let clip = ratio.clamp(1.0 - loss.clip_low, 1.0 + loss.clip_high);
                    let mut surrogate = (ratio * advantage).min(clip * advantage);
                    if advantage < 0.0 {
                        surrogate = surrogate.max(loss.clip_dual * advantage);
                    }
                    let d = f64::from(completion.reference.unwrap()[index]) - logprob;
                    let kl = d.exp() - d - 1.0;
                    sum += f64::from(completion.weight) * (loss.kl * kl - surrogate);
                }
            }
        }
        sum
    })
}

#[test]
fn every_gradient_of_rollouts_is_the_slope() {
    let loss = PolicyLoss { kl: 0.2, temperature: 0.7, clip_dual: 2.0, ..PolicyLoss::default() };
    for family in FAMILIES {
        let options = options(Isa::detect(), Precision::F32, 2);
        let mut trainer = trainer(family, TrainHead::LanguageModel, &options);
        let before = with_rollouts(|groups| trainer.logprobs(groups, loss.temperature));
        assert!(trainer.grads.iter().all(|grad| *grad == 0.0), "looking teaches nothing");
        let step = with_rollouts(|groups| trainer.policy_loss(groups, &loss));
        assert_eq!(step.logprobs, before);
        assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), COMPLETIONS);
        assert!(step.clipped > 0.0 && step.clipped < 1.0, "{}", step.clipped);
        let values: Vec<f64> = trainer.values.iter().map(|x| f64::from(*x)).collect();
        let (config, layout) = (&trainer.config, &trainer.layout);
        let want = loss_of_rollouts(&Definition { config, layout, values: &values }, &loss);
        assert!((step.loss - want).abs() < 1e-5, "{family}: {} {want}", step.loss);
        check_gradients(family, &trainer, |definition| loss_of_rollouts(definition, &loss));
    }
}

/// What was just drawn is learnt alike with its own old log-probabilities and without any.
#[test]
fn on_policy_needs_no_old_probabilities() {
    let options = options(Isa::detect(), Precision::Bf16, 2);
    let gradient = |with_old: bool| {
        let mut trainer = trainer("qwen3", TrainHead::LanguageModel, &options);
        with_rollouts(|groups| {
            let old = trainer.logprobs(groups, 1.0);
            let completions = groups.iter().flat_map(|group| group.completions).zip(&old);
            let own: Vec<Completion<'_>> = completions
                .map(|(completion, old)| {
                    let old = with_old.then_some(&old[..]);
                    Completion { old, reference: None, ..*completion }
                })
                .collect();
            let (first, second) = own.split_at(2);
            let groups = [
                Rollouts { completions: first, ..groups[0] },
                Rollouts { completions: second, ..groups[1] },
            ];
            trainer.policy_loss(&groups, &PolicyLoss::default());
        });
        trainer.grads
    };
    let (with, without) = (gradient(true), gradient(false));
    for (a, b) in with.iter().zip(&without) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
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
