//! `codescaler curate duels`: conversations that teach a language model to judge.

use std::{collections::BTreeMap, num::NonZeroU16, ops::ControlFlow};

use clap::Args;
use codescaler::{
    curate::{Pool, Verified, deduplicate},
    inputs::{self, Input, MutateOptions},
    seed::derive,
};
use codescaler_sandbox::{Cases as Given, Job};
use codescaler_search::{
    Answer, Ask, Cases, Cell, Digest, Known, Preferred, Prompt, Prompts, Question, Task,
};
use serde_json::{Value as Json, json};

use super::{
    conversations::{CommonOptions, row},
    verified::{Splits, VerifiedOptions},
};
use crate::{
    exec::{Bounds, SandboxOptions},
    failure::{Failure, Outcome},
    files::Problems,
    solve::{cells, read_prompts},
    terminal::{Terminal, check_interrupt},
};

/// Write conversations that teach to judge: a right and a wrong program, what both give on inputs
/// that separate them, and which one is right.
///
/// The question is the one that `solve` asks the judge of S* (`sstar:inputs=mutated`), by the same
/// prompts. The inputs are visible ones, changed; both programs are run on them here, and a pair
/// that does the same on all of them is left out. Which program comes first is drawn by lot, and each
/// side has the right one as often as the other.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval policy --policy policy --problems train/problems.jsonl --samples 16 --out sampled
  codescaler curate duels --problems train/problems.jsonl \\
      --candidates sampled/candidates.jsonl --out duels.jsonl
  codescaler train policy --base policy --conversations duels.jsonl --out judge")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    #[command(flatten)]
    common: CommonOptions,
    /// Pairs of one problem, at most.
    #[arg(long, default_value_t = 4)]
    per_problem: usize,
    /// Inputs that a conversation shows, at most; as many as `sstar` does.
    #[arg(long, default_value = "5")]
    inputs: NonZeroU16,
    /// Write each pair twice, in both orders, as searches ask: to measure a judge with.
    #[arg(long)]
    both_orders: bool,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    bounds: Bounds,
}

/// A right and a wrong program for a problem.
struct Pair<'a> {
    pool: &'a Pool<'a>,
    right: &'a Verified,
    wrong: &'a Verified,
}

/// Counts of pairs, by what became of them.
#[derive(Default)]
struct Pairs {
    made: usize,
    alike: usize,
    faults: usize,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let prompts = read_prompts(options.common.prompts.as_deref())?;
    let problems = Problems::read_files(&options.verified.problems)?;
    let (mut pools, _) = options.verified.read(&problems, Splits::Train)?;
    deduplicate(&mut pools);
    let pairs: Vec<Pair<'_>> = pools.iter().flat_map(|pool| drawn(pool, options)).collect();
    if pairs.is_empty() {
        return Err(Failure::input(
            "no problem has both a right and a wrong program: sample more, or give --labels",
        ));
    }
    let mut inputs: BTreeMap<&str, Vec<Input>> = BTreeMap::new();
    for Pair { pool, .. } in &pairs {
        let made = || changed(pool, options.common.seed);
        inputs.entry(&pool.problem.id).or_insert_with(made);
    }
    let outputs = run_all(terminal, options, (&pairs, &inputs))?;
    let (mut rows, mut counts) = (Vec::new(), Pairs::default());
    for pair in &pairs {
        let (problem, language) = (&*pair.pool.problem.id, pair.pool.language.name());
        let of = |program: &Verified| outputs.get(&(problem, language, program.index)).cloned();
        let inputs = &inputs[problem];
        let cells = match (of(pair.right), of(pair.wrong)) {
            _ if inputs.is_empty() => None,
            (Some(right), Some(wrong)) => Some([right, wrong]),
            (None, _) | (_, None) => {
                counts.faults += 1;
                continue;
            }
        };
        let Some(shown) = cells.and_then(|cells| Duel::of(pair, inputs, cells, options.inputs))
        else {
            counts.alike += 1;
            continue;
        };
        for is_first in orders(counts.made, options) {
            rows.push(shown.row(&prompts, pair, is_first)?);
        }
        counts.made += 1;
    }
    options.common.write(&rows)?;
    let Pairs { made, alike, faults } = counts;
    terminal.print(&format!(
        "{} conversations about {made} pairs written to {}; left out: {alike} pairs that do the same \
         on all inputs, {faults} for faults of the sandbox",
        rows.len(),
        options.common.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate duels", "out": options.common.out, "made": made, "rows": rows.len(),
        "alike": alike, "faults": faults,
    })))
}

/// Pairs of a right and a wrong program of a problem, by lot.
fn drawn<'a>(pool: &'a Pool<'a>, options: &Options) -> Vec<Pair<'a>> {
    let of = |right: bool| pool.programs.iter().filter(move |program| program.right == right);
    let pairs = of(true).flat_map(|right| of(false).map(move |wrong| Pair { pool, right, wrong }));
    let mut pairs: Vec<Pair<'_>> = pairs.collect();
    pairs.sort_by_cached_key(|Pair { right, wrong, .. }| {
        let of = [right, wrong].map(|program| program.index.to_string());
        derive(options.common.seed, &["duel", &pool.problem.id, &of[0], &of[1]])
    });
    pairs.truncate(options.per_problem);
    pairs
}

/// The inputs that programs for a problem are compared on: as many as `sstar` tries.
fn changed(pool: &Pool<'_>, seed: u64) -> Vec<Input> {
    let seed = derive(seed, &["inputs", &pool.problem.id]);
    inputs::mutate(pool.problem, &MutateOptions::default(), seed)
}

/// What each program gives on the inputs of its problem, by problem, language and index.
type Outputs<'a> = BTreeMap<(&'a str, &'static str, u32), Vec<Cell>>;

/// Runs each program once, whatever the number of its pairs.
fn run_all<'a>(
    terminal: Terminal,
    options: &Options,
    (pairs, inputs): (&[Pair<'a>], &BTreeMap<&str, Vec<Input>>),
) -> Result<Outputs<'a>, Failure> {
    let mut programs = BTreeMap::new();
    for Pair { pool, right, wrong } in pairs {
        for program in [right, wrong] {
            let key = (&*pool.problem.id, pool.language.name(), program.index);
            programs.insert(key, (pool, program));
        }
    }
    programs.retain(|(problem, ..), _| !inputs[problem].is_empty());
    let jobs: Vec<Job<'_>> = programs
        .values()
        .map(|(pool, program)| Job {
            program: &program.program,
            prelude: &pool.problem.prelude,
            language: pool.language,
            entry: &pool.problem.entry,
            cases: Given::Inputs(&inputs[&*pool.problem.id]),
            limits: options.bounds.of(pool.problem.limits),
            stop_at_first_failure: false,
        })
        .collect();
    let sandbox = options.sandbox.start(terminal)?;
    let keys: Vec<_> = programs.keys().copied().collect();
    let (mut outputs, mut stop) = (BTreeMap::new(), Ok(()));
    let bar = terminal.progress("duels", jobs.len() as u64, 0);
    sandbox.run_all(&jobs, &mut |job, run| {
        if let Ok(run) = run {
            outputs.insert(keys[job], cells(run, false));
        }
        bar.inc(1);
        stop = check_interrupt();
        if stop.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    stop?;
    bar.finish_and_clear();
    Ok(outputs)
}

/// Whether the right program comes first, in each conversation about a pair: in every other one as
/// the lot says, and in the next the other way round.
fn orders(at: usize, options: &Options) -> Vec<bool> {
    if options.both_orders {
        return vec![true, false];
    }
    let lot = derive(options.common.seed, &["duel order", &(at / 2).to_string()]);
    vec![lot.is_multiple_of(2) == at.is_multiple_of(2)]
}

/// Two programs with inputs on which they differ.
struct Duel {
    task: Task,
    known: Known,
    right: Digest,
    wrong: Digest,
    inputs: Digest,
}

impl Duel {
    /// `None` where they do not differ.
    fn of(
        pair: &Pair<'_>,
        inputs: &[Input],
        cells: [Vec<Cell>; 2],
        inputs_max: NonZeroU16,
    ) -> Option<Duel> {
        let task = Task::of(pair.pool.problem);
        let mut known = Known::default();
        let mut ask = Ask::new(&task, &mut known, 0);
        let programs = [pair.right, pair.wrong].map(|program| ask.keep(&program.program));
        let inputs = ask.keep_inputs(inputs.to_vec());
        for (program, cells) in programs.into_iter().zip(cells) {
            let question = Question::Run { program, cases: Cases::Inputs(inputs) };
            known.learn(question, Answer::Run(cells.into()));
        }
        let mut ask = Ask::new(&task, &mut known, 0);
        let inputs = ask.separating(programs, inputs, usize::from(inputs_max.get()))?;
        let [right, wrong] = programs;
        Some(Duel { task, known, right, wrong, inputs })
    }

    /// The conversation, in which the right program comes first, or second.
    fn row(&self, prompts: &Prompts, pair: &Pair<'_>, is_first: bool) -> Result<Json, Failure> {
        let Duel { task, known, right, wrong, inputs } = self;
        let (shown, answer) = match is_first {
            true => ([*right, *wrong], Preferred::First),
            false => ([*wrong, *right], Preferred::Second),
        };
        let prompt = Prompt::Judge { pair: shown, inputs: Some(*inputs) };
        let mut row = row(prompts, (&prompt, task, known), answer.told())?;
        row["right"] = json!(pair.right.index);
        row["wrong"] = json!(pair.wrong.index);
        Ok(row)
    }
}
