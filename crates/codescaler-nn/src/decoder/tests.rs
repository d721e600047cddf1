//! Against the reference framework's recorded logits, and against our own reference.

use std::path::PathBuf;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::matrix::Dense;
use crate::reference;
use crate::text::{Message, TextEncoder};

#[derive(Deserialize)]
struct Golden {
    prompt: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    candidate: Option<String>,
    text: Option<String>,
    ids: Vec<u32>,
    logits: Vec<f32>,
}

/// How far a logit may be from the framework's in f32. The fixtures' are 0.6 to 1.2 in root mean
/// square, and the decoders so narrow that rounding averages out less than in any of use.
const TOLERANCES: [(Precision, f32); 3] =
    [(Precision::F32, 1e-4), (Precision::Bf16, 3e-2), (Precision::Int8, 1e-1)];

const FAMILIES: [&str; 5] = ["qwen3", "qwen2", "llama", "acecode", "lm"];

fn dir(family: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fixtures", family].iter().collect()
}

fn golden(family: &str) -> Golden {
    let text = std::fs::read_to_string(dir(family).join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn isas() -> impl Iterator<Item = Isa> {
    [Isa::Portable, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available())
}

fn load(family: &str, isa: Isa, precision: Precision, threads: usize) -> Decoder {
    let threads = NonZeroUsize::new(threads).unwrap();
    Decoder::load((&dir(family)).into(), (isa, precision), threads).unwrap()
}

#[track_caller]
fn check_close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (got, want) in got.iter().zip(want) {
        assert!((got - want).abs() <= tolerance, "{what}: {got} instead of {want}");
    }
}

#[test]
fn our_reference_is_the_framework() {
    for family in FAMILIES {
        let decoder = load(family, Isa::Portable, Precision::F32, 1);
        let weights = Weights::open(&dir(family)).unwrap();
        let network =
            Network::<Dense>::load(&decoder.config, &weights, (), NonZeroUsize::MIN).unwrap();
        for case in golden(family).cases {
            let embedding = decoder.embedding();
            let hidden = reference::last_hidden(&decoder.config, &network, embedding, &case.ids);
            let head = network.head.weight.clone().unwrap_or_else(|| {
                let mut all = vec![0.0; embedding.len()];
                embedding.read(0, &mut all);
                all
            });
            let dot = |row: &[f32]| row.iter().zip(&hidden).map(|(a, b)| a * b).sum::<f32>();
            let rows = head.chunks(hidden.len()).zip(&network.head.bias);
            let logits: Vec<f32> = rows.map(|(row, bias)| dot(row) + bias).collect();
            check_close(&format!("{family} reference"), &logits, &case.logits, 1e-4);
        }
    }
}

#[test]
fn every_kernel_is_the_framework() {
    for family in FAMILIES {
        let golden = golden(family);
        let sequences: Vec<&[u32]> = golden.cases.iter().map(|case| &case.ids[..]).collect();
        for isa in isas() {
            for (precision, tolerance) in TOLERANCES {
                let outputs = load(family, isa, precision, 2).forward(None, &sequences);
                for (case, output) in golden.cases.iter().zip(outputs) {
                    let what = format!("{family} {isa:?} {precision:?}");
                    check_close(&what, &output, &case.logits, tolerance);
                }
            }
        }
    }
}

#[test]
fn templates_and_tokens_are_the_frameworks() {
    for family in FAMILIES {
        let golden = golden(family);
        let text = TextEncoder::load(&dir(family), 400).unwrap();
        for case in golden.cases {
            let Some(candidate) = &case.candidate else { continue };
            let messages = [
                Message { role: "user", content: &golden.prompt },
                Message { role: "assistant", content: candidate },
            ];
            let rendered = text.render(&messages, false).unwrap();
            assert_eq!(Some(&rendered), case.text.as_ref(), "{family}");
            assert_eq!(text.encode(&rendered).unwrap(), case.ids, "{family}");
        }
    }
}

fn tokens(seed: u32, n: usize) -> Vec<u32> {
    (0..n as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(40_503)) >> 7)
        .map(|t| t % 400)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Law 5: the same bits alone or in company, with any number of threads, prefix shared or not.
    #[test]
    fn a_score_is_its_sequences_alone(
        lengths in prop::collection::vec(1usize..140, 1..5),
        shared in 1usize..150,
        threads in 1usize..5,
        precision in prop::sample::select(vec![Precision::F32, Precision::Bf16, Precision::Int8]),
        seed: u32,
    ) {
        let head = tokens(seed, shared);
        let tails: Vec<Vec<u32>> =
            lengths.iter().zip(1..).map(|(&n, i)| tokens(seed ^ i, n)).collect();
        let tails: Vec<&[u32]> = tails.iter().map(|tail| &tail[..]).collect();
        for isa in isas() {
            let alone = load("qwen3", isa, precision, 1);
            let decoder = load("qwen3", isa, precision, threads);
            let prefix = decoder.prefix(&head);
            let together = decoder.forward(Some(&prefix), &tails);
            for (tail, together) in tails.iter().zip(together) {
                let whole = [&head[..], tail].concat();
                let by_itself = &alone.forward(None, &[&whole])[0];
                prop_assert_eq!(by_itself[0].to_bits(), together[0].to_bits());
            }
        }
    }
}
