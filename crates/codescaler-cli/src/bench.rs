//! `codescaler bench`: how fast we are, beside what is published, in one run on this machine.

mod exec;
mod load;
mod report;
mod score;
mod side;
mod spread;

use clap::Subcommand;

use crate::{
    failure::{Failure, Outcome},
    terminal::Terminal,
};

/// Measure speed, as ratios between sides that take turns in one run.
#[derive(Subcommand)]
pub(crate) enum Options {
    Exec(exec::Options),
    Score(score::Options),
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    match options {
        Options::Exec(options) => exec::run(terminal, options),
        Options::Score(options) => score::run(terminal, options),
    }
}
