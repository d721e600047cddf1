//! The linear reward model: features of problem and program, and their weights.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use codescaler::{
    linear::{LinearRewardModel, PreparedProblem, ProgramView},
    score::Score,
};
use codescaler_extract::{Policy, tree_shape};
use rayon::prelude::*;

use crate::{
    failure::Failure,
    files::{fingerprint, open},
    program::program_of,
    stage::Item,
};

/// The linear reward model in the box; `docs/linear.md` says how it was trained.
const IN_THE_BOX: &[u8] = include_bytes!("../../data/linear.csrm");

/// A linear reward model.
pub(crate) struct Linear {
    reward_model: LinearRewardModel,
    fingerprint: String,
}

impl Linear {
    /// The one in the box, or the one in the file `path`.
    pub(crate) fn open(path: Option<&Path>) -> Result<Linear, Failure> {
        let (reward_model, fingerprint) = match path {
            Some(path) if path.is_dir() => {
                return Err(Failure::input(format!(
                    "{} is a directory, where a linear reward model (a file) is wanted: run \
                     `codescaler score --reward-model` with it first, and give its output as --scores",
                    path.display()
                )));
            }
            Some(path) => {
                let linear = LinearRewardModel::read(&mut open(path)?)
                    .with_context(|| format!("cannot use the reward model {}", path.display()))
                    .map_err(Failure::Input)?;
                (linear, fingerprint(path)?)
            }
            None => {
                let linear = LinearRewardModel::read(&mut &IN_THE_BOX[..]).map_err(|error| {
                    Failure::fault(error, "the reward model in the box is damaged")
                })?;
                (linear, blake3::hash(IN_THE_BOX).to_hex()[..32].to_owned())
            }
        };
        Ok(Linear { reward_model, fingerprint })
    }

    /// The fingerprint of its weights.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
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
            .map(|group| {
                (group[0].problem.id.as_str(), self.reward_model.prepare(group[0].problem))
            })
            .collect();
        batch
            .par_iter()
            .map(|item| {
                let program = program_of(&item.candidate, item.problem, policy)?;
                let problem = &prepared[item.problem.id.as_str()];
                let language = item.candidate.language;
                let shape = tree_shape(&program, language).unwrap_or_default();
                let view = ProgramView { text: &program, shape: &shape, language };
                Ok((program.len(), self.reward_model.score_prepared(problem, &view)))
            })
            .collect()
    }
}
