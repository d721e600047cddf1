//! `codescaler extract`: completions → programs, with reasons.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use codescaler::{
    candidate::Candidate,
    record::{Extra, Header},
};
use codescaler_extract::Policy;
use codescaler_reward::program_of;
use rayon::prelude::*;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint},
    merge::Shard,
    stage,
    terminal::Terminal,
};

/// Extract programs from completions, with the reason when there is none.
///
/// Writes the candidates again, each with its `program`; a candidate without one gets
/// `"no_program"` with the reason. Extraction never fails: any text gives a program or a reason.
#[derive(Args)]
#[command(after_help = "\
Policies:
  best-valid    the block that parses, defines what was asked for and is no draft or usage (default)
  single-valid  CodeScaler's rule: exactly one block, and it parses (arXiv 2602.17684)
  last-fenced   the last block
  lcb           LiveCodeBench's rule: between the last two lines with a fence
  edits         insertions, as `curate edits` makes them, played back; it parses
  whole         the completion as it is

Example:
  codescaler extract --problems problems.jsonl --candidates candidates.jsonl --out programs.jsonl")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The candidates.
    #[arg(long)]
    candidates: PathBuf,
    /// Where to write the candidates with their programs.
    #[arg(long)]
    out: PathBuf,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
    /// Only a share of the problems, such as 0/4; `codescaler merge` puts the shares together.
    #[arg(long)]
    shard: Option<Shard>,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let problems = Problems::read(&options.problems)?;
    let mut provenance = Extra::from_iter([
        ("policy".to_owned(), json!(options.policy.to_string())),
        ("problems".to_owned(), json!(fingerprint(&options.problems)?)),
        ("candidates".to_owned(), json!(fingerprint(&options.candidates)?)),
    ]);
    if let Some(shard) = options.shard {
        provenance.insert("shard".to_owned(), json!(shard.to_string()));
    }
    let header = Header::new::<Candidate>(provenance);
    let candidates = Joined::open(&options.candidates, &problems)?.of_shard(options.shard);
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let progress = stage::run(
        terminal,
        (&options.candidates, candidates),
        (&options.out, &header),
        "extract",
        |batch, emit| {
            let programs: Vec<_> = batch
                .par_iter()
                .map(|item| {
                    program_of(&item.candidate, item.problem, options.policy)
                        .map(std::borrow::Cow::into_owned)
                })
                .collect();
            for (item, program) in batch.iter().zip(programs) {
                let mut candidate = item.candidate.clone();
                let kind = program.as_ref().map_or_else(|reason| kind_of(reason), |_| "ok");
                *reasons.entry(kind.to_owned()).or_default() += 1;
                candidate.program = program
                    .map_err(|reason| {
                        candidate.extra.insert("no_program".to_owned(), json!(reason));
                    })
                    .ok();
                emit(candidate)?;
            }
            Ok(())
        },
    )?;
    let Some(progress) = progress else {
        terminal.note(&format!("{} is whole already", options.out.display()));
        return Ok(Outcome::done(json!({"verb": "extract", "out": options.out, "made": 0})));
    };
    terminal.print(&format!("{} programs read into {}", progress.made, options.out.display()));
    for (kind, n) in &reasons {
        terminal.print(&format!("  {n:>8}  {kind}"));
    }
    Ok(Outcome::done(json!({
        "verb": "extract", "out": options.out, "policy": options.policy.to_string(),
        "found": progress.found, "made": progress.made, "outcomes": reasons,
    })))
}

/// The kind of a reason: what stands before its details.
fn kind_of(reason: &str) -> &str {
    reason.split(':').next().unwrap_or(reason)
}
