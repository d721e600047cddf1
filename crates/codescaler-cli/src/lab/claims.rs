//! What the trainings came to: a table, a page, and a picture per claim.

use std::{collections::BTreeMap, path::Path};

use codescaler_report::{Look, Plot, Point, Series};
use serde_json::{Value as Json, json};

use super::{
    findings::{crossed, mean, of_labels, page, plot},
    run::Arm,
};
use crate::{
    failure::Failure,
    files::write_whole,
    table::{percent, table},
    terminal::Terminal,
    workshop::{read_json, read_lines},
};

/// What one arm came to: a training per seed.
struct Trained {
    arm: &'static Arm,
    /// By seed: the share of right programs of every held-out problem.
    right: Vec<Vec<f64>>,
    /// By seed: the share of held-out problems with a right program.
    covered: Vec<f64>,
    /// By seed: held-out measurements before a step, with the seconds of training until there.
    curves: Vec<Vec<Measured>>,
    /// Seconds of a step: writing, judging, learning; the mean of all.
    seconds: [f64; 3],
    /// How many seeds' alarms rang, and the first step at which one did.
    alarms: (usize, Option<u64>),
}

/// What one `train rl` left.
#[derive(Default)]
struct Part {
    steps: u64,
    /// Writing, judging, learning: all steps together.
    seconds: [f64; 3],
    curve: Vec<Measured>,
    right: Vec<f64>,
    covered: f64,
    alarm: Option<u64>,
}

impl Part {
    fn read(folder: &Path) -> Result<Part, Failure> {
        let last = read_json(&folder.join("held_out.json"))?;
        let lines = read_lines(&folder.join("steps.jsonl"))?;
        let seconds = |line: &Json| {
            ["write_s", "judge_s", "learn_s"].map(|key| line[key].as_f64().unwrap_or(0.0))
        };
        // A step that was made again after an interruption counts by its last time.
        let times: BTreeMap<u64, [f64; 3]> = read_lines(&folder.join("times.jsonl"))?
            .iter()
            .filter_map(|line| Some((line["step"].as_u64()?, seconds(line))))
            .collect();
        let until = |step: u64| -> f64 {
            times.range(..=step).map(|(_, own)| own.iter().sum::<f64>()).sum()
        };
        let measured = |step: u64, held_out: &Json| Measured {
            step: step as f64,
            seconds: until(step),
            pass_1: held_out["pass_1"].as_f64().unwrap_or(0.0),
            reward: held_out["reward"].as_f64(),
        };
        let watched = || lines.iter().filter(|line| !line["held_out"].is_null());
        let step_of = |line: &Json| line["step"].as_u64().unwrap_or(1);
        let mut curve: Vec<Measured> =
            watched().map(|line| measured(step_of(line) - 1, &line["held_out"])).collect();
        curve.push(measured(lines.len() as u64, &last));
        let mut sums = [0.0; 3];
        for own in times.values() {
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        Ok(Part {
            steps: lines.len() as u64,
            seconds: sums,
            curve,
            right: numbers(&last["right"]),
            covered: last["pass_k"].as_f64().unwrap_or(0.0),
            alarm: watched().find(|line| line["held_out"]["alarm"] == true).map(step_of),
        })
    }
}

/// A measurement on the held-out slice.
#[derive(Clone, Copy)]
struct Measured {
    step: f64,
    seconds: f64,
    pass_1: f64,
    reward: Option<f64>,
}

/// Reads all trainings, prints the table and writes page and pictures.
pub(super) fn report(
    terminal: Terminal,
    out: &Path,
    arms: &[&'static Arm],
    seeds: u64,
) -> Result<Json, Failure> {
    let trained: Vec<Trained> =
        arms.iter().map(|arm| Trained::read(out, arm, seeds)).collect::<Result<_, _>>()?;
    let base = of_labels(&out.join("policy-held-out/labels.jsonl"))?;
    let supervised = of_labels(&out.join("supervised-held-out/labels.jsonl"))?;
    let reference = trained.iter().find(|trained| trained.arm.name == "execution");
    let mut rows = vec![
        row("base", "the policy before", (std::slice::from_ref(&base.0), &[base.1]), reference),
        row(
            "supervised",
            "two passes over four answers to each problem with tests",
            (&[supervised.0], &[supervised.1]),
            reference,
        ),
    ];
    let target = reference.map(|reference| mean(reference.right.iter().flatten().copied()));
    for trained in &trained {
        let own = (&trained.right[..], &trained.covered[..]);
        let mut row = row(trained.arm.name, trained.arm.what, own, reference);
        row["seconds"] = json!({
            "write": trained.seconds[0], "judge": trained.seconds[1], "learn": trained.seconds[2],
        });
        row["alarms"] = json!({"seeds": trained.alarms.0, "first_step": trained.alarms.1});
        row["to_target"] = target.map_or(Json::Null, |target| trained.until(target));
        rows.push(row);
    }
    let summary = json!({"seeds": seeds, "target_pass_1": target, "arms": rows});
    write_whole(&out.join("results.json"), format!("{summary:#}\n").as_bytes())?;
    let shown = shown(&rows);
    terminal.print(&table(&HEAD, &shown));
    let plots = plots(&trained, mean(base.0.into_iter()));
    for (name, plot) in &plots {
        write_whole(&out.join(format!("{name}.svg")), plot.svg().as_bytes())?;
    }
    let title = "Reinforcement learning without running code, in miniature";
    let plots = plots.into_iter().map(|(_, plot)| plot).collect();
    let words = vec![format!("{seeds} seeds. Bands: the range of the seeds.")];
    let page = page(title, &HEAD, shown, plots, words);
    write_whole(&out.join("report.html"), page.as_bytes())?;
    terminal.print(&format!("page and pictures written to {}", out.display()));
    Ok(Json::Array(rows))
}

impl Trained {
    fn read(out: &Path, arm: &'static Arm, seeds: u64) -> Result<Trained, Failure> {
        let mut trained = Trained {
            arm,
            right: Vec::new(),
            covered: Vec::new(),
            curves: Vec::new(),
            seconds: [0.0; 3],
            alarms: (0, None),
        };
        let mut made = 0.0;
        for seed in 1..=seeds {
            let (mut steps, mut seconds, mut curve) = (0, 0.0, Vec::new());
            let (mut last, mut alarm) = (Part::default(), None);
            for folder in arm.folders(seed) {
                let part = Part::read(&out.join(folder))?;
                // The next part begins with the measurement that this one ends with.
                curve.pop();
                curve.extend(part.curve.iter().map(|measured| Measured {
                    step: measured.step + steps as f64,
                    seconds: measured.seconds + seconds,
                    ..*measured
                }));
                trained.seconds.iter_mut().zip(part.seconds).for_each(|(sum, own)| *sum += own);
                made += part.steps as f64;
                alarm = alarm.or(part.alarm.map(|step| step + steps));
                steps += part.steps;
                seconds += part.seconds.iter().sum::<f64>();
                last = part;
            }
            trained.alarms.0 += usize::from(alarm.is_some());
            trained.alarms.1 = trained.alarms.1.into_iter().chain(alarm).min();
            trained.right.push(last.right);
            trained.covered.push(last.covered);
            trained.curves.push(curve);
        }
        trained.seconds.iter_mut().for_each(|sum| *sum /= f64::max(made, 1.0));
        Ok(trained)
    }

    /// Steps and seconds until the mean pass rate of the seeds reaches `target`.
    fn until(&self, target: f64) -> Json {
        let measurements = self.curves.iter().map(Vec::len).min().unwrap_or(0);
        let at = |place: usize| self.curves.iter().map(move |curve| &curve[place]);
        let reached = (0..measurements).find(|&place| mean(at(place).map(|m| m.pass_1)) >= target);
        reached.map_or(Json::Null, |place| {
            json!({"steps": mean(at(place).map(|m| m.step)), "seconds": mean(at(place).map(|m| m.seconds))})
        })
    }

    /// A curve: the mean of the seeds at each measurement, with the range of the seeds.
    fn series(&self, of: impl Fn(&Measured) -> Option<f64>) -> Series {
        let measurements = self.curves.iter().map(Vec::len).min().unwrap_or(0);
        let point = |place: usize| {
            let values: Vec<f64> =
                self.curves.iter().filter_map(|curve| of(&curve[place])).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let x = self.curves[0][place].step;
            let spread = (values.len() > 1).then_some((low, high));
            let y = mean(values.iter().copied());
            (!values.is_empty()).then_some(Point { x, y, spread, label: String::new() })
        };
        let points = (0..measurements).filter_map(point).collect();
        Series { name: self.arm.name.to_owned(), look: Look::Line, points }
    }
}

/// An arm's results: accuracies with intervals, and the difference to execution.
fn row(
    name: &str,
    what: &str,
    (right, covered): (&[Vec<f64>], &[f64]),
    reference: Option<&Trained>,
) -> Json {
    let mut row = json!({
        "name": name, "what": what, "seeds": right.len(),
        "pass_1": crossed(right, None),
        "by_seed": right.iter().map(|of| mean(of.iter().copied())).collect::<Vec<_>>(),
        "pass_8": mean(covered.iter().copied()),
    });
    if let Some(reference) = reference.filter(|reference| reference.arm.name != name) {
        row["to_execution"] = json!(crossed(right, Some(&reference.right)));
    }
    row
}

fn numbers(values: &Json) -> Vec<f64> {
    values.as_array().into_iter().flatten().filter_map(Json::as_f64).collect()
}

const HEAD: [&str; 9] = [
    "way to train",
    "pass@1",
    "pass@8",
    "less execution",
    "by seed",
    "steps to execution's",
    "seconds",
    "judging a step, s",
    "alarms",
];

/// The rows of the table.
fn shown(rows: &[Json]) -> Vec<Vec<String>> {
    let interval = |value: &Json, plus: &str| {
        let part = |key: &str| percent(value[key].as_f64().unwrap_or(0.0));
        match value.is_null() {
            true => "–".to_owned(),
            false => {
                let sign = if value["mean"].as_f64() > Some(0.0) { plus } else { "" };
                format!("{sign}{} [{}, {}]", part("mean"), part("low"), part("high"))
            }
        }
    };
    let number = |value: &Json, digits: usize| {
        value.as_f64().map_or_else(|| "–".to_owned(), |x| format!("{x:.digits$}"))
    };
    let row = |row: &Json| {
        let seeds = numbers(&row["by_seed"]).into_iter().map(percent).collect::<Vec<_>>();
        vec![
            row["name"].as_str().unwrap_or_default().to_owned(),
            interval(&row["pass_1"], ""),
            percent(row["pass_8"].as_f64().unwrap_or(0.0)),
            interval(&row["to_execution"], "+"),
            seeds.join(" "),
            number(&row["to_target"]["steps"], 0),
            number(&row["to_target"]["seconds"], 0),
            number(&row["seconds"]["judge"], 3),
            row["alarms"]["seeds"].as_u64().map_or_else(|| "–".to_owned(), |n| n.to_string()),
        ]
    };
    rows.iter().map(row).collect()
}

/// A picture per claim: the arms that it compares, those of them that were trained.
fn plots(trained: &[Trained], base: f64) -> Vec<(&'static str, Plot)> {
    let claims = [
        (
            "claim-rewards",
            "Held-out pass@1 by reward: tests, the reward model, and agreement",
            &["execution", "fraction", "reward-model", "refreshed", "consistency"][..],
        ),
        (
            "claim-more-problems",
            "Held-out pass@1 with more problems, which have no tests",
            &["execution", "reward-model", "reward-model-more", "hybrid-more"],
        ),
        (
            "claim-ablations",
            "Held-out pass@1 without extraction, shaping, or unaligned pairs",
            &["reward-model", "uncentred", "unshaped", "unextracted", "aligned-only"],
        ),
    ];
    let plot = |title: &str, arms: &[&str], y: &str, of: &dyn Fn(&Measured) -> Option<f64>| {
        let chosen = trained.iter().filter(|trained| arms.contains(&trained.arm.name));
        let series = chosen.map(|trained| trained.series(of));
        plot(title, ("steps", y), series.filter(|series| !series.points.is_empty()).collect())
    };
    let mut plots: Vec<(&str, Plot)> = claims
        .iter()
        .map(|(name, title, arms)| {
            let title = format!("{title} (base {})", percent(base));
            (*name, plot(&title, arms, "pass@1", &|measured| Some(measured.pass_1)))
        })
        .collect();
    let title = "What the reward model thinks of the held-out programs: mean reward";
    let arms = ["execution", "reward-model", "refreshed", "unextracted"];
    plots.push(("claim-hacking", plot(title, &arms, "reward", &|measured| measured.reward)));
    plots.retain(|(_, plot)| !plot.series.is_empty());
    plots
}
