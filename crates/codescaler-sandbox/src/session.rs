//! One process of a program, watched: its channel, its output, its clock.

use std::{
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    problem::Limits,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use crate::{
    job::CaseRun,
    verdict::{Work, of_load, of_silence},
    wire::{Channel, Filled, Frame, Tap},
    zygote::{Ceiling, Exit, ForkServer, Process, Role, Zygote, io_fault, timespec},
};

/// Standard output beyond this ends a program.
pub(crate) const STDOUT_BYTES_MAX: usize = 1 << 20;
/// Standard error beyond this is read and forgotten.
pub(crate) const STDERR_BYTES_MAX: usize = 64 << 10;

/// The clock of one case: CPU time as the kernel counts it, and a ceiling on waiting.
pub(crate) struct Watch {
    cpu_max: Duration,
    cpu_before: Duration,
    wall_max: Duration,
    /// Wall time before the last pause.
    wall_before: Duration,
    started: Instant,
}

/// Waiting for a core is not idling, but not for ever.
const OVERLOAD_FACTOR: u32 = 10;

impl Watch {
    /// Starts now. A case may use `cpu_ms_max` of CPU time, and take three times that and two
    /// seconds of wall time (not counting time spent waiting for a core).
    pub(crate) fn start(process: &Process, limits: Limits) -> Watch {
        let cpu_max = Duration::from_millis(limits.cpu_ms_max);
        Watch {
            cpu_max,
            cpu_before: process.cpu(),
            wall_max: 3 * cpu_max + Duration::from_secs(2),
            wall_before: Duration::ZERO,
            started: Instant::now(),
        }
    }

    /// Ends a stretch of wall time that counts.
    pub(crate) fn pause(&mut self) {
        self.wall_before += self.started.elapsed();
    }

    /// Counts wall time from now on: the process has something to do again.
    pub(crate) fn resume(&mut self) {
        self.started = Instant::now();
    }

    /// Whether more CPU time was used than is allowed.
    pub(crate) fn is_over(&self, process: &Process) -> bool {
        self.cpu(process) > self.cpu_max
    }

    /// CPU time since the start.
    pub(crate) fn cpu(&self, process: &Process) -> Duration {
        process.cpu().saturating_sub(self.cpu_before)
    }

    /// Whether the process had to wait for a core for more than a quarter of the CPU time that it
    /// may use: what shares a core with others takes more time for the same work.
    pub(crate) fn is_crowded(&self, process: &Process) -> bool {
        process.waited_for_core() > self.cpu_max / 4
    }

    /// How long to wait before looking again, or why the case is over.
    pub(crate) fn look(&mut self, process: &Process) -> Result<Duration, Over> {
        let wall = self.wall_before + self.started.elapsed();
        // A process cannot have used more than this, on the few cores a program gets.
        let earliest = self.cpu_max / 2;
        if wall < earliest {
            return Ok((earliest - wall).max(Duration::from_millis(1)));
        }
        let cpu = self.cpu(process);
        if cpu >= self.cpu_max {
            return Err(Over::Cpu { is_crowded: self.is_crowded(process) });
        }
        if wall >= self.wall_max {
            if wall.saturating_sub(process.waited_for_core()) >= self.wall_max {
                return Err(Over::Idle);
            }
            if wall >= OVERLOAD_FACTOR * self.wall_max {
                return Err(Over::Overload);
            }
        }
        let to_wall = self.wall_max.saturating_sub(wall).max(Duration::from_millis(50));
        let to_cpu = ((self.cpu_max - cpu) / 2).max(Duration::from_millis(2));
        Ok(to_wall.min(to_cpu))
    }
}

/// Why a case is over before it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its CPU time is used up.
    Cpu {
        /// Whether others kept it from its core.
        is_crowded: bool,
    },
    /// It waits for something that does not come.
    Idle,
    /// The machine gave it no time.
    Overload,
}

impl Over {
    /// The verdict.
    ///
    /// # Errors
    /// The machine gave it no time.
    pub(crate) fn judge(self, limits: Limits) -> Result<CaseRun, Fault> {
        match self {
            Over::Cpu { is_crowded } => Ok(CaseRun { is_crowded, ..late(limits) }),
            Over::Idle => Ok(CaseRun::failed(Verdict::TimeLimit, "idle past the wall limit")),
            Over::Overload => Err(busy()),
        }
    }
}

/// The verdict on what used more CPU time than it may.
pub(crate) fn late(limits: Limits) -> CaseRun {
    let detail = format!("more than {} ms of CPU time", limits.cpu_ms_max);
    CaseRun::failed(Verdict::TimeLimit, detail)
}

/// The fault of a machine that has other work.
pub(crate) fn busy() -> Fault {
    Fault {
        kind: FaultKind::Overload,
        message: "the machine is too busy to judge a time limit".to_owned(),
    }
}

/// Why no frame comes any more. The process is dead.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Silence {
    /// Its time was over, so it was killed.
    Over(Over),
    /// It wrote too much, and was killed.
    TooMuch,
    /// It sent what it must not send, and was killed.
    Meddling,
    /// It closed its channel and went on, and was killed.
    Mute,
    /// It died.
    Death(Exit),
}

/// A running process with a channel.
pub(crate) struct Session {
    channel: Channel,
    stdout: Tap,
    stderr: Tap,
    process: Process,
    exit: Option<Exit>,
}

impl Session {
    /// Forks a process with a channel and captured output.
    pub(crate) fn start(
        zygote: &mut Zygote,
        role: Role,
        ceiling: Ceiling,
    ) -> Result<Session, Fault> {
        Session::start_by(|[channel, stdout, stderr]| {
            zygote.fork(role, ceiling, &[channel, stdout, stderr])
        })
    }

    /// Starts a process with a channel and captured output, however it is started.
    pub(crate) fn start_by(
        start: impl FnOnce([&OwnedFd; 3]) -> Result<Process, Fault>,
    ) -> Result<Session, Fault> {
        let io = |error| io_fault("cannot make pipes for a program", &error);
        let (channel, channel_end) = Channel::new().map_err(io)?;
        let (stdout, stdout_end) = Tap::new(STDOUT_BYTES_MAX).map_err(io)?;
        let (stderr, stderr_end) = Tap::new(STDERR_BYTES_MAX).map_err(io)?;
        let process = start([&channel_end, &stdout_end, &stderr_end])?;
        Ok(Session { channel, stdout, stderr, process, exit: None })
    }

    /// Forks a process with a channel that serves forks itself, on a second socket.
    pub(crate) fn start_server(
        zygote: &mut Zygote,
        ceiling: Ceiling,
    ) -> Result<(Session, ForkServer), Fault> {
        let io = |error| io_fault("cannot make sockets for a program", &error);
        let (channel, channel_end) = Channel::new().map_err(io)?;
        let (server, server_end) =
            ForkServer::pair(zygote.server().group().cloned()).map_err(io)?;
        let process = zygote.fork(Role::Whole, ceiling, &[&channel_end, &server_end])?;
        let (stdout, stderr) = (Tap::closed(), Tap::closed());
        Ok((Session { channel, stdout, stderr, process, exit: None }, server))
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// Forgets what was written to standard output so far.
    pub(crate) fn forget_output(&mut self) {
        self.stdout.forget();
        self.stderr.forget();
    }

    /// Sends a frame, or as much of it as fits; the rest goes while we wait for the answer.
    pub(crate) fn send(&mut self, kind: u8, number: u32, payload: &[u8]) -> Result<(), Fault> {
        self.channel
            .send(kind, number, payload)
            .map_err(|error| io_fault("cannot write to a program", &error))
    }

    /// Whether something that was sent does not fit yet.
    pub(crate) fn is_sending(&self) -> bool {
        self.channel.is_sending()
    }

    /// Waits for the next frame, draining what the program writes.
    pub(crate) fn wait(
        &mut self,
        server: &ForkServer,
        watch: &mut Watch,
    ) -> Result<Result<Frame, Silence>, Fault> {
        let io = |error| io_fault("cannot read from a program", &error);
        loop {
            match self.channel.take() {
                Ok(Some(frame)) => return Ok(Ok(frame)),
                Ok(None) => {}
                Err(_) => return self.end(server, Silence::Meddling),
            }
            let patience = match watch.look(&self.process) {
                Ok(patience) => patience,
                Err(over) => return self.end(server, Silence::Over(over)),
            };
            let ready = self.poll(patience)?;
            if ready.stdout {
                self.stdout.drain().map_err(io)?;
                if self.stdout.is_over() {
                    return self.end(server, Silence::TooMuch);
                }
            }
            if ready.stderr {
                self.stderr.drain().map_err(io)?;
            }
            self.channel.flush().map_err(io)?;
            if ready.channel && self.channel.fill().map_err(io)? == Filled::Closed {
                // What was sent before the end still counts.
                if let Ok(Some(frame)) = self.channel.take() {
                    return Ok(Ok(frame));
                }
                return self.bury(server);
            }
        }
    }

    fn poll(&self, patience: Duration) -> Result<Ready, Fault> {
        let interest =
            if self.channel.is_sending() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
        let mut fds = vec![PollFd::new(self.channel.fd(), interest)];
        let streams = [self.stdout.fd(), self.stderr.fd()];
        for fd in streams.into_iter().flatten() {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        match poll(&mut fds, Some(&timespec(patience))) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(io_fault("poll", &error.into())),
        }
        let mut ready = fds.iter().map(|fd| !fd.revents().is_empty());
        let channel = !(fds[0].revents() & !PollFlags::OUT).is_empty();
        ready.next();
        let stdout = streams[0].is_some() && ready.next() == Some(true);
        let stderr = streams[1].is_some() && ready.next() == Some(true);
        Ok(Ready { channel, stdout, stderr })
    }

    /// Waits for the answer to a request; a frame of any other number is meddling.
    pub(crate) fn answer(
        &mut self,
        server: &ForkServer,
        watch: &mut Watch,
        number: u32,
    ) -> Result<Result<Frame, Silence>, Fault> {
        match self.wait(server, watch)? {
            Ok(frame) if frame.number != number => self.end(server, Silence::Meddling),
            answer => Ok(answer),
        }
    }

    /// Waits until the program that was sent is loaded; the verdict on one that does not load.
    pub(crate) fn load(
        &mut self,
        server: &ForkServer,
        watch: &mut Watch,
        work: &Work<'_>,
    ) -> Result<Option<CaseRun>, Fault> {
        let run = match self.answer(server, watch, 0)? {
            Ok(frame) if frame.kind == b'R' => return Ok(None),
            Ok(frame) => match of_load(&frame) {
                Some(run) => run,
                None => of_silence(Silence::Meddling, work.limits)?,
            },
            Err(silence) => of_silence(silence, work.limits)?,
        };
        let cpu_ms = self.reap(server)?.cpu_ms;
        Ok(Some(run.with_cpu_ms(cpu_ms)))
    }

    /// The channel is closed: the process is dying, or it closed it and lives on.
    fn bury(&mut self, server: &ForkServer) -> Result<Result<Frame, Silence>, Fault> {
        let died = self.process.dies_within(Duration::from_millis(200));
        let exit = self.reap(server)?;
        Ok(Err(if died { Silence::Death(exit) } else { Silence::Mute }))
    }

    fn end(
        &mut self,
        server: &ForkServer,
        silence: Silence,
    ) -> Result<Result<Frame, Silence>, Fault> {
        self.reap(server)?;
        Ok(Err(silence))
    }

    /// Kills the process if it lives, and learns what it used.
    pub(crate) fn reap(&mut self, server: &ForkServer) -> Result<Exit, Fault> {
        if let Some(exit) = self.exit {
            return Ok(exit);
        }
        self.process.kill();
        let exit = server.reap()?;
        self.exit = Some(exit);
        Ok(exit)
    }
}

struct Ready {
    channel: bool,
    stdout: bool,
    stderr: bool,
}
