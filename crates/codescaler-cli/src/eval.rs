//! `codescaler eval`: how good scorers and selections are, with intervals over problems.

mod analysis;
mod calibrate;
mod compute;
mod coverage;
mod ensemble;
mod export;
mod fit;
mod judge;
mod methods;
mod pipelines;
mod policy;
mod ranking;
mod resampling;
pub(crate) mod reward;
mod router;
mod runs;
pub(crate) mod selection;
mod suite;
mod verifier;

use clap::Subcommand;
use codescaler::metric::{Estimate, Interval};
use serde_json::{Value as Json, json};

use crate::{
    failure::{Failure, Outcome},
    groups::Groups,
    table::percent,
    terminal::Terminal,
};

/// Measure how good scorers and selections are, with 95 % intervals over problems.
#[derive(Subcommand)]
pub(crate) enum Options {
    /// Accuracy of selection rules, against random and the oracle.
    Selection(selection::Options),
    /// How well scores tell right programs from wrong ones, also on matched pairs.
    Reward(reward::Options),
    Methods(methods::Options),
    Router(router::Options),
    Pipelines(pipelines::Options),
    Calibrate(calibrate::Options),
    Ensemble(ensemble::Options),
    Verifier(verifier::Options),
    Resampling(resampling::Options),
    Coverage(coverage::Options),
    Compute(compute::Options),
    Runs(runs::Options),
    Fit(fit::Options),
    Tests(suite::Options),
    Ranking(ranking::Options),
    Policy(policy::Options),
    Judge(judge::Options),
    Export(export::Options),
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    match options {
        Options::Selection(options) => selection::run(terminal, options),
        Options::Reward(options) => reward::run(terminal, options),
        Options::Methods(options) => methods::run(terminal, options),
        Options::Router(options) => router::run(terminal, options),
        Options::Pipelines(options) => pipelines::run(terminal, options),
        Options::Calibrate(options) => calibrate::run(terminal, options),
        Options::Ensemble(options) => ensemble::run(terminal, options),
        Options::Verifier(options) => verifier::run(terminal, options),
        Options::Resampling(options) => resampling::run(terminal, options),
        Options::Coverage(options) => coverage::run(terminal, options),
        Options::Compute(options) => compute::run(terminal, options),
        Options::Runs(options) => runs::run(terminal, options),
        Options::Fit(options) => fit::run(terminal, options),
        Options::Tests(options) => suite::run(terminal, options),
        Options::Ranking(options) => ranking::run(terminal, options),
        Options::Policy(options) => policy::run(terminal, options),
        Options::Judge(options) => judge::run(terminal, options),
        Options::Export(options) => export::run(terminal, options),
    }
}

/// Which candidates and problems count.
#[derive(clap::Args)]
pub(crate) struct PoolOptions {
    /// Labels; by default `labels.jsonl` beside the candidates.
    #[arg(long)]
    labels: Option<std::path::PathBuf>,
    /// Use only labels by this labeller; by default a candidate is right when all labellers say so.
    #[arg(long)]
    labels_by: Option<String>,
    /// Count problems whose candidates are all right or all wrong too: every rule does alike there.
    #[arg(long)]
    all_problems: bool,
    /// Count only candidates by this source.
    #[arg(long)]
    source: Option<String>,
    /// Seed of the bootstrap.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

impl PoolOptions {
    /// The file of labels, if there is one.
    pub(crate) fn labels_of(&self, candidates: &std::path::Path) -> Option<std::path::PathBuf> {
        let beside = candidates.with_file_name("labels.jsonl");
        self.labels.clone().or_else(|| beside.exists().then_some(beside))
    }

    /// Adds labels and keeps what counts. Says in words what was left out.
    pub(crate) fn apply(
        &self,
        groups: &mut Groups<'_>,
        candidates: &std::path::Path,
    ) -> Result<String, Failure> {
        let beside = candidates.with_file_name("labels.jsonl");
        match &self.labels {
            Some(labels) => groups.add_labels(labels, self.labels_by.as_deref())?,
            None if beside.exists() => groups.add_labels(&beside, self.labels_by.as_deref())?,
            None if groups.list.iter().flat_map(|g| &g.members).any(|m| m.label.is_some()) => {}
            None => {
                return Err(Failure::input(format!(
                    "nothing says which candidates are right: give --labels, or executions of the \
                     hidden tests (looked for {})",
                    beside.display()
                )));
            }
        }
        let n_before: usize = groups.list.iter().map(|group| group.members.len()).sum();
        for group in &mut groups.list {
            group.members.retain(|member| member.label.is_some());
            if let Some(source) = &self.source {
                group.members.retain_mut(|member| member.narrow(source));
            }
        }
        let n_after: usize = groups.list.iter().map(|group| group.members.len()).sum();
        let n_empty = groups.drop_empty();
        let n_problems = groups.list.len();
        if !self.all_problems {
            groups.retain(|group| {
                group.members.iter().any(|m| m.label == Some(true))
                    && group.members.iter().any(|m| m.label == Some(false))
            });
        }
        if groups.list.is_empty() {
            return Err(Failure::input("no problem is left to measure on"));
        }
        Ok(format!(
            "{} problems, {} candidates; left out: {} candidates without a label or of another source, \
             {n_empty} problems without any, {} problems all of whose candidates are alike",
            groups.list.len(),
            groups.list.iter().map(|group| group.members.len()).sum::<usize>(),
            n_before - n_after,
            n_problems - groups.list.len(),
        ))
    }
}

/// An estimate as `47.6 [43.7, 51.6]`, in percent.
pub(crate) fn shown(estimate: &Estimate) -> String {
    estimate.interval.map_or_else(|| "–".to_owned(), |interval| in_percent(&interval))
}

/// A difference as `+24.3 [20.1, 28.0]`, in points.
pub(crate) fn difference(estimate: &Estimate) -> String {
    match estimate.interval {
        Some(interval) if interval.mean > 0.0 => format!("+{}", in_percent(&interval)),
        Some(interval) => in_percent(&interval),
        None => "–".to_owned(),
    }
}

fn in_percent(interval: &Interval) -> String {
    let Interval { mean, low, high } = *interval;
    format!("{} [{}, {}]", percent(mean), percent(low), percent(high))
}

/// An estimate for `--json`: shares, not percent.
pub(crate) fn as_json(estimate: &Estimate) -> Json {
    let mut json = json!({"n": estimate.n, "left_out": estimate.n_left_out()});
    if let Some(Interval { mean, low, high }) = estimate.interval {
        json["mean"] = json!(mean);
        json["low"] = json!(low);
        json["high"] = json!(high);
    }
    json
}
