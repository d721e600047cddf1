//! How many programs per second the sandbox judges, and what each costs.
//!
//! `cargo run --release -p codescaler-sandbox --example throughput -- PROBLEMS CANDIDATES \
//!     [repeat=N] [slots=N] [level=0|1|4] [prelude=all] [python=PATH] [show=1]`
//!
//! The files are our own records (see `codescaler::record`), uncompressed; a candidate is run on
//! all tests of its problem. CPU time is that of the supervisor, the zygotes and the programs
//! together, their start included.

use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{self, BufReader, Write as _},
    ops::ControlFlow,
    time::Instant,
};

use codescaler::{
    candidate::Candidate,
    execution::{Fault, Verdict},
    problem::{Problem, Test},
    record::Reader,
};
use codescaler_sandbox::{Cases, Job, Level, Options, Prelude, Run, Sandbox};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, problems, candidates, rest @ ..] = arguments.as_slice() else {
        return Err("give a file of problems and a file of candidates".into());
    };
    let option =
        |name: &str| rest.iter().find_map(|text| text.strip_prefix(name)?.strip_prefix('='));
    let repeat: usize = option("repeat").map_or(Ok(1), str::parse)?;
    let open = |path: &str| File::open(path).map(BufReader::new);
    let problems: BTreeMap<String, Problem> = Reader::new(open(problems)?, problems)?
        .map(|problem| problem.map(|problem: Problem| (problem.id.clone(), problem)))
        .collect::<Result<_, _>>()?;
    let candidates: Vec<Candidate> =
        Reader::new(open(candidates)?, candidates)?.collect::<Result<_, _>>()?;
    let tests: BTreeMap<&str, Vec<Test>> = problems
        .iter()
        .map(|(id, problem)| {
            let tests = problem.tests.visible.iter().chain(&problem.tests.hidden).cloned();
            (id.as_str(), tests.collect())
        })
        .collect();
    let jobs = candidates.iter().filter_map(|candidate| {
        let problem = problems.get(&candidate.problem)?;
        Some(Job {
            program: candidate.program.as_deref()?,
            prelude: "",
            language: candidate.language,
            entry: &problem.entry,
            cases: Cases::Tests(&tests[candidate.problem.as_str()]),
            limits: problem.limits,
            stop_at_first_failure: false,
        })
    });
    let jobs: Vec<Job<'_>> = jobs.collect();
    let jobs: Vec<Job<'_>> = std::iter::repeat_n(jobs, repeat).flatten().collect();
    let sandbox = Sandbox::start(&options(&option)?)?;
    let mut out = io::stdout();
    writeln!(
        out,
        "protection {sandbox}, missing {missing:?}, python {version}",
        sandbox = sandbox.protection(),
        missing = sandbox.protection().lost(),
        version = sandbox.python_version(),
    )?;
    let mut tally = Tally::default();
    let started = Instant::now();
    sandbox.run_all(&jobs, &mut |index, result| {
        let trouble = tally.add(result);
        if let (Some(trouble), true) = (trouble, option("show").is_some()) {
            let candidate = &candidates[index % candidates.len()];
            // A reader who has gone away does not mind.
            let _ = writeln!(out, "{} {}: {trouble}", candidate.problem, candidate.index);
        }
        ControlFlow::Continue(())
    });
    let wall_s = started.elapsed().as_secs_f64();
    drop(sandbox);
    #[expect(clippy::cast_precision_loss, reason = "counts for a person")]
    let n = jobs.len() as f64;
    writeln!(
        out,
        "{n} candidates ({passed} pass all) in {wall_s:.2} s: {rate:.0} per second, {each:.2} ms \
         of CPU each, {inside:.2} of it in the program; {verdicts:?}",
        passed = tally.n_passed,
        rate = n / wall_s,
        each = cpu_s()? * 1e3 / n,
        inside = tally.cpu_ms / n,
        verdicts = tally.verdicts,
    )?;
    Ok(())
}

fn options<'a>(option: &dyn Fn(&str) -> Option<&'a str>) -> Result<Options, Box<dyn Error>> {
    let mut options =
        Options { weak_isolation_allowed: true, results_bytes_max: 0, ..Options::default() };
    options.python = option("python").map(Into::into);
    if let Some(slots) = option("slots") {
        options.slots = slots.parse()?;
    }
    if option("prelude").is_some() {
        options.prelude = Prelude::Everything;
    }
    options.level_max = match option("level") {
        Some("0") => Level::L0,
        Some("1") => Level::L1,
        Some(_) | None => Level::L4,
    };
    Ok(options)
}

#[derive(Default)]
struct Tally {
    n_passed: usize,
    cpu_ms: f64,
    verdicts: BTreeMap<String, usize>,
}

impl Tally {
    /// Counts a result; what went wrong, if something did.
    fn add(&mut self, result: Result<Run, Fault>) -> Option<String> {
        let run = match result {
            Ok(run) => run,
            Err(fault) => {
                *self.verdicts.entry("fault".to_owned()).or_default() += 1;
                return Some(format!("fault {fault}"));
            }
        };
        self.cpu_ms += run.cpu_ms;
        for case in &run.cases {
            *self.verdicts.entry(case.verdict.to_string()).or_default() += 1;
        }
        let failed = run.cases.iter().find(|case| case.verdict != Verdict::Pass);
        self.n_passed += usize::from(failed.is_none());
        failed.map(|case| format!("{} {}", case.verdict, case.detail))
    }
}

/// CPU time of this process and of all that it has waited for, counted in ticks of 10 ms.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    Ok(fields.map(|field| field.parse::<f64>().unwrap_or(0.0)).sum::<f64>() / 100.0)
}
