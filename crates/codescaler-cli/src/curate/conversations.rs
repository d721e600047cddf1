//! `codescaler curate repairs` and `curate tests`: conversations that teach a language model what
//! searches ask of it besides programs.

use std::{collections::BTreeMap, io::Write as _, ops::ControlFlow, path::PathBuf};

use clap::Args;
use codescaler::{
    curate::{Pool, Verified, deduplicate},
    execution::Verdict,
    problem::{Problem, Test},
    seed::derive,
};
use codescaler_sandbox::{Cases as Given, Job};
use codescaler_search::{Answer, Ask, Cases, Cell, Known, Prompt, Prompts, Question, Task};
use serde_json::{Value as Json, json};

use super::verified::{Splits, VerifiedOptions};
use crate::{
    exec::{Bounds, SandboxOptions},
    failure::{Failure, Outcome},
    files::{Problems, write_rows},
    held_out::HeldOut,
    solve::{cells, read_prompts},
    terminal::{Terminal, check_interrupt},
};

/// Write conversations that teach to correct programs: a wrong program and what the visible tests
/// say of it, and then a right one.
///
/// The question is the one that `solve` asks in its debugging rounds, by the same prompts. The answer
/// is, of the right programs for the problem, the one that is nearest to the wrong one (edit
/// distance), alone in a fence. Wrong programs are run on the visible tests here; one that passes
/// them all is left out, since nothing would be said of it.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval policy --policy policy --problems train/problems.jsonl --samples 16 --out sampled
  codescaler curate repairs --problems train/problems.jsonl \\
      --candidates sampled/candidates.jsonl --out repairs.jsonl
  codescaler train policy --base policy --conversations repairs.jsonl --out repairer")]
pub(crate) struct RepairOptions {
    #[command(flatten)]
    verified: VerifiedOptions,
    #[command(flatten)]
    common: CommonOptions,
    /// Conversations of one problem, at most.
    #[arg(long, default_value_t = 4)]
    per_problem: usize,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    bounds: Bounds,
}

/// Write conversations that teach to write tests: the question that `solve` asks a test writer, and
/// tests of the problem as the answer.
///
/// Tests are drawn by lot from all that the problem has. Problems with fewer than asked for, and
/// those whose tests are code, are left out.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate tests --problems train/problems.jsonl --count 4 --out tests.jsonl
  codescaler train policy --base policy --conversations tests.jsonl --out tester")]
pub(crate) struct TestOptions {
    /// The problems; may be given more than once.
    #[arg(long, required = true)]
    problems: Vec<PathBuf>,
    #[command(flatten)]
    common: CommonOptions,
    /// Tests of an answer.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Held-out data, a folder or a file of problems, which are left out. May be given more than
    /// once.
    #[arg(long)]
    against: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct CommonOptions {
    /// A folder of prompts (`debug.txt`, `tests.txt`, `judge.txt`) that take the place of those in
    /// the box.
    #[arg(long)]
    pub(super) prompts: Option<PathBuf>,
    /// Seed of what is drawn by lot.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Where to write the conversations: JSON lines with `messages`, as trainers read them.
    #[arg(long)]
    pub(super) out: PathBuf,
}

impl CommonOptions {
    pub(super) fn write(&self, rows: &[Json]) -> Result<(), Failure> {
        write_rows(&self.out, |file| rows.iter().try_for_each(|row| writeln!(file, "{row}")))
    }
}

/// A prompt about one problem with its answer, as a row.
pub(super) fn row(
    prompts: &Prompts,
    (prompt, task, known): (&Prompt, &Task, &Known),
    answer: &str,
) -> Result<Json, Failure> {
    let rendered = prompts.render(prompt, task, known);
    let rendered = rendered.map_err(|error| Failure::Input(anyhow::Error::new(error)))?;
    let mut messages: Vec<Json> = rendered
        .iter()
        .map(|message| json!({"role": message.speaker.name(), "content": message.text}))
        .collect();
    messages.push(json!({"role": "assistant", "content": answer}));
    Ok(json!({"messages": messages, "problem": task.problem().id}))
}

/// Counts of wrong programs, by what became of them.
#[derive(Default)]
struct Wrong {
    made: usize,
    unseen: usize,
    faults: usize,
}

pub(crate) fn repairs(terminal: Terminal, options: &RepairOptions) -> Result<Outcome, Failure> {
    let prompts = read_prompts(options.common.prompts.as_deref())?;
    let problems = Problems::read_files(&options.verified.problems)?;
    let (mut pools, _) = options.verified.read(&problems, Splits::Train)?;
    deduplicate(&mut pools);
    let chosen: Vec<(&Pool<'_>, &Verified)> =
        pools.iter().flat_map(|pool| wrong(pool, options)).collect();
    if chosen.is_empty() {
        return Err(Failure::input(
            "no problem has both a right and a wrong program: sample more, or give --labels",
        ));
    }
    let sandbox = options.sandbox.start(terminal)?;
    let jobs: Vec<Job<'_>> = chosen
        .iter()
        .map(|(pool, program)| Job {
            program: &program.program,
            prelude: &pool.problem.prelude,
            language: pool.language,
            entry: &pool.problem.entry,
            cases: Given::Tests(&pool.problem.tests.visible),
            limits: options.bounds.of(pool.problem.limits),
            stop_at_first_failure: false,
        })
        .collect();
    let (mut runs, mut counts, mut stop) = (BTreeMap::new(), Wrong::default(), Ok(()));
    let bar = terminal.progress("repairs", jobs.len() as u64, 0);
    sandbox.run_all(&jobs, &mut |job, run| {
        match run {
            Ok(run) => drop(runs.insert(job, cells(run, false))),
            Err(_) => counts.faults += 1,
        }
        bar.inc(1);
        stop = check_interrupt();
        if stop.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    stop?;
    bar.finish_and_clear();
    let mut rows = Vec::new();
    for (job, cells) in runs {
        let (pool, program) = chosen[job];
        if cells.iter().all(|cell| cell.verdict == Verdict::Pass) {
            counts.unseen += 1;
            continue;
        }
        rows.push(repair(&prompts, pool, program, cells)?);
        counts.made += 1;
    }
    options.common.write(&rows)?;
    let Wrong { made, unseen, faults } = counts;
    terminal.print(&format!(
        "{made} repairs written to {}; left out: {unseen} wrong programs that pass the visible tests, \
         {faults} faults of the sandbox",
        options.common.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate repairs", "out": options.common.out, "made": made, "unseen": unseen,
        "faults": faults,
    })))
}

/// Wrong programs of a problem that has a right one, in an order by lot.
fn wrong<'a>(pool: &'a Pool<'a>, options: &RepairOptions) -> Vec<(&'a Pool<'a>, &'a Verified)> {
    if !pool.programs.iter().any(|program| program.right) {
        return Vec::new();
    }
    let seed = options.common.seed;
    let mut programs: Vec<_> = pool.programs.iter().filter(|program| !program.right).collect();
    programs.sort_by_key(|program| {
        derive(seed, &["repair", &pool.problem.id, &program.index.to_string()])
    });
    programs.truncate(options.per_problem);
    programs.into_iter().map(|program| (pool, program)).collect()
}

/// The conversation in which a program is corrected.
fn repair(
    prompts: &Prompts,
    pool: &Pool<'_>,
    program: &Verified,
    cells: Vec<Cell>,
) -> Result<Json, Failure> {
    let task = Task::of(pool.problem);
    let mut known = Known::default();
    let digest = Ask::new(&task, &mut known, 0).keep(&program.program);
    let question = Question::Run { program: digest, cases: Cases::Visible };
    known.learn(question, Answer::Run(cells.into()));
    let right = pool.programs.iter().filter(|other| other.right);
    let nearest = right
        .min_by_key(|right| strsim::levenshtein(&program.program, &right.program))
        .expect("the problem has a right program");
    let answer = fenced(pool.language.name(), nearest.program.trim_end());
    row(prompts, (&Prompt::Debug { rounds: vec![digest] }, &task, &known), &answer)
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{text}\n```\n")
}

pub(crate) fn tests(terminal: Terminal, options: &TestOptions) -> Result<Outcome, Failure> {
    let prompts = read_prompts(options.common.prompts.as_deref())?;
    let problems = Problems::read_files(&options.problems)?;
    let held_out = HeldOut::read(&options.against, None)?;
    let (mut rows, mut left_out) = (Vec::new(), 0);
    for problem in problems.iter() {
        let drawn = drawn(problem, options);
        if drawn.is_empty() || !held_out.allows(problem) {
            left_out += 1;
            continue;
        }
        let shown: Vec<String> = drawn.into_iter().map(told).collect();
        let answer = fenced("json", &format!("[\n{}\n]", shown.join(",\n")));
        let prompt = Prompt::Tests { about: None, count: options.count };
        rows.push(row(&prompts, (&prompt, &Task::of(problem), &Known::default()), &answer)?);
        check_interrupt()?;
    }
    options.common.write(&rows)?;
    terminal.print(&format!(
        "tests of {} problems written to {}; {left_out} problems left out (held out, or fewer than {} \
         tests with an input and an output)",
        rows.len(),
        options.common.out.display(),
        options.count
    ));
    Ok(Outcome::done(json!({
        "verb": "curate tests", "out": options.common.out, "made": rows.len(), "left_out": left_out,
    })))
}

/// So many of a problem's tests, by lot; none where there are fewer.
fn drawn<'a>(problem: &'a Problem, options: &TestOptions) -> Vec<&'a Test> {
    let of = &problem.tests;
    let all = of.visible.iter().chain(&of.hidden).enumerate();
    let mut tests: Vec<_> = all.filter(|(_, test)| !matches!(test, Test::Script { .. })).collect();
    let seed = options.common.seed;
    tests.sort_by_key(|(at, _)| derive(seed, &["tests", &problem.id, &at.to_string()]));
    let count = options.count as usize;
    if tests.len() < count {
        return Vec::new();
    }
    tests.into_iter().take(count).map(|(_, test)| test).collect()
}

/// A test as the prompt asks for it: an input and what comes out, without how they are compared.
fn told(test: &Test) -> String {
    let mut json = serde_json::to_value(test).expect("tests are JSON");
    if let Some(keys) = json.as_object_mut() {
        keys.remove("check");
    }
    json.to_string()
}
