//! Tests that are code: a trusted tester in one process, the program in another.
//!
//! The tester's questions go to the program, the program's answers to the tester, and every answer
//! is decoded and encoded again on the way: a tester never reads bytes that a program wrote.

use codescaler::{
    execution::{Fault, FaultKind, Verdict},
    problem::Limits,
    value::Value,
};

use crate::{
    calls::{ceiling, late},
    job::CaseRun,
    marshal::{self, Malformed},
    session::{Session, Watch},
    verdict::{Exception, Used, Work, of_answer, of_silence, shortened},
    wire::Frame,
    zygote::{Role, Zygote},
};

/// What test code may use by itself. It is trusted, but an endless loop in it must not hold us.
const TESTER_LIMITS: Limits = Limits { cpu_ms_max: 60_000, memory_mib_max: 4096 };

/// One verdict per test code, up to where the caller wants to stop.
pub(crate) fn run(
    (program, tester): (&mut Zygote, &mut Zygote),
    work: &Work<'_>,
    codes: &[&str],
    used: &mut Used,
) -> Result<Vec<CaseRun>, Fault> {
    let mut runs = Vec::with_capacity(codes.len());
    let trusted = Work { limits: TESTER_LIMITS, ..*work };
    while runs.len() < codes.len() && !work.stops_after(&runs) {
        let mut pair = Pair {
            program: Session::start(program, Role::Remote, ceiling(work, codes.len()))?,
            tester: Session::start(tester, Role::Tester, ceiling(&trusted, codes.len()))?,
            zygotes: (program, tester),
            work,
        };
        let result = pair.converse(codes, &mut runs);
        used.add(pair.program.reap(pair.zygotes.0.server())?);
        pair.tester.reap(pair.zygotes.1.server())?;
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
        let mut tester_watch = Watch::start(self.tester.process(), TESTER_LIMITS);
        self.tester.send(b'T', 1, code.as_bytes())?;
        let mut out_of_memory = false;
        loop {
            tester_watch.resume();
            let frame = match self.tester.wait(server, &mut tester_watch)? {
                Ok(frame) => frame,
                Err(silence) => {
                    return Err(broken(&format!("the test code does not end well: {silence:?}")));
                }
            };
            if frame.kind == b'Q' {
                match self.answer(&frame, watch)? {
                    Answer::Relayed { is_out_of_memory } => out_of_memory = is_out_of_memory,
                    Answer::Failed(run) => return Ok(Outcome { run, alive: false }),
                }
                continue;
            }
            let text = match marshal::decode(&frame.payload) {
                Ok(Value::Str(text)) => text,
                Ok(_) | Err(_) => String::new(),
            };
            let run = match frame.kind {
                b'P' => CaseRun {
                    verdict: Verdict::Pass,
                    detail: String::new(),
                    output: None,
                    cpu_ms: 0.0,
                },
                b'A' => CaseRun::failed(Verdict::WrongAnswer, text),
                b'E' if out_of_memory => CaseRun::failed(Verdict::MemoryLimit, text),
                b'E' => CaseRun::failed(Verdict::RuntimeError, text),
                b'B' => CaseRun::failed(Verdict::BadValue, text),
                _ => return Err(broken(&text)),
            };
            return Ok(Outcome { run, alive: true });
        }
    }

    /// Puts one question to the program and gives its answer to the tester.
    fn answer(&mut self, question: &Frame, watch: &mut Watch) -> Result<Answer, Fault> {
        let limits = self.work.limits;
        watch.resume();
        self.program.send(b'Q', question.number, &question.payload)?;
        let server = self.zygotes.0.server();
        let frame = match self.program.answer(server, watch, question.number)? {
            Ok(frame) => frame,
            Err(silence) => return Ok(Answer::Failed(of_silence(silence, limits)?)),
        };
        if watch.is_over(self.program.process()) {
            return Ok(Answer::Failed(late(self.work)));
        }
        let meddling = || {
            let detail = "an answer that is no answer";
            Ok(Answer::Failed(CaseRun::failed(Verdict::ProtocolViolation, detail)))
        };
        let mut is_out_of_memory = false;
        let payload = match frame.kind {
            b'V' => match marshal::decode(&frame.payload) {
                Ok(value) => marshal::encode(&value),
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
            b'B' | b'L' | b'U' => {
                let run = of_answer(&frame, None)?;
                return Ok(Answer::Failed(run));
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

fn broken(why: &str) -> Fault {
    Fault { kind: FaultKind::Test, message: shortened(why) }
}
