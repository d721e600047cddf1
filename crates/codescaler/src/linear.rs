//! A linear reward model over hashed features: no neural network, no execution, one megabyte.
//!
//! It is the baseline that every neural reward model must beat: features of the program and of
//! problem and program together, hashed into one vector of weights (Weinberger et al.,
//! arXiv:0902.2206), trained with the Bradley-Terry loss on programs of one problem.
//!
//! ```text
//! problem ─ prepare ─► PreparedProblem ┐
//! program, syntax-tree hashes ─────────┴─ features ─► buckets × values ─ · weights ─► Score
//! ```

use asked::Asked;

use crate::{language::Language, problem::Problem, score::Score};

mod agreement;
mod asked;
mod code;
mod features;
mod file;
mod flow;
mod hash;
pub(crate) mod lex;
mod lint;
mod names;
mod statistics;
mod train;

pub use file::{ModelFileError, VERSION};
pub use train::{
    EpochLog, LabelledProgram, TrainOptions, Training, TrainingGroup, TrainingSet, TrainingSizes,
};

/// A program as the reward model reads it.
#[derive(Clone, Copy, Debug)]
pub struct ProgramView<'a> {
    /// The source text.
    pub text: &'a str,
    /// Hashes of the shapes in its syntax tree; empty where there is no parser for the language.
    pub shape: &'a [u64],
    /// The language it is written in.
    pub language: Language,
}

/// What is hidden from the reward model, in training and in scoring alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ablation {
    /// Nothing.
    #[default]
    None,
    /// The statement, the starter code and the entry point.
    HideProblem,
    /// The syntax tree.
    HideTree,
    /// Counts of the program: length, comments, lines, loops, depth.
    HideStatistics,
}

/// What features a reward model reads: stored with its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureOptions {
    /// Binary logarithm of the number of weights, 8 to 24.
    pub bits: u8,
    /// What is hidden.
    pub ablation: Ablation,
}

impl Default for FeatureOptions {
    fn default() -> FeatureOptions {
        FeatureOptions { bits: 18, ablation: Ablation::None }
    }
}

/// What the reward model knows of a problem; made once and shared by the problem's candidates.
#[derive(Debug)]
pub struct PreparedProblem {
    asked: Asked,
}

impl PreparedProblem {
    /// Reads a problem.
    pub fn of(problem: &Problem, options: FeatureOptions) -> PreparedProblem {
        let asked = match options.ablation {
            Ablation::HideProblem => Asked::default(),
            Ablation::None | Ablation::HideTree | Ablation::HideStatistics => Asked::of(problem),
        };
        PreparedProblem { asked }
    }
}

/// Weights with the features they belong to and where they came from.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearRewardModel {
    features: FeatureOptions,
    provenance: crate::record::Extra,
    scale: f32,       // Logits per unit of a stored weight; positive and finite.
    weights: Vec<i8>, // Two to the power of `features.bits`.
}

impl LinearRewardModel {
    /// What the weights were trained on, as the trainer told it.
    pub fn provenance(&self) -> &crate::record::Extra {
        &self.provenance
    }

    /// What features the weights belong to.
    pub fn features(&self) -> FeatureOptions {
        self.features
    }

    /// Reads a problem once for all of its candidates.
    pub fn prepare(&self, problem: &Problem) -> PreparedProblem {
        PreparedProblem::of(problem, self.features)
    }

    /// The score of one program: a pure function of problem and program.
    pub fn score(&self, problem: &Problem, program: &ProgramView<'_>) -> Score {
        self.score_prepared(&self.prepare(problem), program)
    }

    /// [`LinearRewardModel::score`] for a problem that was prepared before.
    pub fn score_prepared(&self, problem: &PreparedProblem, program: &ProgramView<'_>) -> Score {
        let vector = features::vector(problem, program, self.features);
        let sum: f32 = vector
            .iter()
            .map(|&(bucket, value)| f32::from(self.weights[bucket as usize]) * value)
            .sum();
        Score::try_from(sum * self.scale).expect("a bounded sum of bounded terms is finite")
    }
}

#[cfg(test)]
mod tests;
