//! The command line of codescaler: options in, records and reports out.
//!
//! Each verb has one file with its options and its `run`. A verb ends in an
//! [`Outcome`](failure::Outcome) or a [`Failure`](failure::Failure); the exit code says which.

mod bench;
mod compare;
mod curate;
mod demo;
mod doctor;
mod eval;
mod exec;
mod extract;
mod failure;
mod files;
mod groups;
mod held_out;
mod import;
mod lab;
mod memory;
mod merge;
mod policy;
mod rank;
mod reference;
mod report;
mod rundir;
mod score;
mod select;
mod serve;
mod solve;
mod stage;
mod stage_cost;
mod table;
mod tensorboard;
mod terminal;
mod train;
mod verdicts;
mod workshop;

use std::{io, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{
    failure::{Failure, Outcome},
    terminal::Terminal,
};

/// Judges programs that language models write.
///
/// codescaler scores programs without running them (a reward model that reads problem and
/// program), runs them in a sandbox when running pays, chooses the best of many, and measures how
/// good the choice was.
#[derive(Parser)]
#[command(
    name = "codescaler",
    version,
    max_term_width = 100,
    after_help = "\
Files are JSON Lines with a header, plain or compressed with zstd or gzip. Results go to stdout,
progress and remarks to stderr. Every verb that writes a file can be stopped and run again: it goes
on where it was.

Exit codes:
  0    done
  1    the work found failures it was asked to find
  2    unusable input or options
  3    a fault of codescaler or of the machine
  130  interrupted; the same command goes on

Examples:
  codescaler demo
  codescaler rank problem.md a.py b.py c.py --run
  codescaler import livecodebench lcb.jsonl.zst --out lcb/
  codescaler score --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl --out lcb/scores.jsonl
  codescaler eval selection --problems lcb/problems.jsonl --candidates lcb/candidates.jsonl --rules all"
)]
struct Options {
    /// Print one machine-readable line last on stdout.
    #[arg(long, global = true)]
    json: bool,
    /// No progress and no remarks on stderr.
    #[arg(long, short, global = true)]
    quiet: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Demo(demo::Options),
    Import(import::Options),
    Extract(extract::Options),
    Score(score::Options),
    Exec(exec::Options),
    Merge(merge::Options),
    Select(select::Options),
    Rank(rank::Options),
    Solve(Box<solve::Options>),
    Methods(solve::methods::Options),
    Serve(Box<serve::Options>),
    #[command(subcommand)]
    Curate(curate::Options),
    #[command(subcommand)]
    Train(train::Options),
    #[command(subcommand)]
    Eval(eval::Options),
    #[command(subcommand)]
    Bench(bench::Options),
    #[command(subcommand)]
    Lab(lab::Lab),
    Report(report::Options),
    Compare(compare::Options),
    Doctor(doctor::Options),
    /// Print a completion script for a shell.
    ///
    /// Example: codescaler completions bash > /etc/bash_completion.d/codescaler
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print what every verb says of itself, as Markdown.
    #[command(hide = true)]
    Reference,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let terminal = Terminal::new(options.quiet);
    match terminal::catch_interrupts().and_then(|()| run(terminal, &options.verb)) {
        Ok(outcome) => {
            if options.json {
                terminal.print(&serde_json::Value::Object(outcome.summary).to_string());
            }
            ExitCode::from(u8::from(outcome.found))
        }
        Err(failure) => {
            terminal.error(&failure.message());
            failure.exit_code()
        }
    }
}

fn run(terminal: Terminal, verb: &Verb) -> Result<Outcome, Failure> {
    match verb {
        Verb::Demo(options) => demo::run(terminal, options),
        Verb::Import(options) => import::run(terminal, options),
        Verb::Extract(options) => extract::run(terminal, options),
        Verb::Score(options) => score::run(terminal, options),
        Verb::Exec(options) => exec::run(terminal, options),
        Verb::Merge(options) => merge::run(terminal, options),
        Verb::Select(options) => select::run(terminal, options),
        Verb::Rank(options) => rank::run(terminal, options),
        Verb::Solve(options) => solve::run(terminal, options),
        Verb::Methods(options) => solve::methods::run(terminal, options),
        Verb::Serve(options) => serve::run(terminal, options),
        Verb::Curate(options) => curate::run(terminal, options),
        Verb::Train(options) => train::run(terminal, options),
        Verb::Eval(options) => eval::run(terminal, options),
        Verb::Bench(options) => bench::run(terminal, options),
        Verb::Lab(options) => lab::run(terminal, options),
        Verb::Report(options) => report::run(terminal, options),
        Verb::Compare(options) => compare::run(terminal, options),
        Verb::Doctor(options) => doctor::run(terminal, options),
        Verb::Completions { shell } => {
            clap_complete::generate(
                *shell,
                &mut Options::command(),
                "codescaler",
                &mut io::stdout(),
            );
            Ok(Outcome::done(serde_json::json!({"shell": shell.to_string()})))
        }
        Verb::Reference => {
            terminal.print(reference::page(Options::command()).trim_end());
            Ok(Outcome::done(serde_json::json!({"verb": "reference"})))
        }
    }
}
