//! `codescaler curate`: from verified programs to preferences.

mod bugs;
mod export;
mod pairs;
mod parquet;
mod probes;
mod verified;

use clap::Subcommand;

use crate::{
    failure::{Failure, Outcome},
    terminal::Terminal,
};

/// Turn verified programs into preference pairs.
#[derive(Subcommand)]
pub(crate) enum Options {
    Pairs(pairs::Options),
    Bugs(bugs::Options),
    Probes(probes::Options),
    Export(export::Options),
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    match options {
        Options::Pairs(options) => pairs::run(terminal, options),
        Options::Bugs(options) => bugs::run(terminal, options),
        Options::Probes(options) => probes::run(terminal, options),
        Options::Export(options) => export::run(terminal, options),
    }
}
