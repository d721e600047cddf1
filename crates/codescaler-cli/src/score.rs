//! `codescaler score`: candidates → scores, without running anything.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;
use codescaler::{
    language::Language,
    linear::{LinearRewardModel, PreparedProblem, ProgramView},
    problem::Problem,
    record::{Extra, Header},
    score::{Score, Scored},
};
use codescaler_extract::{Policy, tree_shape};
use rayon::prelude::*;
use serde_json::json;

use crate::{
    failure::{Failure, Outcome},
    files::{Joined, Problems, fingerprint, open},
    program::program_of,
    stage::{self, Item},
    terminal::Terminal,
};

/// The linear reward model in the box; `docs/linear.md` says how it was trained.
const LINEAR_IN_THE_BOX: &[u8] = include_bytes!("../data/linear.csrm");

/// A reward model that reads problem and program.
pub(crate) struct Scorer {
    linear: LinearRewardModel,
    fingerprint: String,
}

impl Scorer {
    /// The linear reward model in the box, or the one in `path`.
    pub(crate) fn linear(path: Option<&Path>) -> Result<Scorer, Failure> {
        let (linear, fingerprint) = match path {
            Some(path) => {
                let linear = LinearRewardModel::read(&mut open(path)?)
                    .with_context(|| format!("cannot use the reward model {}", path.display()))
                    .map_err(Failure::Input)?;
                (linear, fingerprint(path)?)
            }
            None => {
                let linear =
                    LinearRewardModel::read(&mut &LINEAR_IN_THE_BOX[..]).map_err(|error| {
                        Failure::fault(error, "the reward model in the box is damaged")
                    })?;
                (linear, blake3::hash(LINEAR_IN_THE_BOX).to_hex()[..32].to_owned())
            }
        };
        Ok(Scorer { linear, fingerprint })
    }

    /// The fingerprint of its weights.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What scores made with it are stored with.
    pub(crate) fn provenance(&self, policy: Policy) -> Extra {
        Extra::from_iter([
            ("scorer".to_owned(), json!("linear")),
            ("weights".to_owned(), json!(self.fingerprint)),
            ("policy".to_owned(), json!(policy.to_string())),
        ])
    }

    /// The score of a valid program.
    pub(crate) fn score(&self, problem: &Problem, program: &str, language: Language) -> Score {
        self.score_prepared(&self.linear.prepare(problem), program, language)
    }

    fn score_prepared(
        &self,
        problem: &PreparedProblem,
        program: &str,
        language: Language,
    ) -> Score {
        let shape = tree_shape(program, language).unwrap_or_default();
        self.linear.score_prepared(problem, &ProgramView { text: program, shape: &shape, language })
    }

    /// The length of each candidate's program in bytes and its score, or why it has no program.
    /// Problems are read once each, programs on all cores.
    pub(crate) fn read(
        &self,
        batch: &[Item<'_>],
        policy: Policy,
    ) -> Vec<Result<(usize, Score), String>> {
        let prepared: BTreeMap<&str, PreparedProblem> = batch
            .chunk_by(|a, b| a.problem.id == b.problem.id)
            .map(|group| (group[0].problem.id.as_str(), self.linear.prepare(group[0].problem)))
            .collect();
        batch
            .par_iter()
            .map(|item| {
                let program = program_of(&item.candidate, item.problem, policy)?;
                let problem = &prepared[item.problem.id.as_str()];
                let score = self.score_prepared(problem, &program, item.candidate.language);
                Ok((program.len(), score))
            })
            .collect()
    }
}

/// Score candidates with a reward model, without running them.
///
/// A score is a raw logit, comparable only within one problem. A candidate without a valid
/// program gets no score but the reason.
#[derive(Args)]
#[command(after_help = "\
Example:
  codescaler score --problems problems.jsonl --candidates candidates.jsonl --out scores.jsonl")]
pub(crate) struct Options {
    /// The problems.
    #[arg(long)]
    problems: PathBuf,
    /// The candidates.
    #[arg(long)]
    candidates: PathBuf,
    /// Where to write the scores.
    #[arg(long)]
    out: PathBuf,
    /// A linear reward model made by `codescaler train reward`; without it, the one in the box.
    #[arg(long)]
    reward_model: Option<PathBuf>,
    /// Which block of a completion is the program.
    #[arg(long, default_value_t = Policy::BestValid)]
    policy: Policy,
}

pub(crate) fn run(terminal: Terminal, options: &Options) -> Result<Outcome, Failure> {
    let scorer = Scorer::linear(options.reward_model.as_deref())?;
    let problems = Problems::read(&options.problems)?;
    let mut provenance = scorer.provenance(options.policy);
    provenance.insert("problems".to_owned(), json!(fingerprint(&options.problems)?));
    provenance.insert("candidates".to_owned(), json!(fingerprint(&options.candidates)?));
    let header = Header::new::<Scored>(provenance);
    let candidates = Joined::open(&options.candidates, &problems)?;
    let progress = score_all(
        terminal,
        (&options.candidates, candidates),
        (&options.out, &header),
        (&scorer, options.policy),
    )?;
    match progress {
        Some(progress) => terminal.print(&format!(
            "{} scores written to {}",
            progress.made,
            options.out.display()
        )),
        None => terminal.note(&format!("{} is whole already", options.out.display())),
    }
    let progress = progress.unwrap_or_default();
    Ok(Outcome::done(json!({
        "verb": "score", "out": options.out, "scorer": "linear", "weights": scorer.fingerprint,
        "found": progress.found, "made": progress.made,
    })))
}

/// The stage itself, which `demo` runs too.
pub(crate) fn score_all(
    terminal: Terminal,
    candidates: (&Path, crate::files::Candidates<'_>),
    out: (&Path, &Header),
    (scorer, policy): (&Scorer, Policy),
) -> Result<Option<stage::Progress>, Failure> {
    stage::run(terminal, candidates, out, "score", |batch, emit| {
        for (item, read) in batch.iter().zip(scorer.read(batch, policy)) {
            let (score, reason) = match read {
                Ok((_, score)) => (Some(score), None),
                Err(reason) => (None, Some(reason)),
            };
            emit(Scored {
                problem: item.candidate.problem.clone(),
                index: item.candidate.index,
                score,
                reason,
                extra: Extra::new(),
            })?;
        }
        Ok(())
    })
}
