//! Programs whose function or method is called: one process, answers in order.
//!
//! Calls share a process as long as it answers; after a death the next case gets a fresh one.
//! Calls are sent ahead, so that a quick program answers many before we are woken. The clock of a
//! case runs from the moment when we saw the answer before it: what a late look hides is less than
//! what all cases in between used together, and that was within the limit of one.

use codescaler::{
    check::Check,
    execution::{Fault, FaultKind, Verdict},
    value::Value,
};

use crate::{
    job::CaseRun,
    marshal,
    session::{Session, Watch, late},
    verdict::{Used, Work, of_answer, of_silence},
    zygote::{Ceiling, Role, Zygote},
};

/// Arguments, and what is expected where something is.
pub(crate) type Call<'a> = (&'a [Value], Option<(&'a Value, Check)>);

/// One verdict per call, up to where the caller wants to stop.
pub(crate) fn run(
    zygote: &mut Zygote,
    work: &Work<'_>,
    calls: &[Call<'_>],
    used: &mut Used,
) -> Result<Vec<CaseRun>, Fault> {
    let start =
        |zygote: &mut Zygote| Session::start(zygote, Role::Calls, ceiling(work, calls.len()));
    run_by(zygote, &start, work, (calls, used))
}

/// The same, however a process is started.
pub(crate) fn run_by(
    zygote: &mut Zygote,
    start: &dyn Fn(&mut Zygote) -> Result<Session, Fault>,
    work: &Work<'_>,
    (calls, used): (&[Call<'_>], &mut Used),
) -> Result<Vec<CaseRun>, Fault> {
    let mut runs = Vec::with_capacity(calls.len());
    while runs.len() < calls.len() && !work.stops_after(&runs) {
        let mut session = start(zygote)?;
        let result = converse(&mut session, zygote, work, (calls, &mut runs));
        let exit = session.reap(zygote.server())?;
        used.add(exit);
        result?;
    }
    Ok(runs)
}

/// What the kernel may grant to a process that answers this many calls. Time limits are watched
/// from outside, to the millisecond; this one holds even if we are not looking.
pub(crate) fn ceiling(work: &Work<'_>, n_cases: usize) -> Ceiling {
    let n_cases = u64::try_from(n_cases).unwrap_or(u64::MAX);
    let cpu_ms = work.limits.cpu_ms_max.saturating_mul(n_cases.max(1));
    Ceiling { memory_bytes: work.limits.memory_mib_max << 20, cpu_seconds: cpu_ms / 1000 + 2 }
}

/// Talks with one process until all calls are answered, or it cannot go on.
fn converse(
    session: &mut Session,
    zygote: &Zygote,
    work: &Work<'_>,
    (calls, runs): (&[Call<'_>], &mut Vec<CaseRun>),
) -> Result<(), Fault> {
    let server = zygote.server();
    let mut watch = Watch::start(session.process(), work.limits);
    session.send(b'P', 0, &work.spec())?;
    // The first call is on its way while the program loads.
    let mut n_sent = runs.len();
    send_ahead(session, calls, &mut n_sent, runs.len() + 1)?;
    if let Some(run) = session.load(server, &mut watch, work)? {
        // It would not load for the others either.
        let others = run.clone().with_cpu_ms(0.0);
        runs.push(run);
        runs.resize(calls.len(), others);
        return Ok(());
    }
    loop {
        send_ahead(session, calls, &mut n_sent, calls.len())?;
        let answer = session.answer(server, &mut watch, number_of(runs.len()))?;
        let run = match answer {
            Ok(_) if watch.is_over(session.process()) => {
                CaseRun { is_crowded: watch.is_crowded(session.process()), ..late(work.limits) }
            }
            Ok(frame) => of_answer(&frame, calls[runs.len()].1, work.language),
            Err(silence) => {
                let run = of_silence(silence, work.limits)?;
                let before: f64 = runs.iter().map(|run| run.cpu_ms).sum();
                let cpu_ms = (session.reap(server)?.cpu_ms - before).max(0.0);
                runs.push(run.with_cpu_ms(cpu_ms));
                return Ok(());
            }
        };
        let meddled = run.verdict == Verdict::ProtocolViolation;
        let cpu_ms = watch.cpu(session.process()).as_secs_f64() * 1e3;
        runs.push(run.with_cpu_ms(cpu_ms));
        if meddled || runs.len() == calls.len() || work.stops_after(runs) {
            return Ok(());
        }
        watch = Watch::start(session.process(), work.limits);
    }
}

/// Sends calls up to the given one, as long as the program's end of the channel has room.
fn send_ahead(
    session: &mut Session,
    calls: &[Call<'_>],
    n_sent: &mut usize,
    n_max: usize,
) -> Result<(), Fault> {
    while *n_sent < n_max && !session.is_sending() {
        if !calls[*n_sent].0.iter().all(marshal::is_readable) {
            return Err(Fault {
                kind: FaultKind::Test,
                message: "the arguments are no values of this language".to_owned(),
            });
        }
        session.send(b'A', number_of(*n_sent), &marshal::encode_tuple(calls[*n_sent].0))?;
        *n_sent += 1;
    }
    Ok(())
}

/// Requests are numbered from 1: 0 is loading.
fn number_of(index: usize) -> u32 {
    u32::try_from(index + 1).expect("there are fewer than 2³² cases")
}
