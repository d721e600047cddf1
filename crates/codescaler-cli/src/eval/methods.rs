//! `codescaler eval methods`: many methods on one pool of recorded programs, at equal numbers of
//! samples.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clap::Args;
use codescaler::{
    candidate::Candidate,
    metric::{Estimate, Judged, LeftOut, Measured, accuracy, mean, paired_difference},
    record::Extra,
    seed::{Rng, derive, digest},
    select::Choice,
};
use codescaler_extract::Policy;
use codescaler_reward::program_of;
use codescaler_sandbox::Sandbox;
use codescaler_search::{Cost, Digest, Method, Outcome as Chosen};
use serde_json::{Value as Json, json};

use super::{PoolOptions, as_json, difference, shown};
use crate::{
    exec::{Bounds, SandboxOptions},
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, write_whole},
    groups::Groups,
    report::{
        asked, measured,
        rules::{COSTS, COVERAGE, Spent},
        write_report,
    },
    rundir::RunDir,
    score::{Scorer, ScorerOptions},
    solve::{Recorded, Replay},
    table::table,
    terminal::Terminal,
};

/// Accuracy of methods against their cost, on recorded programs.
///
/// From each problem's labelled programs N are drawn, several times; every method gets the same
/// draws as its samples, in the same order. What it costs beside the samples is counted: programs
/// run and scored. Programs are run and scored once, whatever number of methods ask.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval methods --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl \\
      --method public_filter --method codescaler --method codescaler_run --method output_vote \\
      --method sstar_scored --n 4,8,16 --answers lcb/answers.jsonl --out runs/methods")]
pub(crate) struct Options {
    #[command(flatten)]
    recorded: RecordedOptions,
    /// A method (`codescaler methods`); differences are taken from the first one given.
    #[arg(long = "method", required = true)]
    methods: Vec<String>,
    /// Numbers of samples.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8, 16])]
    n: Vec<u32>,
    /// A run directory for what was measured and its page; without it, only the tables are shown.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Recorded programs, and what plays methods on them.
#[derive(Args)]
pub(super) struct RecordedOptions {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The recorded programs.
    #[arg(long)]
    candidates: PathBuf,
    /// How often samples are drawn from each problem's programs.
    #[arg(long, default_value_t = 4)]
    pub(super) draws: u32,
    /// Where answers of sandbox and reward model are kept; without it, in memory.
    #[arg(long)]
    answers: Option<PathBuf>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    #[command(flatten)]
    pub(super) pool: PoolOptions,
    #[command(flatten)]
    bounds: Bounds,
    #[command(flatten)]
    scorer: ScorerOptions,
    #[command(flatten)]
    sandbox: SandboxOptions,
}

impl RecordedOptions {
    /// Hands the programs and somebody who plays methods on them to `work`.
    pub(super) fn with<T>(
        &self,
        terminal: Terminal,
        work: impl FnOnce(&Pool<'_>, &mut Player<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let problems = Problems::read(&self.problems)?;
        let pool = Pool::read(self, &problems)?;
        let scorer = self.scorer.open()?;
        let sandbox = self.sandbox.start(terminal)?;
        let replay =
            Replay::new(&scorer, (&sandbox, self.bounds), self.policy, self.answers.as_deref())?;
        let (scorer, sandbox) = (&scorer, &sandbox);
        work(&pool, &mut Player { replay, problems: &problems, scorer, sandbox })
    }
}

/// Plays methods on recorded programs.
pub(super) struct Player<'a> {
    replay: Replay<'a>,
    problems: &'a Problems,
    scorer: &'a Scorer,
    sandbox: &'a Sandbox,
}

impl Player<'_> {
    /// What a method chooses for each problem of `recorded`, in the order of their ids.
    pub(super) fn play(
        &mut self,
        method: &Method,
        recorded: Recorded<'_>,
    ) -> Result<Vec<(Chosen, Cost)>, Failure> {
        self.replay.play(method, self.problems, recorded)
    }
}

/// A method with a number of samples.
pub(super) fn with_n(method: &str, n: u32) -> Result<(String, Method), Failure> {
    let separator = if method.contains(':') { ';' } else { ':' };
    let text = format!("{method}{separator}n={n}");
    let parsed = crate::solve::methods::read(&text).map_err(Failure::input)?;
    Ok((text, parsed))
}

/// What one method came to with one number of samples.
struct Row {
    method: String,
    n: u32,
    measured: Vec<Measured>,
    accuracy: Estimate,
    /// Of all problems and draws.
    spent: Cost,
    /// Problems times draws.
    plays: usize,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let recorded = &options.recorded;
    let parsed = |method: &String| options.n.iter().map(|&n| with_n(method, n)).collect();
    let parsed: Vec<Vec<_>> = options.methods.iter().map(parsed).collect::<Result<_, Failure>>()?;
    recorded.with(terminal, |pool, player| {
        let run = options.out.as_deref().map(|out| open_run(out, options, pool, player));
        let run = run.transpose()?;
        let rows = play(terminal, options, &parsed, (pool, player))?;
        terminal.print(&pool.described);
        terminal.print(&show(&rows));
        terminal.print(&format!("\n{}", differences(&rows, recorded.pool.seed)));
        let summary: Vec<Json> = rows.iter().flatten().map(row_json).collect();
        if let Some(run) = run {
            keep(&run, pool, rows)?;
            write_report(terminal, &run.path(""))?;
        }
        Ok(Outcome::done(json!({
            "verb": "eval methods", "pool": pool.described, "draws": recorded.draws,
            "rows": summary,
        })))
    })
}

/// What every method comes to with every number of samples; coverage first.
fn play(
    terminal: Terminal,
    Options { recorded, methods, n: numbers, .. }: &Options,
    parsed: &[Vec<(String, Method)>],
    (pool, player): (&Pool<'_>, &mut Player<'_>),
) -> Result<Vec<Vec<Row>>, Failure> {
    let (draws, seed) = (recorded.draws, recorded.pool.seed);
    let bar =
        terminal.progress("methods", (methods.len() * numbers.len() * draws as usize) as u64, 0);
    let mut rows = vec![pool.coverage(numbers, (draws, seed))];
    for (method, of_n) in methods.iter().zip(parsed) {
        let mut of_method = Vec::new();
        for (&n, (_, with_n)) in numbers.iter().zip(of_n) {
            let mut trials = Vec::new();
            let mut spent = Cost::default();
            for draw in 0..draws {
                let outcomes = player.play(with_n, pool.drawn((draw, seed)))?;
                outcomes.iter().for_each(|(_, one)| spent += *one);
                trials.push(outcomes);
                bar.inc(1);
            }
            let measured = pool.measure(&trials);
            of_method.push(Row {
                accuracy: mean(&measured, seed),
                measured,
                spent,
                plays: pool.groups.len() * draws as usize,
                method: method.clone(),
                n,
            });
        }
        rows.push(of_method);
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn open_run(
    out: &Path,
    options: &Options,
    pool: &Pool<'_>,
    player: &Player<'_>,
) -> Result<RunDir, Failure> {
    let recorded = &options.recorded;
    let labels = recorded.pool.labels_of(&recorded.candidates);
    let plan = json!({
        "verb": "eval methods", "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("CODESCALER_COMMIT"), "seed": recorded.pool.seed, "draws": recorded.draws,
        "n": options.n, "methods": options.methods, "pool": pool.described,
        "problems": fingerprint(&recorded.problems)?,
        "candidates": fingerprint(&recorded.candidates)?,
        "labels": labels.as_deref().map(fingerprint).transpose()?,
        "policy": recorded.policy.to_string(), "bounds": format!("{:?}", recorded.bounds),
        "scorer": player.scorer.provenance(recorded.policy),
        "protection": player.sandbox.protection().level().to_string(),
    });
    let files = [
        ("problems", vec![recorded.problems.as_path()]),
        ("candidates", vec![recorded.candidates.as_path()]),
        ("labels", labels.iter().map(PathBuf::as_path).collect()),
    ];
    RunDir::open(out, &asked("eval methods", &files, &[])?, &plan)
}

/// Writes down what was measured and what it cost.
fn keep(run: &RunDir, pool: &Pool<'_>, rows: Vec<Vec<Row>>) -> Result<(), Failure> {
    let spent = |row: &Row| Spent {
        method: row.method.clone(),
        n: Some(row.n),
        plays: row.plays as u64,
        cost: row.spent,
    };
    let costs: Vec<Spent> =
        rows.iter().flatten().filter(|row| row.method != COVERAGE).map(spent).collect();
    let costs = serde_json::to_string_pretty(&costs).expect("costs are JSON") + "\n";
    write_whole(&run.path(COSTS), costs.as_bytes())?;
    let problems = pool.groups.keys().map(|id| (*id).to_owned()).collect();
    let method =
        |row: Row| measured::Method { name: row.method, n: Some(row.n), measured: row.measured };
    let methods = rows.into_iter().flatten().map(method).collect();
    measured::Found { problems, methods }.write(&run.path("measurements.jsonl"), Extra::new())
}

/// The programs to draw from.
pub(super) struct Pool<'a> {
    /// By problem: its candidates, and whether they are right.
    groups: BTreeMap<&'a str, Vec<(Candidate, bool)>>,
    /// By problem and program: whether it is right.
    labels: BTreeMap<&'a str, BTreeMap<Digest, bool>>,
    pub(super) described: String,
}

impl<'a> Pool<'a> {
    fn read(options: &RecordedOptions, problems: &'a Problems) -> Result<Pool<'a>, Failure> {
        let candidates = Joined::open(&options.candidates, problems)?;
        let mut groups = Groups::read(problems, candidates, options.policy, None)?;
        groups.drop_empty();
        let described = options.pool.apply(&mut groups, &options.candidates)?;
        let labelled: BTreeMap<&str, BTreeMap<u32, bool>> = groups
            .list
            .iter()
            .map(|group| {
                let label = |member: &crate::groups::Member| Some((member.index, member.label?));
                (group.problem.id.as_str(), group.members.iter().filter_map(label).collect())
            })
            .collect();
        let mut pool = Pool { groups: BTreeMap::new(), labels: BTreeMap::new(), described };
        for entry in Joined::open(&options.candidates, problems)? {
            let (problem, candidate): (_, Candidate) = entry?;
            let id = problem.id.as_str();
            let Some(&label) = labelled.get(id).and_then(|of| of.get(&candidate.index)) else {
                continue;
            };
            if let Ok(program) = program_of(&candidate, problem, options.policy) {
                let digest = digest(program.as_bytes());
                pool.labels.entry(id).or_default().insert(digest, label);
            }
            pool.groups.entry(id).or_default().push((candidate, label));
        }
        Ok(pool)
    }

    /// The order of a problem's programs in one draw.
    fn order(&self, id: &str, (draw, seed): (u32, u64)) -> Vec<usize> {
        let mut rng = Rng::new(derive(seed, &["draw", &draw.to_string(), id]));
        let mut order: Vec<usize> = (0..self.groups[id].len()).collect();
        for at in (1..order.len()).rev() {
            let other = rng.below(at as u64 + 1);
            order.swap(at, usize::try_from(other).expect("it is below a length"));
        }
        order
    }

    /// Every problem's programs in the order of one draw.
    pub(super) fn drawn(&self, draw: (u32, u64)) -> Recorded<'a> {
        let of = |(id, group): (&&'a str, &Vec<(Candidate, bool)>)| {
            let order = self.order(id, draw);
            (*id, order.into_iter().map(|at| group[at].0.clone()).collect())
        };
        self.groups.iter().map(of).collect()
    }

    /// The probability that what was chosen for a problem, by its place, is right; `None` when
    /// nobody knows.
    pub(super) fn right(&self, at: usize, chosen: &Chosen) -> Option<f64> {
        let labels = self.labels.get(self.groups.keys().nth(at)?)?;
        let label = |slot: &Option<Digest>| match slot {
            Some(program) => labels.get(program).copied(),
            None => Some(false),
        };
        // A method that abstains has no right program to give.
        if chosen.chosen.is_none() {
            return Some(0.0);
        }
        let labels: Vec<Option<bool>> = chosen.candidates.iter().map(label).collect();
        let choice =
            Choice { chosen: chosen.chosen, ties: chosen.ties.clone(), ..Choice::default() };
        accuracy(&choice, &Judged::new(&labels)).ok()
    }

    /// The mean over draws of the probability that the chosen program is right, by problem.
    fn measure(&self, trials: &[Vec<(Chosen, Cost)>]) -> Vec<Measured> {
        (0..self.groups.len())
            .map(|at| {
                let found: Vec<f64> =
                    trials.iter().filter_map(|outcomes| self.right(at, &outcomes[at].0)).collect();
                match found.len() {
                    0 => Err(LeftOut::NoLabel),
                    n => Ok(found.iter().sum::<f64>() / n as f64),
                }
            })
            .collect()
    }

    /// The ids of the problems, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.groups.keys().copied()
    }

    /// The share of draws in which at least one program is right: no method does better.
    fn coverage(&self, numbers: &[u32], (draws, seed): (u32, u64)) -> Vec<Row> {
        let row = |&n: &u32| {
            let covered = |id: &&str| -> Measured {
                let hit = |draw: u32| {
                    let order = self.order(id, (draw, seed));
                    order.iter().take(n as usize).any(|&at| self.groups[id][at].1)
                };
                let hits = (0..draws).filter(|&draw| hit(draw)).count();
                Ok(hits as f64 / f64::from(draws))
            };
            let measured: Vec<Measured> = self.groups.keys().map(covered).collect();
            Row {
                method: COVERAGE.to_owned(),
                n,
                accuracy: mean(&measured, seed),
                measured,
                spent: Cost::default(),
                plays: 1,
            }
        };
        numbers.iter().map(row).collect()
    }
}

fn per_problem(cost: Cost, n: usize) -> Cost {
    let n = n.max(1) as u64;
    Cost {
        samples: cost.samples / n,
        executions: cost.executions / n,
        scores: cost.scores / n,
        cpu_ms: cost.cpu_ms / n as f64,
        ..Cost::default()
    }
}

fn show(rows: &[Vec<Row>]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|rows| {
            let mut cells = vec![rows[0].method.clone()];
            cells.extend(rows.iter().map(|row| shown(&row.accuracy)));
            let last = rows.last().expect("at least one number of samples");
            let Cost { executions, scores, cpu_ms, .. } = per_problem(last.spent, last.plays);
            cells.extend([executions.to_string(), format!("{cpu_ms:.0}"), scores.to_string()]);
            cells
        })
        .collect();
    let mut head = vec!["method, right in %".to_owned()];
    head.extend(rows[0].iter().map(|row| format!("N = {}", row.n)));
    head.extend(["runs", "CPU, ms", "scores"].map(|what| format!("{what} per problem")));
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &cells)
}

/// By how much each method differs from the first one given.
fn differences(rows: &[Vec<Row>], seed: u64) -> String {
    let [_, first, others @ ..] = rows else { return String::new() };
    let cells: Vec<Vec<String>> = others
        .iter()
        .map(|rows| {
            let mut cells = vec![rows[0].method.clone()];
            cells.extend(rows.iter().zip(first).map(|(row, first)| {
                difference(&paired_difference(&row.measured, &first.measured, seed))
            }));
            cells
        })
        .collect();
    let mut head = vec![format!("minus {}, points", first[0].method)];
    head.extend(first.iter().map(|row| format!("N = {}", row.n)));
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &cells)
}

fn row_json(row: &Row) -> Json {
    let mut json = as_json(&row.accuracy);
    json["method"] = json!(row.method);
    json["n"] = json!(row.n);
    json["cost"] = json!(per_problem(row.spent, row.plays));
    json
}
