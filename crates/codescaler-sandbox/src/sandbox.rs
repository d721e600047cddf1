//! Slots, queues and retries.

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    language::Language,
    problem::Entry,
};

use crate::{
    calls,
    doctor::python_found,
    job::{Case, CaseRun, Job, Run},
    protection::{Level, Plan, Protection},
    script::{self, Tester},
    verdict::{Used, Work},
    whole,
    zygote::{NoZygote, Prelude, Zygote},
};

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many programs run at once. More than there are cores makes time limits unfair.
    pub slots: usize,
    /// Whether to start even below [`Level::L1`].
    pub weak_isolation_allowed: bool,
    /// Layers of higher levels are left out: to try here what a machine with less would give.
    pub level_max: Level,
    /// What programs' randomness is seeded with.
    pub seed: u64,
    /// The interpreter, 3.9 or newer; by default the system's.
    pub python: Option<PathBuf>,
    /// Which programs start with common imports done for them.
    pub prelude: Prelude,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            slots: thread::available_parallelism().map_or(1, usize::from),
            weak_isolation_allowed: false,
            level_max: Level::L4,
            seed: 0,
            python: None,
            prelude: Prelude::default(),
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no interpreter.
    #[error("no python3 in {searched}: install Python 3.9 or newer, or name one")]
    NoPython {
        /// Where it was looked for.
        searched: String,
    },
    /// The interpreter does not become a zygote.
    #[error("the sandbox does not start")]
    Broken(#[source] Fault),
    /// Programs could do harm here.
    #[error(
        "this machine protects from programs only at level {} ({}); allow weak isolation to go on",
        .0.level(), .0.lost().join("; ")
    )]
    Weak(Box<Protection>),
}

/// Runs programs, as many at a time as it has slots.
///
/// One sandbox serves many threads. Dropping it ends its processes.
pub struct Sandbox {
    options: Options,
    python: PathBuf,
    python_version: String,
    plan: Plan,
    protection: Protection,
    free: Mutex<Vec<Slot>>,
    freed: Condvar,
}

/// What one program at a time runs in. Zygotes start when they are first needed.
#[derive(Default)]
struct Slot {
    programs: Option<Zygote>,
    tester: Option<Tester>,
}

/// How often a fault of ours is tried again.
const RETRIES_MAX: u32 = 2;

impl Sandbox {
    /// Starts the first zygote, in as many layers of protection as this machine has, and tries
    /// from inside what a program could do.
    ///
    /// # Errors
    /// There is no interpreter, it does not work, or protection is below [`Level::L1`] and
    /// [`Options::weak_isolation_allowed`] is not set.
    pub fn start(options: &Options) -> Result<Sandbox, StartError> {
        let python = match &options.python {
            Some(python) => python.clone(),
            None => python_found()?,
        };
        let mut plan = Plan::up_to(options.level_max);
        let mut missing = Vec::new();
        let mut zygote = loop {
            match Zygote::start(&python, &plan, false) {
                Ok(zygote) => break zygote,
                Err(NoZygote::Layer(layer, why)) => {
                    let switch = match layer.as_str() {
                        "namespaces" => &mut plan.namespaces,
                        "landlock" => &mut plan.landlock,
                        _ => &mut plan.seccomp,
                    };
                    *switch = false;
                    missing.push(format!("{layer}: {why}"));
                }
                Err(NoZygote::Broken(fault)) => return Err(StartError::Broken(fault)),
            }
        };
        let protection = Protection::probe(&mut zygote, &missing).map_err(StartError::Broken)?;
        if protection.level() < Level::L1 && !options.weak_isolation_allowed {
            return Err(StartError::Weak(Box::new(protection)));
        }
        let python_version = zygote.version().to_owned();
        let mut free: Vec<Slot> = Vec::new();
        free.resize_with(options.slots.max(1), Slot::default);
        if let Some(first) = free.last_mut() {
            first.programs = Some(zygote);
        }
        Ok(Sandbox {
            options: options.clone(),
            python,
            python_version,
            plan,
            protection,
            free: Mutex::new(free),
            freed: Condvar::new(),
        })
    }

    /// What is in force here.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The version of the interpreter that programs run in.
    pub fn python_version(&self) -> &str {
        &self.python_version
    }

    /// Runs one program; waits for a free slot first.
    ///
    /// # Errors
    /// A fault: no verdict on the program. Faults of our own processes were tried three times.
    pub fn run(&self, job: &Job<'_>) -> Result<Run, Fault> {
        if job.language != Language::Python {
            return Err(Fault {
                kind: FaultKind::Missing,
                message: format!("programs in {} cannot be run yet, only python", job.language),
            });
        }
        let chunks = chunked(job)?;
        let mut slot = self.take();
        let mut result = self.try_run(&mut slot, job, &chunks);
        for _ in 0..RETRIES_MAX {
            match &result {
                Err(fault) if is_passing(fault.kind) => {
                    slot = Slot::default();
                    result = self.try_run(&mut slot, job, &chunks);
                }
                Ok(_) | Err(_) => break,
            }
        }
        if result.is_err() || slot.is_worn() {
            slot = Slot::default();
        }
        self.give_back(slot);
        result
    }

    /// Runs many programs on all slots, and gives each result to `sink` as it comes, with the
    /// job's index. `sink` is called on this thread; when it breaks, no further job begins and
    /// results that still come are dropped.
    pub fn run_all(
        &self,
        jobs: &[Job<'_>],
        sink: &mut (dyn FnMut(usize, Result<Run, Fault>) -> ControlFlow<()> + Send),
    ) {
        let next = AtomicUsize::new(0);
        let stopped = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.options.slots.max(1).min(jobs.len()) {
                let (sender, next, stopped) = (sender.clone(), &next, &stopped);
                scope.spawn(move || {
                    while !stopped.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { return };
                        if sender.send((index, self.run(job))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for (index, result) in &receiver {
                if sink(index, result).is_break() {
                    stopped.store(true, Ordering::Relaxed);
                    break;
                }
            }
        });
    }

    fn take(&self) -> Slot {
        let mut free = self.free.lock().expect("no thread panics while it holds the slots");
        loop {
            match free.pop() {
                Some(slot) => return slot,
                None => {
                    free =
                        self.freed.wait(free).expect("no thread panics while it holds the slots");
                }
            }
        }
    }

    fn give_back(&self, slot: Slot) {
        self.free.lock().expect("no thread panics while it holds the slots").push(slot);
        self.freed.notify_one();
    }

    fn try_run(&self, slot: &mut Slot, job: &Job<'_>, chunks: &[Chunk<'_>]) -> Result<Run, Fault> {
        let started = Instant::now();
        let target = match job.entry {
            Entry::Stdio | Entry::Script => (None, None),
            Entry::Function { name } => (None, Some(name.as_str())),
            Entry::Method { class, name } => (Some(class.as_str()), Some(name.as_str())),
        };
        let work = Work {
            program: job.program,
            target,
            limits: job.limits,
            prelude: job.prelude,
            common_names: job.prelude.is_empty()
                && match self.options.prelude {
                    Prelude::Methods => matches!(job.entry, Entry::Method { .. }),
                    Prelude::Everything => true,
                    Prelude::Nothing => false,
                },
            seed: self.options.seed,
            stop_at_first_failure: job.stop_at_first_failure,
        };
        let mut used = Used::default();
        let mut cases: Vec<CaseRun> = Vec::new();
        let mut n_cases = 0;
        for chunk in chunks {
            n_cases += chunk.len();
            if !work.stops_after(&cases) {
                cases.extend(self.run_chunk(slot, &work, chunk, &mut used)?);
            }
            // What was left out, was left out because of a failure before it.
            cases.resize(n_cases, CaseRun::failed(Verdict::Skipped, String::new()));
        }
        Ok(Run {
            cases,
            cpu_ms: used.cpu_ms,
            wall_ms: started.elapsed().as_secs_f64() * 1e3,
            peak_memory_kib: used.peak_memory_kib,
        })
    }

    fn run_chunk(
        &self,
        slot: &mut Slot,
        work: &Work<'_>,
        chunk: &Chunk<'_>,
        used: &mut Used,
    ) -> Result<Vec<CaseRun>, Fault> {
        let programs = match &mut slot.programs {
            Some(zygote) => zygote,
            place @ None => place.insert(self.zygote(false)?),
        };
        match chunk {
            Chunk::Calls(list) => calls::run(programs, work, list, used),
            Chunk::Texts(list) => whole::run(programs, work, list, used),
            Chunk::Codes(list) => {
                let tester = match &mut slot.tester {
                    Some(tester) => tester,
                    place @ None => place.insert(Tester::new(self.zygote(true)?)),
                };
                script::run((programs, tester), work, list, used)
            }
        }
    }

    fn zygote(&self, tester: bool) -> Result<Zygote, Fault> {
        Zygote::start(&self.python, &self.plan, tester).map_err(|error| match error {
            NoZygote::Broken(fault) => fault,
            NoZygote::Layer(layer, why) => Fault {
                kind: FaultKind::Worker,
                message: format!("{layer} could be put in place before, but not now: {why}"),
            },
        })
    }
}

impl Slot {
    fn is_worn(&self) -> bool {
        let testers = self.tester.iter().map(|tester| &tester.zygote);
        self.programs.iter().chain(testers).any(Zygote::is_worn)
    }
}

/// Whether trying again may help.
fn is_passing(kind: FaultKind) -> bool {
    match kind {
        FaultKind::Worker | FaultKind::Resource | FaultKind::Overload => true,
        FaultKind::Test | FaultKind::Missing | FaultKind::Cancelled => false,
    }
}

/// Cases of one kind in a row.
enum Chunk<'a> {
    Calls(Vec<calls::Call<'a>>),
    Texts(Vec<whole::Text<'a>>),
    Codes(Vec<&'a str>),
}

impl Chunk<'_> {
    fn len(&self) -> usize {
        match self {
            Chunk::Calls(list) => list.len(),
            Chunk::Texts(list) => list.len(),
            Chunk::Codes(list) => list.len(),
        }
    }
}

/// The job's cases by kind, in order.
fn chunked<'a>(job: &Job<'a>) -> Result<Vec<Chunk<'a>>, Fault> {
    let mut chunks: Vec<Chunk<'a>> = Vec::new();
    for case in job.cases.list() {
        match (job.entry, case) {
            (Entry::Stdio, Case::Stdio { stdin, expected }) => match chunks.last_mut() {
                Some(Chunk::Texts(list)) => list.push((stdin, expected)),
                Some(Chunk::Calls(_) | Chunk::Codes(_)) | None => {
                    chunks.push(Chunk::Texts(vec![(stdin, expected)]));
                }
            },
            (Entry::Function { .. } | Entry::Method { .. }, Case::Call { args, expected }) => {
                match chunks.last_mut() {
                    Some(Chunk::Calls(list)) => list.push((args, expected)),
                    Some(Chunk::Texts(_) | Chunk::Codes(_)) | None => {
                        chunks.push(Chunk::Calls(vec![(args, expected)]));
                    }
                }
            }
            (
                Entry::Function { .. } | Entry::Method { .. } | Entry::Script,
                Case::Script { code },
            ) => match chunks.last_mut() {
                Some(Chunk::Codes(list)) => list.push(code),
                Some(Chunk::Texts(_) | Chunk::Calls(_)) | None => {
                    chunks.push(Chunk::Codes(vec![code]));
                }
            },
            (Entry::Stdio, Case::Call { .. } | Case::Script { .. })
            | (Entry::Function { .. } | Entry::Method { .. }, Case::Stdio { .. })
            | (Entry::Script, Case::Call { .. } | Case::Stdio { .. }) => {
                return Err(Fault {
                    kind: FaultKind::Test,
                    message: "a test is of another kind than the problem's entry point".to_owned(),
                });
            }
        }
    }
    Ok(chunks)
}
