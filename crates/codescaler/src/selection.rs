//! Selections: which candidate a rule chose, and why.

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// What a rule chose for one problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The problem's id.
    pub problem: String,
    /// The rule, with its parameters.
    pub rule: String,
    /// Index of the chosen candidate; `null` when the rule abstains.
    pub chosen: Option<u32>,
    /// Every candidate the rule holds equally good, `chosen` among them; an expected accuracy is
    /// taken over all of them.
    pub ties: Vec<u32>,
    /// Why it abstained or fell back, in a few words; empty when the rule worked as meant.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Keys of other writers, kept as they came.
    #[serde(skip)]
    pub extra: Extra,
}
