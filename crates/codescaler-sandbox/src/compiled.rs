//! Programs in languages other than Python: compiled once, then started per test by the launcher.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
};

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    language::Language,
    problem::Limits,
};

use crate::{
    calls::{self, Call, ceiling},
    cores::Cores,
    job::CaseRun,
    launch::{Artifact, Launch, memory_file},
    session::{Over, Session},
    toolchain::{self, Toolchain, hint, smallest},
    verdict::{Used, Work, shortened},
    whole::{Ended, Streams, Text, run_test},
    wire::{Feed, Tap},
    zygote::{Ceiling, Zygote, io_fault},
};

/// What a compiler may use. It runs code of the program's (macros, templates), so it is bounded as
/// tightly as honest programs allow.
const COMPILER_LIMITS: Limits = Limits { cpu_ms_max: 60_000, memory_mib_max: 2048 };
/// Address space of a compiler: they reserve more than they use.
const COMPILER_ADDRESS_MIB: u64 = 16 << 10;
/// What a compiler may say.
const COMPILER_BYTES_MAX: usize = 1 << 18;

/// A program that is ready to run, or why it does not compile.
pub(crate) type Built = Result<Artifact, CaseRun>;

/// Where programs are compiled and started.
pub(crate) struct Workshop<'a> {
    pub(crate) launcher: &'a mut Zygote,
    pub(crate) toolchain: &'a Toolchain,
    /// The folder that compilers write to.
    pub(crate) folder: &'a std::path::Path,
}

impl Workshop<'_> {
    /// Compiles a program.
    ///
    /// # Errors
    /// Our side broke, or the compiler did: it refuses the smallest program, too. What it says of
    /// this program is no error.
    pub(crate) fn build(&mut self, language: Language, program: &str) -> Result<Built, Fault> {
        let built = self.compile(program)?;
        if built.is_err() && !self.toolchain.has_compiled.load(Ordering::Relaxed) {
            let smallest = smallest(language).expect("what has a toolchain has a smallest program");
            if let Err(CaseRun { detail, .. }) = self.compile(smallest)? {
                let path = self.toolchain.path().display();
                let message = format!(
                    "programs in {language} cannot be compiled: {path} does not work here ({detail}); {}",
                    hint(language)
                );
                return Err(Fault { kind: FaultKind::Missing, message });
            }
        }
        self.toolchain.has_compiled.store(true, Ordering::Relaxed);
        Ok(built)
    }

    fn compile(&mut self, program: &str) -> Result<Built, Fault> {
        let io = |error| io_fault("cannot make pipes for a compiler", &error);
        self.launcher.bound(COMPILER_LIMITS.memory_mib_max)?;
        let build = self.toolchain.build(program);
        let environment = self.toolchain.environment(self.folder);
        let files = build
            .files
            .iter()
            .map(|(name, text)| Ok((name.as_str(), memory_file(text.as_bytes())?)));
        let files: Vec<(&str, OwnedFd)> = files.collect::<Result<_, Fault>>()?;
        let launch = Launch {
            is_compiler: true,
            ceiling: Ceiling {
                memory_bytes: COMPILER_ADDRESS_MIB << 20,
                cpu_seconds: COMPILER_LIMITS.cpu_ms_max / 1000 + 2,
            },
            is_data: false,
            executable: None,
            arguments: &build.arguments,
            environment: &environment,
            files: files.iter().map(|(name, fd)| (*name, fd)).collect(),
        };
        let (feed, stdin_end) = Feed::new(b"").map_err(io)?;
        let (stdout, stdout_end) = Tap::new(COMPILER_BYTES_MAX).map_err(io)?;
        let (stderr, stderr_end) = Tap::new(COMPILER_BYTES_MAX).map_err(io)?;
        let server = self.launcher.server();
        let ends = [stdin_end.as_fd(), stdout_end.as_fd(), stderr_end.as_fd()];
        let process = server.launch(&launch, &ends)?;
        drop((stdin_end, stdout_end, stderr_end));
        let mut streams = Streams { feed, stdout, stderr };
        let ended = streams.follow(server, &process, COMPILER_LIMITS)?;
        let (exit, outputs) = server.reap_outputs()?;
        streams.stdout.drain().map_err(io)?;
        streams.stderr.drain().map_err(io)?;
        let stopped =
            |why: &str| CaseRun::failed(Verdict::CompileError, format!("the compiler {why}"));
        Ok(match ended {
            Ended::Over(Over::Overload) => return Err(crate::session::busy()),
            Ended::Over(Over::Cpu { .. } | Over::Idle) => Err(stopped("takes too long")),
            Ended::TooMuch => Err(stopped("says too much")),
            Ended::Gone if exit.is_out_of_memory => Err(stopped("needs too much memory")),
            Ended::Gone if exit.is_success() => match Artifact::copy(outputs)? {
                Some(artifact) => Ok(artifact),
                None => Err(stopped("makes more than 64 MiB")),
            },
            Ended::Gone if exit.signal().is_some() => {
                Err(stopped(&format!("dies of signal {}", exit.signal().unwrap_or_default())))
            }
            Ended::Gone => {
                let said = [streams.stderr.bytes(), streams.stdout.bytes()].concat();
                Err(CaseRun::failed(Verdict::CompileError, complaint(&said)))
            }
        })
    }

    /// Runs a program that was built, one process per test; one verdict each.
    pub(crate) fn run_texts(
        &mut self,
        cores: &Cores,
        artifact: &Artifact,
        work: &Work<'_>,
        (texts, used): (&[Text<'_>], &mut Used),
    ) -> Result<Vec<CaseRun>, Fault> {
        let overhead = self.toolchain.overhead_mib();
        self.launcher.bound(work.limits.memory_mib_max + overhead)?;
        let run = self.toolchain.run(work.program, work.limits.memory_mib_max);
        let environment = self.toolchain.environment(self.folder);
        let source = self.source(work.program)?;
        let launch = self.launch(artifact, &source, work, (&run, &environment, 1));
        let server = self.launcher.server();
        // A virtual machine compiles and collects on threads of its own.
        let core = if self.toolchain.is_virtual_machine() { None } else { cores.share() };
        let start = |ends: [BorrowedFd<'_>; 3]| {
            let process = server.launch(&launch, &ends)?;
            if let Some(core) = &core {
                core.bring(&process);
            }
            Ok(process)
        };
        let mut runs = Vec::with_capacity(texts.len());
        for text in texts {
            let (run, peak_memory_kib) = run_test(server, &start, work, *text)?;
            used.cpu_ms += run.cpu_ms;
            used.peak_memory_kib = used.peak_memory_kib.max(peak_memory_kib);
            runs.push(run);
            if work.stops_after(&runs) {
                break;
            }
        }
        Ok(runs)
    }

    /// Calls a function or method of a program in JavaScript.
    pub(crate) fn run_calls(
        &mut self,
        artifact: &Artifact,
        work: &Work<'_>,
        (calls, used): (&[Call<'_>], &mut Used),
    ) -> Result<Vec<CaseRun>, Fault> {
        let overhead = self.toolchain.overhead_mib();
        self.launcher.bound(work.limits.memory_mib_max + overhead)?;
        let mut run = self.toolchain.run(work.program, work.limits.memory_mib_max);
        // In place of the program and what it is to be loaded with.
        run.arguments.truncate(run.arguments.len() - 3);
        run.arguments.push("harness.js".to_owned());
        let environment = self.toolchain.environment(self.folder);
        let mut source = match artifact.files.is_empty() {
            true => vec![("program.js".to_owned(), memory_file(work.program.as_bytes())?)],
            false => Vec::new(),
        };
        source.push(("harness.js".to_owned(), memory_file(toolchain::HARNESS.as_bytes())?));
        let launch = self.launch(artifact, &source, work, (&run, &environment, calls.len()));
        let start = |zygote: &mut Zygote| {
            // Nothing to read.
            let (feed, stdin) = Feed::new(b"")
                .map_err(|error| io_fault("cannot make a pipe for a program", &error))?;
            drop(feed);
            Session::start_by(|[channel, stdout, stderr]| {
                let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd(), channel.as_fd()];
                zygote.server().launch(&launch, &streams)
            })
        };
        calls::run_by(self.launcher, &start, work, (calls, used))
    }

    /// The program's text as a file, where that is what runs.
    fn source(&self, program: &str) -> Result<Vec<(String, OwnedFd)>, Fault> {
        let mut files = Vec::new();
        if let Some(name) = self.toolchain.source_name(program) {
            files.push((name.to_owned(), memory_file(program.as_bytes())?));
        }
        if self.toolchain.is_node() {
            files.push(("streams.js".to_owned(), memory_file(toolchain::STREAMS.as_bytes())?));
        }
        Ok(files)
    }

    fn launch<'a>(
        &self,
        artifact: &'a Artifact,
        source: &'a [(String, OwnedFd)],
        work: &Work<'_>,
        (run, environment, n_cases): (&'a toolchain::Run, &'a [String], usize),
    ) -> Launch<'a> {
        let bound = ceiling(work, n_cases);
        let files = artifact.files.iter().chain(source);
        let executable = artifact.files.first().filter(|_| run.is_native).map(|(_, fd)| fd);
        Launch {
            is_compiler: false,
            ceiling: Ceiling {
                memory_bytes: bound.memory_bytes + (self.toolchain.overhead_mib() << 20),
                ..bound
            },
            is_data: self.toolchain.is_virtual_machine(),
            executable,
            arguments: &run.arguments,
            environment,
            files: match run.is_native {
                true => Vec::new(),
                false => files.map(|(name, fd)| (name.as_str(), fd)).collect(),
            },
        }
    }
}

/// The first line of what a compiler says that names an error, or the first at all.
fn complaint(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().next().unwrap_or("the compiler fails without a word");
    shortened(lines.find(|line| line.to_lowercase().contains("error")).unwrap_or(first))
}
