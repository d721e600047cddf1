//! `codescaler bench serve`: what the server costs beside what it serves.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU64, NonZeroUsize},
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Args;
use codescaler::{
    candidate::Candidate,
    problem::{Entry, Problem},
};
use codescaler_extract::Policy;
use codescaler_http::{
    Ask, Backend as _, Load, Loaded, Outcome as Judged, Server, ServerBounds, ServerOptions,
};
use serde_json::{Value as Json, json};

use super::{spread::Spread, write};
use crate::{
    demo,
    failure::{Failure, Outcome},
    files::read_all,
    memory::resident_mib,
    score::ScorerOptions,
    serve::backend::Judge,
    table::table,
    terminal::Terminal,
};

/// Measure what the server costs, beside the engine without it.
///
/// The same programs are scored by the engine in one call, by the server in one request, and by the
/// server in requests of one program each from many connections at once; then one after the other.
/// Every answer is compared with the engine's, bit for bit.
#[derive(Args)]
#[command(after_help = "\
Examples:
  codescaler bench serve
  codescaler bench serve --problems problems.jsonl --candidates candidates.jsonl \\
      --connections 2000 --seconds 300 --rounds 1 --out result.json")]
pub(crate) struct Options {
    /// The problems; by default those in the box.
    #[arg(long, requires = "candidates")]
    problems: Option<PathBuf>,
    /// Their candidates.
    #[arg(long, requires = "problems")]
    candidates: Option<PathBuf>,
    /// How many programs are scored in one call: the first ones.
    #[arg(long, default_value = "512")]
    programs_max: NonZeroUsize,
    /// How many clients send single programs at once.
    #[arg(long, default_value = "256")]
    connections: NonZeroUsize,
    /// How long they do it.
    #[arg(long, default_value = "20")]
    seconds: NonZeroU64,
    /// How often each side has its turn.
    #[arg(long, default_value = "3")]
    rounds: NonZeroUsize,
    #[command(flatten)]
    scorer: ScorerOptions,
    /// Where to write every round's figures, as JSON.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Programs of one request at a time, for the time that a client alone waits.
const ALONE: usize = 200;

/// One round's figures: programs per second, and milliseconds of a program alone.
#[derive(Clone, Debug)]
struct Round {
    engine: f64,
    one_request: f64,
    singles: Loaded,
    engine_alone_ms: f64,
    server_alone_ms: f64,
    /// Seconds and MiB, while single programs were asked for.
    memory_mib: Vec<(f64, f64)>,
}

impl Round {
    fn singles_per_s(&self) -> f64 {
        self.singles.right as f64 / self.singles.wall.as_secs_f64()
    }
}

/// What is scored, and what comes out.
struct Work {
    items: Vec<(Arc<Problem>, String)>,
    /// Bits of each score; `None` where there is no program.
    scores: Vec<Option<u32>>,
}

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let judge = Arc::new(Judge::of(options.scorer.open()?, Policy::BestValid));
    let items = read(options)?;
    let (_, scores) = score_all(&judge, &items);
    let work = Arc::new(Work { items, scores });
    let stop = Arc::new(AtomicBool::new(false));
    let server_options = ServerOptions {
        bind: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: None,
        tls: None,
        traces: None,
        bounds: ServerBounds {
            items_max: usize::MAX,
            body_bytes_max: 1 << 30,
            ..Default::default()
        },
        clock: || 0,
    };
    let fail = |error| Failure::fault(error, "the server does not start");
    let server = Server::bind(server_options, Arc::clone(&judge) as _).map_err(fail)?;
    let address = server.address();
    let flag = Arc::clone(&stop);
    let serving = thread::spawn(move || server.run(&|| flag.load(Ordering::Relaxed)));
    let rounds = measure(terminal, options, (&judge, &work), address);
    stop.store(true, Ordering::Relaxed);
    serving.join().expect("the server does not panic").map_err(fail)?;
    report(terminal, options, &work, &rounds?)
}

/// The first programs of the files, or of those in the box.
fn read(options: &Options) -> Result<Vec<(Arc<Problem>, String)>, Failure> {
    let (problems, candidates): (Vec<Problem>, Vec<Candidate>) =
        match (&options.problems, &options.candidates) {
            (Some(problems), Some(candidates)) => (read_all(problems)?, read_all(candidates)?),
            _ => (
                demo::unpacked(demo::PROBLEMS)?.collect::<Result<_, _>>()?,
                demo::unpacked(demo::CANDIDATES)?.collect::<Result<_, _>>()?,
            ),
        };
    // A trainer's request says no more of a problem than its text.
    let stripped = |problem: &Problem| {
        let statement = problem.statement.clone();
        Arc::new(Problem {
            starter: String::new(),
            entry: Entry::Stdio,
            statement,
            ..problem.clone()
        })
    };
    let known: BTreeMap<&str, Arc<Problem>> =
        problems.iter().map(|problem| (problem.id.as_str(), stripped(problem))).collect();
    let items = candidates.into_iter().filter_map(|candidate| {
        let problem = known.get(candidate.problem.as_str())?;
        Some((Arc::clone(problem), candidate.completion.or(candidate.program)?))
    });
    let items: Vec<_> = items.take(options.programs_max.get()).collect();
    if items.is_empty() {
        return Err(Failure::input("there is no candidate to score"));
    }
    Ok(items)
}

fn asks(items: &[(Arc<Problem>, String)]) -> Vec<Ask> {
    let ask = |(problem, response): &(Arc<Problem>, String)| Ask::Response {
        problem: Arc::clone(problem),
        response: response.clone(),
        policy: None,
    };
    items.iter().map(ask).collect()
}

/// Seconds and bits of the engine without a server.
fn score_all(judge: &Judge, items: &[(Arc<Problem>, String)]) -> (f64, Vec<Option<u32>>) {
    let asks = asks(items);
    let batch: Vec<&Ask> = asks.iter().collect();
    let mut scores = vec![None; batch.len()];
    let since = Instant::now();
    judge.score(&batch, since + Duration::from_hours(24), &mut |place, judgement| {
        if let Judged::Scored(score) = judgement.outcome {
            scores[place] = Some(score.get().to_bits());
        }
        ControlFlow::Continue(())
    });
    (since.elapsed().as_secs_f64(), scores)
}

fn measure(
    terminal: Terminal,
    options: &Options,
    (judge, work): (&Judge, &Arc<Work>),
    address: SocketAddr,
) -> Result<Vec<Round>, Failure> {
    let n = work.items.len() as f64;
    let bar = terminal.progress("bench", options.rounds.get() as u64, 0);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds.get() {
        crate::terminal::check_interrupt()?;
        let engine = n / score_all(judge, &work.items).0;
        let load = |connections, duration, requests_max| Load {
            address,
            path: "/rm?shaping=raw&key=raw".to_owned(),
            connections,
            duration,
            requests_max,
            keep_alive: connections == 1,
        };
        let whole = Load { path: "/v1/reward".to_owned(), ..load(1, Duration::from_secs(600), 1) };
        let whole = send_whole(&whole, work)?;
        let seconds = Duration::from_secs(options.seconds.get());
        let singles = load(options.connections.get(), seconds, usize::MAX);
        let (singles, memory_mib) = remembering(|| send_singles(&singles, work));
        let singles = singles?;
        let alone = &work.items[..work.items.len().min(ALONE)];
        let mut engine_ms: Vec<f64> =
            alone.iter().map(|one| score_all(judge, std::slice::from_ref(one)).0 * 1e3).collect();
        engine_ms.sort_by(f64::total_cmp);
        let served = send_singles(&load(1, Duration::from_secs(600), alone.len()), work)?;
        rounds.push(Round {
            engine,
            one_request: n / whole.wall.as_secs_f64() * whole.right as f64,
            singles,
            engine_alone_ms: engine_ms[engine_ms.len() / 2],
            server_alone_ms: served.quantile(0.5).as_secs_f64() * 1e3,
            memory_mib,
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(rounds)
}

/// Does work, and says how much memory was resident while it was done: seconds and MiB, from its
/// beginning to its end.
fn remembering<R>(work: impl FnOnce() -> R) -> (R, Vec<(f64, f64)>) {
    /// How often to look.
    const EVERY: Duration = Duration::from_secs(5);
    let began = Instant::now();
    let look = || (began.elapsed().as_secs_f64(), resident_mib().unwrap_or(f64::NAN));
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watcher = scope.spawn(move || {
            let mut seen = vec![look()];
            while is_done.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                seen.push(look());
            }
            seen.push(look());
            seen
        });
        let result = work();
        drop(done);
        (result, watcher.join().expect("looking at memory does not panic"))
    })
}

/// By how much memory grows, in MiB per minute, once the first third of the time is over: the slope
/// of the least squares.
fn growth_per_minute(seen: &[(f64, f64)]) -> f64 {
    let end = seen.last().map_or(0.0, |(seconds, _)| *seconds);
    let late: Vec<_> = seen.iter().filter(|(seconds, _)| *seconds >= end / 3.0).collect();
    let n = late.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| late.iter().map(|at| of(at)).sum::<f64>() / n;
    let (x, y) = (mean(|at| at.0), mean(|at| at.1));
    let squares: f64 = late.iter().map(|at| (at.0 - x) * (at.0 - x)).sum();
    let products: f64 = late.iter().map(|at| (at.0 - x) * (at.1 - y)).sum();
    if squares > 0.0 { 60.0 * products / squares } else { 0.0 }
}

/// All programs in one request.
fn send_whole(load: &Load, work: &Arc<Work>) -> Result<Loaded, Failure> {
    let items: Vec<Json> = work
        .items
        .iter()
        .map(|(problem, response)| json!({"problem": problem.statement, "response": response}))
        .collect();
    let body = json!({"items": items, "shaping": {"kind": "raw"}}).to_string();
    let expected = Arc::clone(work);
    let is_right = move |_, status, answer: &[u8]| {
        let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
        let results = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
        let bits = |result: &Json| result["raw"].as_f64().map(|raw| (raw as f32).to_bits());
        status == 200 && results.iter().map(bits).eq(expected.scores.iter().copied())
    };
    load.run(move |_| body.clone(), is_right).map_err(no_runtime)
}

/// One program in each request, again and again from the first to the last.
fn send_singles(load: &Load, work: &Arc<Work>) -> Result<Loaded, Failure> {
    let (asked, expected) = (Arc::clone(work), Arc::clone(work));
    let body = move |at: usize| {
        let (problem, response) = &asked.items[at % asked.items.len()];
        json!({"prompt": problem.statement, "response": response}).to_string()
    };
    let is_right = move |at: usize, status, answer: &[u8]| {
        let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
        let bits = (answer["raw"].as_f64().unwrap_or(f64::NAN) as f32).to_bits();
        let is_valid = answer["valid"] == 1.0;
        status == 200
            && match expected.scores[at % expected.scores.len()] {
                Some(score) => is_valid && bits == score,
                None => !is_valid || answer["too_long"] == 1.0,
            }
    };
    load.run(body, is_right).map_err(no_runtime)
}

fn no_runtime(error: std::io::Error) -> Failure {
    Failure::fault(error, "there are no clients")
}

fn report(
    terminal: Terminal,
    options: &Options,
    work: &Work,
    rounds: &[Round],
) -> Result<Outcome, Failure> {
    let of = |value: fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let quantile = |q: f64| Spread::of(rounds.iter().map(|round| ms(round.singles.quantile(q))));
    let connections = options.connections;
    let lines = [
        ("engine, one call, programs/s".to_owned(), of(|r| r.engine), 1),
        ("server, one request, programs/s".to_owned(), of(|r| r.one_request), 1),
        (
            format!("server, {connections} clients of one each, programs/s"),
            of(Round::singles_per_s),
            1,
        ),
        ("one request by engine".to_owned(), of(|r| r.one_request / r.engine), 3),
        ("clients of one each by engine".to_owned(), of(|r| r.singles_per_s() / r.engine), 3),
        (
            "clients of one each by one request".to_owned(),
            of(|r| r.singles_per_s() / r.one_request),
            3,
        ),
        ("a program alone: engine, p50 ms".to_owned(), of(|r| r.engine_alone_ms), 2),
        ("a program alone: server, p50 ms".to_owned(), of(|r| r.server_alone_ms), 2),
        (
            "a program alone: difference, ms".to_owned(),
            of(|r| r.server_alone_ms - r.engine_alone_ms),
            2,
        ),
        (format!("{connections} clients: p50, ms"), quantile(0.5), 0),
        (format!("{connections} clients: p99, ms"), quantile(0.99), 0),
        ("memory before, MiB".to_owned(), of(|r| r.memory_mib[0].1), 0),
        ("memory after, MiB".to_owned(), of(|r| r.memory_mib[r.memory_mib.len() - 1].1), 0),
        (
            "memory growth after a third, MiB/minute".to_owned(),
            of(|r| growth_per_minute(&r.memory_mib)),
            2,
        ),
    ];
    let rows = lines.iter().map(|(name, spread, digits)| vec![name.clone(), spread.show(*digits)]);
    terminal.print(&table(&["", "median [min, max]"], &rows.collect::<Vec<_>>()));
    let sum = |value: fn(&Loaded) -> usize| rounds.iter().map(|r| value(&r.singles)).sum::<usize>();
    let (right, wrong, lost) = (sum(|l| l.right), sum(|l| l.wrong), sum(|l| l.lost));
    let waited = sum(|l| l.told_to_wait);
    terminal.print(&format!(
        "{right} single requests answered as the engine does bit for bit, {wrong} otherwise, {lost} \
         lost, {waited} told to come again; {} of {} programs have a score",
        work.scores.iter().flatten().count(),
        work.scores.len(),
    ));
    let summary = json!({
        "verb": "bench serve", "programs": work.items.len(), "connections": connections,
        "seconds": options.seconds, "rounds": rounds.len(),
        "right": right, "wrong": wrong, "lost": lost, "told_to_wait": waited,
        "figures": lines.iter().map(|(name, spread, _)| (name.clone(), spread.summary()))
            .collect::<serde_json::Map<String, Json>>(),
        "memory_by_second": rounds.iter().map(|round| &round.memory_mib).collect::<Vec<_>>(),
    });
    if let Some(out) = &options.out {
        write(out, &summary)?;
    }
    let mut outcome = Outcome::done(summary);
    outcome.found = wrong + lost > 0;
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_a_slope_without_the_beginning() {
        let at =
            |seconds: f64| (seconds, if seconds < 30.0 { 5.0 * seconds } else { 150.0 + seconds });
        let seen: Vec<_> = (0..=9).map(|ten| at(f64::from(ten) * 10.0)).collect();
        assert!((growth_per_minute(&seen) - 60.0).abs() < 1e-9);
        assert_eq!(growth_per_minute(&[(0.0, 7.0)]), 0.0);
    }
}
