//! `codescaler eval runs`: recorded runs of `solve`, parallel against sequential at equal cost.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use codescaler::{
    candidate::Candidate,
    law::{
        Curve,
        arise::{Arise, Step, over_problems},
        compute::{AtCost, Configuration, equal_cost},
    },
    metric::{LeftOut, Measured, mean},
    seed::digest,
    selection::Selection,
};
use serde_json::{Value as Json, json};

use super::{analysis::finish, coverage::show_arise_of, difference, shown};
use crate::{
    failure::{Failure, Outcome},
    files::records,
    table::table,
    terminal::Terminal,
    verdicts::{self, Verdicts},
};

/// Accuracy against cost of recorded runs, and two series of them at equal cost.
///
/// A run is a directory of `solve`, with `hidden.jsonl` (made by `exec --suite hidden --candidates
/// RUN/candidates.jsonl --out RUN/hidden.jsonl`) or `labels.jsonl` beside its selections; a run on
/// recorded programs may take the labels of those instead (--candidates, --labels). Every run
/// of --sequential is compared with the mixture of the two runs of --parallel whose costs enclose
/// its own. ARISE tells for each series what more cost brings, problem by problem.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval runs --parallel runs/n4 --parallel runs/n8 --parallel runs/n16 \\
      --sequential runs/debug2 --sequential runs/debug3 --unit tokens-out
  codescaler solve --problems p.jsonl --candidates c.jsonl --shuffle 1 --method public_filter:n=4 \\
      --out runs/n4
  codescaler eval runs --parallel runs/n4 --parallel runs/n8 --unit samples \\
      --candidates c.jsonl --labels l.jsonl")]
pub(crate) struct Options {
    /// A run of the first series, such as best-of-N with one N; again for each.
    #[arg(long, required = true)]
    parallel: Vec<PathBuf>,
    /// A run of the second series, such as self-debugging with so many rounds; again for each.
    #[arg(long)]
    sequential: Vec<PathBuf>,
    /// The recorded programs that the runs chose among: one that a run chose is as right as the
    /// recorded one of the same text.
    #[arg(long, requires = "labels")]
    candidates: Option<PathBuf>,
    /// Labels, or executions of hidden tests, of the recorded programs.
    #[arg(long, requires = "candidates")]
    labels: Option<PathBuf>,
    /// What is equal.
    #[arg(long, value_enum, default_value_t = Unit::TokensOut)]
    unit: Unit,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also write all figures into this file, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// What a run costs, as its selections tell it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Unit {
    /// Tokens that language models wrote.
    TokensOut,
    /// Samples.
    Samples,
    /// Tokens that language models read.
    TokensIn,
    /// Programs run.
    Executions,
    /// Programs scored.
    Scores,
}

impl Unit {
    fn key(self) -> &'static str {
        match self {
            Unit::TokensOut => "tokens_out",
            Unit::Samples => "samples",
            Unit::TokensIn => "tokens_in",
            Unit::Executions => "executions",
            Unit::Scores => "scores",
        }
    }
}

/// One run: accuracy and cost of each problem.
struct Run {
    name: String,
    problems: BTreeMap<String, (Measured, Option<f64>)>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let recorded = options.candidates.as_deref().zip(options.labels.as_deref());
    let recorded = recorded.map(|(texts, labels)| by_text(texts, labels)).transpose()?;
    let series = |paths: &[PathBuf]| -> Result<Vec<Run>, Failure> {
        paths.iter().map(|path| read(path, recorded.as_ref(), options.unit)).collect()
    };
    let (parallel, sequential) = (series(&options.parallel)?, series(&options.sequential)?);
    let ids: BTreeSet<&String> =
        parallel.iter().chain(&sequential).flat_map(|run| run.problems.keys()).collect();
    let of = |runs: &[Run]| -> Vec<Configuration> {
        let mut found: Vec<_> = runs.iter().map(|run| configuration(run, &ids)).collect();
        found.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        found
    };
    let (first, second) = (of(&parallel), of(&sequential));
    terminal.print(&show(&[("parallel", &first), ("sequential", &second)], options));
    let arise = |runs: &[Run], order: &[Configuration]| {
        (runs.len() >= 2).then(|| over_problems(&steps(runs, order, &ids), options.seed))
    };
    let changes =
        [("parallel", arise(&parallel, &first)), ("sequential", arise(&sequential, &second))];
    let known: Vec<(String, &Arise)> = changes
        .iter()
        .filter_map(|(name, found)| Some(((*name).to_owned(), found.as_ref()?)))
        .collect();
    if !known.is_empty() {
        terminal.print(&format!("\n{}", show_arise_of(&known)));
    }
    let compared = equal_cost(&second, &first, options.seed);
    if !compared.is_empty() {
        terminal.print(&format!("\n{}", show_compared(&compared, options.unit)));
    }
    let curve = |name: &str, configurations: &[Configuration]| {
        let mut curve = Curve::new(name, options.unit.key(), "P(right)");
        configurations
            .iter()
            .for_each(|one| curve.add(one.cost, mean(&one.accuracy, options.seed)));
        curve
    };
    let (at_cost, without_equal): (Vec<_>, Vec<_>) = compared.into_iter().partition(Result::is_ok);
    let figures = json!({
        "unit": options.unit.key(),
        "curves": [curve("parallel", &first), curve("sequential", &second)],
        "arise": changes.into_iter().map(|(name, found)| (name.to_owned(), json!(found)))
            .collect::<serde_json::Map<String, Json>>(),
        "sequential_minus_parallel": at_cost.into_iter().flatten().collect::<Vec<_>>(),
        "without_equal": without_equal.into_iter().filter_map(Result::err).collect::<Vec<_>>(),
    });
    let inputs: Vec<PathBuf> = options
        .parallel
        .iter()
        .chain(&options.sequential)
        .map(|run| run.join("selections.jsonl"))
        .collect();
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    finish(terminal, "runs", (&inputs, options.out.as_deref()), figures)
}

/// Reads a run; a problem without a choice is not solved.
fn read(folder: &Path, recorded: Option<&ByText>, unit: Unit) -> Result<Run, Failure> {
    let labels = labels(folder, recorded)?;
    let mut problems = BTreeMap::new();
    for selection in records::<Selection>(&folder.join("selections.jsonl"))? {
        let Selection { problem, chosen, ties, extra, .. } = selection?;
        let known = ties.iter().filter_map(|index| labels.get(&(problem.clone(), *index)));
        let known: Vec<f64> = known.map(|right| f64::from(u8::from(*right))).collect();
        let accuracy = match (chosen, known.len()) {
            (None, _) => Ok(0.0),
            (Some(_), 0) => Err(LeftOut::NoLabel),
            (Some(_), n) => Ok(known.iter().sum::<f64>() / n as f64),
        };
        let cost = extra.get("cost").and_then(|cost| cost.get(unit.key())).and_then(Json::as_f64);
        problems.insert(problem, (accuracy, cost));
    }
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Ok(Run { name, problems })
}

/// Whether texts are right, by problem and digest of the text.
type ByText = BTreeMap<(String, u64), bool>;

/// The digests of a candidate's program and completion, as far as it has them.
fn texts(candidate: &Candidate) -> impl Iterator<Item = u64> {
    let Candidate { program, completion, .. } = candidate;
    let texts = [program, completion].into_iter().flatten().filter(|text| !text.is_empty());
    texts.map(|text| digest(text.as_bytes()))
}

/// What labels of recorded candidates say of their texts; a text is right when all say so.
fn by_text(candidates: &Path, labels: &Path) -> Result<ByText, Failure> {
    let verdicts = verdicts::read(labels, |_| true)?;
    let mut found = ByText::new();
    for candidate in records::<Candidate>(candidates)? {
        let candidate = candidate?;
        let key = (candidate.problem.clone(), candidate.index);
        let Some(&right) = verdicts.get(&key) else { continue };
        for text in texts(&candidate) {
            let known = found.entry((candidate.problem.clone(), text)).or_insert(true);
            *known = *known && right;
        }
    }
    Ok(found)
}

fn labels(folder: &Path, recorded: Option<&ByText>) -> Result<Verdicts, Failure> {
    let (hidden, stated) = (folder.join("hidden.jsonl"), folder.join("labels.jsonl"));
    if let Some(found) = [hidden, stated].iter().find(|path| path.exists()) {
        return verdicts::read(found, |_| true);
    }
    if let Some(recorded) = recorded {
        let mut found = Verdicts::new();
        for candidate in records::<Candidate>(&folder.join("candidates.jsonl"))? {
            let candidate = candidate?;
            let problem = &candidate.problem;
            let right = texts(&candidate).find_map(|text| recorded.get(&(problem.clone(), text)));
            if let Some(&right) = right {
                found.insert((candidate.problem, candidate.index), right);
            }
        }
        return Ok(found);
    }
    Err(Failure::input(format!(
        "nothing says which programs of {0} are right: run `codescaler exec --suite hidden \
         --candidates {0}/candidates.jsonl --out {0}/hidden.jsonl`, or name the recorded programs \
         and their labels with --candidates and --labels",
        folder.display()
    )))
}

fn configuration(run: &Run, ids: &BTreeSet<&String>) -> Configuration {
    let costs: Vec<f64> = run.problems.values().filter_map(|(_, cost)| *cost).collect();
    let of =
        |id: &&String| run.problems.get(*id).map_or(Err(LeftOut::NoLabel), |(found, _)| *found);
    Configuration {
        name: run.name.clone(),
        cost: costs.iter().sum::<f64>() / costs.len().max(1) as f64,
        accuracy: ids.iter().map(of).collect(),
    }
}

/// Each problem's steps through the runs, in the order of their mean cost.
fn steps(
    runs: &[Run],
    order: &[Configuration],
    ids: &BTreeSet<&String>,
) -> Vec<Result<Vec<Step>, LeftOut>> {
    let sorted: Vec<&Run> =
        order.iter().filter_map(|one| runs.iter().find(|run| run.name == one.name)).collect();
    let of = |id: &&String| {
        let step = |run: &&Run| {
            let (accuracy, cost) = run.problems.get(*id).ok_or(LeftOut::NoLabel)?;
            Ok(Step { accuracy: (*accuracy)?, cost: cost.ok_or(LeftOut::NoCost)? })
        };
        sorted.iter().map(step).collect()
    };
    ids.iter().map(of).collect()
}

fn show(series: &[(&str, &Vec<Configuration>)], options: &Options) -> String {
    let row = |(name, of): (&str, &Configuration)| {
        let accuracy = mean(&of.accuracy, options.seed);
        vec![
            of.name.clone(),
            name.to_owned(),
            accuracy.n.to_string(),
            accuracy.n_left_out().to_string(),
            format!("{:.1}", of.cost),
            shown(&accuracy),
        ]
    };
    let rows = series.iter().flat_map(|(name, all)| all.iter().map(move |one| row((*name, one))));
    let cost = format!("{} per problem", options.unit.key());
    let head = ["run", "series", "problems", "left out", cost.as_str(), "right, %"];
    table(&head, &rows.collect::<Vec<_>>())
}

fn show_compared(compared: &[Result<AtCost, String>], unit: Unit) -> String {
    let row = |one: &Result<AtCost, String>| match one {
        Ok(of) => vec![
            of.name.clone(),
            format!("{:.1}", of.cost),
            of.difference.n.to_string(),
            of.difference.n_left_out().to_string(),
            difference(&of.difference),
        ],
        Err(name) => {
            let none = "no parallel run costs as much or as little".to_owned();
            vec![name.clone(), "–".to_owned(), "0".to_owned(), "–".to_owned(), none]
        }
    };
    let head = ["sequential minus parallel", unit.key(), "problems", "left out", "points"];
    table(&head, &compared.iter().map(row).collect::<Vec<_>>())
}
