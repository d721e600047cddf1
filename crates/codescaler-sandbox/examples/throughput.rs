//! How many programs per second the sandbox judges, and what each costs.
//!
//! `cargo run --release -p codescaler-sandbox --example throughput -- PROBLEMS CANDIDATES \
//!     [repeat=N] [slots=N] [level=0|1|4] [python=PATH] [show=1]`
//!
//! The files are our own records (see `codescaler::record`), uncompressed; a candidate is run on
//! all tests of its problem. CPU time is that of the supervisor, the zygotes and the programs
//! together, their start included.

use std::{
    collections::BTreeMap, error::Error, fs::File, io::BufReader, ops::ControlFlow, time::Instant,
};

use codescaler::{
    candidate::Candidate,
    execution::Verdict,
    problem::{Problem, Test},
    record::Reader,
};
use codescaler_sandbox::{Cases, Job, Level, Options, Sandbox};

/// CPU time of this process and of all that it has waited for, in ticks of 10 ms.
fn cpu_s() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(4);
    Ok(fields.map(|field| field.parse::<f64>().unwrap_or(0.0)).sum::<f64>() / 100.0)
}

#[expect(clippy::print_stdout, reason = "an example talks to a person")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, problems, candidates, rest @ ..] = arguments.as_slice() else {
        return Err("give a file of problems and a file of candidates".into());
    };
    let option = |name: &str| {
        rest.iter().find_map(|text| text.strip_prefix(name)?.strip_prefix('='))
    };
    let repeat: usize = option("repeat").map_or(Ok(1), str::parse)?;
    let mut options = Options { weak_isolation_allowed: true, ..Options::default() };
    options.python = option("python").map(Into::into);
    if let Some(slots) = option("slots") {
        options.slots = slots.parse()?;
    }
    options.level_max = match option("level") {
        Some("0") => Level::L0,
        Some("1") => Level::L1,
        Some(_) | None => Level::L4,
    };
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
    let jobs: Vec<Job<'_>> = candidates
        .iter()
        .filter_map(|candidate| {
            Some(Job {
                program: candidate.program.as_deref()?,
                language: candidate.language,
                entry: &problems[&candidate.problem].entry,
                cases: Cases::Tests(&tests[candidate.problem.as_str()]),
                limits: problems[&candidate.problem].limits,
                stop_at_first_failure: false,
            })
        })
        .collect();
    let jobs: Vec<Job<'_>> = std::iter::repeat_n(jobs, repeat).flatten().collect();
    let name_of = |index: usize| {
        let candidate = &candidates[index % candidates.len()];
        format!("{} {}", candidate.problem, candidate.index)
    };
    let sandbox = Sandbox::start(&options)?;
    println!("protection {}, python {}", sandbox.protection(), sandbox.python_version());
    println!("missing: {:?}", sandbox.protection().lost());
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    let (mut n_passed, mut program_cpu_ms) = (0, 0.0);
    let started = Instant::now();
    sandbox.run_all(&jobs, &mut |index, result| {
        match result {
            Ok(run) => {
                program_cpu_ms += run.cpu_ms;
                n_passed += usize::from(run.cases.iter().all(|case| case.verdict == Verdict::Pass));
                for case in &run.cases {
                    *verdicts.entry(case.verdict.to_string()).or_default() += 1;
                }
                let failed = run.cases.iter().find(|case| case.verdict != Verdict::Pass);
                if let (Some(case), Some(_)) = (failed, option("show")) {
                    println!("{}: {} {}", name_of(index), case.verdict, case.detail);
                }
            }
            Err(fault) => {
                println!("{}: fault {fault}", name_of(index));
                *verdicts.entry("fault".to_owned()).or_default() += 1;
            }
        }
        ControlFlow::Continue(())
    });
    let wall_s = started.elapsed().as_secs_f64();
    drop(sandbox);
    #[expect(clippy::cast_precision_loss, reason = "counts for a person")]
    let n = jobs.len() as f64;
    println!(
        "{n} candidates ({n_passed} pass all) in {wall_s:.2} s: {:.0} per second, {:.2} ms of CPU \
         each, {:.2} of it in the program; {verdicts:?}",
        n / wall_s,
        cpu_s()? * 1e3 / n,
        program_cpu_ms / n,
    );
    Ok(())
}
