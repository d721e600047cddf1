//! Preferences: two programs for one problem, one better than the other.

use serde::{Deserialize, Serialize};

use crate::{language::Language, record::Extra};

/// A pair of programs for one problem, the first better than the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preference {
    /// The problem's id.
    pub problem: String,
    /// The better program.
    pub chosen: Side,
    /// The worse program.
    pub rejected: Side,
    /// The language of both.
    pub language: Language,
    /// By how much, where the rule knows (a difference of pass rates).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub margin: Option<f64>,
    /// The rule that paired them.
    pub rule: String,
    /// Pairs of one unit cancel what author and length tell of each other: whoever takes a part of
    /// the pairs takes whole units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<u32>,
    /// Keys of other writers, kept as they came.
    #[serde(skip)]
    pub extra: Extra,
}

impl Preference {
    /// The chosen program and the rejected one.
    pub fn sides(&self) -> [&Side; 2] {
        [&self.chosen, &self.rejected]
    }
}

/// One program of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The problem the program was written for: another one's, for an unaligned pair.
    pub problem: String,
    /// Its place in that problem's group.
    pub index: u32,
    /// The program.
    pub program: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The share of tests it passes, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How the program was rewritten without changing what it does, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<String>,
}
