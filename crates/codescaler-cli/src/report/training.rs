//! The section on a training: its log as curves.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use codescaler_report::{Axis, Block, Cell, Look, Plot, Point, Scale, Section, Series, Table};
use serde_json::Value as Json;

use crate::{failure::Failure, files::open};

/// So many points are enough for a curve.
const POINTS_MAX: usize = 100;
/// So many for the values behind it.
const BEHIND_MAX: usize = 1_000;

/// What a training logs, with its unit. A stroke leads into an object.
const NAMES: [(&str, &str); 14] = [
    ("held_out/pass_1", "right programs for held-out problems, share"),
    ("held_out/reward", "reward of programs for held-out problems, mean"),
    ("reward", "reward, mean of a step"),
    ("score", "score by the reward model, mean of a step"),
    ("valid", "completions with a program, share of a step"),
    ("length", "length of a completion, tokens"),
    ("entropy", "entropy of the next token, nats"),
    ("clipped", "tokens whose ratio was clipped, share"),
    ("kl", "divergence from the first policy, nats per token"),
    ("alike", "groups whose rewards are all alike, share"),
    ("loss", "loss, nats"),
    ("token_loss", "loss of the verdict after every token, nats"),
    ("accuracy", "pairs in the right order, share of a step"),
    ("norm", "norm of the gradient before clipping"),
];

/// The newest lines of a log stand in so many bytes at its end.
const TAIL_BYTES_MAX: u64 = 1 << 20;

/// How far a training has come.
#[derive(Debug, PartialEq)]
pub(crate) struct Progress {
    /// Steps in its log.
    pub(crate) step: u64,
    /// Steps it shall make, where its plan says so.
    pub(crate) steps: Option<u64>,
    /// The newest of what it logs: rewards where there are any, else losses.
    pub(crate) newest: Vec<(&'static str, f64)>,
    /// Whether its weights are written.
    pub(crate) is_done: bool,
}

/// How far the training in a folder has come; `None` where `plan` is of something else.
pub(crate) fn progress(folder: &Path, plan: &Json) -> Option<Progress> {
    plan.get("verb")?.as_str()?.strip_prefix("train ")?;
    let log = tail(&folder.join("steps.jsonl")).unwrap_or_default();
    Some(Progress { is_done: folder.join("model.safetensors").exists(), ..progress_of(plan, &log) })
}

fn progress_of(plan: &Json, log: &[u8]) -> Progress {
    let steps = value(plan, "steps").or_else(|| value(plan, "learning/steps"));
    let whole = log.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    // The first may be the end of a line, and is then no JSON.
    let lines: Vec<Json> = log[..whole]
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    let newest = |key: &str| lines.iter().rev().find_map(|line| value(line, key));
    let names = match newest("reward") {
        Some(_) => [("reward", "reward"), ("held_out/pass_1", "held-out pass@1")],
        None => [("loss", "loss"), ("accuracy", "accuracy")],
    };
    Progress {
        step: count(newest("step")).unwrap_or(0),
        steps: count(steps),
        newest: names.into_iter().filter_map(|(key, name)| Some((name, newest(key)?))).collect(),
        is_done: false,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "steps are counted")]
fn count(number: Option<f64>) -> Option<u64> {
    number.map(|number| number as u64)
}

/// The end of a log that may be growing.
fn tail(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(TAIL_BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The number under a key; a stroke leads into an object.
fn value(line: &Json, key: &str) -> Option<f64> {
    key.split('/').try_fold(line, |value, part| value.get(part)).and_then(Json::as_f64)
}

/// The lines of `steps.jsonl`.
pub(super) fn lines(path: &Path) -> Result<Vec<Json>, Failure> {
    let mut text = String::new();
    open(path)?
        .read_to_string(&mut text)
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", path.display())))?;
    let mut lines = Vec::new();
    // A half line at the end is what a killed training leaves.
    for (at, line) in text.split_inclusive('\n').filter(|line| line.ends_with('\n')).enumerate() {
        let line = serde_json::from_str(line);
        lines.push(line.map_err(|error| {
            Failure::input(format!("{}, line {}: {error}", path.display(), at + 1))
        })?);
    }
    Ok(lines)
}

/// The curves of `steps.jsonl`.
pub(super) fn section(path: &Path) -> Result<Section, Failure> {
    let lines = lines(path)?;
    let mut blocks = Vec::new();
    let mut rows = Vec::new();
    for (key, name) in NAMES {
        let values: Vec<(f64, f64)> = lines
            .iter()
            .filter_map(|line| Some((value(line, "step")?, value(line, key)?)))
            .collect();
        let (Some(first), Some(last)) = (values.first(), values.last()) else { continue };
        // A curve that is always zero is of something that was not asked for.
        if values.iter().all(|(_, y)| *y == 0.0) {
            continue;
        }
        let tail = &values[values.len() - values.len().div_ceil(20)..];
        rows.push(vec![
            Cell::text(name),
            Cell::count(values.len()),
            Cell::Number(first.1, 4),
            Cell::Number(last.1, 4),
            Cell::Number(tail.iter().map(|(_, y)| y).sum::<f64>() / tail.len() as f64, 4),
        ]);
        let series = |name: &str, look, points| Series { name: name.to_owned(), look, points };
        blocks.push(Block::Plot(Plot {
            title: format!("{name}, by step"),
            x: Axis { name: "step".to_owned(), scale: Scale::Linear, range: None },
            y: Axis { name: name.to_owned(), scale: Scale::Linear, range: None },
            series: vec![
                series("each step", Look::Behind, means(&values, BEHIND_MAX)),
                series("mean of neighbouring steps", Look::Plain, means(&values, POINTS_MAX)),
            ],
            has_diagonal: false,
        }));
    }
    let title = "Training".to_owned();
    if lines.is_empty() {
        let blocks = vec![Block::Words("The log has no step yet.".to_owned())];
        return Ok(Section { id: "training", title, blocks });
    }
    let head = ["", "steps", "first", "last", "mean of the last twentieth"];
    let caption = "The log in numbers".to_owned();
    blocks.insert(0, Block::Table(Table { caption, head: head.map(str::to_owned).to_vec(), rows }));
    blocks.push(Block::Words(
        "Grey: each step. In colour, and in the tables below the plots: means of neighbouring steps."
            .to_owned(),
    ));
    Ok(Section { id: "training", title, blocks })
}

/// The means of as many stretches of equal length.
fn means(values: &[(f64, f64)], points_max: usize) -> Vec<Point> {
    let length = values.len().div_ceil(points_max).max(1);
    let mean = |part: &[(f64, f64)]| {
        let n = part.len() as f64;
        let (x, y) = part.iter().fold((0.0, 0.0), |sum, at| (sum.0 + at.0, sum.1 + at.1));
        Point { x: x / n, y: y / n, spread: None, label: String::new() }
    };
    values.chunks(length).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(plan: &Json, log: &str, expected: (u64, Option<u64>, &[(&str, f64)])) {
        let found = progress_of(plan, log.as_bytes());
        assert_eq!((found.step, found.steps, found.newest.as_slice()), expected);
    }

    #[test]
    fn the_newest_step_is_the_last_whole_line() {
        let plan = json!({"verb": "train policy", "steps": 40});
        check(&plan, "", (0, Some(40), &[]));
        check(&plan, "{\"step\":1,\"lo", (0, Some(40), &[]));
        let log = "{\"step\":1,\"loss\":5.5}\n{\"step\":2,\"loss\":5.25}\n{\"step\":3,\"lo";
        check(&plan, log, (2, Some(40), &[("loss", 5.25)]));
        // The end of a long log may begin within a line.
        check(&plan, &log[3..], (2, Some(40), &[("loss", 5.25)]));

        let plan = json!({"verb": "train rl", "learning": {"steps": 9}});
        let log = "{\"step\":1,\"loss\":0.1,\"reward\":0.5,\"held_out\":{\"pass_1\":0.125}}\n\
                   {\"step\":2,\"loss\":0.1,\"reward\":0.75}\n";
        check(&plan, log, (2, Some(9), &[("reward", 0.75), ("held-out pass@1", 0.125)]));
        let other = progress(Path::new("."), &json!({"verb": "demo"}));
        assert_eq!((other, progress(Path::new("."), &Json::Null)), (None, None));
    }

    #[test]
    fn curves_are_means_of_stretches() {
        let values: Vec<(f64, f64)> = (1..=5).map(|x| (f64::from(x), f64::from(x * x))).collect();
        let shown: Vec<(f64, f64)> = means(&values, 3).iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(shown, [(1.5, 2.5), (3.5, 12.5), (5.0, 25.0)]);
        assert_eq!(means(&values, 100).len(), 5);
        assert!(means(&[], 3).is_empty());
    }
}
