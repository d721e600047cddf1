//! `codescaler eval ensemble`: the scores of several reward models → one score and its uncertainty.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    calibrate::{Calibration, join},
    record::{Extra, Header},
    score::{Score, Scored},
};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{Opened, Output, read_all, records},
    terminal::Terminal,
};

/// Join the scores of several reward models, or of one trained with several seeds.
///
/// Each file's scores become log-odds by its own calibration (`eval calibrate`), so that none
/// outweighs the others by its scale. The new score is their mean; `deviation`, their standard
/// deviation, says how far they agree: where it is large, running the program pays. Candidates that
/// a file gives no score get none.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval ensemble --scores seed1.jsonl --scores seed2.jsonl --out joint.jsonl")]
pub(crate) struct Options {
    /// Scores, with `NAME.calibration.json` beside them; at least twice.
    #[arg(long, required = true)]
    scores: Vec<PathBuf>,
    /// Where to write the scores.
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.scores.len() < 2 {
        return Err(Failure::input("one file of scores is no ensemble: give --scores again"));
    }
    let mut members = Vec::new();
    let mut all = Vec::new();
    for path in &options.scores {
        let calibration = calibration(path)?;
        let header = records::<Scored>(path)?.header().provenance.clone();
        let scores: BTreeMap<(String, u32), Option<f64>> = read_all::<Scored>(path)?
            .into_iter()
            .map(|s| ((s.problem, s.index), s.score.map(|score| calibration.log_odds(score))))
            .collect();
        members.push(json!({"scores": header, "calibration": calibration}));
        all.push(scores);
    }
    let provenance = Extra::from_iter([
        ("scorer".to_owned(), json!("ensemble")),
        ("members".to_owned(), json!(members)),
    ]);
    let Opened::Open(mut output, _) =
        Output::create::<Scored>(&options.out, &Header::new::<Scored>(provenance))?
    else {
        return Err(Failure::input(format!("{} exists already", options.out.display())));
    };
    let (mut n, mut deviations) = (0_u64, 0.0);
    for ((problem, index), first) in &all[0] {
        let key = (problem.clone(), *index);
        let others = all[1..].iter().map(|scores| scores.get(&key).copied().flatten());
        let said: Option<Vec<f64>> = std::iter::once(*first).chain(others).collect();
        let joint = said.as_deref().and_then(join);
        n += u64::from(joint.is_some());
        deviations += joint.map_or(0.0, |joint| joint.deviation);
        let number = |x: f64| Score::try_from(x as f32).ok();
        output.write(&Scored {
            problem: problem.clone(),
            index: *index,
            score: joint.and_then(|joint| number(joint.log_odds)),
            reason: joint.is_none().then(|| "not every member has a score".to_owned()),
            trimmed: None,
            deviation: joint.and_then(|joint| number(joint.deviation)),
            extra: Extra::new(),
        })?;
    }
    output.finish()?;
    let mean = deviations / n.max(1) as f64;
    terminal.print(&format!(
        "{n} of {} candidates scored by {} reward models; they differ by {mean:.3} log-odds on average; \
         written to {}",
        all[0].len(),
        all.len(),
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "eval ensemble", "out": options.out, "members": all.len(), "candidates": all[0].len(),
        "scored": n, "deviation": mean,
    })))
}

fn calibration(scores: &Path) -> Result<Calibration, Failure> {
    let path = super::calibrate::beside(scores);
    let what =
        || format!("{} needs {}: run codescaler eval calibrate", scores.display(), path.display());
    let text = std::fs::read_to_string(&path).with_context(what).map_err(Failure::Input)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no calibration", path.display()))
        .map_err(Failure::Input)
}
