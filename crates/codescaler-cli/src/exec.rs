//! `codescaler exec`: programs × tests → executions, in the sandbox.

use std::{
    collections::BTreeMap,
    num::{NonZeroU64, NonZeroUsize},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use codescaler::{
    execution::{Execution, Fault, Timing, Verdict},
    inputs::{self, Input, MutateOptions},
    problem::{Limits, Suite},
    record::{Extra, Header},
    seed::derive,
};
use codescaler_extract::Policy;
use codescaler_reward::program_of;
use codescaler_sandbox::{Cases, Job, Run, Sandbox};
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{Candidates, Joined, Opened, Output, Problems, fingerprint},
    merge::Shard,
    stage::{self, Emit, Item},
    terminal::Terminal,
};

/// Which tests to run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SuiteOption {
    /// Tests that the statement shows: their verdicts may be used to select.
    Visible,
    /// Tests that decide: their verdicts are labels.
    Hidden,
    /// Inputs made from the visible ones, without expected outputs: what comes out is evidence.
    Inputs,
}

impl From<SuiteOption> for Suite {
    fn from(option: SuiteOption) -> Suite {
        match option {
            SuiteOption::Visible => Suite::Visible,
            SuiteOption::Hidden => Suite::Hidden,
            SuiteOption::Inputs => Suite::Inputs,
        }
    }
}

/// Run candidates on tests in the sandbox.
///
/// Expected values never enter the candidate's process; verdicts come from what the parent
/// observes. A fault of ours is written as a fault, never as a verdict. What it cost is written
/// beside the verdicts, in `NAME.timings.jsonl`, because a clock never reads the same twice.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler exec --problems problems.jsonl --candidates candidates.jsonl --suite visible \\
      --out visible.jsonl")]
pub(crate) struct Options {
    /// The problems, with their tests.
    #[arg(long)]
    problems: PathBuf,
    /// The candidates.
    #[arg(long)]
    candidates: PathBuf,
    /// Which tests.
    #[arg(long, value_enum, default_value_t = SuiteOption::Visible)]
    suite: SuiteOption,
    /// Where to write the executions.
    #[arg(long)]
    out: PathBuf,
    /// Stop a candidate's run at its first failure; the tests left are `skipped`.
    #[arg(long)]
    stop_early: bool,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// How many inputs `--suite inputs` makes per problem, beside the visible ones.
    #[arg(long, default_value_t = 20)]
    inputs_max: usize,
    /// Their seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only a share of the problems, such as 0/4; `codescaler merge` puts the shares together.
    #[arg(long)]
    shard: Option<Shard>,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// Bounds that stand above the problems' own.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// CPU time that one test may use, in milliseconds; by default what the problem says.
    #[arg(long)]
    cpu_ms_max: Option<NonZeroU64>,
    /// Memory that a program may use, in MiB; by default what the problem says.
    #[arg(long)]
    memory_mib_max: Option<NonZeroU64>,
}

impl Bounds {
    /// The problem's limits, with these in their place.
    pub(crate) fn of(self, limits: Limits) -> Limits {
        let or = |chosen: Option<NonZeroU64>, given| chosen.map_or(given, NonZeroU64::get);
        Limits {
            cpu_ms_max: or(self.cpu_ms_max, limits.cpu_ms_max),
            memory_mib_max: or(self.memory_mib_max, limits.memory_mib_max),
        }
    }
}

/// How the sandbox is set up.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SandboxOptions {
    /// How many programs run at once; one per core by default.
    #[arg(long)]
    slots: Option<NonZeroUsize>,
    /// Run even where the machine cannot isolate programs (see `codescaler doctor`).
    #[arg(long)]
    allow_weak_isolation: bool,
    /// The Python to run programs with; by default the newest found.
    #[arg(long)]
    python: Option<PathBuf>,
}

impl SandboxOptions {
    /// How many programs run at once.
    pub(crate) fn slots(&self) -> usize {
        self.slots.map_or(codescaler_sandbox::Options::default().slots, NonZeroUsize::get)
    }

    /// The same options as words of a command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let slots = self.slots.map(|slots| format!("--slots={slots}"));
        let weak = self.allow_weak_isolation.then(|| "--allow-weak-isolation".to_owned());
        let python = self.python.as_deref().map(|path| format!("--python={}", path.display()));
        slots.into_iter().chain(weak).chain(python).collect()
    }

    /// Starts the sandbox.
    pub(crate) fn start(&self, terminal: Terminal) -> Result<Sandbox, Failure> {
        let mut options = codescaler_sandbox::Options {
            slots: self.slots(),
            weak_isolation_allowed: self.allow_weak_isolation,
            python: self.python.clone(),
            ..codescaler_sandbox::Options::default()
        };
        options.search.extend(search_path());
        let sandbox = Sandbox::start(&options)
            .map_err(|error| Failure::fault(error, "the sandbox does not start"))?;
        terminal.note(&format!("sandbox: {}", sandbox.protection()));
        Ok(sandbox)
    }
}

/// Where the user keeps compilers.
pub(crate) fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect()
}

/// What a suite of executions is to be run with.
pub(crate) struct Work<'a> {
    /// Where programs run.
    pub(crate) sandbox: &'a Sandbox,
    /// Which tests.
    pub(crate) suite: Suite,
    /// Which block of a completion is the program.
    pub(crate) policy: Policy,
    /// Whether to stop a candidate's run at its first failure.
    pub(crate) stop_early: bool,
    /// How many inputs to make per problem.
    pub(crate) inputs_max: usize,
    /// Their seed.
    pub(crate) seed: u64,
    /// Bounds of one test.
    pub(crate) bounds: Bounds,
}

impl Work<'_> {
    /// What executions are stored with.
    pub(crate) fn provenance(&self) -> Extra {
        let mut provenance = Extra::from_iter([
            ("suite".to_owned(), json!(self.suite.to_string())),
            ("policy".to_owned(), json!(self.policy.to_string())),
            ("stop_early".to_owned(), json!(self.stop_early)),
            ("inputs_max".to_owned(), json!(self.inputs_max)),
            ("seed".to_owned(), json!(self.seed)),
        ]);
        let bounds = [
            ("cpu_ms_max", self.bounds.cpu_ms_max),
            ("memory_mib_max", self.bounds.memory_mib_max),
        ];
        for (name, bound) in bounds {
            if let Some(bound) = bound {
                provenance.insert(name.to_owned(), json!(bound));
            }
        }
        provenance
    }
}

/// What a suite of executions came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// Executions made now.
    pub(crate) made: u64,
    /// Executions found from an earlier run.
    pub(crate) found: u64,
    /// Candidates that passed every test, of those made now.
    pub(crate) passed: u64,
    /// Executions that ended in a fault, of those made now.
    pub(crate) faults: u64,
    /// Verdicts of single tests, of those made now.
    pub(crate) verdicts: BTreeMap<String, u64>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read(&options.problems)?;
    let sandbox = options.sandbox.start(terminal)?;
    let work = Work {
        sandbox: &sandbox,
        suite: options.suite.into(),
        policy: options.policy,
        stop_early: options.stop_early,
        inputs_max: options.inputs_max,
        seed: options.seed,
        bounds: options.bounds,
    };
    let mut provenance = work.provenance();
    provenance.insert("problems".to_owned(), json!(fingerprint(&options.problems)?));
    provenance.insert("candidates".to_owned(), json!(fingerprint(&options.candidates)?));
    if let Some(shard) = options.shard {
        provenance.insert("shard".to_owned(), json!(shard.to_string()));
    }
    let candidates = Joined::open(&options.candidates, &problems)?.of_shard(options.shard);
    let tally = execute_all(
        terminal,
        (&options.candidates, candidates),
        (&options.out, &provenance),
        &work,
    )?;
    let Some(tally) = tally else {
        terminal.note(&format!("{} is whole already", options.out.display()));
        return Ok(Outcome::done(json!({"verb": "exec", "out": options.out, "made": 0})));
    };
    terminal.print(&format!(
        "{} candidates run on {} tests, {} passed all, {} faults; written to {}",
        tally.made,
        work.suite,
        tally.passed,
        tally.faults,
        options.out.display()
    ));
    for (verdict, n) in &tally.verdicts {
        terminal.print(&format!("  {n:>8}  {verdict}"));
    }
    Ok(Outcome::done(json!({
        "verb": "exec", "out": options.out, "suite": work.suite.to_string(),
        "protection": sandbox.protection().level().to_string(), "found": tally.found, "made": tally.made,
        "passed": tally.passed, "faults": tally.faults, "verdicts": tally.verdicts,
    })))
}

/// Where the timings of an executions file stand.
pub(crate) fn timings_of(executions: &Path) -> PathBuf {
    executions.with_extension("timings.jsonl")
}

/// The stage itself, which `demo` runs too.
pub(crate) fn execute_all(
    terminal: Terminal,
    candidates: (&Path, Candidates<'_>),
    (out, provenance): (&Path, &Extra),
    work: &Work<'_>,
) -> Result<Option<Tally>, Failure> {
    let timings = timings_of(out);
    if !out.exists() && timings.exists() {
        return Err(Failure::input(format!(
            "{} exists without {}: delete it to start anew",
            timings.display(),
            out.display()
        )));
    }
    let mut costs =
        match Output::open::<Timing>(&timings, &Header::new::<Timing>(provenance.clone()))? {
            Opened::Whole => None,
            Opened::Open(output, _) => Some(output),
        };
    let mut tally = Tally::default();
    let header = Header::new::<Execution>(provenance.clone());
    let progress =
        stage::run(terminal, candidates, (out, &header), work.suite.name(), |batch, emit| {
            let mut both = |(execution, timing): (Execution, Option<Timing>)| {
                tally.made += 1;
                tally.passed += u64::from(execution.passed() == Some(true));
                tally.faults += u64::from(execution.fault.is_some());
                for verdict in &execution.verdicts {
                    *tally.verdicts.entry(verdict.to_string()).or_default() += 1;
                }
                if let (Some(costs), Some(timing)) = (&mut costs, timing) {
                    costs.write(&timing)?;
                    costs.flush()?;
                }
                emit(execution)
            };
            execute_batch(batch, work, &mut both)
        })?;
    if let Some(costs) = costs {
        costs.finish()?;
    }
    Ok(progress.map(|progress| Tally { found: progress.found, ..tally }))
}

/// Runs a batch on all slots and emits in the order of the batch.
fn execute_batch(
    batch: &[Item<'_>],
    work: &Work<'_>,
    emit: &mut Emit<'_, (Execution, Option<Timing>)>,
) -> Result<(), Failure> {
    let programs: Vec<Result<_, String>> =
        batch.iter().map(|item| program_of(&item.candidate, item.problem, work.policy)).collect();
    let inputs = inputs_of(batch, work);
    let mut places = Vec::new();
    let mut jobs = Vec::new();
    for (place, (item, program)) in batch.iter().zip(&programs).enumerate() {
        if let Ok(program) = program {
            places.push(place);
            jobs.push(Job {
                program,
                prelude: &item.problem.prelude,
                language: item.candidate.language,
                entry: &item.problem.entry,
                cases: match work.suite {
                    Suite::Inputs => Cases::Inputs(&inputs[item.problem.id.as_str()]),
                    Suite::Visible => Cases::Tests(&item.problem.tests.visible),
                    Suite::Hidden => Cases::Tests(&item.problem.tests.hidden),
                },
                limits: work.bounds.of(item.problem.limits),
                stop_at_first_failure: work.stop_early,
            });
        }
    }
    let mut waiting: BTreeMap<usize, Result<Run, Fault>> = BTreeMap::new();
    let mut next = 0;
    let mut stopped = None;
    let mut drain = |waiting: &mut BTreeMap<usize, Result<Run, Fault>>| -> Result<(), Failure> {
        while let Some(item) = batch.get(next) {
            let record = match (&programs[next], waiting.remove(&next)) {
                (Err(reason), _) => {
                    let n_inputs = inputs.get(item.problem.id.as_str()).map_or(0, Vec::len);
                    (without_program(item, work, reason, n_inputs), None)
                }
                (Ok(_), Some(result)) => recorded(item, work, result),
                (Ok(_), None) => break,
            };
            emit(record)?;
            next += 1;
        }
        Ok(())
    };
    drain(&mut waiting)?;
    work.sandbox.run_all(&jobs, &mut |job, result| {
        waiting.insert(places[job], result);
        match drain(&mut waiting) {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                stopped = Some(failure);
                ControlFlow::Break(())
            }
        }
    });
    stopped.map_or(Ok(()), Err)
}

/// The inputs to run, by problem; none for suites of tests.
fn inputs_of<'a>(batch: &[Item<'a>], work: &Work<'_>) -> BTreeMap<&'a str, Vec<Input>> {
    if work.suite != Suite::Inputs {
        return BTreeMap::new();
    }
    batch
        .chunk_by(|a, b| a.problem.id == b.problem.id)
        .map(|group| {
            let problem = group[0].problem;
            let seed = derive(work.seed, &["inputs", &problem.id]);
            let mut inputs = inputs::visible(problem);
            let options = MutateOptions { inputs_max: work.inputs_max, ..MutateOptions::default() };
            inputs.extend(inputs::mutate(problem, &options, seed));
            (problem.id.as_str(), inputs)
        })
        .collect()
}

fn blank(item: &Item<'_>, work: &Work<'_>) -> Execution {
    Execution {
        problem: item.candidate.problem.clone(),
        index: item.candidate.index,
        suite: work.suite,
        verdicts: Vec::new(),
        fault: None,
        detail: None,
        outputs: Vec::new(),
        protection: work.sandbox.protection().level().to_string(),
        cpu_ms: None,
        extra: Extra::new(),
    }
}

/// No program: every test fails, as it would if the empty text were compiled.
fn without_program(item: &Item<'_>, work: &Work<'_>, reason: &str, n_inputs: usize) -> Execution {
    let (n_cases, outputs) = match work.suite {
        Suite::Visible => (item.problem.tests.visible.len(), Vec::new()),
        Suite::Hidden => (item.problem.tests.hidden.len(), Vec::new()),
        Suite::Inputs => (n_inputs, vec![None; n_inputs]),
    };
    Execution {
        verdicts: vec![Verdict::CompileError; n_cases],
        outputs,
        detail: Some(format!("no program: {reason}")),
        ..blank(item, work)
    }
}

fn recorded(
    item: &Item<'_>,
    work: &Work<'_>,
    result: Result<Run, Fault>,
) -> (Execution, Option<Timing>) {
    let execution = blank(item, work);
    let run = match result {
        Ok(run) => run,
        Err(fault) => return (Execution { fault: Some(fault), ..execution }, None),
    };
    let timing = Timing {
        problem: execution.problem.clone(),
        index: execution.index,
        suite: work.suite,
        cpu_ms: run.cpu_ms,
        wall_ms: run.wall_ms,
        memory_kib: run.peak_memory_kib,
        extra: Extra::new(),
    };
    let failed = run.cases.iter().enumerate().find(|(_, case)| case.verdict != Verdict::Pass);
    let detail = failed.map(|(at, case)| match work.suite {
        Suite::Hidden => format!("test {at}"),
        Suite::Visible | Suite::Inputs => format!("test {at}: {}", case.detail),
    });
    let outputs = match work.suite {
        // Outputs on visible inputs are evidence; what a program does on hidden ones is not kept.
        Suite::Visible | Suite::Inputs => run
            .cases
            .iter()
            .map(|case| case.output.as_ref().map(|output| format!("{:016x}", output.digest())))
            .collect(),
        Suite::Hidden => Vec::new(),
    };
    let verdicts = run.cases.iter().map(|case| case.verdict).collect();
    (Execution { verdicts, detail, outputs, ..execution }, Some(timing))
}
