//! Against the reference framework's autograd and optimiser, as `fixtures/training.py` recorded
//! them in f32.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;

/// How far entries and norm of a tensor's gradient may be off, relative to that norm.
const GRADIENT: f64 = 1e-5;
/// How far a loss, or the norm of all gradients, may be off, relative to itself.
const LOSS: f64 = 1e-4;

#[derive(Deserialize)]
struct Recorded {
    groups: Vec<RecordedGroup>,
    schedule: RecordedSchedule,
    gradients: BTreeMap<String, Gradient>,
    /// Before every update.
    losses: Vec<f64>,
    /// Of all gradients before clipping.
    norms: Vec<f64>,
}

#[derive(Deserialize)]
struct RecordedGroup {
    items: Vec<Vec<u32>>,
    pairs: Vec<(usize, usize)>,
}

#[derive(Deserialize)]
struct RecordedSchedule {
    peak: f32,
    warmup: u64,
    steps: u64,
    end: f32,
}

/// A tensor's gradient: its norm and some of its entries.
#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    at: Vec<usize>,
    values: Vec<f64>,
}

impl Recorded {
    /// The loss of the trainer's head, its gradient added up.
    fn loss(&self, trainer: &mut Trainer, share: bool) -> f64 {
        let items: Vec<Vec<&[u32]>> = self
            .groups
            .iter()
            .map(|group| group.items.iter().map(Vec::as_slice).collect())
            .collect();
        if trainer.head == TrainHead::LanguageModel {
            let texts: Vec<&[&[u32]]> = items.iter().flat_map(|items| items.chunks(1)).collect();
            return trainer.language_loss(&texts, 1.0);
        }
        let groups = self.groups.iter().zip(&items).map(|(group, items)| {
            // Without a margin the loss is the same for all labels.
            let targets = Targets { labels: &LABELS[..items.len()], pairs: &group.pairs };
            Group { items, targets, share }
        });
        let groups: Vec<Group<'_>> = groups.collect();
        trainer.reward_loss(&groups, &Objective::BradleyTerry { margin: 0.0 }.into(), 1.0).loss
    }
}

#[track_caller]
fn check_near(what: &str, got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{what}: {got} instead of {want}");
}

#[track_caller]
fn check(family: &str, head: TrainHead, share: bool) {
    let dir: PathBuf = [env!("CARGO_MANIFEST_DIR"), "fixtures", family].iter().collect();
    let text = std::fs::read_to_string(dir.join("training.json")).unwrap();
    let recorded: Recorded = serde_json::from_str(&text).unwrap();
    let options = options(Isa::detect(), Precision::F32, 2);
    let mut trainer = Trainer::load(&dir, head, &options).unwrap();
    let RecordedSchedule { peak, warmup, steps, end } = recorded.schedule;
    let schedule = Schedule { peak, warmup, steps, end };
    let wanted = recorded.losses.iter().zip(&recorded.norms);
    assert_eq!(wanted.len() as u64, steps);
    for (step, (&loss, &norm)) in (0..).zip(wanted) {
        check_near(
            &format!("{family} step {step}: loss"),
            recorded.loss(&mut trainer, share),
            loss,
            LOSS * loss,
        );
        if step == 0 {
            check_gradients(family, &trainer, &recorded.gradients);
        }
        let got = trainer.update(&AdamW::default(), schedule.rate(step));
        check_near(&format!("{family} step {step}: norm"), got, norm, LOSS * norm);
    }
}

#[track_caller]
fn check_gradients(family: &str, trainer: &Trainer, recorded: &BTreeMap<String, Gradient>) {
    let tensors = &trainer.layout.tensors;
    let mut names: Vec<&String> = tensors.iter().map(|tensor| &tensor.name).collect();
    names.sort();
    assert_eq!(names, recorded.keys().collect::<Vec<_>>(), "{family}");
    for tensor in tensors {
        let grads = &trainer.grads[tensor.range.clone()];
        let Gradient { norm, at, values } = &recorded[&tensor.name];
        let what = format!("{family} {}", tensor.name);
        check_near(&what, adamw::norm(trainer.team, grads), *norm, GRADIENT * norm);
        for (&at, &value) in at.iter().zip(values) {
            check_near(&format!("{what} {at}"), f64::from(grads[at]), value, GRADIENT * norm);
        }
    }
}

#[test]
fn bradley_terry_is_the_frameworks() {
    for share in [false, true] {
        check("qwen3", TrainHead::Score, share);
    }
}

#[test]
fn the_next_token_is_the_frameworks() {
    check("lm", TrainHead::LanguageModel, false);
}
