//! `codescaler demo`: the main job on the data in the box.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

use clap::Args;
use codescaler::{
    compress::decompressed,
    problem::Suite,
    record::{Extra, Header, Reader, Record},
    score::Scored,
    select::Rule,
};
use codescaler_extract::Policy;
use codescaler_sandbox::Sandbox;
use serde_json::{Value as Json, json};

use crate::{
    eval::selection::{measure, reading, show, summary},
    exec::{Bounds, SandboxOptions, Work, execute_all},
    failure::{Failure, Outcome},
    files::{Joined, Problems, write_whole},
    groups::Groups,
    report::write_report,
    rundir::RunDir,
    score::{Scorer, ScorerOptions, score_all},
    select::{select_all, write_selections},
    stage_cost::Costs,
    terminal::Terminal,
};

/// Problems and candidates in the box; `data/README.md` says where they come from.
pub(crate) const PROBLEMS: &[u8] = include_bytes!("../data/demo-problems.jsonl.gz");
pub(crate) const CANDIDATES: &[u8] = include_bytes!("../data/demo-candidates.jsonl.gz");

/// The rules of the table.
const RULES: [Rule; 8] = [
    Rule::Random,
    Rule::First,
    Rule::Shortest,
    Rule::Longest,
    Rule::RmArgmax,
    Rule::PublicFilter,
    Rule::OutputVote,
    Rule::RmWithinPassing,
];

/// Choose the best of many real programs without running them, then check by running.
///
/// Hundreds of problems of HumanEval and MBPP, each with up to 16 programs that language models
/// wrote. The reward model in the box ranks them without running any; for the rules that
/// want more, visible tests are run in the sandbox, and inputs made from theirs; then every program
/// is run on the hidden tests, and the table shows how often each rule chose a right one.
#[derive(Args)]
#[command(after_help = "\
Killed and run again, it goes on where it was. The run directory keeps every score, verdict and
selection, which the other verbs read, and a page to look at: report.html.

Example:
  codescaler demo --json")]
pub(crate) struct Options {
    /// The run directory.
    #[arg(long, default_value = "runs/demo")]
    out: PathBuf,
    /// Decides among equals, and seeds the bootstrap.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    scorer: ScorerOptions,
}

/// What all stages share.
struct Demo<'a> {
    terminal: Terminal,
    run: RunDir,
    problems: &'a Problems,
    candidates: PathBuf,
}

/// The records of a file in the box.
pub(crate) fn unpacked<T: Record>(
    packed: &'static [u8],
) -> Result<Reader<Box<dyn BufRead>, T>, Failure> {
    let plain = decompressed(packed)
        .map_err(|error| Failure::fault(error, "the data in the box is damaged"))?;
    Ok(Reader::new(plain, "the box")?)
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let scorer = options.scorer.open()?;
    let sandbox = options.sandbox.start(terminal)?;
    let run = RunDir::open(
        &options.out,
        &format!("verb = \"demo\"\nseed = {}\n", options.seed),
        &plan(options.seed, &scorer, &sandbox),
    )?;
    unpack(&run.path("problems.jsonl"), PROBLEMS)?;
    unpack(&run.path("candidates.jsonl"), CANDIDATES)?;
    let file = run.path("problems.jsonl");
    let problems = Problems::read(&file)?;
    let candidates = run.path("candidates.jsonl");
    let demo = Demo { terminal, run, problems: &problems, candidates };

    demo.score(&scorer)?;
    demo.execute(&sandbox, Suite::Visible)?;
    demo.execute(&sandbox, Suite::Inputs)?;
    demo.execute(&sandbox, Suite::Hidden)?;
    let groups = demo.groups()?;
    let selections = select_all(&groups, &RULES, options.seed)?;
    write_selections(
        &demo.run.path("selections.jsonl"),
        Extra::from_iter([("seed".to_owned(), json!(options.seed))]),
        &selections,
    )?;
    demo.report(groups, options.seed)
}

fn plan(seed: u64, scorer: &Scorer, sandbox: &Sandbox) -> Json {
    json!({
        "verb": "demo", "version": env!("CARGO_PKG_VERSION"), "commit": env!("CODESCALER_COMMIT"),
        "seed": seed, "scorer": scorer.provenance(Policy::BestValid),
        "protection": sandbox.protection().level().to_string(),
        "problems": blake3::hash(PROBLEMS).to_hex()[..32], "candidates": blake3::hash(CANDIDATES).to_hex()[..32],
        "rules": RULES.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// Writes data in the box to the run directory, so that every verb can read it.
fn unpack(path: &Path, packed: &'static [u8]) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let read = decompressed(packed)
        .and_then(|mut input| std::io::Read::read_to_end(&mut input, &mut bytes));
    read.map_err(|error| Failure::fault(error, "the data in the box is damaged"))?;
    write_whole(path, &bytes)
}

impl Demo<'_> {
    fn candidates(&self) -> Result<(&Path, crate::files::Candidates<'_>), Failure> {
        Ok((&self.candidates, Joined::open(&self.candidates, self.problems)?))
    }

    fn score(&self, scorer: &Scorer) -> Result<(), Failure> {
        let policy = Policy::BestValid;
        let header = Header::new::<Scored>(scorer.provenance(policy));
        let out = self.run.path("scores.jsonl");
        self.run.stage("score", || {
            let progress =
                score_all(self.terminal, self.candidates()?, (&out, &header), (scorer, policy))?;
            Ok(progress.map_or(0, |progress| progress.made))
        })
    }

    fn execute(&self, sandbox: &Sandbox, suite: Suite) -> Result<(), Failure> {
        let work = Work {
            bounds: Bounds::default(),
            sandbox,
            suite,
            policy: Policy::BestValid,
            // A label needs one failure; a selector can use every verdict.
            stop_early: suite == Suite::Hidden,
            inputs_max: 8,
            seed: 0,
        };
        let out = self.executions(suite);
        self.run.stage(suite.name(), || {
            let tally =
                execute_all(self.terminal, self.candidates()?, (&out, &work.provenance()), &work)?;
            Ok(tally.map_or(0, |tally| tally.made))
        })
    }

    fn executions(&self, suite: Suite) -> PathBuf {
        self.run.path(&format!("{suite}.jsonl"))
    }

    fn groups(&self) -> Result<Groups<'_>, Failure> {
        let (_, candidates) = self.candidates()?;
        let mut groups = Groups::read(self.problems, candidates, Policy::BestValid, None)?;
        groups.add_scores(&self.run.path("scores.jsonl"))?;
        groups.add_executions(&self.executions(Suite::Visible))?;
        groups.add_executions(&self.executions(Suite::Inputs))?;
        groups.add_executions(&self.executions(Suite::Hidden))?;
        Ok(groups)
    }

    fn report(&self, mut groups: Groups<'_>, seed: u64) -> Result<Outcome, Failure> {
        let n_all = groups.list.len();
        let n_candidates: usize = groups.list.iter().map(|group| group.members.len()).sum();
        let n_faults =
            groups.list.iter().flat_map(|g| &g.members).filter(|m| m.label.is_none()).count();
        groups.keep_mixed();
        let rows = measure(&groups, &RULES, seed)?;
        let costs = Costs::read(&self.run)?;
        let report = [
            format!(
                "{n_all} problems, {n_candidates} programs by language models; {} problems have right \
                 and wrong ones and are counted below; {n_faults} programs left out for a fault of ours",
                groups.list.len()
            ),
            String::new(),
            show(&rows),
            String::new(),
            reading(&rows),
        ]
        .join("\n");
        // What clocks say is printed but not kept in the report, which is the same bytes always.
        self.terminal.print(&[report.as_str(), "", &costs.show(), &costs.reading()].join("\n"));
        write_whole(&self.run.path("report.txt"), (report + "\n").as_bytes())?;
        write_report(self.terminal, &self.run.path(""))?;
        Ok(Outcome::done(json!({
            "verb": "demo", "out": self.run.path(""), "problems": n_all, "counted": groups.list.len(),
            "candidates": n_candidates, "faults": n_faults, "rules": summary(&rows),
            "cost_per_candidate": costs.summary(),
        })))
    }
}
