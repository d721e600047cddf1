//! Scores: finite by construction; "no score" is `None`.

use std::{cmp::Ordering, fmt};

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// A raw logit of a reward model: finite, unbounded, comparable only within one problem and one
/// reward model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Score(f32); // Invariant: finite, and never -0.0, so that `==` and `cmp` agree.

impl Score {
    /// The logit.
    pub fn get(self) -> f32 {
        self.0
    }
}

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Score) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Score) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl TryFrom<f32> for Score {
    type Error = NotFinite;

    fn try_from(logit: f32) -> Result<Score, NotFinite> {
        if logit.is_finite() { Ok(Score(logit + 0.0)) } else { Err(NotFinite(logit)) }
    }
}

impl From<Score> for f32 {
    fn from(score: Score) -> f32 {
        score.0
    }
}

/// A score that is not a finite number.
#[derive(Debug, thiserror::Error)]
#[error("score {0} is not finite")]
pub struct NotFinite(f32);

/// One candidate's score as a record: a number, or none with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The problem's id.
    pub problem: String,
    /// The candidate's place in the group.
    pub index: u32,
    /// `null` when there was no program to score.
    pub score: Option<Score>,
    /// Why there is no score: the extraction's reason, or that the item was too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What the reward model did not get to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trimmed: Option<Trimmed>,
    /// By how much several reward models differ on it, in log-odds, where the score is theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<Score>,
    /// Keys of other writers, kept as they came.
    #[serde(skip)]
    pub extra: Extra,
}

/// A text that was shortened to fit the reward model's limit, in its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    /// Which text.
    pub part: Part,
    /// Tokens that were kept.
    pub tokens_kept: usize,
    /// Tokens there were.
    pub tokens: usize,
}

/// One of the two texts that a reward model reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The problem: its middle was left out.
    Problem,
    /// The program: its end was left out.
    Program,
}

impl fmt::Display for Trimmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trimmed { part, tokens_kept, tokens } = self;
        let part = match part {
            Part::Problem => "problem",
            Part::Program => "program",
        };
        write!(f, "trimmed: {tokens_kept} of {tokens} tokens of the {part} were read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_finite_and_totally_ordered() {
        assert!(Score::try_from(f32::NAN).is_err());
        assert!(Score::try_from(f32::INFINITY).is_err());
        assert_eq!(Score::try_from(-0.0).unwrap(), Score::try_from(0.0).unwrap());
        assert!(serde_json::from_str::<Score>("null").is_err());
        assert!(serde_json::from_str::<Score>("1e60").is_err());
        assert!(Score::try_from(-1.0).unwrap() < Score::try_from(2.0).unwrap());
    }
}
