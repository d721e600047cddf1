//! `codescaler curate bugs`: right programs → candidates with one token changed.

use std::path::PathBuf;

use clap::Args;
use codescaler::{
    candidate::Candidate,
    curate::{Pool, deduplicate},
    record::{Extra, Header},
    seed::derive,
};
use codescaler_extract::bugs;
use rayon::prelude::*;
use serde_json::json;

use super::verified::{Splits, VerifiedOptions};
use crate::{
    failure::{Failure, Outcome},
    files::{Opened, Output, Problems},
    terminal::{Terminal, check_interrupt},
};

/// Change one token in right programs: candidates whose verdict is not known before they are run.
///
/// An operator, a comparison, a limit, a constant, `and` for `or`, `min` for `max`; Python only.
/// Whether a changed program is wrong is never assumed: run it with `exec`, then give candidates
/// and executions of both to `curate pairs`. A changed program keeps the name of its author, so
/// that it pairs with the program that it was made from without telling who wrote what. Indices
/// begin at 1000000.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler curate bugs --problems p.jsonl --candidates c.jsonl --labels l.jsonl --out bugs.jsonl
  codescaler exec --problems p.jsonl --candidates bugs.jsonl --suite hidden --out bugs.hidden.jsonl
  codescaler curate pairs --problems p.jsonl --candidates c.jsonl --candidates bugs.jsonl \\
      --labels l.jsonl --executions bugs.hidden.jsonl --out pairs.jsonl")]
pub(crate) struct Options {
    #[command(flatten)]
    verified: VerifiedOptions,
    /// Changed programs made of one right program, at most.
    #[arg(long, default_value_t = 2)]
    per_program: usize,
    /// Changed programs for one problem, at most.
    #[arg(long, default_value_t = 32)]
    per_problem: usize,
    /// Seed of what is changed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write the candidates.
    #[arg(long)]
    out: PathBuf,
}

/// The first index of a changed program: behind all candidates that anybody wrote.
const INDEX_MIN: u32 = 1_000_000;

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let header = Header::new::<Candidate>(Extra::from_iter([
        ("data".to_owned(), options.verified.provenance()?),
        ("bugs_per_program".to_owned(), json!(options.per_program)),
        ("bugs_per_problem".to_owned(), json!(options.per_problem)),
        ("seed".to_owned(), json!(options.seed)),
    ]));
    let problems = Problems::read_files(&options.verified.problems)?;
    let (mut pools, _) = options.verified.read(&problems, Splits::Train)?;
    deduplicate(&mut pools);
    let mut output = match Output::create::<Candidate>(&options.out, &header)? {
        Opened::Open(output, _) => output,
        Opened::Whole => {
            terminal.note(&format!("{} is whole already", options.out.display()));
            return Ok(Outcome::done(
                json!({"verb": "curate bugs", "out": options.out, "made": 0}),
            ));
        }
    };
    let bar = terminal.progress("bugs", pools.len() as u64, 0);
    let (mut n_bugs, mut n_problems) = (0, 0);
    for batch in pools.chunks(64) {
        let made: Vec<Vec<Candidate>> =
            batch.par_iter().map(|pool| of_pool(pool, options)).collect();
        for candidates in made {
            for candidate in &candidates {
                output.write(candidate)?;
            }
            n_bugs += candidates.len();
            n_problems += usize::from(!candidates.is_empty());
            bar.inc(1);
        }
        check_interrupt()?;
    }
    bar.finish_and_clear();
    output.finish()?;
    terminal.print(&format!(
        "{n_bugs} programs with one token changed, for {n_problems} problems, written to {}; \
         run them with `exec` to see which are wrong",
        options.out.display()
    ));
    Ok(Outcome::done(json!({
        "verb": "curate bugs", "out": options.out, "made": n_bugs, "problems": n_problems,
    })))
}

fn of_pool(pool: &Pool<'_>, options: &Options) -> Vec<Candidate> {
    let mut programs: Vec<_> = pool.programs.iter().filter(|program| program.right).collect();
    let lot = |index: u32| derive(options.seed, &["bugs", &pool.problem.id, &index.to_string()]);
    programs.sort_by_key(|program| lot(program.index));
    let changed = programs.into_iter().flat_map(|program| {
        let seed = lot(program.index);
        let found = bugs(&program.program, pool.language, options.per_program, seed);
        found.into_iter().map(move |bug| (program, bug))
    });
    let candidate = |(number, (program, bug)): (u32, (&codescaler::curate::Verified, _))| {
        let codescaler_extract::Bug { program: text, kind, line, before, after } = bug;
        let bug = json!({
            "of": program.index, "kind": kind, "line": line, "before": before, "after": after,
        });
        let made = super::made(pool, INDEX_MIN + number, (text, &program.source));
        Candidate { extra: Extra::from_iter([("bug".to_owned(), bug)]), ..made }
    };
    (0_u32..).zip(changed.take(options.per_problem)).map(candidate).collect()
}
