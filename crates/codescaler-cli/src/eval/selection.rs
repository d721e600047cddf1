//! `codescaler eval selection`: accuracy of rules, against random and the oracle.

use std::path::{Path, PathBuf};

use clap::Args;
use codescaler::{
    metric::{Estimate, Judged, Measured, accuracy, mean, oracle, paired_difference, recovered},
    record::Extra,
    seed::derive,
    select::{Rule, select},
};
use serde_json::{Value as Json, json};

use super::{PoolOptions, as_json, difference, shown};
use crate::{
    failure::{Failure, Outcome},
    files::{Problems, fingerprint},
    groups::Groups,
    report::{asked, measured::Found, write_report},
    rundir::RunDir,
    select::{EvidenceOptions, Rules},
    table::{percent, table},
    terminal::Terminal,
};

/// Accuracy of selection rules.
///
/// An accuracy is the probability that the chosen candidate is right, in expectation over ties.
/// Without --scores, the linear reward model in the box (or --reward-model) scores the candidates.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval selection --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl \\
      --rules all --by difficulty --json")]
pub(crate) struct Options {
    #[command(flatten)]
    evidence: EvidenceOptions,
    /// A linear reward model, used when there is no --scores.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    /// Rules, separated by `;`, or `all`.
    #[arg(long, default_value = "all")]
    rules: Rules,
    /// Also show every value of this fact apart.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// A run directory: what was measured of every problem, and a page to look at.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    pool: PoolOptions,
}

/// A fact of problems by which results are split.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum By {
    /// The dataset's own word for it.
    Difficulty,
    /// The dataset.
    Source,
}

/// The accuracy of one rule.
pub(crate) struct Row {
    /// The rule; `oracle` is no rule but the ceiling.
    pub(crate) rule: String,
    /// Per problem.
    pub(crate) measured: Vec<Measured>,
    /// Over problems.
    pub(crate) accuracy: Estimate,
    /// How much better than random.
    pub(crate) over_random: Estimate,
    /// How much of the way from random to the oracle.
    pub(crate) recovered: Estimate,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read(&options.evidence.problems)?;
    let mut groups =
        options.evidence.read_scored(terminal, &problems, options.reward_model.as_deref())?;
    let pool = options.pool.apply(&mut groups, &options.evidence.candidates)?;
    let rules = options.rules.resolve(terminal, &groups);
    let run = options.out.as_deref().map(|out| open_run(out, options, &pool, &rules));
    let run = run.transpose()?;
    let rows = measure(&groups, &rules, options.pool.seed)?;
    terminal.print(&pool);
    terminal.print(&show(&rows));
    let mut summary = json!({"verb": "eval selection", "pool": pool, "rules": summary(&rows)});
    if let Some(by) = options.by {
        let parts = split(&groups, &rows, by, options.pool.seed);
        terminal.print(&format!("\naccuracy by {}\n{}", by.name(), show_parts(&rows, &parts)));
        summary["by"] = parts
            .iter()
            .map(|(value, n, estimates)| {
                let rules: serde_json::Map<String, Json> = rows
                    .iter()
                    .zip(estimates)
                    .map(|(row, estimate)| (row.rule.clone(), as_json(estimate)))
                    .collect();
                (value.clone(), json!({"problems": n, "rules": rules}))
            })
            .collect();
    }
    if let Some(run) = run {
        let found = Found::of_rows(&groups, rows);
        found.write(&run.path("measurements.jsonl"), Extra::new())?;
        write_report(terminal, &run.path(""))?;
    }
    Ok(Outcome::done(summary))
}

fn open_run(out: &Path, options: &Options, pool: &str, rules: &[Rule]) -> Result<RunDir, Failure> {
    let EvidenceOptions { problems, candidates, scores, executions, policy, .. } =
        &options.evidence;
    let labels = options.pool.labels_of(candidates);
    let prints = |paths: &[PathBuf]| -> Result<Vec<String>, Failure> {
        paths.iter().map(|path| fingerprint(path)).collect()
    };
    let plan = json!({
        "verb": "eval selection", "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("CODESCALER_COMMIT"), "seed": options.pool.seed, "pool": pool,
        "rules": rules.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "problems": fingerprint(problems)?, "candidates": fingerprint(candidates)?,
        "labels": labels.as_deref().map(fingerprint).transpose()?,
        "scores": prints(scores)?, "executions": prints(executions)?, "policy": policy.to_string(),
    });
    let files = [
        ("problems", vec![problems.as_path()]),
        ("candidates", vec![candidates.as_path()]),
        ("labels", labels.iter().map(PathBuf::as_path).collect()),
        ("scores", scores.iter().map(PathBuf::as_path).collect()),
        ("executions", executions.iter().map(PathBuf::as_path).collect()),
    ];
    RunDir::open(out, &asked("eval selection", &files, &[])?, &plan)
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Difficulty => "difficulty",
            By::Source => "source",
        }
    }
}

/// Measures rules and the oracle on every group.
pub(crate) fn measure(groups: &Groups<'_>, rules: &[Rule], seed: u64) -> Result<Vec<Row>, Failure> {
    let labels: Vec<Vec<Option<bool>>> = groups
        .list
        .iter()
        .map(|group| group.members.iter().map(|member| member.label).collect())
        .collect();
    let evidence: Vec<_> = groups.list.iter().map(|group| groups.evidence(group)).collect();
    let of_rule = |rule: &Rule| -> Result<Vec<Measured>, Failure> {
        let mut measured = Vec::with_capacity(labels.len());
        for ((group, evidence), labels) in groups.list.iter().zip(&evidence).zip(&labels) {
            let id = &group.problem.id;
            let choice =
                select(rule, evidence, derive(seed, &["select", id])).map_err(|error| {
                    Failure::Input(anyhow::Error::new(error).context(format!("problem {id:?}")))
                })?;
            measured.push(accuracy(&choice, &Judged::new(labels).counted(&evidence.multiplicity)));
        }
        Ok(measured)
    };
    let random = of_rule(&Rule::Random)?;
    let ceiling: Vec<Measured> = labels.iter().map(|labels| oracle(&Judged::new(labels))).collect();
    let row =
        |rule, measured| row_of(rule, measured, (random.as_slice(), ceiling.as_slice()), seed);
    let mut rows = Vec::with_capacity(rules.len() + 1);
    for rule in rules {
        rows.push(row(rule.to_string(), of_rule(rule)?));
    }
    rows.push(row("oracle".to_owned(), ceiling.clone()));
    Ok(rows)
}

/// A row of these measurements, beside those of a random choice and of the oracle.
pub(crate) fn row_of(
    rule: String,
    measured: Vec<Measured>,
    (random, oracle): (&[Measured], &[Measured]),
    seed: u64,
) -> Row {
    Row {
        accuracy: mean(&measured, seed),
        over_random: paired_difference(&measured, random, seed),
        recovered: recovered(&measured, random, oracle, seed),
        rule,
        measured,
    }
}

/// The rows as a table.
pub(crate) fn show(rows: &[Row]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.rule.clone(),
                shown(&row.accuracy),
                difference(&row.over_random),
                shown(&row.recovered),
                row.accuracy.n.to_string(),
                row.accuracy.n_left_out().to_string(),
            ]
        })
        .collect();
    let head = [
        "rule",
        "right, % [95 %]",
        "over random, points",
        "of random→oracle, %",
        "problems",
        "left out",
    ];
    table(&head, &cells)
}

/// The rows for `--json`, by rule.
pub(crate) fn summary(rows: &[Row]) -> Json {
    rows.iter()
        .map(|row| {
            let mut json = as_json(&row.accuracy);
            json["over_random"] = as_json(&row.over_random);
            json["recovered"] = as_json(&row.recovered);
            (row.rule.clone(), json)
        })
        .collect::<serde_json::Map<String, Json>>()
        .into()
}

/// For each value of the fact: its number of problems and one estimate per row.
fn split(
    groups: &Groups<'_>,
    rows: &[Row],
    by: By,
    seed: u64,
) -> Vec<(String, usize, Vec<Estimate>)> {
    let value = |place: usize| -> String {
        let meta = &groups.list[place].problem.meta;
        let fact = match by {
            By::Difficulty => &meta.difficulty,
            By::Source => &meta.source,
        };
        fact.clone().unwrap_or_else(|| "not stated".to_owned())
    };
    let mut places: std::collections::BTreeMap<String, Vec<usize>> =
        std::collections::BTreeMap::new();
    for place in 0..groups.list.len() {
        places.entry(value(place)).or_default().push(place);
    }
    places
        .into_iter()
        .map(|(value, places)| {
            let of_row = |row: &Row| {
                mean(&places.iter().map(|&place| row.measured[place]).collect::<Vec<_>>(), seed)
            };
            (value, places.len(), rows.iter().map(of_row).collect())
        })
        .collect()
}

fn show_parts(rows: &[Row], parts: &[(String, usize, Vec<Estimate>)]) -> String {
    let heads: Vec<String> = parts.iter().map(|(value, n, _)| format!("{value} ({n})")).collect();
    let head: Vec<&str> = ["rule"].into_iter().chain(heads.iter().map(String::as_str)).collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let estimates = parts.iter().map(|(_, _, estimates)| shown(&estimates[at]));
            [row.rule.clone()].into_iter().chain(estimates).collect()
        })
        .collect();
    table(&head, &cells)
}

/// Redrawing fewer problems than these gives intervals that are too narrow to conclude from: two that
/// are alike give one of no width.
const PROBLEMS_MIN: usize = 20;

/// What the table says, in plain words.
pub(crate) fn reading(rows: &[Row]) -> String {
    let row = |rule: &Rule| rows.iter().find(|row| row.rule == rule.to_string());
    let right =
        |row: Option<&Row>| row.and_then(|row| row.accuracy.interval).map(|i| percent(i.mean));
    let mut words = Vec::new();
    if let (Some(random), Some(scored)) = (row(&Rule::Random), row(&Rule::RmArgmax)) {
        let verdict = match scored.over_random.interval {
            _ if scored.over_random.n < PROBLEMS_MIN => {
                "of so few problems the interval says too much: this does not show that it judges at all"
            }
            Some(i) if i.low > 0.0 => {
                "the interval lies above zero, so it judges better than chance"
            }
            Some(i) if i.high < 0.0 => "the interval lies below zero: it judges worse than chance",
            Some(_) | None => {
                "the interval holds zero, so this does not show that it judges at all"
            }
        };
        words.push(format!(
            "Without running anything, the reward model picks a right program for {} of 100 \
             problems; a random pick is right for {}. The difference is {} points; {verdict}.",
            right(Some(scored)).unwrap_or_default(),
            right(Some(random)).unwrap_or_default(),
            difference(&scored.over_random),
        ));
    }
    if let (Some(filter), Some(within)) =
        (right(row(&Rule::PublicFilter)), right(row(&Rule::RmWithinPassing)))
    {
        words.push(format!(
            "Running the visible tests and picking any program that passes gives {filter}; letting the \
             reward model choose among those gives {within}."
        ));
    }
    let oracle = rows.iter().find(|row| row.rule == "oracle");
    words.push(format!(
        "A perfect judge would reach {}: every problem counted has a right program.",
        right(oracle).unwrap_or_default()
    ));
    words.join("\n")
}
