//! `codescaler lab`: small problems made by a generator, for experiments in miniature.

mod claims;
mod family;
mod findings;
mod run;
mod search;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use codescaler::{
    candidate::{Candidate, Source},
    lab::{DIFFICULTY_MAX, Flaws, Split, Task, task},
    problem::{Problem, Tests},
    record::{Extra, Header, Record},
    seed::derive,
};
use serde_json::json;

use crate::{
    curate::verified::share,
    failure::{Failure, Outcome},
    files::{Opened, Output},
    terminal::{Terminal, check_interrupt},
};

/// Experiments in miniature, on problems made by a generator.
#[derive(Subcommand)]
pub(crate) enum Lab {
    Problems(Options),
    Run(run::Options),
    Search(search::Options),
    Family(family::Options),
}

/// Make small Python problems with statements, tests, and programs to learn from.
///
/// A problem is a sequence of one to four operations on numbers, texts, lists and dictionaries; how
/// many, is its difficulty. Families (sequences of operations) of the two splits are disjoint. The
/// problem of a number is always the same, so `--first` goes on behind an earlier file.
///
/// Writes problems.jsonl into a folder and, with `--demonstrations`, candidates.jsonl with answers
/// of an author who errs as often as asked. Nothing is run: the generator knows what its programs
/// compute.
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler lab problems --out train --count 20000 --demonstrations 1 --slip 0.3 --broken 0.05
  codescaler lab problems --out eval --split held-out --count 200
  codescaler lab problems --out extra --first 20000 --count 20000 --without-tests")]
pub(crate) struct Options {
    /// The folder to write into.
    #[arg(long)]
    out: PathBuf,
    /// Which families.
    #[arg(long, value_enum, default_value_t = SplitOption::Train)]
    split: SplitOption,
    /// The number of the first problem.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=MANY))]
    first: u64,
    /// How many problems.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=MANY))]
    count: u64,
    /// Another seed is another sequence of problems; the families of a split stay the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Pass over the numbers of harder problems.
    #[arg(
        long, default_value_t = DIFFICULTY_MAX,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(DIFFICULTY_MAX)),
    )]
    difficulty_max: u32,
    /// Answers to each problem.
    #[arg(long, default_value_t = 0)]
    demonstrations: u32,
    #[command(flatten)]
    flaws: FlawOptions,
    /// Answers begin with thinking: what the program will do, a step a line, between `<think>` and
    /// `</think>`. A slip is in both.
    #[arg(long)]
    thinking: bool,
    /// Leave the tests out.
    #[arg(long, conflicts_with = "tests_shown")]
    without_tests: bool,
    /// Make all tests visible ones: those that rewards may come from.
    #[arg(long)]
    tests_shown: bool,
}

/// More problems than anybody asks for, and few enough that their numbers can be added.
const MANY: u64 = 1 << 40;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SplitOption {
    /// Families to train on.
    Train,
    /// Families to measure on: new compositions of the same operations.
    HeldOut,
}

/// How often answers are wrong, as shares.
#[derive(Args)]
struct FlawOptions {
    /// Share of answers with a plausible slip: a constant off by one, an operation taken for
    /// another, a step left out or in the wrong order.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    slip: f64,
    /// Share of answers with broken syntax.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    broken: f64,
    /// Share of answers with a second block, an example of use.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    blocks: f64,
    /// Share of answers without a fence around the program.
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    unfenced: f64,
}

impl Options {
    fn split(&self) -> Split {
        match self.split {
            SplitOption::Train => Split::Train,
            SplitOption::HeldOut => Split::HeldOut,
        }
    }

    fn flaws(&self) -> Flaws {
        let FlawOptions { slip, broken, blocks, unfenced } = self.flaws;
        Flaws { slip, broken, blocks, unfenced }
    }

    fn tests(&self, tests: Tests) -> Tests {
        if self.without_tests {
            return Tests::default();
        }
        if self.tests_shown {
            return Tests { visible: [tests.visible, tests.hidden].concat(), hidden: Vec::new() };
        }
        tests
    }

    fn provenance(&self) -> Extra {
        let flaws = self.flaws();
        let plan = json!({
            "generator": "laboratory/1",
            "split": self.split().name(),
            "first": self.first,
            "count": self.count,
            "seed": self.seed,
            "difficulty_max": self.difficulty_max,
            "demonstrations": self.demonstrations,
            "slip": flaws.slip,
            "broken": flaws.broken,
            "blocks": flaws.blocks,
            "unfenced": flaws.unfenced,
            "thinking": self.thinking,
            "without_tests": self.without_tests,
            "tests_shown": self.tests_shown,
        });
        Extra::from_iter([("lab".to_owned(), plan)])
    }
}

pub(crate) fn run(terminal: Terminal, lab: &Lab) -> Result<Outcome, Failure> {
    match lab {
        Lab::Problems(options) => problems(terminal, options),
        Lab::Run(options) => run::run(terminal, options),
        Lab::Search(options) => search::run(terminal, options),
        Lab::Family(options) => family::run(terminal, options),
    }
}

fn problems(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let easiest = options.split().difficulty(0);
    if options.difficulty_max < easiest {
        return Err(Failure::input(format!(
            "no held-out problem is that easy: --difficulty-max must be at least {easiest}, since \
             families of one operation are all for training"
        )));
    }
    let Some(mut problems) = create::<Problem>(options)? else {
        terminal.note(&format!("{} holds these problems already", options.out.display()));
        return Ok(Outcome::done(json!({"verb": "lab problems", "out": options.out, "made": 0})));
    };
    let wants_candidates = options.demonstrations > 0;
    let mut candidates = if wants_candidates { create::<Candidate>(options)? } else { None };
    let (mut made, mut number) = (0, options.first);
    let bar = terminal.progress("problems", options.count, 0);
    while made < options.count {
        if options.split().difficulty(number) <= options.difficulty_max {
            let task = task(options.seed, options.split(), number);
            if let Some(candidates) = &mut candidates {
                for index in 0..options.demonstrations {
                    candidates.write(&demonstration(&task, index, options))?;
                }
            }
            let tests = options.tests(task.problem.tests.clone());
            problems.write(&Problem { tests, ..task.problem })?;
            made += 1;
            bar.inc(1);
            check_interrupt()?;
        }
        number += 1;
    }
    bar.finish_and_clear();
    // Problems are declared whole last: where they are, all is.
    candidates.map_or(Ok(()), Output::finish)?;
    problems.finish()?;
    let n_candidates = made * u64::from(options.demonstrations);
    terminal.print(&format!(
        "{made} problems, {n_candidates} candidates written to {}; the next number is {number}",
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "lab problems", "out": options.out, "made": made, "candidates": n_candidates,
        "next": number,
    })))
}

/// An output, started anew since it takes seconds; none when it is whole.
fn create<T: Record>(options: &Options) -> Result<Option<Output>, Failure> {
    let path = options.out.join(format!("{}.jsonl", T::KIND));
    match Output::create::<T>(&path, &Header::new::<T>(options.provenance()))? {
        Opened::Whole => Ok(None),
        Opened::Open(output, _) => Ok(Some(output)),
    }
}

fn demonstration(task: &Task, index: u32, options: &Options) -> Candidate {
    let draw = derive(options.seed, &["demonstration", &index.to_string()]);
    Candidate {
        problem: task.problem.id.clone(),
        index,
        completion: Some(task.demonstration(draw, &options.flaws(), options.thinking)),
        program: None,
        language: task.problem.language,
        source: Source { name: "laboratory".to_owned(), ..Source::default() },
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    }
}
