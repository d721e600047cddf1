//! `curate probes`: programs that show what a reward model looks at.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use codescaler::{
    candidate::{Candidate, Label, Relation},
    curate::{PairOptions, Pool, UNALIGNED, Verified, deduplicate, pairs},
    preference::Preference,
    record::Extra,
    seed::derive,
};
use codescaler_extract::{Rewrite, rewrite};
use serde_json::json;

use super::{
    made,
    verified::{Splits, VerifiedOptions},
    write,
};
use crate::{
    failure::{Failure, Outcome},
    files::Problems,
    terminal::{Terminal, check_interrupt},
};

/// Make probes of a reward model from verified programs of any split.
///
/// For every problem some right and wrong programs, each followed by a rewrite that does the same
/// (names, comments, layout, dead code, comments that lie), and right programs of other problems
/// by the same authors. `score` scores the file as any other; `eval reward` then shows how often a
/// rewrite changes a preference, and how often a program for another problem is preferred. Labels
/// of the programs that are not probes stand beside them. Indices of probes begin at 2000000.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate probes --problems p.jsonl --candidates c.jsonl --labels l.jsonl --out probes
  codescaler score --problems p.jsonl --candidates probes/candidates.jsonl --out probes/scores.jsonl
  codescaler eval reward --problems p.jsonl --candidates probes/candidates.jsonl \\
      --scores probes/scores.jsonl")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    /// Right programs of one problem, at most, and as many wrong ones; each is rewritten once.
    #[arg(long, default_value_t = 5)]
    per_problem: usize,
    /// Programs that solve another problem, for one problem, at most.
    #[arg(long, default_value_t = 5)]
    unaligned_per_problem: usize,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder to write candidates.jsonl and labels.jsonl into.
    #[arg(long)]
    out: PathBuf,
}

/// The first index of a probe: behind all candidates, and all that `curate bugs` makes.
const INDEX_MIN: u32 = 2_000_000;

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let provenance = Extra::from_iter([
        ("data".to_owned(), options.verified.provenance()?),
        ("probes_per_problem".to_owned(), json!(options.per_problem)),
        ("unaligned_per_problem".to_owned(), json!(options.unaligned_per_problem)),
        ("seed".to_owned(), json!(options.seed)),
    ]);
    let problems = Problems::read_files(&options.verified.problems)?;
    let (mut pools, _) = options.verified.read(&problems, Splits::Every)?;
    deduplicate(&mut pools);
    let strangers = options.strangers(&pools);
    let mut candidates = Vec::new();
    let mut labels = Vec::new();
    let (mut n_rewrites, mut n_unaligned) = (0, 0);
    for pool in &pools {
        let (originals, rewritten) = options.rewritten(pool);
        labels.extend(originals.iter().map(|(_, label)| label.clone()));
        let unaligned = strangers.get(pool.problem.id.as_str()).map_or(&[][..], Vec::as_slice);
        n_rewrites += rewritten.len();
        n_unaligned += unaligned.len();
        candidates.extend(originals.into_iter().map(|(candidate, _)| candidate));
        candidates.extend(rewritten);
        candidates.extend_from_slice(unaligned);
        check_interrupt()?;
    }
    write(&options.out.join("labels.jsonl"), &provenance, labels.iter())?;
    write(&options.out.join("candidates.jsonl"), &provenance, candidates.iter())?;
    terminal.print(&format!(
        "{n_rewrites} programs rewritten and {n_unaligned} that solve another problem written to {}, \
         with those they are compared with",
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate probes", "out": options.out, "rewrites": n_rewrites,
        "unaligned": n_unaligned,
    })))
}

impl Options {
    /// As many right as wrong programs of a pool with their labels, and what becomes of each by a
    /// rewrite, the five ways in turn.
    fn rewritten(&self, pool: &Pool<'_>) -> (Vec<(Candidate, Label)>, Vec<Candidate>) {
        let lot = |program: &Verified| {
            let of = [pool.language.name(), &program.index.to_string()];
            derive(self.seed, &["probes", &pool.problem.id, of[0], of[1]])
        };
        let mut sides = [true, false].map(|right| {
            let mut side: Vec<&Verified> =
                pool.programs.iter().filter(|program| program.right == right).collect();
            side.sort_by_key(|program| lot(program));
            side
        });
        let n = sides.iter().map(Vec::len).min().unwrap_or(0).min(self.per_problem);
        sides.iter_mut().for_each(|side| side.truncate(n));
        let (mut originals, mut rewritten) = (Vec::new(), Vec::new());
        for (number, program) in sides.into_iter().flatten().enumerate() {
            let original = made(pool, program.index, (program.program.clone(), &program.source));
            originals.push((original, label(pool, program)));
            let how = Rewrite::ALL[number % Rewrite::ALL.len()];
            let starter = &pool.problem.starter;
            let text = rewrite(&program.program, pool.language, how, (starter, lot(program)));
            let Some(text) = text else { continue };
            let relation = Relation::Rewrite { of: program.index, how: how.name().to_owned() };
            let index = INDEX_MIN + program.index;
            let probe = made(pool, index, (text, &program.source));
            rewritten.push(with_relation(probe, &relation));
        }
        (originals, rewritten)
    }

    /// Programs that solve another problem, by the problem that they stand under.
    fn strangers(&self, pools: &[Pool<'_>]) -> BTreeMap<String, Vec<Candidate>> {
        let draw = PairOptions { unaligned_share: 1.0, seed: self.seed, ..PairOptions::default() };
        let mut strangers: BTreeMap<String, Vec<Candidate>> = BTreeMap::new();
        let pools_by_id: BTreeMap<&str, &Pool<'_>> =
            pools.iter().map(|pool| (pool.problem.id.as_str(), pool)).collect();
        let drawn = pairs(pools, &draw).preferences;
        for Preference { problem, rejected, .. } in
            drawn.iter().filter(|preference| preference.rule == UNALIGNED)
        {
            let own = strangers.entry(problem.clone()).or_default();
            if own.len() < self.unaligned_per_problem {
                let number = u32::try_from(own.len()).expect("few of them");
                let text = (rejected.program.clone(), &rejected.source[..]);
                let probe = made(pools_by_id[problem.as_str()], 2 * INDEX_MIN + number, text);
                let relation = Relation::Unaligned { solves: rejected.problem.clone() };
                own.push(with_relation(probe, &relation));
            }
        }
        strangers
    }
}

fn label(pool: &Pool<'_>, program: &Verified) -> Label {
    Label {
        problem: pool.problem.id.clone(),
        index: program.index,
        passed: program.right,
        by: "verified".to_owned(),
        rate: program.rate,
        extra: Extra::new(),
    }
}

fn with_relation(mut candidate: Candidate, relation: &Relation) -> Candidate {
    candidate.extra.insert("relation".to_owned(), json!(relation));
    candidate
}
