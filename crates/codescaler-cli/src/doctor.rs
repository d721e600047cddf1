//! `codescaler doctor`: what this machine offers, what is missing, and what that costs.

use clap::Args;
use serde_json::json;

use crate::{
    exec::search_path,
    failure::{Failure, Outcome},
    score::Scorer,
    terminal::Terminal,
};

/// Show what this machine offers: isolation, interpreters and compilers, cores.
///
/// Every layer of protection is tried, not looked up. What is missing is named, with what it
/// costs and how to get it.
#[derive(Args)]
pub(crate) struct Options {}

pub(crate) fn run(terminal: Terminal, Options {}: &Options) -> Result<Outcome, Failure> {
    let report = codescaler_sandbox::doctor(&search_path());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let scorer = Scorer::linear(None)?;
    terminal.print(&format!(
        "codescaler {} ({})",
        env!("CARGO_PKG_VERSION"),
        env!("CODESCALER_COMMIT")
    ));
    terminal.print(&format!("cores: {cores}"));
    terminal.print(&format!("reward model in the box: linear, weights {}", scorer.fingerprint()));
    terminal.print(&report.to_string());
    Ok(Outcome::done(json!({
        "verb": "doctor", "version": env!("CARGO_PKG_VERSION"), "commit": env!("CODESCALER_COMMIT"),
        "cores": cores, "linear_weights": scorer.fingerprint(), "sandbox": report,
    })))
}
