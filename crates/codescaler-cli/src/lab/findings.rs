//! What the laboratory's experiments share: intervals over seeds and problems, tables, pictures and
//! pages.

use std::{collections::BTreeMap, path::Path};

use codescaler::{
    candidate::Label,
    metric::Interval,
    seed::{Rng, derive},
};
use codescaler_report::{
    Axis, Block, Cell, Look, Plot, Point, Report, Scale, Section, Series, Table, render,
};

use crate::{failure::Failure, files::read_all, table::percent};

/// Every problem's share of right programs, and the share of problems with one.
pub(super) fn of_labels(path: &Path) -> Result<(Vec<f64>, f64), Failure> {
    let labels: Vec<Label> = read_all(path)?;
    let mut counts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for label in &labels {
        let (n, right) = counts.entry(&label.problem).or_default();
        *n += 1.0;
        *right += f64::from(u8::from(label.passed));
    }
    let right = counts.values().map(|(n, right)| right / n).collect();
    let covered = counts.values().map(|(_, right)| f64::from(u8::from(*right > 0.0)));
    Ok((right, mean(covered)))
}

/// How often seeds and problems are drawn again.
const RESAMPLES: usize = 2_000;

/// The mean over seeds and problems, or its difference to another's, with a 95 % interval: seeds of
/// each side and problems, which both sides share, are drawn again together (a bootstrap of two
/// crossed factors; Owen 2007, arXiv:0712.1111, shows that it errs to the wide side).
pub(super) fn crossed(values: &[Vec<f64>], others: Option<&[Vec<f64>]>) -> Interval {
    let problems = values.first().map_or(0, Vec::len);
    let of = |side: &[Vec<f64>], seeds: &[usize], drawn: &[usize]| {
        mean(seeds.iter().flat_map(|seed| drawn.iter().map(|problem| side[*seed][*problem])))
    };
    let all = |side: &[Vec<f64>]| mean(side.iter().flatten().copied());
    let found = all(values) - others.map_or(0.0, all);
    let mut rng = Rng::new(derive(0, &["crossed"]));
    let mut draw =
        |n: usize| -> Vec<usize> { (0..n).map(|_| rng.below(n as u64) as usize).collect() };
    let mut redrawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = draw(problems);
            let own = of(values, &draw(values.len()), &drawn);
            own - others.map_or(0.0, |others| of(others, &draw(others.len()), &drawn))
        })
        .collect();
    redrawn.sort_by(f64::total_cmp);
    let quantile = |share: usize| redrawn[(redrawn.len() - 1) * share / 1000];
    Interval { mean: found, low: quantile(25), high: quantile(975) }
}

/// The mean; 0 of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// A mean with its interval, in percent.
pub(super) fn shown_interval(Interval { mean, low, high }: Interval) -> String {
    format!("{} [{}, {}]", percent(mean), percent(low), percent(high))
}

/// The means of the seeds, in percent.
pub(super) fn shown_seeds(values: &[Vec<f64>]) -> String {
    let means = values.iter().map(|of| percent(mean(of.iter().copied())));
    means.collect::<Vec<_>>().join(" ")
}

/// A line for each name, in the order of the points.
pub(super) fn lines<'a>(points: impl IntoIterator<Item = (&'a str, f64, Interval)>) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for (name, x, Interval { mean, low, high }) in points {
        let point = Point { x, y: mean, spread: Some((low, high)), label: String::new() };
        match series.iter_mut().find(|series| series.name == name) {
            Some(series) => series.points.push(point),
            None => {
                let (name, points) = (name.to_owned(), vec![point]);
                series.push(Series { name, look: Look::Line, points });
            }
        }
    }
    series
}

/// A picture with linear axes.
pub(super) fn plot(title: &str, (x, y): (&str, &str), series: Vec<Series>) -> Plot {
    let axis = |name: &str| Axis { name: name.to_owned(), scale: Scale::Linear, range: None };
    Plot { title: title.to_owned(), x: axis(x), y: axis(y), series, has_diagonal: false }
}

/// A page: the table, the pictures that show something, and words.
pub(super) fn page(
    title: &str,
    head: &[&str],
    rows: Vec<Vec<String>>,
    plots: Vec<Plot>,
    words: Vec<String>,
) -> String {
    let cells = |row: Vec<String>| row.into_iter().map(Cell::Text).collect();
    let table = Table {
        caption: "Held-out problems; 95 % intervals over seeds and problems together".to_owned(),
        head: head.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.into_iter().map(cells).collect(),
    };
    let mut blocks = vec![Block::Table(table)];
    blocks.extend(plots.into_iter().filter(|plot| !plot.series.is_empty()).map(Block::Plot));
    blocks.extend(words.into_iter().map(Block::Words));
    let section = Section { id: "results", title: "Results".to_owned(), blocks };
    render(&Report { title: title.to_owned(), sections: vec![section], ..Report::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_hold_the_mean_and_shrink_to_points() {
        let one = [vec![0.5, 1.0, 0.0, 0.25], vec![0.75, 1.0, 0.25, 0.25]];
        let Interval { mean, low, high } = crossed(&one, None);
        assert!((mean - 0.5).abs() < 1e-12 && low < mean && mean < high, "{low} {mean} {high}");
        let Interval { mean, low, high } = crossed(&one[..1], Some(&one[..1]));
        assert_eq!((mean, low, high), (0.0, 0.0, 0.0));
    }
}
