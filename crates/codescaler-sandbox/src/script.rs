//! Tests that are code: a trusted tester in one process, the program in another.
//!
//! The tester's questions go to the program, the program's answers to the tester, and every answer
//! is inspected on the way: a tester reads nothing but plain values.

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    problem::Limits,
    value::Value,
};

use crate::{
    calls::ceiling,
    cores::Cores,
    job::CaseRun,
    marshal::{self, Malformed},
    session::{Over, Session, Silence, Watch, late},
    verdict::{Exception, Used, Work, of_answer, of_silence, shortened},
    wire::Frame,
    zygote::{Ceiling, Role, Zygote, worker_fault},
};

/// What test code may use at most.
const TESTER_LIMITS: Limits = Limits { cpu_ms_max: 60_000, memory_mib_max: 4096 };

/// A process that runs test code, and the zygote that forks it.
///
/// One process serves program after program as long as the tests are such that they leave nothing
/// behind (`leaves_nothing` in `python/tester.py`): the same test is then compiled only once.
pub(crate) struct Tester {
    pub(crate) zygote: Zygote,
    session: Option<Session>,
    n_tests: u64,
}

/// What one test may use. Answers can make it go on for ever, which must not hold a slot for long.
fn tester_limits(program: Limits) -> Limits {
    let cpu_ms_max = (3 * program.cpu_ms_max).clamp(10_000, TESTER_LIMITS.cpu_ms_max);
    Limits { cpu_ms_max, ..TESTER_LIMITS }
}

/// Tests after which a tester's process is replaced.
const TESTS_MAX: u64 = 1000;

impl Tester {
    pub(crate) fn new(zygote: Zygote) -> Tester {
        Tester { zygote, session: None, n_tests: 0 }
    }

    /// The process, a new one where there is none to use again.
    fn session(&mut self) -> Result<Session, Fault> {
        if self.n_tests >= TESTS_MAX {
            self.discard()?;
        }
        match self.session.take() {
            Some(session) => Ok(session),
            None => {
                self.n_tests = 0;
                let seconds = TESTS_MAX * TESTER_LIMITS.cpu_ms_max / 1000;
                let memory_bytes = TESTER_LIMITS.memory_mib_max << 20;
                self.zygote.bound(TESTER_LIMITS.memory_mib_max)?;
                let ceiling = Ceiling { memory_bytes, cpu_seconds: seconds };
                Session::start(&mut self.zygote, Role::Tester, ceiling)
            }
        }
    }

    fn discard(&mut self) -> Result<(), Fault> {
        if let Some(mut session) = self.session.take() {
            session.reap(self.zygote.server())?;
        }
        Ok(())
    }
}

/// One verdict per test code, up to where the caller wants to stop.
pub(crate) fn run(
    (program, tester): (&mut Zygote, &mut Tester),
    cores: &Cores,
    work: &Work<'_>,
    (codes, used): (&[&str], &mut Used),
) -> Result<Vec<CaseRun>, Fault> {
    let mut runs = Vec::with_capacity(codes.len());
    while runs.len() < codes.len() && !work.stops_after(&runs) {
        let session = tester.session()?;
        let mut pair = Pair {
            program: Session::start(program, Role::Remote, ceiling(work, codes.len()))?,
            tester: session,
            zygotes: (program, &tester.zygote),
            work,
            is_clean: true,
        };
        let core = cores.share();
        if let Some(core) = &core {
            core.bring(pair.program.process());
            core.bring(pair.tester.process());
        }
        let n_before = runs.len();
        let result = pair.converse(codes, &mut runs);
        drop(core);
        used.add(pair.program.reap(pair.zygotes.0.server())?);
        let Pair { tester: session, is_clean, .. } = pair;
        tester.session = Some(session);
        tester.n_tests += (runs.len() - n_before) as u64;
        if !is_clean || result.is_err() {
            tester.discard()?;
        }
        result?;
    }
    Ok(runs)
}

/// A program and its tester.
struct Pair<'a> {
    program: Session,
    tester: Session,
    zygotes: (&'a Zygote, &'a Zygote),
    work: &'a Work<'a>,
    /// Whether the tester may serve another program.
    is_clean: bool,
}

/// What one test came to.
struct Outcome {
    run: CaseRun,
    /// Whether both processes can go on.
    alive: bool,
}

impl Pair<'_> {
    /// Runs tests until all are done, or a process cannot go on.
    fn converse(&mut self, codes: &[&str], runs: &mut Vec<CaseRun>) -> Result<(), Fault> {
        let server = self.zygotes.0.server();
        let limits = self.work.limits;
        let mut watch = Watch::start(self.program.process(), limits);
        self.program.send(b'P', 0, &self.work.spec())?;
        if let Some(run) = self.program.load(server, &mut watch, self.work)? {
            let others = run.clone().with_cpu_ms(0.0);
            runs.push(run);
            runs.resize(codes.len(), others);
            return Ok(());
        }
        loop {
            let Outcome { run, alive } = self.test(codes[runs.len()], &mut watch)?;
            // A tester whose program died in the middle still waits for an answer.
            self.is_clean &= alive;
            let cpu_ms = watch.cpu(self.program.process()).as_secs_f64() * 1e3;
            runs.push(run.with_cpu_ms(cpu_ms));
            if !alive || runs.len() == codes.len() || self.work.stops_after(runs) {
                return Ok(());
            }
            watch = Watch::start(self.program.process(), limits);
        }
    }

    /// Runs one test: relays questions and answers until the tester is done.
    fn test(&mut self, code: &str, watch: &mut Watch) -> Result<Outcome, Fault> {
        let server = self.zygotes.1.server();
        let mut tester_watch = Watch::start(self.tester.process(), tester_limits(self.work.limits));
        self.tester.forget_output();
        self.tester.send(b'T', 1, code.as_bytes())?;
        let mut out_of_memory = false;
        let mut is_answered = false;
        loop {
            tester_watch.resume();
            let frame = match self.tester.wait(server, &mut tester_watch)? {
                Ok(frame) => frame,
                Err(silence) => {
                    if let (true, Some(run)) = (is_answered, of_tester(silence)) {
                        return Ok(Outcome { run, alive: false });
                    }
                    if is_killed(silence) {
                        return Err(worker_fault("something outside killed the tester"));
                    }
                    return Err(broken(&format!("the test code does not end well: {silence:?}")));
                }
            };
            if frame.kind == b'Q' {
                match self.answer(&frame, watch)? {
                    Answer::Relayed { is_out_of_memory } => {
                        out_of_memory = is_out_of_memory;
                        is_answered = true;
                    }
                    Answer::Failed(run) => return Ok(Outcome { run, alive: false }),
                }
                continue;
            }
            self.is_clean &= frame.number == 1;
            let text = match marshal::decode(&frame.payload) {
                Ok(Value::Str(text)) => text,
                Ok(_) | Err(_) => String::new(),
            };
            let run = match frame.kind {
                b'P' => CaseRun::passed(),
                b'A' => CaseRun::failed(Verdict::WrongAnswer, text),
                b'E' if out_of_memory => CaseRun::failed(Verdict::MemoryLimit, text),
                b'E' => CaseRun::failed(Verdict::RuntimeError, text),
                b'B' => CaseRun::failed(Verdict::BadValue, text),
                _ => return Err(broken(&text)),
            };
            return Ok(Outcome { run, alive: true });
        }
    }

    /// Puts one question to the program.
    fn ask(
        &mut self,
        question: &Frame,
        watch: &mut Watch,
    ) -> Result<Result<Frame, Silence>, Fault> {
        self.program.send(b'Q', question.number, &question.payload)?;
        self.program.answer(self.zygotes.0.server(), watch, question.number)
    }

    /// Puts one question to the program and gives its answer to the tester.
    fn answer(&mut self, question: &Frame, watch: &mut Watch) -> Result<Answer, Fault> {
        let limits = self.work.limits;
        watch.resume();
        // What goes on in the tester meanwhile is not the program's time.
        let frame = self.ask(question, watch);
        watch.pause();
        let frame = match frame? {
            Ok(frame) => frame,
            Err(silence) => return Ok(Answer::Failed(of_silence(silence, limits)?)),
        };
        if watch.is_over(self.program.process()) {
            let is_crowded = watch.is_crowded(self.program.process());
            return Ok(Answer::Failed(CaseRun { is_crowded, ..late(limits) }));
        }
        let meddling = || {
            let detail = "an answer that is no answer";
            Ok(Answer::Failed(CaseRun::failed(Verdict::ProtocolViolation, detail)))
        };
        let mut is_out_of_memory = false;
        let payload = match frame.kind {
            b'V' => match marshal::inspect(&frame.payload) {
                Ok(()) => frame.payload,
                Err(Malformed::NotPlain(what)) => {
                    return Ok(Answer::Failed(CaseRun::failed(Verdict::BadValue, what)));
                }
                Err(Malformed::Bytes) => return meddling(),
            },
            b'H' => match marshal::decode(&frame.payload) {
                Ok(number @ Value::Int(_)) => marshal::encode(&number),
                Ok(_) | Err(_) => return meddling(),
            },
            b'E' => match Exception::decode(&frame.payload) {
                Some(exception) => {
                    is_out_of_memory = exception.is_out_of_memory();
                    frame.payload
                }
                None => return meddling(),
            },
            b'B' | b'L' => {
                return Ok(Answer::Failed(of_answer(&frame, None, self.work.language)));
            }
            _ => return meddling(),
        };
        self.tester.send(frame.kind, question.number, &payload)?;
        Ok(Answer::Relayed { is_out_of_memory })
    }
}

/// What became of a question.
enum Answer {
    /// The tester has the answer.
    Relayed { is_out_of_memory: bool },
    /// There is none, and the test is over.
    Failed(CaseRun),
}

/// The verdict on a program whose answers make a test go on for ever; `None` where the test ends in
/// a way that no answer explains.
fn of_tester(silence: Silence) -> Option<CaseRun> {
    let failed = |verdict, what| Some(CaseRun::failed(verdict, what));
    match silence {
        Silence::Over(Over::Cpu { .. } | Over::Idle) => {
            failed(Verdict::TimeLimit, "the test does not end on the program's answers")
        }
        Silence::TooMuch => failed(Verdict::OutputLimit, "the test prints the program's answers"),
        Silence::Death(exit) if exit.is_out_of_memory => {
            failed(Verdict::MemoryLimit, "the test has no room for the program's answers")
        }
        Silence::Over(Over::Overload) | Silence::Meddling | Silence::Mute | Silence::Death(_) => {
            None
        }
    }
}

/// Whether a death came from outside: test code does not kill itself.
fn is_killed(silence: Silence) -> bool {
    matches!(silence, Silence::Death(exit) if exit.signal() == Some(libc::SIGKILL))
}

fn broken(why: &str) -> Fault {
    Fault { kind: FaultKind::Test, message: shortened(why) }
}
