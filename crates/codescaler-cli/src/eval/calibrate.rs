//! `codescaler eval calibrate`: scores and labels → the probability that a program is right.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use codescaler::{
    calibrate::{Calibration, Sample},
    candidate::Label,
    score::{Score, Scored},
};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{records, write_whole},
    terminal::Terminal,
};

/// Fit the probability that a program is right to its score, by Platt's sigmoid.
///
/// The scale and offset belong to one reward model: they move the arbitrary zero of its scores to
/// where right and wrong are equally likely. Fit them on validation data, not on what is judged.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval calibrate --scores lcb/scores.jsonl --labels lcb/labels.jsonl")]
pub(crate) struct Options {
    /// Scores made by `codescaler score`.
    #[arg(long)]
    scores: PathBuf,
    /// Labels of the same candidates.
    #[arg(long)]
    labels: PathBuf,
    /// Use only labels by this labeller; by default a candidate is right when all labellers say so.
    #[arg(long)]
    labels_by: Option<String>,
    /// Where to write it; by default beside the scores, as `NAME.calibration.json`.
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let reader = records::<Scored>(&options.scores)?;
    let provenance = reader.header().provenance.clone();
    let mut scores: BTreeMap<(String, u32), (Option<Score>, Option<bool>)> = BTreeMap::new();
    for scored in reader {
        let Scored { problem, index, score, .. } = scored?;
        scores.insert((problem, index), (score, None));
    }
    for label in records::<Label>(&options.labels)? {
        let Label { problem, index, passed, by, .. } = label?;
        let wanted = options.labels_by.as_ref().is_none_or(|wanted| *wanted == by);
        if let Some((_, right)) = scores.get_mut(&(problem, index)).filter(|_| wanted) {
            *right = Some(right.unwrap_or(true) && passed);
        }
    }
    let samples: Vec<Sample> =
        scores.values().filter_map(|&(score, right)| Some((score?, right?))).collect();
    let calibration = Calibration::fit(&samples).map_err(|error| {
        let (scores, labels) = (options.scores.display(), options.labels.display());
        Failure::Input(anyhow::Error::new(error).context(format!("{scores} with {labels}")))
    })?;
    let left_out = scores.len() - samples.len();
    let n_right = samples.iter().filter(|(_, right)| *right).count();
    let log_loss = calibration.log_loss(&samples).expect("a fit has samples");
    let summary = json!({
        "scale": calibration.scale, "offset": calibration.offset, "candidates": samples.len(),
        "right": n_right, "left_out": left_out, "log_loss": log_loss,
    });
    let out = options.out.clone().unwrap_or_else(|| beside(&options.scores));
    let mut file = json!({"format": "codescaler/calibration", "version": 1});
    merge(&mut file, &summary);
    file["scores"] = json!(provenance);
    write_new(&out, &format!("{file:#}\n"))?;
    terminal.print(&format!(
        "P(right) = 1 / (1 + exp(-({:.4} score {:+.4})))  from {} candidates, {n_right} of them right; \
         left out: {left_out} without a score or a label",
        calibration.scale,
        calibration.offset,
        samples.len(),
    ));
    terminal.print(&format!("log loss {:.4}; written to {}", log_loss, out.display()));
    if calibration.scale <= 0.0 {
        terminal.note("the scale is not positive: on these data a higher score is no better");
    }
    let mut done = json!({"verb": "eval calibrate", "out": out});
    merge(&mut done, &summary);
    Ok(Outcome::done(done))
}

fn merge(to: &mut serde_json::Value, from: &serde_json::Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        to[key] = value.clone();
    }
}

/// `scores.jsonl.zst` → `scores.calibration.json`.
pub(super) fn beside(scores: &Path) -> PathBuf {
    let name = scores.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.split(".jsonl").next().unwrap_or_default();
    scores.with_file_name(format!("{stem}.calibration.json"))
}

/// Nothing is overwritten; the same fit again is no news.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(found) if found == text => Ok(()),
        Ok(_) => Err(Failure::input(format!(
            "{} exists and says something else: delete it or name another --out",
            path.display()
        ))),
        Err(_) => write_whole(path, text.as_bytes()),
    }
}
