//! `codescaler solve`: problems, somebody who writes programs, a method, a budget → programs.

mod answers;
mod crew;
mod endpoints;
mod key;
mod letters;
mod memory;
pub(crate) mod methods;
mod probe;
pub(crate) mod proxy;
mod workers;

use std::{
    collections::BTreeMap,
    fs,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use codescaler::{
    candidate::{Candidate, Source},
    record::{self, Extra, Header, Record},
    selection::Selection,
};
use codescaler_extract::Policy;
use codescaler_sandbox::Sandbox;
use codescaler_search::{
    Budget, Cases, Cost, Digest, Engine, Method, Prompts, Refusal, Solved, Task, allocate,
};
use indicatif::ProgressBar;
use serde_json::json;

use self::{
    answers::Answers,
    crew::Crew,
    endpoints::{EndpointOptions, Writers},
    memory::Memory,
    probe::greet,
    workers::bare,
};
pub(crate) use self::{
    probe::{ProbeOptions, probe},
    workers::cells,
};
use crate::{
    exec::{Bounds, SandboxOptions},
    failure::{Failure, Outcome},
    files::{Problems, fingerprint, write_rows, write_whole},
    report::{
        asked,
        rules::{COSTS, Spent},
        write_page,
    },
    rundir::RunDir,
    score::{Scorer, ScorerOptions},
    terminal::Terminal,
};

/// Find the best program for each problem that a budget can buy.
///
/// A method (`codescaler methods` lists them) asks language models for programs, tests and
/// judgements, has programs run in the sandbox and scored by the reward model, and chooses. It never
/// sees hidden tests.
#[derive(Args)]
#[command(after_help = "\
Everything that was answered stands in OUT/answers.jsonl: killed and run again, nothing is asked or
paid for twice; and a second method with the same --answers asks only what is new. Without a language
model, --candidates lets recorded completions stand for samples.

Examples:
  codescaler solve --problems problems.jsonl --endpoint http://127.0.0.1:8000/v1 \\
      --language-model Qwen/Qwen3-8B --method 'sstar:n=8' --out runs/sstar
  codescaler solve --problems problems.jsonl --candidates candidates.jsonl --method codescaler_run
  codescaler solve --problems problems.jsonl --language-model Qwen3-0.6B --method 'router:table=table.json'")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The method, with parameters: `sstar`, `sstar:n=8;rounds=2`.
    #[arg(long, default_value = "codescaler_run", value_parser = methods::read)]
    method: Method,
    /// The run directory: `candidates.jsonl`, `selections.jsonl`, `answers.jsonl`.
    #[arg(long, default_value = "runs/solve")]
    out: PathBuf,
    /// Where answers are kept, to be shared by several searches; by default in the run directory.
    #[arg(long)]
    answers: Option<PathBuf>,
    /// A folder of prompts (`draft.txt`, …) that take the place of those in the box.
    #[arg(long)]
    prompts: Option<PathBuf>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// Seeds what is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    endpoints: EndpointOptions,
    /// Problems solved before what they taught is shown to others: the next as many see the lessons
    /// of all before them. For the method `learning`, which writes lessons.
    #[arg(long, conflicts_with = "tests_on_average")]
    memory_round: Option<NonZeroU32>,
    /// Lessons of an earlier run (`lessons.jsonl` in its directory).
    #[arg(long)]
    memory: Option<PathBuf>,
    /// For methods with a test writer: so many answers of it per problem on average, more where
    /// they help more (CodeRM, arXiv:2501.01054). How hard a problem is, is told by the share of its
    /// samples that pass the visible tests.
    #[arg(long)]
    tests_on_average: Option<NonZeroU32>,
    #[command(flatten)]
    budget: BudgetOptions,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    scorer: ScorerOptions,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// What may be spent.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Budget, per problem")]
pub(crate) struct BudgetOptions {
    /// Samples of language models.
    #[arg(long)]
    samples_max: Option<u64>,
    /// Samples that are to be programs: what test writers and judges answer is not counted.
    #[arg(long)]
    programs_max: Option<u64>,
    /// Tokens that language models read.
    #[arg(long)]
    tokens_in_max: Option<u64>,
    /// Tokens that language models write.
    #[arg(long)]
    tokens_out_max: Option<u64>,
    /// Programs run, each on all tests or inputs of one kind.
    #[arg(long)]
    executions_max: Option<u64>,
    /// Seconds of CPU time of programs.
    #[arg(long)]
    cpu_s_max: Option<u64>,
    /// US dollars, at the prices of --endpoints.
    #[arg(long)]
    usd_max: Option<f64>,
    /// US dollars for all problems together.
    #[arg(long)]
    usd_max_total: Option<f64>,
    /// Seconds for all problems together; what is not answered by then is done without.
    #[arg(long)]
    wall_s_max: Option<NonZeroU64>,
}

impl BudgetOptions {
    /// Per problem, and for all together after what was spent.
    fn budgets(self, spent: Cost) -> (Budget, Budget) {
        let each = Budget {
            samples_max: self.samples_max,
            programs_max: self.programs_max,
            tokens_in_max: self.tokens_in_max,
            tokens_out_max: self.tokens_out_max,
            executions_max: self.executions_max,
            cpu_ms_max: self.cpu_s_max.map(|seconds| seconds.saturating_mul(1000)),
            usd_max: self.usd_max,
        };
        let left = self.usd_max_total.map(|total| (total - spent.usd).max(0.0));
        (each, Budget { usd_max: left, ..Budget::default() })
    }
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read(&options.problems)?;
    let writers = options.endpoints.open(&problems)?;
    let is_bounded = options.budget.usd_max.or(options.budget.usd_max_total).is_some();
    writers.expect_for(&options.method, is_bounded).map_err(Failure::input)?;
    greet(&writers, terminal);
    let prompts = read_prompts(options.prompts.as_deref())?;
    let mut memory = options.memory.as_deref().map_or(Ok(Memory::default()), Memory::read)?;
    let scorer = options.scorer.open()?;
    let sandbox = options.sandbox.start(terminal)?;
    let mut plan = json!({
        "verb": "solve", "version": env!("CARGO_PKG_VERSION"), "commit": env!("CODESCALER_COMMIT"),
        "method": options.method.to_string(), "seed": options.seed,
        "tests_on_average": options.tests_on_average,
        "memory_round": options.memory_round,
        "memory": options.memory.as_deref().map(fingerprint).transpose()?,
        "problems": fingerprint(&options.problems)?, "writers": writers.described(),
        "prompts": prompts.fingerprint(), "bounds": format!("{:?}", options.bounds), "policy": options.policy.to_string(),
        "scorer": scorer.provenance(options.policy),
        "protection": sandbox.protection().level().to_string(),
    });
    if let Some(seed) = options.endpoints.shuffle {
        plan["shuffle"] = json!(seed);
    }
    let files = [("problems", vec![options.problems.as_path()])];
    let asked = asked("solve", &files, &[("method", options.method.to_string())])?;
    let run = RunDir::open(&options.out, &asked, &plan)?;
    let answers = options.answers.clone().unwrap_or_else(|| run.path("answers.jsonl"));
    let mut answers = Answers::open(&answers)?;
    let crew = Crew {
        writers: &writers,
        sandbox: &sandbox,
        slots: options.sandbox.slots(),
        bounds: options.bounds,
        scorer: &scorer,
        prompts,
        policy: options.policy,
        seed: options.seed,
        deadline: options
            .budget
            .wall_s_max
            .map(|seconds| Instant::now() + Duration::from_secs(seconds.get())),
    };
    let tasks: Vec<Task> = problems.iter().map(Task::of).collect();
    let methods = match options.tests_on_average {
        None => vec![options.method.clone(); tasks.len()],
        Some(average) => allocated(&crew, options, (&tasks, &mut answers), average.get())?,
    };
    let bar = terminal.progress("solve", tasks.len() as u64, 0);
    let mut found = None;
    run.stage("solve", || {
        let (written, spent) =
            in_rounds(&crew, options, (&tasks, &methods), (&mut answers, &mut memory), &bar)?;
        let n = written.len() as u64;
        found = Some((written, spent));
        Ok(n)
    })?;
    let (written, spent) = found.expect("the stage has ended");
    bar.finish_and_clear();
    if options.memory_round.is_some() {
        memory.write(&run.path("lessons.jsonl"))?;
    }
    let provenance = Extra::from_iter([("plan".to_owned(), plan)]);
    // Written anew each time: a search that is run again may know more.
    let candidates = written.values().flat_map(|written| &written.candidates);
    write_records(&run.path("candidates.jsonl"), provenance.clone(), candidates)?;
    let selections = written.values().map(|written| &written.selection);
    write_records(&run.path("selections.jsonl"), provenance, selections)?;
    write_costs(&run, &options.method, written.len(), spent)?;
    write_page(&options.out)?;
    report(terminal, options, &written, spent)
}

/// What the search cost, for the page.
fn write_costs(run: &RunDir, method: &Method, plays: usize, cost: Cost) -> Result<(), Failure> {
    let spent = Spent { method: method.to_string(), n: None, plays: plays as u64, cost };
    let text = serde_json::to_string_pretty(&[spent]).expect("costs are JSON") + "\n";
    write_whole(&run.path(COSTS), text.as_bytes())
}

/// Solves some problems, then more that see what those taught. Within a round nobody learns from
/// anybody, so that what comes first does not matter.
fn in_rounds(
    crew: &Crew<'_>,
    options: &Options,
    (tasks, methods): (&[Task], &[Method]),
    (answers, memory): (&mut Answers, &mut Memory),
    bar: &ProgressBar,
) -> Result<(BTreeMap<usize, Written>, Cost), Failure> {
    let mut written = BTreeMap::new();
    let mut spent = Cost::default();
    let round = options.memory_round.map_or(tasks.len().max(1), |n| n.get() as usize);
    for (at, (tasks, methods)) in tasks.chunks(round).zip(methods.chunks(round)).enumerate() {
        let tasks: Vec<Task> = tasks.iter().cloned().map(|task| memory.remind(task)).collect();
        let searches = tasks.iter().cloned().zip(methods.iter().cloned()).collect();
        let budgets = options.budget.budgets(spent);
        let mut engine = Engine::new(searches, budgets, options.seed);
        let mut lessons = BTreeMap::new();
        crew::work(crew, &mut engine, (&tasks, &mut *answers), &mut |engine, mut solved| {
            bar.inc(1);
            lessons.insert(solved.problem, std::mem::take(&mut solved.outcome.lessons));
            let one = Written::of(engine, &options.method, &solved);
            written.insert(at * round + solved.problem, one);
            Ok(())
        })?;
        spent += engine.spent();
        for (problem, lessons) in lessons {
            memory.add(&tasks[problem], lessons);
        }
    }
    Ok((written, spent))
}

/// The method with a number of tests for each problem, as it pays: every problem gets a first
/// fourth of the average, whose answers are kept, and then what is left goes where it gains most.
fn allocated(
    crew: &Crew<'_>,
    options: &Options,
    (tasks, answers): (&[Task], &mut Answers),
    average: u32,
) -> Result<Vec<Method>, Failure> {
    let first = average.div_ceil(4);
    let with = |tests: u32| {
        options.method.with_tests(tests).ok_or_else(|| {
            Failure::input(format!(
                "--tests-on-average is for methods with a test writer that a vote follows, such as \
                 coderm; {} is none",
                options.method
            ))
        })
    };
    let probe = with(first)?;
    let searches = tasks.iter().map(|task| (task.clone(), probe.clone())).collect();
    let budgets = options.budget.budgets(Cost::default());
    let mut engine = Engine::new(searches, budgets, options.seed);
    let mut rates = vec![0.0; tasks.len()];
    crew::work(crew, &mut engine, (tasks, answers), &mut |engine, solved| {
        let known = engine.known(solved.problem);
        let passes = |slot: &Option<Digest>| {
            let cells = slot.and_then(|program| known.cells(program, Cases::Visible));
            cells.is_some_and(|cells| cells.iter().all(|cell| cell.verdict.passed() == Some(true)))
        };
        let candidates = &solved.outcome.candidates;
        let passing = candidates.iter().filter(|slot| passes(slot)).count();
        rates[solved.problem] = passing as f64 / candidates.len().max(1) as f64;
        Ok(())
    })?;
    let budget = u64::from(average) * tasks.len() as u64;
    let given = allocate(&rates, budget, (u64::from(first), u64::from(average) * 8));
    given.into_iter().map(|tests| with(u32::try_from(tests).unwrap_or(u32::MAX))).collect()
}

/// What is written of a solved problem.
pub(super) struct Written {
    candidates: Vec<Candidate>,
    selection: Selection,
    notes: Vec<String>,
    /// Questions whose answer failed: run again, they are asked again.
    faults: u32,
}

impl Written {
    fn of(engine: &Engine, method: &Method, solved: &Solved) -> Written {
        let problem = engine.task(solved.problem).problem();
        let known = engine.known(solved.problem);
        let index = |at: usize| u32::try_from(at).expect("there are not so many candidates");
        let candidates = solved.outcome.candidates.iter().enumerate();
        let candidates = candidates.map(|(at, slot)| Candidate {
            index: index(at),
            source: Source { name: "solve".to_owned(), ..Source::default() },
            // What had no program is kept as an empty completion.
            ..bare(
                problem,
                slot.is_none().then(String::new),
                slot.map(|program| known.text(program).to_owned()),
            )
        });
        let Cost { samples, tokens_in, tokens_out, executions, scores, .. } = solved.cost;
        let cost = json!({
            "samples": samples, "tokens_in": tokens_in, "tokens_out": tokens_out,
            "executions": executions, "scores": scores,
        });
        let faults = solved.refused.iter().filter(|(why, _)| matches!(why, Refusal::Fault(_)));
        let mut notes = solved.outcome.notes.clone();
        notes.extend(
            solved.refused.iter().map(|(why, n)| format!("{n} questions without an answer: {why}")),
        );
        Written {
            faults: faults.map(|(_, n)| n).sum(),
            candidates: candidates.collect(),
            selection: Selection {
                problem: problem.id.clone(),
                rule: method.to_string(),
                chosen: solved.outcome.chosen.map(index),
                ties: solved.outcome.ties.iter().map(|&at| index(at)).collect(),
                note: notes.join("; "),
                extra: Extra::from_iter([("cost".to_owned(), cost)]),
            },
            notes,
        }
    }

    /// The chosen program.
    fn program(&self) -> Option<&str> {
        self.candidates.get(self.selection.chosen? as usize)?.program.as_deref()
    }
}

fn write_records<'a, T: Record + 'a>(
    path: &Path,
    provenance: Extra,
    records: impl Iterator<Item = &'a T>,
) -> Result<(), Failure> {
    write_rows(path, |file| {
        let mut writer = record::Writer::new(file, &Header::new::<T>(provenance))?;
        for record in records {
            writer.write(record)?;
        }
        writer.flush()
    })
}

fn report(
    terminal: Terminal,
    options: &Options,
    written: &BTreeMap<usize, Written>,
    spent: Cost,
) -> Result<Outcome, Failure> {
    if let [only] = &written.values().collect::<Vec<_>>()[..]
        && let Some(program) = only.program()
    {
        terminal.print(program.trim_end());
    }
    let chosen = written.values().filter(|written| written.program().is_some()).count();
    let mut notes: BTreeMap<&str, u32> = BTreeMap::new();
    for note in written.values().flat_map(|written| &written.notes) {
        *notes.entry(note).or_default() += 1;
    }
    terminal.note(&format!(
        "{chosen} of {} problems have a program; {} samples, {} tokens read, {} written, {} programs \
         run ({:.1} s of CPU), {} scored{}; written to {}",
        written.len(),
        spent.samples,
        spent.tokens_in,
        spent.tokens_out,
        spent.executions,
        spent.cpu_ms / 1e3,
        spent.scores,
        if spent.usd > 0.0 { format!(", {:.4} $", spent.usd) } else { String::new() },
        options.out.display()
    ));
    for (note, n) in &notes {
        terminal.note(&format!("  {n:>6}  {note}"));
    }
    let faults: u32 = written.values().map(|written| written.faults).sum();
    if faults > 0 {
        let said = format!("{faults} questions failed: the same command asks them again");
        return Err(Failure::fault(anyhow::anyhow!(said), "the search is not whole"));
    }
    Ok(Outcome::done(json!({
        "verb": "solve", "out": options.out, "method": options.method.to_string(),
        "problems": written.len(), "chosen": chosen, "spent": spent, "notes": notes,
    })))
}

/// The prompts in the box, with a folder's in their place.
pub(crate) fn read_prompts(folder: Option<&Path>) -> Result<Prompts, Failure> {
    let mut others = BTreeMap::new();
    if let Some(folder) = folder {
        let fail = |error| Failure::input(format!("cannot read {}: {error}", folder.display()));
        for entry in fs::read_dir(folder).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            if path.extension().is_some_and(|ending| ending == "txt")
                && let Some(name) = path.file_stem().and_then(|name| name.to_str())
            {
                others.insert(name.to_owned(), fs::read_to_string(&path).map_err(fail)?);
            }
        }
        if others.is_empty() {
            return Err(Failure::input(format!("{} holds no NAME.txt", folder.display())));
        }
    }
    Prompts::new(&others).map_err(|error| Failure::Input(anyhow::Error::new(error)))
}

/// Recorded completions by problem, in the order in which they stand for samples.
pub(crate) type Recorded<'a> = BTreeMap<&'a str, Vec<Candidate>>;

/// Plays methods on recorded completions; what was run or scored once is known to all.
pub(crate) struct Replay<'a> {
    scorer: &'a Scorer,
    sandbox: &'a Sandbox,
    bounds: Bounds,
    policy: Policy,
    answers: Answers,
}

impl<'a> Replay<'a> {
    /// Answers are kept in the file, if there is one.
    pub(crate) fn new(
        scorer: &'a Scorer,
        (sandbox, bounds): (&'a Sandbox, Bounds),
        policy: Policy,
        answers: Option<&Path>,
    ) -> Result<Replay<'a>, Failure> {
        let answers = match answers {
            Some(path) => Answers::open(path)?,
            None => Answers::in_memory(),
        };
        Ok(Replay { scorer, sandbox, bounds, policy, answers })
    }

    /// What a method chooses for each problem of `recorded`, in their order, and what it cost.
    pub(crate) fn play(
        &mut self,
        method: &Method,
        problems: &Problems,
        recorded: Recorded<'_>,
    ) -> Result<Vec<(codescaler_search::Outcome, Cost)>, Failure> {
        let by_id: BTreeMap<&str, _> =
            problems.iter().map(|problem| (problem.id.as_str(), problem)).collect();
        let tasks: Vec<Task> = recorded.keys().map(|id| Task::of(by_id[id])).collect();
        let writers = Writers::Recorded(recorded);
        let crew = Crew {
            writers: &writers,
            sandbox: self.sandbox,
            slots: codescaler_sandbox::Options::default().slots,
            bounds: self.bounds,
            scorer: self.scorer,
            prompts: read_prompts(None)?,
            policy: self.policy,
            seed: 0,
            deadline: None,
        };
        let budgets = (Budget::default(), Budget::default());
        let searches = tasks.iter().map(|task| (task.clone(), method.clone())).collect();
        let mut engine = Engine::new(searches, budgets, 0);
        let mut found = BTreeMap::new();
        crew::work(&crew, &mut engine, (&tasks, &mut self.answers), &mut |_, solved| {
            found.insert(solved.problem, (solved.outcome, solved.cost));
            Ok(())
        })?;
        Ok(found.into_values().collect())
    }
}
