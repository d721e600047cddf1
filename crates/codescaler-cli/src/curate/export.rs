//! `codescaler curate export`: preferences → rows for other trainers.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf};

use clap::{Args, ValueEnum};
use codescaler::{
    curate::export::{Form, row},
    preference::Preference,
    problem::Problem,
};
use serde_json::json;

use super::parquet;
use crate::{
    failure::{Failure, Outcome},
    files::{Problems, records, write_by, write_rows},
    terminal::Terminal,
};

/// Write preferences as rows that TRL and Hugging Face `datasets` read.
///
/// One JSON object per line and no header: `load_dataset("json", data_files=…)` reads the file as
/// it is. A file that ends in `.parquet` is Parquet, for `load_dataset("parquet", …)`. Every row has
/// the same columns; those behind prompt, chosen and rejected say where the pair comes from.
#[derive(Args)]
#[command(after_help = "\
Forms:
  trl-explicit       prompt, chosen and rejected are lists of messages (RewardTrainer's choice)
  trl-explicit-text  prompt, chosen and rejected are texts
  trl-implicit       chosen and rejected are whole conversations

The prompt is what `score` tells a reward model of the problem; the answer is the bare program.

Example:
  codescaler curate export --problems problems.jsonl --preferences pairs.jsonl --out trl.jsonl")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The preferences.
    #[arg(long)]
    preferences: PathBuf,
    /// The form of a row.
    #[arg(long, value_enum, default_value_t = FormOption::Explicit)]
    form: FormOption,
    /// Where to write the rows.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormOption {
    /// Messages, the prompt apart.
    #[value(name = "trl-explicit")]
    Explicit,
    /// Texts, the prompt apart.
    #[value(name = "trl-explicit-text")]
    ExplicitText,
    /// Messages, the prompt within both.
    #[value(name = "trl-implicit")]
    Implicit,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.out.exists() {
        return Err(Failure::input(format!(
            "{} exists: delete it or name another output",
            options.out.display()
        )));
    }
    let form = match options.form {
        FormOption::Explicit => Form::TrlExplicit,
        FormOption::ExplicitText => Form::TrlExplicitText,
        FormOption::Implicit => Form::TrlImplicit,
    };
    let problems = Problems::read(&options.problems)?;
    let by_id: BTreeMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.id.as_str(), problem)).collect();
    let mut reader = records::<Preference>(&options.preferences)?;
    let mut pairs: Vec<(Preference, &Problem)> = Vec::new();
    while let Some(preference) = reader.next() {
        let preference = preference?;
        let Some(problem) = by_id.get(preference.problem.as_str()) else {
            let file = options.problems.display();
            let message = format!("problem {:?} is not in {file}", preference.problem);
            return Err(reader.error_here(message).into());
        };
        pairs.push((preference, problem));
    }
    let rows = pairs.iter().map(|(preference, problem)| row(preference, problem, form));
    if options.out.extension().is_some_and(|ending| ending == "parquet") {
        let rows: Vec<_> = rows.collect();
        write_by(&options.out, |part| parquet::write(part, &rows))?;
    } else {
        let mut rows = rows;
        write_rows(&options.out, |file| rows.try_for_each(|row| writeln!(file, "{row}")))?;
    }
    let n_rows = pairs.len();
    terminal.print(&format!("{n_rows} rows written to {}", options.out.display()));
    Ok(Outcome::done(json!({"verb": "curate export", "out": options.out, "rows": n_rows})))
}
