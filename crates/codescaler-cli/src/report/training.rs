//! The section on a training: its log as curves.

use std::{io::Read as _, path::Path};

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
    let value = |line: &Json, key: &str| {
        key.split('/').try_fold(line, |value, part| value.get(part)).and_then(Json::as_f64)
    };
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
    let head = ["", "steps", "first", "last", "mean of the last twentieth"];
    let caption = "The log in numbers".to_owned();
    blocks.insert(0, Block::Table(Table { caption, head: head.map(str::to_owned).to_vec(), rows }));
    blocks.push(Block::Words(
        "Grey: each step. In colour, and in the tables below the plots: means of neighbouring steps."
            .to_owned(),
    ));
    Ok(Section { id: "training", title: "Training".to_owned(), blocks })
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
    use super::*;

    #[test]
    fn curves_are_means_of_stretches() {
        let values: Vec<(f64, f64)> = (1..=5).map(|x| (f64::from(x), f64::from(x * x))).collect();
        let shown: Vec<(f64, f64)> = means(&values, 3).iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(shown, [(1.5, 2.5), (3.5, 12.5), (5.0, 25.0)]);
        assert_eq!(means(&values, 100).len(), 5);
        assert!(means(&[], 3).is_empty());
    }
}
