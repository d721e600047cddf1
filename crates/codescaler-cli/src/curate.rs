//! `codescaler curate`: from verified programs to preferences.

mod bugs;
mod conversations;
mod concise;
mod dataset;
mod duels;
mod edits;
mod export;
mod pairs;
mod parquet;
mod probes;
pub(crate) mod verified;

use std::path::Path;

use clap::Subcommand;
use codescaler::{
    candidate::{Candidate, Source},
    curate::Pool,
    record::{Extra, Header, Record},
};

use crate::{
    failure::{Failure, Outcome},
    files::{Opened, Output},
    terminal::Terminal,
};

/// Turn verified programs into preference pairs, and into completions and conversations to learn
/// from.
#[derive(Subcommand)]
pub(crate) enum Options {
    Pairs(pairs::Options),
    Bugs(bugs::Options),
    Probes(probes::Options),
    Edits(edits::Options),
    Concise(concise::Options),
    Export(export::Options),
    Repairs(conversations::RepairOptions),
    Tests(conversations::TestOptions),
    Duels(duels::Options),
}

/// A candidate that was made here, under the name of the author of what it was made from.
fn made(pool: &Pool<'_>, index: u32, (program, source): (String, &str)) -> Candidate {
    Candidate {
        problem: pool.problem.id.clone(),
        index,
        completion: None,
        program: Some(program),
        language: pool.language,
        source: Source { name: source.to_owned(), ..Source::default() },
        logprob_sum: None,
        tokens: None,
        extra: Extra::new(),
    }
}

/// Writes a file; one that stands there already must have been made the same way.
fn write<'a, T: Record + 'a>(
    path: &Path,
    provenance: &Extra,
    mut list: impl Iterator<Item = &'a T>,
) -> Result<(), Failure> {
    match Output::create::<T>(path, &Header::new::<T>(provenance.clone()))? {
        Opened::Open(mut output, _) => {
            list.try_for_each(|record| output.write(record))?;
            output.finish()
        }
        Opened::Whole => Ok(()),
    }
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    match options {
        Options::Pairs(options) => pairs::run(terminal, options),
        Options::Bugs(options) => bugs::run(terminal, options),
        Options::Probes(options) => probes::run(terminal, options),
        Options::Edits(options) => edits::run(terminal, options),
        Options::Concise(options) => concise::run(terminal, options),
        Options::Export(options) => export::run(terminal, options),
        Options::Repairs(options) => conversations::repairs(terminal, options),
        Options::Tests(options) => conversations::tests(terminal, options),
        Options::Duels(options) => duels::run(terminal, options),
    }
}
