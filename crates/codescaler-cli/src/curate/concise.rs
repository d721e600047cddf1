//! `curate concise`: of every problem the shortest right completion.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use codescaler::{
    candidate::Candidate,
    curate::{Pool, Sampled, Shortest, balanced, shortest},
    problem::Problem,
    record::Extra,
};
use serde_json::{Value as Json, json};

use super::{
    verified::{Splits, VerifiedOptions},
    write,
};
use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems},
    table::table,
    terminal::{Terminal, check_interrupt},
};

/// Keep the shortest right completion of every problem, to learn answers that are to the point.
///
/// Of all samples of a problem that are right the shortest is kept (ConCuR); the mean length of
/// all its samples says how difficult it is. `--balance` keeps as many problems of each kind, the
/// most difficult first. What is written is a data folder for `train policy --completions`.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate concise --problems p.jsonl --candidates sampled.jsonl --labels l.jsonl \\
      --balance difficulty --out concise
  codescaler train policy --base policy --data concise --completions --out concise-policy")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    /// What length is counted in.
    #[arg(long, value_enum, default_value_t = Length::Characters)]
    length: Length,
    /// A key of the problems' meta, of whose values equally many problems are kept.
    #[arg(long)]
    balance: Option<String>,
    /// Problems of each value, at most [default: as many as the rarest value has].
    #[arg(long, requires = "balance")]
    per_value: Option<usize>,
    /// The folder to write problems.jsonl and candidates.jsonl into.
    #[arg(long)]
    out: PathBuf,
}

/// What length is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Length {
    /// Characters of the completion, or of the program where there is no completion.
    Characters,
    /// The writer's tokens, which every candidate has to have.
    Tokens,
}

impl Length {
    fn name(self) -> &'static str {
        match self {
            Length::Characters => "characters",
            Length::Tokens => "tokens",
        }
    }

    fn of(self, candidate: &Candidate) -> Result<u64, Failure> {
        match self {
            Length::Characters => {
                let text = candidate.completion.as_ref().or(candidate.program.as_ref());
                Ok(text.map_or(0, |text| text.chars().count() as u64))
            }
            Length::Tokens => candidate.tokens.map(u64::from).ok_or_else(|| {
                Failure::input(format!(
                    "candidate {} of problem {:?} has no `tokens`: count --length characters",
                    candidate.index, candidate.problem
                ))
            }),
        }
    }
}

/// A problem with its answer, and the value that it is balanced by.
struct Answered<'a> {
    problem: &'a Problem,
    shortest: Shortest,
    value: String,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let provenance = Extra::from_iter([
        ("data".to_owned(), options.verified.provenance()?),
        ("length".to_owned(), json!(options.length.name())),
        ("balance".to_owned(), json!(options.balance)),
        ("per_value".to_owned(), json!(options.per_value)),
    ]);
    let problems = Problems::read_files(&options.verified.problems)?;
    let (pools, left_out) = options.verified.read(&problems, Splits::Train)?;
    let answered = options.answered(&problems, &pools)?;
    let kinds: Vec<(&str, f64)> =
        answered.iter().map(|own| (own.value.as_str(), own.shortest.difficulty)).collect();
    let kept: BTreeSet<usize> = match &options.balance {
        Some(_) => balanced(&kinds, options.per_value).into_iter().collect(),
        None => (0..answered.len()).collect(),
    };
    if kept.is_empty() {
        return Err(Failure::input(format!(
            "no right completion: {} candidates without a verdict; give --labels or --executions",
            left_out.without_verdict
        )));
    }
    let chosen: BTreeMap<(&str, u32), &Answered<'_>> = kept
        .iter()
        .map(|&at| ((answered[at].problem.id.as_str(), answered[at].shortest.index), &answered[at]))
        .collect();
    let candidates = options.chosen(&problems, &chosen)?;
    write(
        &options.out.join("problems.jsonl"),
        &provenance,
        kept.iter().map(|&at| answered[at].problem),
    )?;
    write(&options.out.join("candidates.jsonl"), &provenance, candidates.iter())?;
    terminal.print(&options.report(&answered, &kept));
    terminal.print(&format!(
        "{} completions written to {}",
        candidates.len(),
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate concise", "out": options.out, "answered": answered.len(),
        "kept": candidates.len(), "without_verdict": left_out.without_verdict,
    })))
}

impl Options {
    /// Every problem that has a right sample, in the order of the problems. A sample counts when
    /// its verdict is known; one without a program is no answer, but makes its problem difficult.
    fn answered<'a>(
        &self,
        problems: &'a Problems,
        pools: &[Pool<'a>],
    ) -> Result<Vec<Answered<'a>>, Failure> {
        let right: BTreeSet<(&str, u32)> = pools
            .iter()
            .flat_map(|pool| pool.programs.iter().map(|own| (pool.problem.id.as_str(), own)))
            .filter_map(|(id, own)| own.right.then_some((id, own.index)))
            .collect();
        let usable: BTreeSet<&str> = pools.iter().map(|pool| pool.problem.id.as_str()).collect();
        let mut samples: BTreeMap<&str, Vec<Sampled>> = BTreeMap::new();
        for path in &self.verified.candidates {
            for entry in Joined::<_, Candidate>::open(path, problems)? {
                let (problem, candidate) = entry?;
                let id = problem.id.as_str();
                if usable.contains(id) && self.verified.is_asked_for(&candidate) {
                    samples.entry(id).or_default().push(Sampled {
                        index: candidate.index,
                        length: self.length.of(&candidate)?,
                        right: right.contains(&(id, candidate.index)),
                    });
                }
            }
            check_interrupt()?;
        }
        let of = |problem: &'a Problem| {
            let shortest = shortest(samples.get(problem.id.as_str())?)?;
            Some(self.value(problem).map(|value| Answered { problem, shortest, value }))
        };
        problems.iter().filter_map(of).collect()
    }

    /// What a problem is balanced by.
    fn value(&self, problem: &Problem) -> Result<String, Failure> {
        let Some(key) = &self.balance else { return Ok(String::new()) };
        let meta = serde_json::to_value(&problem.meta).expect("its keys are texts");
        match meta.get(key) {
            Some(Json::String(text)) => Ok(text.clone()),
            Some(value) if !value.is_null() => Ok(value.to_string()),
            Some(_) | None => Err(Failure::input(format!(
                "problem {:?} has no {key:?} in its meta: balance by another key, or by none",
                problem.id
            ))),
        }
    }

    /// The candidates that were chosen, in the order of the problems, each with why.
    fn chosen(
        &self,
        problems: &Problems,
        chosen: &BTreeMap<(&str, u32), &Answered<'_>>,
    ) -> Result<Vec<Candidate>, Failure> {
        let mut candidates = Vec::new();
        for path in &self.verified.candidates {
            for entry in Joined::<_, Candidate>::open(path, problems)? {
                let (problem, mut candidate) = entry?;
                let key = (problem.id.as_str(), candidate.index);
                let Some(Answered { shortest, .. }) = chosen.get(&key) else { continue };
                let why = json!({"length": shortest.length, "difficulty": shortest.difficulty});
                candidate.extra.insert("concise".to_owned(), why);
                candidates.push((problems.place(&problem.id), candidate));
            }
        }
        candidates.sort_by_key(|(place, _)| *place);
        Ok(candidates.into_iter().map(|(_, candidate)| candidate).collect())
    }

    /// What was kept, value by value.
    fn report(&self, answered: &[Answered<'_>], kept: &BTreeSet<usize>) -> String {
        let mut values: BTreeMap<&str, Vec<(bool, Shortest)>> = BTreeMap::new();
        for (at, own) in answered.iter().enumerate() {
            values.entry(&own.value).or_default().push((kept.contains(&at), own.shortest));
        }
        let row = |value: &str, all: &[(bool, Shortest)]| {
            let kept: Vec<Shortest> =
                all.iter().filter(|(kept, _)| *kept).map(|(_, own)| *own).collect();
            let mean = |of: &dyn Fn(&Shortest) -> f64| match kept.len() {
                0 => String::new(),
                n => format!("{:.1}", kept.iter().map(of).sum::<f64>() / n as f64),
            };
            vec![
                value.to_owned(),
                all.len().to_string(),
                kept.len().to_string(),
                mean(&|own| own.length as f64),
                mean(&|own| own.difficulty),
            ]
        };
        let mut rows: Vec<Vec<String>> = match self.balance {
            Some(_) => values.iter().map(|(value, all)| row(value, all)).collect(),
            None => Vec::new(),
        };
        let all: Vec<(bool, Shortest)> = values.into_values().flatten().collect();
        rows.push(row("all", &all));
        let name = self.balance.as_deref().unwrap_or("problems");
        let unit = format!("{}, shortest", self.length.name());
        table(&[name, "answered", "kept", &unit, "mean of samples"], &rows)
    }
}
