//! `codescaler report`: a run directory → one page that opens from disk.

mod inputs;
pub(crate) mod measured;
mod programs;
pub(crate) mod rules;
mod scores;
pub(crate) mod training;

use std::path::{Path, PathBuf};

use clap::Args;
use codescaler::metric::mean;
use codescaler_report::{Block, Cell, Figure, Place, Report, Section, render};
use serde_json::{Value as Json, json};

pub(crate) use self::inputs::{Inputs, asked};
use self::{measured::Found, rules::missing};
use crate::{
    eval::selection::reading,
    failure::{Failure, Outcome},
    files::{Problems, write_whole},
    groups::Groups,
    tensorboard,
    terminal::Terminal,
};

/// Make the page of a run: one HTML file that needs no network and no server.
///
/// A run is a folder with the records of its stages: what `demo`, `solve`, `eval … --out` and
/// `train` write, or any folder in which `problems.jsonl` and `candidates.jsonl` stand, with
/// scores, executions, labels and selections as far as there are any. The page has accuracies with
/// intervals, what they cost, best-of-N curves, calibration, parts by difficulty and dataset,
/// training curves, and every problem and program to look at. What the run lacks is left out, with
/// the command that makes it.
#[derive(Args)]
#[command(after_help = "\
The same run gives the same bytes. A link to one program is FILE#PROBLEM/INDEX.

Examples:
  codescaler report runs/demo
  codescaler report runs/sstar --problems problems.jsonl --out sstar.html")]
pub(crate) struct Options {
    /// The run directory.
    run: PathBuf,
    /// Where to write the page; by default `report.html` in the run directory.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The problems, where they are not in the run directory and its run.toml does not name them.
    #[arg(long)]
    problems: Option<PathBuf>,
    /// The candidates, likewise.
    #[arg(long)]
    candidates: Option<PathBuf>,
    /// Also write training curves and accuracies as an event file of TensorBoard into this folder.
    #[arg(long)]
    tensorboard: Option<PathBuf>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let named = (options.problems.as_deref(), options.candidates.as_deref());
    let inputs = Inputs::find(&options.run, named)?;
    let page = page(&inputs, Place::File)?;
    if let Some(folder) = &options.tensorboard {
        let path = write_board(folder, &inputs)?;
        terminal.print(&format!("events written to {}", path.display()));
    }
    let out = options.out.clone().unwrap_or_else(|| options.run.join("report.html"));
    write_whole(&out, page.as_bytes())?;
    terminal.print(&format!("{:.1} MB written to {}", page.len() as f64 / 1e6, out.display()));
    Ok(Outcome::done(json!({"verb": "report", "out": out, "bytes": page.len()})))
}

/// Writes the log of a training step by step, and the share of right choices of every method under
/// its number of samples (0 where it has none).
fn write_board(folder: &Path, inputs: &Inputs) -> Result<PathBuf, Failure> {
    let lines = inputs.steps.as_deref().map(training::lines).transpose()?.unwrap_or_default();
    let problems = inputs.problems.as_deref().map(Problems::read).transpose()?;
    let mut groups = match (&problems, &inputs.candidates) {
        (Some(problems), Some(candidates)) => Some(measured::groups(inputs, problems, candidates)?),
        (_, _) => None,
    };
    let found = measured::found(inputs, groups.as_mut())?;
    let mut shares = Vec::new();
    for method in found.iter().flat_map(|found| &found.methods) {
        if let Some(interval) = mean(&method.measured, inputs.seed()).interval {
            let step = method.n.map_or(0, u64::from);
            shares.push((step, format!("right/{}", method.name), interval.mean as f32));
        }
    }
    tensorboard::write(folder, &lines, &shares)
}

/// Writes the page of a run that has just ended into its folder.
pub(crate) fn write_page(folder: &Path) -> Result<PathBuf, Failure> {
    let page = page(&Inputs::find(folder, (None, None))?, Place::File)?;
    let out = folder.join("report.html");
    write_whole(&out, page.as_bytes())?;
    Ok(out)
}

/// The same, and says where it is.
pub(crate) fn write_report(terminal: Terminal, folder: &Path) -> Result<(), Failure> {
    let out = write_page(folder)?;
    terminal.note(&format!("to look at it: {}", out.display()));
    Ok(())
}

/// The page of a run.
pub(crate) fn page(inputs: &Inputs, place: Place) -> Result<String, Failure> {
    let problems = inputs.problems.as_deref().map(Problems::read).transpose()?;
    let (Some(problems), Some(candidates)) = (&problems, &inputs.candidates) else {
        let found = measured::found(inputs, None)?;
        let report = report(inputs, found.as_ref(), (problems.as_ref(), None))?;
        return Ok(render(&Report { place, ..report }));
    };
    let mut groups = measured::groups(inputs, problems, candidates)?;
    let known = programs::known(&groups);
    let found = measured::found(inputs, Some(&mut groups))?;
    groups.keep_mixed();
    let mut report = report(inputs, found.as_ref(), (Some(problems), Some(&groups)))?;
    let records = programs::Records::read(inputs, candidates, known)?;
    report.browser = Some(records.browser(problems, inputs.policy()?));
    report.place = place;
    Ok(render(&report))
}

fn report<'a>(
    inputs: &Inputs,
    found: Option<&Found>,
    (problems, groups): (Option<&Problems>, Option<&Groups<'_>>),
) -> Result<Report<'a>, Failure> {
    let seed = inputs.seed();
    let mut report = Report { title: title(inputs), ..Report::default() };
    if let Some(found) = found {
        measure(inputs, found, &mut report)?;
        if let Some(problems) = problems {
            report.sections.extend(parts(found, problems, seed));
        }
    } else if let (Some(_), Some(problems)) = (groups, problems) {
        report.sections.push(unlabelled(problems));
        if inputs.verb() == Some("solve") {
            report.sections.push(rules::cost_of_methods(inputs, None, seed)?);
        }
    }
    if let Some(groups) = groups.filter(|groups| !groups.list.is_empty()) {
        if inputs.scores.is_empty() {
            let command = "codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl";
            report.sections.push(Section {
                id: "best-of-n",
                title: "Best of N".to_owned(),
                blocks: vec![missing("scores of a reward model", command)],
            });
        } else {
            report.sections.extend(scores::sections(inputs, groups)?);
        }
    }
    report.lead.extend(under_way(inputs));
    if let Some(steps) = &inputs.steps {
        report.sections.push(training::section(steps)?);
    }
    report.provenance = provenance(inputs);
    Ok(report)
}

/// What a training that has no weights yet has done so far.
fn under_way(inputs: &Inputs) -> Option<String> {
    let progress = training::progress(&inputs.folder, &inputs.plan).filter(|p| !p.is_done)?;
    let of = progress.steps.map_or_else(String::new, |steps| format!(" of {steps}"));
    let step = progress.step;
    Some(format!("Not finished: the log is at step {step}{of}, and there are no weights yet."))
}

/// Accuracies and costs.
fn measure(inputs: &Inputs, found: &Found, report: &mut Report<'_>) -> Result<(), Failure> {
    let seed = inputs.seed();
    let has_methods = found.methods.iter().any(|method| method.n.is_some());
    let rows = if has_methods { None } else { found.rows(seed) };
    match rows {
        Some(rows) => {
            report.figures = rules::figures(&rows);
            if inputs.verb() != Some("solve") {
                report.lead = reading(&rows).lines().map(str::to_owned).collect();
            }
            report.sections.push(rules::accuracy(&rows));
            report.sections.push(if inputs.verb() == Some("solve") {
                rules::cost_of_methods(inputs, Some(found), seed)?
            } else {
                rules::cost_of_rules(inputs, &rows)?
            });
        }
        None => {
            let n = found.problems.len();
            report.figures = vec![Figure { name: "problems".to_owned(), value: Cell::count(n) }];
            report.sections.push(rules::methods(found, seed));
            report.sections.push(rules::cost_of_methods(inputs, Some(found), seed)?);
        }
    }
    if let Some(pool) = inputs.plan.get("pool").and_then(Json::as_str) {
        report.lead.push(format!("{pool}."));
    }
    Ok(())
}

fn unlabelled(problems: &Problems) -> Section {
    let has_hidden = problems.iter().any(|problem| !problem.tests.hidden.is_empty());
    let command = if has_hidden {
        "codescaler exec --suite hidden --problems problems.jsonl --candidates candidates.jsonl --out hidden.jsonl"
    } else {
        "labels.jsonl beside the candidates (docs/formats.md)"
    };
    Section {
        id: "accuracy",
        title: "Accuracy".to_owned(),
        blocks: vec![missing("which programs are right", command)],
    }
}

/// Accuracies by facts of problems.
fn parts(found: &Found, problems: &Problems, seed: u64) -> Option<Section> {
    let difficulty = rules::parts(
        found,
        problems.iter(),
        |p| p.meta.difficulty.as_deref(),
        ("difficulty", seed),
    );
    let dataset =
        rules::parts(found, problems.iter(), |p| p.meta.source.as_deref(), ("dataset", seed));
    let blocks: Vec<Block> = difficulty.into_iter().chain(dataset).collect();
    let title = "By difficulty and dataset".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "parts", title, blocks })
}

fn title(inputs: &Inputs) -> String {
    let name = inputs.folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name);
    let name = name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match inputs.verb() {
        Some(verb) => format!("codescaler {verb}: {name}"),
        None => format!("codescaler: {name}"),
    }
}

/// How the run came about: its plan, key by key, and what its records say of protection.
fn provenance(inputs: &Inputs) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    flatten("", &inputs.plan, &mut facts);
    if facts.is_empty() {
        facts.push(("plan".to_owned(), "none: the records were put together by hand".to_owned()));
    }
    facts.retain(|(name, _)| name != "pool");
    let file = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = |paths: &[PathBuf]| paths.iter().map(file).collect::<Vec<_>>().join(", ");
    for (what, paths) in [
        ("scores", &inputs.scores),
        ("executions", &inputs.executions),
        ("labels", &inputs.labels),
        ("selections", &inputs.selections),
    ] {
        if !paths.is_empty() {
            facts.push((format!("{what} from"), names(paths)));
        }
    }
    facts.push(("page by".to_owned(), format!("codescaler {}", env!("CARGO_PKG_VERSION"))));
    facts
}

/// The leaves of a plan with their paths.
fn flatten(path: &str, value: &Json, facts: &mut Vec<(String, String)>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Null => {}
        Json::Object(map) => map.iter().for_each(|(key, value)| flatten(&inner(key), value, facts)),
        Json::Array(values) if values.iter().any(Json::is_object) => {
            for (at, value) in values.iter().enumerate() {
                flatten(&inner(&at.to_string()), value, facts);
            }
        }
        Json::Array(values) => {
            let words = values
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            facts.push((path.to_owned(), words.collect::<Vec<_>>().join(", ")));
        }
        Json::String(text) => facts.push((path.to_owned(), text.clone())),
        Json::Bool(_) => facts.push((path.to_owned(), value.to_string())),
        Json::Number(number) => facts.push((path.to_owned(), shortest(number))),
    }
}

/// A number of 32 bits with the digits that tell it from its neighbours, not those of 64.
#[expect(clippy::cast_possible_truncation, reason = "what it cuts off is compared")]
fn shortest(number: &serde_json::Number) -> String {
    let narrow = number.as_f64().filter(|_| number.is_f64()).map(|wide| (wide, wide as f32));
    match narrow {
        Some((wide, narrow)) if f64::from(narrow) == wide => narrow.to_string(),
        Some(_) | None => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_shown_as_they_were_given() {
        let shown = |value: Json| shortest(value.as_number().unwrap());
        assert_eq!(shown(json!(0.003_f32)), "0.003");
        assert_eq!(shown(json!(0.003)), "0.003");
        assert_eq!(shown(json!(1.0 / 3.0)), (1.0_f64 / 3.0).to_string());
        assert_eq!(shown(json!(u64::MAX)), u64::MAX.to_string());
    }
}
