//! Against TRL's trainers, as `fixtures/policy_gradient.py` recorded them in f64.
//!
//! What differs is accounted for exactly: TRL adds 1e-4 to the deviation of a group where ours adds
//! 1e-6; its `delta` is our dual clip, off by default; and its correction of the divergence by the
//! ratio, on by default, is off in the recorded cases, for ours has none.

use serde::Deserialize;

use super::super::{Advantage, Aggregation};
use super::*;

/// How far any number may be off.
const NEAR: f64 = 1e-5;
/// What TRL adds to the deviation of a group (ours: 1e-6).
const TRL_EPSILON: f64 = 1e-4;

type Table<T> = Vec<Vec<T>>;

#[derive(Deserialize)]
struct Recorded {
    advantages: RecordedAdvantages,
    losses: RecordedLosses,
}

/// For the same rewards, of which some are not known.
#[derive(Deserialize)]
struct RecordedAdvantages {
    rewards: Table<Option<f32>>,
    scaled_by_group: Table<f64>,
    scaled_by_none: Table<f64>,
    leave_one_out: Table<f64>,
}

/// For the same tokens.
#[derive(Deserialize)]
struct RecordedLosses {
    clip_low: f64,
    clip_high: f64,
    tokens_max: usize,
    /// One per completion.
    advantages: Vec<f32>,
    logprobs: Table<f64>,
    old: Table<f32>,
    reference: Table<f32>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss_type: String,
    with_old: bool,
    beta: f64,
    /// TRL's name for what bounds ratios from above where advantages are negative.
    delta: Option<f64>,
    token_losses: Table<f64>,
    loss: f64,
    /// Of the loss by every log-probability.
    gradients: Table<f64>,
    clipped: f64,
}

fn recorded() -> Recorded {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/policy_gradient.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn check_near(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= NEAR, "{what}: {got} instead of {want}");
}

/// The factor from TRL's advantages in a group to those with our constant beside the deviation.
fn from_trl(rewards: &[Option<f32>]) -> f64 {
    let known: Vec<f64> = rewards.iter().flatten().copied().map(f64::from).collect();
    let n = known.len() as f64;
    let mean = known.iter().sum::<f64>() / n;
    let squares: f64 = known.iter().map(|reward| (reward - mean).powi(2)).sum();
    let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
    (deviation + TRL_EPSILON) / (deviation + 1e-6)
}

#[test]
fn advantages_are_trls() {
    let RecordedAdvantages { rewards, scaled_by_group, scaled_by_none, leave_one_out } =
        recorded().advantages;
    let groups: Table<(Option<f32>, usize)> =
        rewards.iter().map(|group| group.iter().map(|reward| (*reward, 1)).collect()).collect();
    for (estimator, recorded) in [
        (Advantage::Grpo, scaled_by_group),
        (Advantage::DrGrpo, scaled_by_none),
        (Advantage::Rloo, leave_one_out),
    ] {
        let got = estimator.of(&groups);
        assert_eq!(got.len(), recorded.len());
        for ((rewards, got), want) in rewards.iter().zip(got).zip(recorded) {
            let factor = if estimator == Advantage::Grpo { from_trl(rewards) } else { 1.0 };
            assert_eq!(got.len(), want.len());
            for (got, want) in got.into_iter().zip(want) {
                check_near(&format!("{estimator:?} {rewards:?}"), f64::from(got), want * factor);
            }
        }
    }
}

impl Case {
    #[track_caller]
    fn check(&self, given: &RecordedLosses) {
        let what = |part: &str| {
            let Case { loss_type, with_old, beta, delta, .. } = self;
            format!("{loss_type}, old {with_old}, beta {beta}, delta {delta:?}: {part}")
        };
        let aggregation = match self.loss_type.as_str() {
            "grpo" => Aggregation::SequenceMean,
            "dr_grpo" => Aggregation::Constant(given.tokens_max),
            // They differ only in batches that are computed in parts.
            "bnpo" | "dapo" => Aggregation::TokenMean,
            other => panic!("{other} is no loss of ours"),
        };
        let policy_loss = PolicyLoss {
            clip_low: given.clip_low,
            clip_high: given.clip_high,
            clip_dual: self.delta.unwrap_or(f64::INFINITY),
            kl: self.beta,
            temperature: 1.0,
        };
        let lengths: Vec<usize> = given.logprobs.iter().map(Vec::len).collect();
        let weights = aggregation.weights(&lengths);
        let (mut loss, mut clipped) = (0.0, 0.0);
        for (row, weight) in weights.into_iter().map(f64::from).enumerate() {
            for (column, &logprob) in given.logprobs[row].iter().enumerate() {
                let old = self.with_old.then_some(given.old[row][column]);
                let reference = Some(given.reference[row][column]);
                let advantage = f64::from(given.advantages[row]);
                let term = policy_loss.term(logprob, advantage, old, reference);
                let at = format!("token {column} of {row}");
                check_near(&what(&at), term.loss, self.token_losses[row][column]);
                let slope = weight * term.slope;
                check_near(&what(&format!("{at}, slope")), slope, self.gradients[row][column]);
                loss += weight * term.loss;
                clipped += f64::from(u8::from(term.clipped));
            }
        }
        check_near(&what("loss"), loss, self.loss);
        // TRL does not count what `delta` clips.
        if self.delta.is_none() {
            let tokens = lengths.iter().sum::<usize>() as f64;
            check_near(&what("clipped share"), clipped / tokens, self.clipped);
        }
    }
}

#[test]
fn losses_and_gradients_are_trls() {
    let given = recorded().losses;
    assert_eq!(given.cases.len(), 32);
    for case in &given.cases {
        case.check(&given);
    }
}
