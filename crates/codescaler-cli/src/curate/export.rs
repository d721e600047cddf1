//! `codescaler curate export`: preferences or problems → rows for other trainers.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, ValueEnum};
use codescaler::{
    curate::{
        export::{Form, row},
        verl,
    },
    preference::Preference,
    problem::Problem,
    seed::derive,
};
use codescaler_search::{Known, Prompt, Task};
use serde_json::{Value as Json, json};

use super::dataset::{self, Card, Split, Splits};
use crate::{
    failure::{Failure, Outcome},
    files::{Problems, fingerprint, records},
    solve::read_prompts,
    terminal::Terminal,
};

/// Write preferences for TRL, or problems for verl, as Hugging Face `datasets` reads them.
///
/// A file that ends in `.parquet` is Parquet, one in `.jsonl` or `.json` holds a JSON object per
/// line and no header; both have the rows to train on. Another name is a folder with a whole
/// dataset, for `datasets.load_dataset(FOLDER)`: a card, and Parquet for each split. What comes
/// from problems of split `validation` or `eval` is never among the rows to train on. Every row has
/// the same columns.
#[derive(Args)]
#[command(after_help = "\
Forms:
  trl-explicit       prompt, chosen and rejected are lists of messages (RewardTrainer's choice)
  trl-explicit-text  prompt, chosen and rejected are texts
  trl-implicit       chosen and rejected are whole conversations
  verl               data_source, prompt, ability, reward_model and extra_info of each problem

For TRL the prompt is what `score` tells a reward model of the problem, and the answer is the bare
program. For verl the prompt is what `solve` asks a language model first, and the ground truth are
the tests that the statement shows.

Examples:
  codescaler curate export --problems problems.jsonl --preferences pairs.jsonl --out trl.jsonl
  codescaler curate export --problems problems.jsonl --preferences pairs.jsonl \\
      --validation-share 0.05 --out pairs-dataset/
  codescaler curate export --problems problems.jsonl --form verl --out train.parquet")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The preferences, for all forms but verl.
    #[arg(long)]
    preferences: Option<PathBuf>,
    /// The form of a row.
    #[arg(long, value_enum, default_value_t = FormOption::Explicit)]
    form: FormOption,
    /// Share of the training problems whose rows go to the split `validation`, drawn by lot.
    #[arg(long, default_value_t = 0.0)]
    validation_share: f64,
    /// Seed of that lot.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// For verl: a folder with other prompts than those in the box (draft.txt, system.txt).
    #[arg(long)]
    prompts: Option<PathBuf>,
    /// Where to write the rows: NAME.jsonl, NAME.parquet, or a folder.
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
    /// Problems for reinforcement learning.
    #[value(name = "verl")]
    Verl,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.out.exists() {
        return Err(Failure::input(format!(
            "{} exists: delete it or name another output",
            options.out.display()
        )));
    }
    if !(0.0..1.0).contains(&options.validation_share) {
        return Err(Failure::input("--validation-share must lie between 0 and 1"));
    }
    let problems = Problems::read(&options.problems)?;
    let splits = match options.form {
        FormOption::Explicit => of_preferences(options, &problems, Form::TrlExplicit),
        FormOption::ExplicitText => of_preferences(options, &problems, Form::TrlExplicitText),
        FormOption::Implicit => of_preferences(options, &problems, Form::TrlImplicit),
        FormOption::Verl => of_problems(options, &problems),
    }?;
    let counts: serde_json::Map<String, Json> =
        splits.iter().map(|(split, rows)| (split.name().to_owned(), json!(rows.len()))).collect();
    let written = dataset::write(&options.out, splits, &card(options)?)?;
    terminal.print(&format!("{written} rows written to {}", options.out.display()));
    let of_all = counts.values().filter_map(Json::as_u64).sum::<u64>();
    if of_all > written as u64 {
        terminal.note(&format!(
            "{} rows belong to other splits than train: name a folder to have them, too",
            of_all - written as u64
        ));
    }
    Ok(Outcome::done(json!({
        "verb": "curate export", "out": options.out, "rows": written, "splits": counts,
    })))
}

/// The split of a problem: what its `meta` says, or the lot.
fn split(problem: &Problem, options: &Options) -> Split {
    match problem.meta.split.as_deref() {
        Some("validation") => Split::Validation,
        Some("eval") => Split::Test,
        Some(_) | None => {
            let drawn =
                derive(options.seed, &["validation", &problem.id]) as f64 / 2.0_f64.powi(64);
            if drawn < options.validation_share { Split::Validation } else { Split::Train }
        }
    }
}

fn of_preferences(options: &Options, problems: &Problems, form: Form) -> Result<Splits, Failure> {
    let path = options.preferences.as_deref();
    let path = path.ok_or_else(|| Failure::input("this form needs --preferences"))?;
    let by_id: BTreeMap<&str, &Problem> =
        problems.iter().map(|problem| (problem.id.as_str(), problem)).collect();
    let mut reader = records::<Preference>(path)?;
    let mut splits = Splits::new();
    while let Some(preference) = reader.next() {
        let preference = preference?;
        let Some(problem) = by_id.get(preference.problem.as_str()) else {
            let file = options.problems.display();
            let message = format!("problem {:?} is not in {file}", preference.problem);
            return Err(reader.error_here(message).into());
        };
        let rows = splits.entry(split(problem, options)).or_default();
        rows.push(row(&preference, problem, form));
    }
    Ok(splits)
}

fn of_problems(options: &Options, problems: &Problems) -> Result<Splits, Failure> {
    if options.preferences.is_some() {
        return Err(Failure::input("--form verl writes problems: leave --preferences out"));
    }
    let prompts = read_prompts(options.prompts.as_deref())?;
    let mut splits = Splits::new();
    for problem in problems.iter() {
        let split = split(problem, options);
        let rows = splits.entry(split).or_default();
        let messages = prompts
            .render(&Prompt::Draft { plan: None }, &Task::of(problem), &Known::default())
            .map_err(|error| Failure::Input(anyhow::Error::new(error)))?;
        let message =
            |said: &codescaler_search::Message| json!({"role": said.speaker, "content": said.text});
        let prompt = messages.iter().map(message).collect();
        rows.push(verl::row(problem, prompt, split.name(), rows.len()));
    }
    Ok(splits)
}

/// What the card of a dataset says of it.
fn card(options: &Options) -> Result<Card, Failure> {
    let form = options.form.to_possible_value().map(|form| form.get_name().to_owned());
    let mut made_from = vec![("problems", fingerprint(&options.problems)?)];
    if let Some(preferences) = &options.preferences {
        made_from.push(("preferences", fingerprint(preferences)?));
    }
    Ok(Card { form: form.unwrap_or_default(), made_from })
}
