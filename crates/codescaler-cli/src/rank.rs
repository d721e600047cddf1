//! `codescaler rank`: one problem and some programs → an order with reasons, for people.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    candidate::{Candidate, Source},
    example::examples,
    language::Language,
    problem::{Problem, Tests},
    record::Extra,
    score::{Score, Scored},
};
use codescaler_extract::{Policy, check_syntax};
use codescaler_sandbox::{Cases, Job};
use serde_json::json;

use crate::{
    exec::SandboxOptions,
    failure::{Failure, Outcome},
    score::{Scorer, ScorerOptions, score_batch},
    stage::Item,
    terminal::Terminal,
};

/// Rank programs for one problem, best first, with reasons.
///
/// The problem is a text, or a problems file with one problem. Without --run nothing is run: a
/// reward model reads problem and programs. With --run the visible tests come first: those
/// of a problems file, or the examples of a text (a fenced block after a line with "Input" and one
/// after a line with "Output").
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler rank problem.md a.py b.py c.py
  codescaler rank problem.md --run a.py b.py c.py")]
pub(crate) struct Options {
    /// The problem: a text such as Markdown, or a problems file (.jsonl) with one problem.
    problem: PathBuf,
    /// The programs.
    #[arg(required = true)]
    programs: Vec<PathBuf>,
    /// Run the visible tests in the sandbox, and put programs that pass first.
    #[arg(long)]
    run: bool,
    /// The language of the programs; by default the one their names end in.
    #[arg(long)]
    language: Option<Language>,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    scorer: ScorerOptions,
}

/// One program and what was found out about it.
struct Ranked {
    path: PathBuf,
    program: String,
    language: Language,
    score: Option<Score>,
    /// Visible tests passed and run.
    passed: Option<(usize, usize)>,
    reasons: Vec<String>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problem = read_problem(&options.problem)?;
    let candidates = options.programs.iter().zip(0..);
    let candidates = candidates.map(|(path, index)| read_program(path, options, &problem, index));
    let scorer = options.scorer.open()?;
    let mut ranked = rank(&problem, options, candidates.collect::<Result<_, _>>()?, &scorer)?;
    if options.run {
        run_visible(terminal, options, &problem, &mut ranked)?;
    }
    // Best first; the order given decides among equals.
    ranked.sort_by_key(|r| {
        std::cmp::Reverse((
            r.passed.is_some_and(|(passed, n)| passed == n),
            r.passed.map(|p| p.0),
            r.score,
        ))
    });
    for (place, r) in ranked.iter().enumerate() {
        let score = r.score.map_or_else(|| "no score".to_owned(), |s| format!("{:+.2}", s.get()));
        terminal.print(&format!("{:>3}. {score:>9}  {}", place + 1, r.path.display()));
        for reason in &r.reasons {
            terminal.print(&format!("     {:>9}  {reason}", ""));
        }
    }
    let order: Vec<_> = ranked
        .iter()
        .map(|r| {
            json!({
                "program": r.path, "score": r.score.map(Score::get),
                "passed": r.passed.map(|p| p.0), "tests": r.passed.map(|p| p.1), "reasons": r.reasons,
            })
        })
        .collect();
    let none_passes = options.run && !ranked.iter().any(|r| r.passed.is_some_and(|(p, n)| p == n));
    let mut outcome = Outcome::done(json!({"verb": "rank", "problem": problem.id, "order": order}));
    outcome.found = none_passes;
    Ok(outcome)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(Failure::Input)
}

fn read_program(
    path: &Path,
    options: &Options,
    problem: &Problem,
    index: u32,
) -> Result<Candidate, Failure> {
    let program = read_text(path)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let language = options.language.or_else(|| Language::from_tag(ending)).ok_or_else(|| {
        Failure::input(format!("cannot tell the language of {}: give --language", path.display()))
    })?;
    Ok(Candidate {
        problem: problem.id.clone(),
        index,
        completion: None,
        program: Some(program),
        language,
        source: Source::default(),
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    })
}

/// The programs in the order given, each with its score or the reason why it has none.
fn rank(
    problem: &Problem,
    options: &Options,
    candidates: Vec<Candidate>,
    scorer: &Scorer,
) -> Result<Vec<Ranked>, Failure> {
    let items: Vec<Item<'_>> =
        candidates.into_iter().map(|candidate| Item { problem, candidate }).collect();
    let mut scored: Vec<Scored> = Vec::with_capacity(items.len());
    score_batch(scorer, &items, Policy::BestValid, &mut |record| {
        scored.push(record);
        Ok(())
    })?;
    let ranked = items.into_iter().zip(scored).zip(&options.programs);
    let ranked = ranked.map(|((item, scored), path)| Ranked {
        path: path.clone(),
        program: item.candidate.program.unwrap_or_default(),
        language: item.candidate.language,
        score: scored.score,
        passed: None,
        reasons: Vec::from_iter(
            scored.reason.into_iter().chain(scored.trimmed.map(|trimmed| trimmed.to_string())),
        ),
    });
    Ok(ranked.collect())
}

fn run_visible(
    terminal: Terminal,
    options: &Options,
    problem: &Problem,
    ranked: &mut [Ranked],
) -> Result<(), Failure> {
    let tests = &problem.tests.visible;
    if tests.is_empty() {
        return Err(Failure::input(format!(
            "{} shows no example to run: write a fenced block after \"Input\" and one after \"Output\", \
             or use a problems file",
            options.problem.display()
        )));
    }
    let sandbox = options.sandbox.start(terminal)?;
    for r in ranked.iter_mut().filter(|r| check_syntax(&r.program, r.language).is_ok()) {
        let job = Job {
            program: &r.program,
            prelude: &problem.prelude,
            language: r.language,
            entry: &problem.entry,
            cases: Cases::Tests(tests),
            limits: problem.limits,
            stop_at_first_failure: false,
        };
        match sandbox.run(&job) {
            Ok(run) => {
                let passed =
                    run.cases.iter().filter(|case| case.verdict.passed() == Some(true)).count();
                r.passed = Some((passed, tests.len()));
                r.reasons.push(format!("passes {passed} of {} visible tests", tests.len()));
                for (at, case) in run.cases.iter().enumerate() {
                    if case.verdict.passed() == Some(false) {
                        r.reasons.push(format!(
                            "test {}: {}: {}",
                            at + 1,
                            case.verdict,
                            case.detail
                        ));
                    }
                }
            }
            Err(fault) => r.reasons.push(format!("could not be run: {fault}")),
        }
    }
    Ok(())
}

/// A problems file with one problem, or a text with examples.
fn read_problem(path: &Path) -> Result<Problem, Failure> {
    let name = path.to_string_lossy();
    if name.contains(".jsonl") {
        let problems: Vec<Problem> = crate::files::read_all(path)?;
        return match <[Problem; 1]>::try_from(problems) {
            Ok([problem]) => Ok(problem),
            Err(problems) => Err(Failure::input(format!(
                "{name} holds {} problems where one is wanted",
                problems.len()
            ))),
        };
    }
    let statement = read_text(path)?;
    let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let tests = Tests { visible: examples(&statement), hidden: Vec::new() };
    Ok(Problem { tests, ..Problem::asked(id, statement, Language::Python) })
}
