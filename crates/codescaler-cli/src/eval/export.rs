//! `codescaler eval export`: programs, verdicts and scores as the result files of benchmarks.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use codescaler::{
    candidate::Candidate,
    export::{
        Answers, Judged, evalplus_results, evalplus_sample, livecodebench, livecodebench_results,
        rm_bench,
    },
    metric::Style,
    problem::Problem,
    score::{Score, Scored},
};
use codescaler_extract::Policy;
use codescaler_reward::program_of;
use serde::Deserialize as _;
use serde_json::{Value as Json, json};

use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, write_rows},
    terminal::Terminal,
    verdicts::{self, Verdicts},
};

/// Write the result files of benchmarks' own tools.
///
/// Programs for their judges, and verdicts or scores for their tables. A candidate that stands for
/// several samples is written as often. What has no verdict (a fault of ours, or nobody ran it) or
/// no score is left out and counted, since these files have no word for it.
#[derive(Args)]
#[command(after_help = "\
Forms:
  evalplus               samples for `evalplus.evaluate --samples`: a line per program
  evalplus-results       what `evalplus.evaluate` writes beside the samples (NAME_eval_results.json)
  livecodebench          the list that `lcb_runner.runner.custom_evaluator` reads
  livecodebench-results  the list that it writes (…_eval_all.json), for `compute_scores`
  rm-bench               the list of RM-Bench's results, with score_chosen and score_rejected

`codescaler import` reads back evalplus-samples, evalplus-results, livecodebench-results and rm-bench.

Examples:
  codescaler eval export evalplus --problems he/problems.jsonl --candidates c.jsonl --out samples.jsonl
  codescaler eval export evalplus-results --problems he/problems.jsonl --candidates c.jsonl \\
      --verdicts base.jsonl --verdicts-plus plus.jsonl --out samples_eval_results.json
  codescaler eval export rm-bench --problems rmb/problems.jsonl --candidates rmb/candidates.jsonl \\
      --verdicts rmb/labels.jsonl --scores rmb/scores.jsonl --out rm_bench.json")]
pub(crate) struct Options {
    /// The form of the file.
    form: Form,
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The candidates.
    #[arg(long)]
    candidates: PathBuf,
    /// Labels, or executions of hidden tests; for evalplus-results those of the base tests (of
    /// labels, all but EvalPlus's).
    #[arg(long)]
    verdicts: Option<PathBuf>,
    /// For evalplus-results: executions of the extended tests, or labels by `evalplus`.
    #[arg(long)]
    verdicts_plus: Option<PathBuf>,
    /// For rm-bench: scores made by `codescaler score`.
    #[arg(long)]
    scores: Option<PathBuf>,
    /// Only candidates by this source.
    #[arg(long)]
    source: Option<String>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// Where to write.
    #[arg(long)]
    out: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Samples for EvalPlus.
    #[value(name = "evalplus")]
    EvalPlus,
    /// Verdicts as EvalPlus writes them.
    #[value(name = "evalplus-results")]
    EvalPlusResults,
    /// Programs for LiveCodeBench's custom evaluator.
    #[value(name = "livecodebench")]
    LiveCodeBench,
    /// Verdicts as LiveCodeBench writes them.
    #[value(name = "livecodebench-results")]
    LiveCodeBenchResults,
    /// Scores as RM-Bench writes them.
    #[value(name = "rm-bench")]
    RmBench,
}

/// Extended tests are EvalPlus's.
const EXTENDED: &str = "evalplus";

/// A problem with what was written for it: the candidate, how many samples it stands for, and its
/// program (empty where it has none).
type Pool<'a> = (&'a Problem, Vec<(Candidate, u32, String)>);

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    if options.out.exists() {
        return Err(Failure::input(format!(
            "{} exists: delete it or name another output",
            options.out.display()
        )));
    }
    let problems = Problems::read(&options.problems)?;
    let pools = pools(options, &problems)?;
    let written = match options.form {
        Form::EvalPlus => samples(options, &pools),
        Form::LiveCodeBench => programs(options, &pools),
        Form::EvalPlusResults => extended_verdicts(options, &pools),
        Form::LiveCodeBenchResults => graded(options, &pools),
        Form::RmBench => scored(options, &pools),
    }?;
    let Written { rows, left_out } = written;
    terminal.print(&format!("{rows} rows written to {}", options.out.display()));
    for (what, n) in &left_out {
        terminal.print(&format!("  left out: {n:>8}  {what}"));
    }
    Ok(Outcome::done(json!({
        "verb": "eval export", "out": options.out, "rows": rows, "left_out": left_out,
    })))
}

/// What stands in the file, and what does not.
struct Written {
    rows: usize,
    left_out: BTreeMap<&'static str, usize>,
}

/// Every problem with its candidates, in the order of their indices; probes are no samples.
fn pools<'a>(options: &Options, problems: &'a Problems) -> Result<Vec<Pool<'a>>, Failure> {
    let mut pools: Vec<Pool<'a>> = problems.iter().map(|problem| (problem, Vec::new())).collect();
    let whole = options.form == Form::RmBench;
    for entry in Joined::<_, Candidate>::open(&options.candidates, problems)? {
        let (problem, candidate) = entry?;
        let relation = candidate.relation().map_err(|error| Failure::Input(error.into()))?;
        let copies = copies(&candidate, options.source.as_deref());
        if relation.is_some() || copies == 0 {
            continue;
        }
        let program = if whole {
            candidate.completion.clone().or_else(|| candidate.program.clone())
        } else {
            program_of(&candidate, problem, options.policy).ok().map(std::borrow::Cow::into_owned)
        };
        let place = problems.place(&problem.id);
        pools[place].1.push((candidate, copies, program.unwrap_or_default()));
    }
    for (_, pool) in &mut pools {
        pool.sort_by_key(|(candidate, ..)| candidate.index);
    }
    if pools.iter().all(|(_, pool)| pool.is_empty()) {
        return Err(Failure::input(format!(
            "{} holds no candidate that is asked for",
            options.candidates.display()
        )));
    }
    Ok(pools)
}

/// How many samples a candidate stands for, of one source or of all.
fn copies(candidate: &Candidate, source: Option<&str>) -> u32 {
    let all = candidate.source.count.max(1);
    let Some(source) = source else { return all };
    match candidate.extra.get("sources").and_then(Json::as_object) {
        Some(sources) => {
            let count = sources.get(source).and_then(Json::as_u64).unwrap_or_default();
            u32::try_from(count).unwrap_or(u32::MAX)
        }
        None if candidate.source.name == source => all,
        None => 0,
    }
}

fn samples(options: &Options, pools: &[Pool<'_>]) -> Result<Written, Failure> {
    let mut rows = 0;
    write_rows(&options.out, |file| {
        for (problem, pool) in pools {
            for (_, copies, program) in pool {
                for _ in 0..*copies {
                    writeln!(file, "{}", evalplus_sample(problem, program))?;
                    rows += 1;
                }
            }
        }
        Ok(())
    })?;
    Ok(Written { rows, left_out: BTreeMap::new() })
}

fn programs(options: &Options, pools: &[Pool<'_>]) -> Result<Written, Failure> {
    let row = |(problem, pool): &Pool<'_>| {
        let repeated = |(_, copies, program): &'_ (Candidate, u32, String)| {
            std::iter::repeat_n(program.clone(), *copies as usize)
        };
        let programs: Vec<String> = pool.iter().flat_map(repeated).collect();
        livecodebench(problem, &programs.iter().map(String::as_str).collect::<Vec<_>>())
    };
    write_list(&options.out, pools.iter().map(row))?;
    let empty = pools.iter().filter(|(_, pool)| pool.is_empty()).count();
    let left_out = (empty > 0).then_some(("problem without a program, an empty list", empty));
    Ok(Written { rows: pools.len(), left_out: left_out.into_iter().collect() })
}

/// The programs whose verdict is known, once for each sample, and how many are not.
fn judged<'p>(
    (problem, pool): &'p Pool<'_>,
    (base, plus): (&Verdicts, Option<&Verdicts>),
) -> (Vec<Judged<'p>>, usize) {
    let (mut known, mut unknown) = (Vec::new(), 0);
    for (candidate, copies, program) in pool {
        let key = (problem.id.clone(), candidate.index);
        let passed = base.get(&key).copied();
        let extended = plus.map(|plus| plus.get(&key).copied());
        match (passed, extended) {
            (Some(passed), None | Some(Some(_))) => {
                let passed_extended = extended.flatten().map(|extended| extended && passed);
                let one = Judged { program, passed, passed_extended };
                known.extend(std::iter::repeat_n(one, *copies as usize));
            }
            (None, _) | (Some(_), Some(None)) => unknown += *copies as usize,
        }
    }
    (known, unknown)
}

const UNKNOWN: &str = "sample without a verdict";

fn extended_verdicts(options: &Options, pools: &[Pool<'_>]) -> Result<Written, Failure> {
    let path = needed(options.verdicts.as_ref(), "--verdicts")?;
    let base = verdicts::read(path, |by| by != EXTENDED)?;
    let plus = options.verdicts_plus.as_deref();
    let plus = plus.map(|path| verdicts::read(path, |by| by == EXTENDED)).transpose()?;
    let found: Vec<_> =
        pools.iter().map(|pool| (pool.0, judged(pool, (&base, plus.as_ref())))).collect();
    let unknown: usize = found.iter().map(|(_, (_, unknown))| unknown).sum();
    let found: Vec<(&Problem, Vec<Judged<'_>>)> = found
        .into_iter()
        .map(|(problem, (known, _))| (problem, known))
        .filter(|(_, known)| !known.is_empty())
        .collect();
    let file = evalplus_results(&found, &fingerprint(&options.problems)?);
    write_rows(&options.out, |out| write!(out, "{file}"))?;
    let rows = found.iter().map(|(_, known)| known.len()).sum();
    let left_out = (unknown > 0).then_some((UNKNOWN, unknown));
    Ok(Written { rows, left_out: left_out.into_iter().collect() })
}

fn graded(options: &Options, pools: &[Pool<'_>]) -> Result<Written, Failure> {
    let path = needed(options.verdicts.as_ref(), "--verdicts")?;
    let base = verdicts::read(path, |_| true)?;
    let found: Vec<_> = pools.iter().map(|pool| (pool.0, judged(pool, (&base, None)))).collect();
    let known: Vec<_> = found.iter().filter(|(_, (known, _))| !known.is_empty()).collect();
    let row = |(problem, (known, _)): &&(&Problem, (Vec<Judged<'_>>, usize))| {
        livecodebench_results(problem, known)
    };
    write_list(&options.out, known.iter().map(row))?;
    let left_out = [
        (UNKNOWN, found.iter().map(|(_, (_, unknown))| unknown).sum()),
        ("problem without a verdict", found.len() - known.len()),
    ];
    let left_out = left_out.into_iter().filter(|(_, n)| *n > 0).collect();
    Ok(Written { rows: known.len(), left_out })
}

fn scored(options: &Options, pools: &[Pool<'_>]) -> Result<Written, Failure> {
    let labels = verdicts::read(needed(options.verdicts.as_ref(), "--verdicts")?, |_| true)?;
    let path = needed(options.scores.as_ref(), "--scores")?;
    let problems = Problems::read(&options.problems)?;
    let mut scores: BTreeMap<(String, u32), Score> = BTreeMap::new();
    for entry in Joined::<_, Scored>::open(path, &problems)? {
        let (problem, scored) = entry?;
        if let Some(score) = scored.score {
            scores.insert((problem.id.clone(), scored.index), score);
        }
    }
    let mut rows = Vec::new();
    for pool in pools {
        if let Some(answers) = answers(pool, &labels, &scores)? {
            rows.push(rm_bench(pool.0, &answers));
        }
    }
    let left_out = pools.len() - rows.len();
    let written = rows.len();
    write_list(&options.out, rows.into_iter())?;
    let left_out = (left_out > 0).then_some(("prompt with an answer without a score", left_out));
    Ok(Written { rows: written, left_out: left_out.into_iter().collect() })
}

/// The six answers to a prompt; `None` when one has no score.
fn answers<'p>(
    (problem, pool): &'p Pool<'_>,
    labels: &Verdicts,
    scores: &BTreeMap<(String, u32), Score>,
) -> Result<Option<Answers<'p>>, Failure> {
    let refuse = || {
        Failure::input(format!(
            "problem {:?} is none of RM-Bench: it has not one right and one wrong answer in each of \
             the styles {}; `codescaler import rm-bench` makes such problems",
            problem.id,
            Style::ALL.map(Style::name).join(", ")
        ))
    };
    let mut sides = [[None; Style::ALL.len()]; 2];
    for (candidate, _, text) in pool {
        let key = (problem.id.clone(), candidate.index);
        let style = candidate.extra.get("style").ok_or_else(refuse)?;
        let style = Style::deserialize(style).map_err(|_| refuse())?;
        let side = usize::from(!*labels.get(&key).ok_or_else(refuse)?);
        let place = Style::ALL.iter().position(|known| *known == style).ok_or_else(refuse)?;
        if sides[side][place].replace((text.as_str(), scores.get(&key).copied())).is_some() {
            return Err(refuse());
        }
    }
    let [[Some(a), Some(b), Some(c)], [Some(d), Some(e), Some(f)]] = sides else {
        return Err(refuse());
    };
    let with_score = |(text, score): (&'p str, Option<Score>)| Some((text, score?));
    let side = |[a, b, c]: [(&'p str, Option<Score>); 3]| {
        Some([with_score(a)?, with_score(b)?, with_score(c)?])
    };
    Ok(side([a, b, c]).zip(side([d, e, f])).map(|(right, wrong)| [right, wrong]))
}

fn needed<'a>(path: Option<&'a PathBuf>, name: &str) -> Result<&'a Path, Failure> {
    path.map(PathBuf::as_path).ok_or_else(|| Failure::input(format!("this form needs {name}")))
}

/// A JSON list, an element per line.
fn write_list(path: &Path, rows: impl Iterator<Item = Json>) -> Result<(), Failure> {
    write_rows(path, |file| {
        for (at, row) in rows.enumerate() {
            write!(file, "{}{row}", if at == 0 { "[\n" } else { ",\n" })?;
        }
        writeln!(file, "\n]")
    })
}
