//! `codescaler doctor`: what this machine offers, what is missing, and what that costs.

use clap::Args;
use codescaler_nn::{Isa, Precision, gflops};
use serde_json::{Map, Value as Json, json};

use crate::{
    exec::search_path,
    failure::{Failure, Outcome},
    score::open_linear,
    solve::{ProbeOptions, probe},
    terminal::Terminal,
};

/// Show what this machine offers: cores, kernels, isolation, interpreters and compilers.
///
/// Every layer of protection is tried, not looked up. What is missing is named, with what it
/// costs and how to get it. With an endpoint it is tried, too: which parameters it takes, whether
/// it streams, goes on with answers and says how likely a text is.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    endpoints: ProbeOptions,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let report = codescaler_sandbox::doctor(&search_path());
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let linear = open_linear(None)?;
    terminal.print(&format!(
        "codescaler {} ({})",
        env!("CARGO_PKG_VERSION"),
        env!("CODESCALER_COMMIT")
    ));
    terminal.print(&format!("cores: {cores}"));
    terminal.print(&format!("reward model in the box: linear, weights {}", linear.fingerprint()));
    let kernels = kernels();
    for (at, (isa, rates)) in kernels.iter().enumerate() {
        let used = if at == 0 { "decoder kernels" } else { "  also" };
        terminal.print(&format!("{used}: {isa}, {} GFLOP/s per thread", shown(rates)));
    }
    terminal.print(&report.to_string());
    let endpoints = probe(&options.endpoints, terminal)?;
    Ok(Outcome::done(json!({
        "verb": "doctor", "version": env!("CARGO_PKG_VERSION"), "commit": env!("CODESCALER_COMMIT"),
        "cores": cores, "linear_weights": linear.fingerprint(), "kernels": kernels,
        "sandbox": report, "endpoints": endpoints,
    })))
}

/// A product of matrices that fit the nearest caches: rows, columns in, columns out.
const PRODUCT: (usize, usize, usize) = (96, 512, 32);

/// The peak of each instruction set that this processor has, the one used first, per precision.
fn kernels() -> Map<String, Json> {
    let rates = |isa| -> Map<String, Json> {
        // Rounded, because more digits would not be the same twice.
        let rate = |precision| json!(gflops(isa, precision, PRODUCT, 100).round());
        let named = |precision: Precision| (precision.name().to_owned(), rate(precision));
        Precision::ALL.into_iter().map(named).collect()
    };
    let available = Isa::ALL.into_iter().filter(|isa| isa.is_available());
    available.map(|isa| (isa.name().to_owned(), Json::Object(rates(isa)))).collect()
}

fn shown(rates: &Json) -> String {
    let rates = rates.as_object().into_iter().flatten();
    let rates = rates.map(|(name, rate)| format!("{name} {:.0}", rate.as_f64().unwrap_or(0.0)));
    rates.collect::<Vec<_>>().join(", ")
}
