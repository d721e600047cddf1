//! The reward model as a whole: it learns what can be learnt, the same every time.

use expect_test::expect;

use super::*;
use crate::{record::Extra, seed::Rng};

fn problem(statement: &str) -> Problem {
    serde_json::from_value(serde_json::json!({
        "id": "p", "statement": statement, "starter": "def f(xs):", "language": "python",
        "entry": {"kind": "function", "name": "f"},
    }))
    .unwrap()
}

fn view(text: &str) -> ProgramView<'_> {
    ProgramView { text, shape: &[], language: Language::Python }
}

/// A program that is right if and only if it sorts, among many things that do not matter.
fn planted(rng: &mut Rng) -> (String, bool) {
    let right = rng.below(2) == 0;
    let name = ["a", "values", "nums"][rng.below(3) as usize];
    let noise = ["n = len({})", "print({})", "m = max({})", "{}.append(0)"][rng.below(4) as usize];
    let noise = noise.replace("{}", name);
    let call = if right { "sorted" } else { "list" };
    (format!("def f({name}):\n    {noise}\n    return {call}({name})\n"), right)
}

fn planted_set(options: TrainOptions) -> TrainingSet {
    let mut set = TrainingSet::new(options.features);
    let mut rng = Rng::new(7);
    for _ in 0..20 {
        let programs: Vec<(String, bool)> = (0..6).map(|_| planted(&mut rng)).collect();
        let labelled: Vec<LabelledProgram<'_>> = programs
            .iter()
            .map(|(text, right)| LabelledProgram { program: view(text), right: *right })
            .collect();
        set.push(&TrainingGroup { problem: &problem("sort"), programs: &labelled, weight: 1.0 });
    }
    set
}

fn options() -> TrainOptions {
    TrainOptions {
        features: FeatureOptions { bits: 12, ..FeatureOptions::default() },
        epochs: 4,
        ..TrainOptions::default()
    }
}

fn trained(options: TrainOptions) -> (LinearRewardModel, Vec<EpochLog>) {
    let set = planted_set(options);
    let mut training = Training::new(&set, options);
    let log = std::iter::from_fn(|| training.step()).collect();
    (training.finish(Extra::new()), log)
}

#[test]
fn a_planted_rule_is_learnt() {
    let (reward_model, log) = trained(options());
    assert_eq!(log.len(), 4);
    assert!(log.windows(2).all(|two| two[1].loss_nats < two[0].loss_nats), "{log:?}");
    let mut rng = Rng::new(99);
    let fresh: Vec<(String, bool)> = (0..40).map(|_| planted(&mut rng)).collect();
    let score = |text: &str| reward_model.score(&problem("sort"), &view(text));
    let right = fresh.iter().filter(|(_, right)| *right).map(|(text, _)| score(text)).min();
    let wrong = fresh.iter().filter(|(_, right)| !*right).map(|(text, _)| score(text)).max();
    assert!(right > wrong, "{right:?} {wrong:?}");
}

#[test]
fn training_depends_on_data_and_options_alone() {
    assert_eq!(trained(options()), trained(options()));
    let other_seed = TrainOptions { seed: 2, ..options() };
    assert_ne!(trained(options()).0, trained(other_seed).0);
}

#[test]
fn only_problems_with_pairs_are_learnt_from() {
    let mut set = TrainingSet::new(options().features);
    let alike = [LabelledProgram { program: view("x"), right: true }; 3];
    set.push(&TrainingGroup { problem: &problem(""), programs: &alike, weight: 1.0 });
    set.push(&TrainingGroup { problem: &problem(""), programs: &[], weight: 1.0 });
    assert_eq!(set.sizes(), TrainingSizes::default());
    let mut training = Training::new(&set, options());
    assert_eq!(training.step().map(|log| log.loss_nats), Some(0.0));
    let untrained = training.finish(Extra::new());
    assert_eq!(untrained.score(&problem("a"), &view("b")).get(), 0.0);
}

#[test]
fn a_score_depends_on_problem_and_program_alone() {
    let (reward_model, _) = trained(options());
    let texts = ["def f(a):\n    return a\n", "", "(((", "x = 1\nprint(x)\n", "é🦀\u{0}\t'"];
    let prepared = reward_model.prepare(&problem("one"));
    let alone = texts.map(|text| reward_model.score(&problem("one"), &view(text)));
    let together = texts.map(|text| reward_model.score_prepared(&prepared, &view(text)));
    assert_eq!(alone, together);
    let mut backwards = texts;
    backwards.reverse();
    let mut scores = backwards.map(|text| reward_model.score_prepared(&prepared, &view(text)));
    scores.reverse();
    assert_eq!(alone, scores);
}

#[test]
fn what_is_hidden_does_not_count() {
    let text = "def f(xs):\n    return sorted(xs)\n";
    let long = problem(&"10^5 words. ".repeat(200));
    let vector = |problem: &Problem, shape: &[u64], ablation| {
        let options = FeatureOptions { bits: 16, ablation };
        let view = ProgramView { shape, ..view(text) };
        features::vector(&PreparedProblem::of(problem, options), &view, options)
    };
    let short = problem("short");
    assert_ne!(vector(&short, &[], Ablation::None), vector(&long, &[], Ablation::None));
    assert_eq!(
        vector(&short, &[], Ablation::HideProblem),
        vector(&long, &[], Ablation::HideProblem)
    );
    assert_ne!(vector(&short, &[1], Ablation::None), vector(&short, &[2], Ablation::None));
    assert_eq!(vector(&short, &[1], Ablation::HideTree), vector(&short, &[2], Ablation::HideTree));
    assert_eq!(
        vector(&short, &[], Ablation::HideStatistics),
        vector(&long, &[], Ablation::HideStatistics)
    );
}

/// Weight files depend on the features bit by bit: whoever changes this must raise
/// [`file::VERSION`] and train again.
#[test]
fn features_are_fixed() {
    let options = FeatureOptions::default();
    let text =
        "from typing import List\ndef f(xs):\n    n = len(xs)\n    return xs[n - 1] # last\n";
    let view = ProgramView { shape: &[3, 1, 3], ..view(text) };
    let vector = features::vector(&PreparedProblem::of(&problem("10^5"), options), &view, options);
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|(bucket, value)| [bucket.to_le_bytes(), value.to_le_bytes()].concat())
        .collect();
    expect!["274 7e32b305619eb3fb"].assert_eq(&format!(
        "{} {:016x}",
        vector.len(),
        crate::seed::digest(&bytes)
    ));
}
