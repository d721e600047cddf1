//! Processes that fork on request: zygotes, and the compiled programs that fork per test.

use std::{
    io::{self, IoSlice, IoSliceMut, Read as _},
    mem::MaybeUninit,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use codescaler::{
    execution::{Fault, FaultKind},
    value::Value,
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, send, sendmsg,
        socketpair,
    },
    process::{Signal, pidfd_send_signal},
};

use crate::{
    cgroup::{Group, PIDS_MAX},
    launch::{Launch, RIGHTS_MAX},
    marshal,
    protection::Plan,
    seccomp, sys,
};

const CONFINE: &str = include_str!("python/confine.py");
const ZYGOTE: &str = include_str!("python/zygote.py");
const TESTER: &str = include_str!("python/tester.py");
const LAUNCH: &str = include_str!("python/launch.py");
/// `native/zygote.rs` and `native/launcher.rs`, as the build script compiled them.
const NATIVE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/zygote.so"));
const LAUNCHER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/launcher"));

/// How long a zygote may take to fork or to report a death, which it does in a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may take to start, which it does in a tenth of a second.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Which programs start with the names that LiveCodeBench's harness imports for every program:
/// `from typing import *`, `collections`, `heapq`, `bisect`, `itertools`, `functools`, `math`,
/// `re`, `random`, `sys` and their like, and a recursion limit of 50,000. The names are put where
/// the program finds them, not into its text: line numbers stay true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prelude {
    /// Only programs that are called as LeetCode calls them: a method of a class.
    #[default]
    Methods,
    /// Every program, as the published LiveCodeBench harness does.
    Everything,
    /// No program.
    Nothing,
}

/// What a fork is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Role {
    /// A program whose function we call.
    Calls,
    /// A program that a tester calls.
    Remote,
    /// Test code.
    Tester,
    /// A program that is compiled, and forks once per test.
    Whole,
    /// One test of it.
    Main,
}

impl Role {
    fn byte(self) -> u8 {
        match self {
            Role::Calls => b'c',
            Role::Remote => b'r',
            Role::Tester => b't',
            Role::Whole => b'w',
            Role::Main => b'm',
        }
    }
}

/// What the kernel enforces on a process by itself, beside what we watch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ceiling {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu_seconds: u64,
}

/// How a process ended, as the kernel told its parent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exit {
    /// The wait status.
    status: i32,
    pub(crate) cpu_ms: f64,
    pub(crate) peak_memory_kib: u64,
    /// Whether the control group killed for memory about then.
    pub(crate) is_out_of_memory: bool,
}

impl Exit {
    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        Some(self.status & 0x7f).filter(|signal| *signal != 0)
    }

    /// Whether it left by itself and says that all is well.
    pub(crate) fn is_success(&self) -> bool {
        self.status == 0
    }

    /// The status that it left with.
    pub(crate) fn code(&self) -> i32 {
        (self.status >> 8) & 0xff
    }
}

/// A fault of one of our own processes.
pub(crate) fn worker_fault(message: impl Into<String>) -> Fault {
    Fault { kind: FaultKind::Worker, message: message.into() }
}

/// A fault of a system call: out of something, or broken.
pub(crate) fn io_fault(what: &str, error: &io::Error) -> Fault {
    Fault { kind: FaultKind::Resource, message: format!("{what}: {error}") }
}

/// The control socket of a process that forks on request, one child at a time.
pub(crate) struct ForkServer {
    control: OwnedFd,
    /// The control group of all that it forks.
    group: Option<Arc<Group>>,
}

impl ForkServer {
    /// A server's socket, and the end for the process that is to serve.
    pub(crate) fn pair(group: Option<Arc<Group>>) -> io::Result<(ForkServer, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((ForkServer { control: ours, group }, theirs))
    }

    pub(crate) fn group(&self) -> Option<&Arc<Group>> {
        self.group.as_ref()
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.control
    }

    fn send(&self, message: &[u8]) -> Result<(), Fault> {
        match send(&self.control, message, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(error) => Err(worker_fault(format!("a zygote does not listen: {error}"))),
        }
    }

    /// Forks a process that gets `fds`.
    pub(crate) fn fork(
        &self,
        role: Role,
        ceiling: Ceiling,
        fds: &[BorrowedFd<'_>],
    ) -> Result<Process, Fault> {
        let mut request = vec![role.byte()];
        request.extend(ceiling.memory_bytes.to_le_bytes());
        request.extend(ceiling.cpu_seconds.to_le_bytes());
        self.ask(&request, fds)
    }

    /// Starts a program or a compiler, with `streams` as its first descriptors.
    pub(crate) fn launch(
        &self,
        launch: &Launch<'_>,
        streams: &[BorrowedFd<'_>],
    ) -> Result<Process, Fault> {
        let (request, rest) = launch.request(streams.len())?;
        self.ask(&request, &[streams, &rest].concat())
    }

    /// Sends a request; the process that it gives birth to.
    fn ask(&self, request: &[u8], fds: &[BorrowedFd<'_>]) -> Result<Process, Fault> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RIGHTS_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
        sendmsg(&self.control, &[IoSlice::new(request)], &mut ancillary, SendFlags::NOSIGNAL)
            .map_err(|error| worker_fault(format!("a zygote does not listen: {error}")))?;
        let (message, pidfd) = self.receive(PATIENCE)?;
        match (message.first(), pidfd) {
            (Some(b'S'), Some(pidfd)) => Ok(Process { pid: pid_of(&pidfd), pidfd }),
            (Some(b'E'), _) => Err(Fault {
                kind: FaultKind::Resource,
                message: String::from_utf8_lossy(&message[1..]).into_owned(),
            }),
            _ => Err(worker_fault("a zygote answered a request to fork with something else")),
        }
    }

    /// How the child ended; waits for it.
    pub(crate) fn reap(&self) -> Result<Exit, Fault> {
        Ok(self.reap_outputs()?.0)
    }

    /// How the child ended, and the files that a compiler made, by name.
    pub(crate) fn reap_outputs(&self) -> Result<(Exit, Vec<(String, OwnedFd)>), Fault> {
        let mut outputs = Vec::new();
        let message = loop {
            match self.receive(PATIENCE)? {
                (message, Some(fd)) if message.first() == Some(&b'F') => {
                    outputs.push((String::from_utf8_lossy(&message[1..]).into_owned(), fd));
                }
                (message, _) => break message,
            }
        };
        Ok((self.exit(&message)?, outputs))
    }

    fn exit(&self, message: &[u8]) -> Result<Exit, Fault> {
        let fields: &[u8; 21] = message
            .try_into()
            .map_err(|_| worker_fault("a zygote reported a death in other words"))?;
        let word =
            |at: usize| u64::from_le_bytes(fields[at..at + 8].try_into().expect("eight bytes"));
        let status = i32::from_le_bytes(fields[1..5].try_into().expect("four bytes"));
        #[expect(clippy::cast_precision_loss, reason = "microseconds of one run")]
        let cpu_ms = word(5) as f64 / 1e3;
        let is_killed = status & 0x7f == libc::SIGKILL;
        let is_out_of_memory =
            is_killed && self.group.as_ref().is_some_and(|group| group.has_killed());
        Ok(Exit { status, cpu_ms, peak_memory_kib: word(13), is_out_of_memory })
    }

    /// The next message, with the descriptor that came with it.
    fn receive(&self, patience: Duration) -> Result<(Vec<u8>, Option<OwnedFd>), Fault> {
        wait_readable(&self.control, patience)?;
        let mut buffer = [0; 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let n_bytes = loop {
            let result = recvmsg(
                &self.control,
                &mut [IoSliceMut::new(&mut buffer)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            );
            match result {
                Ok(received) => break received.bytes,
                Err(Errno::INTR) => {}
                Err(error) => return Err(worker_fault(format!("a zygote is silent: {error}"))),
            }
        };
        if n_bytes == 0 {
            return Err(worker_fault("a zygote died"));
        }
        let fd = ancillary.drain().find_map(|message| {
            if let RecvAncillaryMessage::ScmRights(mut fds) = message { fds.next() } else { None }
        });
        Ok((buffer[..n_bytes].to_vec(), fd))
    }
}

fn wait_readable(fd: &OwnedFd, patience: Duration) -> Result<(), Fault> {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(left))) {
            Ok(0) if left.is_zero() => return Err(worker_fault("a zygote hangs")),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(io_fault("poll", &error.into())),
        }
    }
}

/// A duration as the kernel wants it.
pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

/// A process that a server forked.
pub(crate) struct Process {
    pidfd: OwnedFd,
    pid: Option<i32>,
}

impl Process {
    /// Kills it. That it is dead already is no error.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// CPU time it has used; zero once it is dead, or where the machine does not tell.
    pub(crate) fn cpu(&self) -> Duration {
        let time = self.pid.and_then(sys::process_cpu).unwrap_or_default();
        // A dead process's number may be another's by now.
        if self.is_dead() { Duration::ZERO } else { time }
    }

    /// How long its first thread was runnable but had to wait for a core.
    pub(crate) fn waited_for_core(&self) -> Duration {
        let wait_ns = self.pid.and_then(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
            text.split(' ').nth(1)?.parse().ok()
        });
        Duration::from_nanos(wait_ns.unwrap_or(0))
    }

    /// Its number on this machine, where the machine tells.
    pub(crate) fn pid(&self) -> Option<i32> {
        self.pid
    }

    fn is_dead(&self) -> bool {
        self.dies_within(Duration::ZERO)
    }

    /// Whether it is dead, or dies while we wait.
    pub(crate) fn dies_within(&self, patience: Duration) -> bool {
        let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&timespec(patience))), Ok(1))
    }
}

/// The process id behind a descriptor, in our own namespace.
fn pid_of(pidfd: &OwnedFd) -> Option<i32> {
    use std::os::fd::AsRawFd as _;
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|pid| *pid > 0)
}

/// A warm interpreter that forks programs.
pub(crate) struct Zygote {
    server: Option<ForkServer>,
    child: Child,
    version: String,
    n_forks: u32,
    /// What the control group is bounded to, in MiB of a program.
    memory_mib_max: Option<u64>,
    /// Removed after everything in it is dead: fields are dropped in order, after `drop`.
    group: Option<Arc<Group>>,
}

/// What the zygote itself, page tables and sockets may take beside a program.
const SLACK_MIB: u64 = 64;

/// What a control group may keep in memory for programs that may have so much.
pub(crate) fn group_bytes(memory_mib_max: u64) -> u64 {
    memory_mib_max.saturating_add(SLACK_MIB).saturating_mul(1 << 20)
}

/// What a zygote is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind<'a> {
    /// Programs in Python.
    Programs,
    /// Test code in Python.
    Tests,
    /// Compilers and compiled programs; it is no interpreter any more.
    Launcher {
        /// Folders that they may read.
        toolchains: &'a [PathBuf],
        /// The one folder that compilers may write to.
        work: &'a PathBuf,
    },
}

/// Forks after which a zygote is replaced: whatever might creep into it, does not stay.
const FORKS_MAX: u32 = 5000;

/// Why a zygote did not start.
#[derive(Debug)]
pub(crate) enum NoZygote {
    /// A layer of protection cannot be put in place: its name, and why.
    Layer(String, String),
    /// It does not work at all.
    Broken(Fault),
}

impl Zygote {
    /// Starts an interpreter and confines it as planned.
    pub(crate) fn start(python: &Path, plan: &Plan, kind: Kind<'_>) -> Result<Zygote, NoZygote> {
        let io = |error: io::Error| {
            NoZygote::Broken(io_fault(&format!("{} does not start", python.display()), &error))
        };
        let no_group =
            |error: io::Error| NoZygote::Layer("control groups".to_owned(), error.to_string());
        let group = match &plan.cgroups {
            Some(cgroups) => Some(Arc::new(Group::new(cgroups, PIDS_MAX).map_err(no_group)?)),
            None => None,
        };
        let (server, theirs) = ForkServer::pair(group.clone()).map_err(io)?;
        let script = match kind {
            Kind::Programs | Kind::Tests => ZYGOTE,
            Kind::Launcher { .. } => LAUNCH,
        };
        #[expect(clippy::disallowed_methods, reason = "the sandbox is what starts processes")]
        let child = Command::new(python)
            // No `-E` or `-I`: they would ignore the hash seed. The environment is ours anyway.
            .args(["-s", "-S", "-B", "-X", "utf8", "-c", &format!("{CONFINE}\n{script}")])
            .env_clear()
            .envs([("PYTHONHASHSEED", "0"), ("LANG", "C.UTF-8"), ("TZ", "UTC0")])
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(io)?;
        let mut zygote = Zygote {
            server: Some(server),
            child,
            version: String::new(),
            n_forks: 0,
            memory_mib_max: None,
            group,
        };
        // It waits for the plan, so it has not forked yet.
        if let Some(group) = &zygote.group {
            group.add(zygote.child.id()).map_err(no_group)?;
        }
        match zygote.greet(plan, kind) {
            Ok(version) => {
                zygote.version = version;
                Ok(zygote)
            }
            Err(NoZygote::Broken(fault)) => Err(NoZygote::Broken(zygote.post_mortem(fault))),
            Err(layer @ NoZygote::Layer(..)) => Err(layer),
        }
    }

    fn greet(&self, plan: &Plan, kind: Kind<'_>) -> Result<String, NoZygote> {
        let text = |text: &str| Value::Str(text.to_owned());
        let path = |path: &PathBuf| Value::Str(path.to_string_lossy().into_owned());
        let mut entries: Vec<(Value, Value)> =
            seccomp::plan().into_iter().map(|(key, value)| (text(key), value)).collect();
        entries.extend([
            (text("namespaces"), Value::Bool(plan.namespaces)),
            (text("landlock"), Value::Bool(plan.landlock)),
            (text("seccomp"), Value::Bool(plan.seccomp)),
        ]);
        let (toolchains, work) = match kind {
            Kind::Programs | Kind::Tests => (Vec::new(), Value::Null),
            Kind::Launcher { toolchains, work } => {
                (toolchains.iter().map(path).collect(), path(work))
            }
        };
        entries.extend([(text("toolchains"), Value::List(toolchains)), (text("work"), work)]);
        entries.extend(match kind {
            Kind::Programs | Kind::Tests => [
                (text("native"), Value::Bytes(NATIVE.to_vec())),
                (
                    text("tester"),
                    if matches!(kind, Kind::Tests) { text(TESTER) } else { Value::Null },
                ),
            ],
            Kind::Launcher { .. } => [
                (text("launcher"), Value::Bytes(LAUNCHER.to_vec())),
                (text("filters"), Value::Bytes(seccomp::launcher_filters())),
            ],
        });
        let server = self.server();
        server.send(&marshal::encode(&Value::Dict(entries))).map_err(NoZygote::Broken)?;
        let (message, _) = server.receive(START_PATIENCE).map_err(NoZygote::Broken)?;
        match message.split_first() {
            Some((b'H', version)) => match marshal::decode(version) {
                Ok(Value::Str(version)) => Ok(version),
                Ok(_) | Err(_) => Err(NoZygote::Broken(worker_fault("a zygote greets strangely"))),
            },
            Some((b'N', step)) => {
                let step = String::from_utf8_lossy(step).into_owned();
                let (layer, why) = step.split_once('\n').unwrap_or((&step, ""));
                Err(NoZygote::Layer(layer.to_owned(), why.to_owned()))
            }
            Some(_) | None => Err(NoZygote::Broken(worker_fault("a zygote greets strangely"))),
        }
    }

    /// The fault, with what the interpreter wrote before it died.
    fn post_mortem(mut self, fault: Fault) -> Fault {
        self.server = None;
        let _ = self.child.kill();
        let mut written = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            let _ = stderr.read_to_string(&mut written);
        }
        let last = written.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        Fault { message: format!("{} ({last})", fault.message), ..fault }
    }

    /// The version of the interpreter.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The user that it runs as, as this machine's kernel knows it.
    pub(crate) fn user(&self) -> Option<u32> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// Bounds what it and a program together keep in memory, where there is a control group.
    pub(crate) fn bound(&mut self, memory_mib_max: u64) -> Result<(), Fault> {
        if let (Some(group), true) = (&self.group, self.memory_mib_max != Some(memory_mib_max)) {
            group
                .bound_memory(group_bytes(memory_mib_max))
                .map_err(|error| io_fault("a control group cannot be bounded", &error))?;
            self.memory_mib_max = Some(memory_mib_max);
        }
        Ok(())
    }

    /// Its control group.
    pub(crate) fn group(&self) -> Option<&Arc<Group>> {
        self.group.as_ref()
    }

    /// Where to ask for forks.
    pub(crate) fn server(&self) -> &ForkServer {
        self.server.as_ref().expect("the socket is closed only when the zygote is given up")
    }

    /// Forks a process that gets `fds`.
    pub(crate) fn fork(
        &mut self,
        role: Role,
        ceiling: Ceiling,
        fds: &[&OwnedFd],
    ) -> Result<Process, Fault> {
        self.n_forks += 1;
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(|fd| fd.as_fd()).collect();
        self.server().fork(role, ceiling, &fds)
    }

    /// Whether it has forked so often that it should be replaced.
    pub(crate) fn is_worn(&self) -> bool {
        self.n_forks >= FORKS_MAX
    }
}

impl Drop for Zygote {
    /// Closes the socket, which is how a zygote learns that it is over; kills it if it does not.
    fn drop(&mut self) {
        self.server = None;
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
