//! `eval policy`: how often a policy's programs are right.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use codescaler::{
    candidate::{Candidate, Label},
    execution::Execution,
    metric::{self, Measured},
    problem::{Problem, Suite},
    record::{Extra, Header},
};
use codescaler_extract::Policy as Extraction;
use codescaler_nn::Precision;
use serde_json::json;

use super::{as_json, shown};
use crate::{
    exec::{Bounds, SandboxOptions, Work, execute_all},
    failure::{Failure, Outcome},
    files::{Joined, Opened, Output, Problems, fingerprint, read_all},
    policy::{self, SamplingOptions, thinking},
    terminal::Terminal,
};

/// Sample a policy, run its programs, and measure pass@k.
///
/// The folder ends with candidates.jsonl, executions.jsonl and labels.jsonl, ready for `curate
/// pairs` (on-policy pairs) and every other `eval`. Labels are by the hidden tests, or by the
/// visible ones where the problems have no others.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler eval policy --policy policy --problems held-out/problems.jsonl --samples 8 \\
      --out held-out/policy")]
pub(crate) struct Options {
    /// The policy: a Hugging Face directory.
    #[arg(long)]
    policy: PathBuf,
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// Samples of each problem.
    #[arg(long, default_value_t = 8)]
    samples: u32,
    /// Problems, at most: the first ones.
    #[arg(long)]
    problems_max: Option<usize>,
    #[command(flatten)]
    sampling: SamplingOptions,
    /// Let the policy think between `<think>` and `</think>` for so many tokens at most, then write
    /// its answer; 0 for an answer at once.
    #[arg(long)]
    thinking_tokens_max: Option<usize>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Extraction::BestValid)]
    extraction: Extraction,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    bounds: Bounds,
    /// Seed of the samples and of the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the source in the candidates.
    #[arg(long, default_value = "policy")]
    name: String,
    /// The folder to write.
    #[arg(long)]
    out: PathBuf,
}

/// Problems written to before their candidates are on the disk.
const CHUNK: usize = 64;

pub(super) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    options.sampling.check()?;
    if options.samples == 0 {
        return Err(Failure::input("--samples is at least 1"));
    }
    let problems = Problems::read(&options.problems)?;
    let suite = suite(&problems)?;
    let candidates = options.out.join("candidates.jsonl");
    let provenance = Extra::from_iter([
        ("policy".to_owned(), json!(options.policy)),
        ("problems".to_owned(), json!(fingerprint(&options.problems)?)),
        ("problems_max".to_owned(), json!(options.problems_max)),
        ("samples".to_owned(), json!(options.samples)),
        ("sampling".to_owned(), json!(format!("{:?}", options.sampling))),
        ("thinking_tokens_max".to_owned(), json!(options.thinking_tokens_max)),
        ("seed".to_owned(), json!(options.seed)),
    ]);
    options.sample(terminal, &problems, &candidates, &provenance)?;
    let sandbox = options.sandbox.start(terminal)?;
    let work = Work {
        sandbox: &sandbox,
        suite,
        policy: options.extraction,
        stop_early: false,
        inputs_max: 0,
        seed: 0,
        bounds: options.bounds,
    };
    let executions = options.out.join("executions.jsonl");
    let mut provenance = work.provenance();
    provenance.insert("candidates".to_owned(), json!(fingerprint(&candidates)?));
    let joined = Joined::open(&candidates, &problems)?;
    execute_all(terminal, (&candidates, joined), (&executions, &provenance), &work)?;
    let executions: Vec<Execution> = read_all(&executions)?;
    let labels: Vec<Label> = executions.iter().filter_map(label).collect();
    options.write_labels(&labels, suite)?;

    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for label in &labels {
        let (known, right) = counts.entry(&label.problem).or_default();
        *known += 1;
        *right += u64::from(label.passed);
    }
    let faults = executions.len() - labels.len();
    let sizes = std::iter::successors(Some(1_u64), |k| Some(k * 2));
    let mut summary = json!({
        "verb": "eval policy", "out": options.out, "problems": counts.len(),
        "samples": options.samples, "faults": faults,
    });
    for k in sizes.take_while(|k| *k <= u64::from(options.samples)) {
        let of = |(known, right): &(u64, u64)| metric::pass_at_k_of(*known, *right, k);
        let values: Vec<Measured> = counts.values().map(of).collect();
        let estimate = metric::mean(&values, options.seed);
        terminal.print(&format!("pass@{k:<4} {}", shown(&estimate)));
        summary[format!("pass@{k}")] = as_json(&estimate);
    }
    terminal.print(&format!(
        "{} problems x {} samples, run on their {suite} tests, {faults} faults left out; written to {}",
        counts.len(),
        options.samples,
        options.out.display()
    ));
    Ok(Outcome::done(summary))
}

/// The tests that decide.
fn suite(problems: &Problems) -> Result<Suite, Failure> {
    let without = |problem: &&Problem| problem.tests.hidden.is_empty();
    let n = problems.iter().count();
    match problems.iter().filter(without).count() {
        0 => Ok(Suite::Hidden),
        lacking if lacking == n => match problems.iter().find(|p| p.tests.visible.is_empty()) {
            None => Ok(Suite::Visible),
            Some(problem) => Err(Failure::input(format!("problem {:?} has no tests", problem.id))),
        },
        lacking => Err(Failure::input(format!(
            "{lacking} of {n} problems have no hidden tests and the others have: \
             measure them apart, so that labels mean one thing"
        ))),
    }
}

fn label(execution: &Execution) -> Option<Label> {
    let passed = execution.passed()?;
    let n = execution.verdicts.len();
    let right = execution.verdicts.iter().filter(|v| **v == codescaler::execution::Verdict::Pass);
    Some(Label {
        problem: execution.problem.clone(),
        index: execution.index,
        passed,
        by: "codescaler".to_owned(),
        rate: (n > 0).then(|| right.count() as f64 / n as f64),
        extra: Extra::new(),
    })
}

impl Options {
    fn sample(
        &self,
        terminal: Terminal,
        problems: &Problems,
        out: &std::path::Path,
        provenance: &Extra,
    ) -> Result<(), Failure> {
        let header = Header::new::<Candidate>(provenance.clone());
        let Opened::Open(mut output, done) = Output::open::<Candidate>(out, &header)? else {
            return Ok(());
        };
        let policy = policy::open(&self.policy, Precision::Bf16)?;
        let all: Vec<&Problem> =
            problems.iter().take(self.problems_max.unwrap_or(usize::MAX)).collect();
        let n = self.samples as usize;
        let bar = terminal.progress("samples", (all.len() * n) as u64, done.len() as u64);
        let mut done = done.len();
        for chunk in all.chunks(CHUNK) {
            // What a stopped run has written of a chunk is drawn again, and alike.
            if done >= chunk.len() * n {
                done -= chunk.len() * n;
                continue;
            }
            let written = match self.thinking_tokens_max {
                Some(most) => thinking::write(&policy, chunk, (n, most), &self.sampling, self.seed),
                None => policy::write(&policy, chunk, (n, &self.sampling), self.seed),
            }?;
            let records = chunk.iter().zip(&written).flat_map(|(problem, samples)| {
                let record =
                    |(index, sample)| policy::candidate(problem, index, sample, &self.name);
                samples.iter().enumerate().map(record)
            });
            for record in records.skip(done) {
                output.write(&record)?;
            }
            output.flush()?;
            done = 0;
            bar.inc((chunk.len() * n) as u64);
        }
        bar.finish_and_clear();
        output.finish()
    }

    fn write_labels(&self, labels: &[Label], suite: Suite) -> Result<(), Failure> {
        let provenance = Extra::from_iter([("suite".to_owned(), json!(suite.to_string()))]);
        let header = Header::new::<Label>(provenance);
        let path = self.out.join("labels.jsonl");
        if let Opened::Open(mut output, _) = Output::create::<Label>(&path, &header)? {
            labels.iter().try_for_each(|label| output.write(label))?;
            output.finish()?;
        }
        Ok(())
    }
}
