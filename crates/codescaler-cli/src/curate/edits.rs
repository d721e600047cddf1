//! `curate edits`: right programs → sequences of insertions that make them.

use std::{collections::BTreeSet, num::NonZeroU32, path::PathBuf};

use clap::Args;
use codescaler::{
    candidate::Candidate,
    curate::{Pool, Verified, deduplicate},
    problem::Problem,
    record::Extra,
    seed::derive,
};
use codescaler_extract::{EDIT_SEPARATOR, edits};
use rayon::prelude::*;
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

/// Take right programs apart into insertions, for a policy that writes programs edit by edit.
///
/// Each completion is a sequence of unified diffs (LintSeq): lines are deleted at random, with what
/// then no longer parses or reads a name that nothing defines, until nothing is left; the steps
/// backwards are what is learnt. `train policy --completions` learns them, and the extraction
/// policy `edits` plays what the policy writes back to a program. Python only; a program that the
/// linter complains about as it stands is left out and counted.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate edits --problems p.jsonl --candidates c.jsonl --labels l.jsonl --out edits
  codescaler train policy --base tokenizer --data edits --completions --out policy
  codescaler eval policy --policy policy --problems held-out.jsonl --extraction edits --out eval")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    /// Sequences made of one program; divide the epochs of training by it.
    #[arg(long, default_value = "5")]
    per_program: NonZeroU32,
    /// Right programs of one problem, at most.
    #[arg(long, default_value = "8")]
    per_problem: NonZeroU32,
    /// Seed of what is deleted, and of which programs are taken.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder to write problems.jsonl and candidates.jsonl into.
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let provenance = Extra::from_iter([
        ("data".to_owned(), options.verified.provenance()?),
        ("edits_per_program".to_owned(), json!(options.per_program)),
        ("programs_per_problem".to_owned(), json!(options.per_problem)),
        ("seed".to_owned(), json!(options.seed)),
    ]);
    let problems = Problems::read_files(&options.verified.problems)?;
    let (mut pools, _) = options.verified.read(&problems, Splits::Train)?;
    deduplicate(&mut pools);
    let mut sequences: Vec<Candidate> = Vec::new();
    let (mut n_programs, mut n_refused) = (0, 0);
    for batch in pools.chunks(64) {
        let made: Vec<(Vec<Candidate>, usize)> =
            batch.par_iter().map(|pool| options.of_pool(pool)).collect();
        for (own, refused) in made {
            n_programs += own.len() / options.per_program.get() as usize;
            n_refused += refused;
            sequences.extend(own);
        }
        check_interrupt()?;
    }
    if sequences.is_empty() {
        return Err(Failure::input(format!(
            "no right program to take apart: {n_refused} that the linter refuses; give --labels or \
             --executions of Python programs"
        )));
    }
    let used: BTreeSet<&str> = sequences.iter().map(|own| own.problem.as_str()).collect();
    let used: Vec<&Problem> =
        problems.iter().filter(|problem| used.contains(problem.id.as_str())).collect();
    let n_edits: usize = sequences.iter().map(n_edits).sum();
    write(&options.out.join("problems.jsonl"), &provenance, used.iter().copied())?;
    write(&options.out.join("candidates.jsonl"), &provenance, sequences.iter())?;
    terminal.print(&format!(
        "{} sequences of {:.1} edits, of {n_programs} programs for {} problems, written to {}; \
         {n_refused} programs left out that the linter complains about",
        sequences.len(),
        n_edits as f64 / sequences.len() as f64,
        used.len(),
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate edits", "out": options.out, "sequences": sequences.len(),
        "programs": n_programs, "problems": used.len(), "refused": n_refused,
    })))
}

fn n_edits(sequence: &Candidate) -> usize {
    sequence.completion.as_ref().map_or(0, |text| text.split(EDIT_SEPARATOR).count())
}

impl Options {
    /// The sequences of one pool, and how many of its right programs have none.
    fn of_pool(&self, pool: &Pool<'_>) -> (Vec<Candidate>, usize) {
        let lot = |program: &Verified, number: u32| {
            let of = [program.index.to_string(), number.to_string()];
            derive(self.seed, &["edits", &pool.problem.id, pool.language.name(), &of[0], &of[1]])
        };
        let mut right: Vec<&Verified> =
            pool.programs.iter().filter(|program| program.right).collect();
        right.sort_by_key(|program| lot(program, 0));
        let (mut sequences, mut refused, mut taken) = (Vec::new(), 0, 0);
        for program in right {
            if taken == self.per_problem.get() {
                break;
            }
            let sequence = |number| {
                let seed = lot(program, number + 1);
                edits(&program.program, pool.language, (&pool.problem.prelude, seed))
            };
            let all: Option<Vec<Vec<String>>> = (0..self.per_program.get()).map(sequence).collect();
            let Some(all) = all else {
                refused += 1;
                continue;
            };
            taken += 1;
            for edits in all {
                let text = (program.program.clone(), &program.source[..]);
                let index = u32::try_from(sequences.len()).unwrap_or(u32::MAX);
                let of = json!({"of": program.index});
                sequences.push(Candidate {
                    completion: Some(edits.join(EDIT_SEPARATOR)),
                    extra: Extra::from_iter([("edits".to_owned(), of)]),
                    ..made(pool, index, text)
                });
            }
        }
        (sequences, refused)
    }
}
