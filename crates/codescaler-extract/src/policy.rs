//! Which rule turns a completion into a program, and what the rule may know.

use std::{fmt, str::FromStr};

use codescaler::{language::Language, problem::Entry};
use serde::{Deserialize, Serialize};

/// A rule that turns a completion into a program. Stored with every score, by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Ours: of all the places where a program may stand, the valid one that fits the problem
    /// best; among equals the last.
    #[default]
    BestValid,
    /// CodeScaler's rule (arXiv 2602.17684, section "syntax-aware code extraction", as its
    /// released code has it): exactly one match of ```` ```(?:\w+)?\n(.*?)``` ````, stripped, and
    /// it must parse. Thinking is not skipped; a second block means no program.
    SingleValid,
    /// The last fenced block as CommonMark reads it, unchecked (CodeScaler's evaluation and most
    /// trainers).
    LastFenced,
    /// LiveCodeBench's rule: what lies between the last two lines that contain three backticks,
    /// unchecked.
    Lcb,
    /// Insertions joined by [`EDIT_SEPARATOR`](crate::EDIT_SEPARATOR), played back to the program
    /// that they make, which must parse (LintSeq, arXiv:2410.02749): for policies that learnt what
    /// [`edits`](crate::edits()) makes.
    Edits,
    /// The completion as it is, prose and all: for benchmarks that have answers judged, not
    /// programs (RM-Bench, JudgeBench).
    Whole,
}

impl Policy {
    /// Every policy, in the order of the enum.
    pub const ALL: [Policy; 6] = [
        Policy::BestValid,
        Policy::SingleValid,
        Policy::LastFenced,
        Policy::Lcb,
        Policy::Edits,
        Policy::Whole,
    ];

    /// The name, as written in options and records.
    pub fn name(self) -> &'static str {
        match self {
            Policy::BestValid => "best-valid",
            Policy::SingleValid => "single-valid",
            Policy::LastFenced => "last-fenced",
            Policy::Lcb => "lcb",
            Policy::Edits => "edits",
            Policy::Whole => "whole",
        }
    }

    /// Whether a program from this policy has passed [`check_syntax`](crate::check_syntax).
    pub fn promises_syntax(self) -> bool {
        match self {
            Policy::BestValid | Policy::SingleValid | Policy::Edits => true,
            Policy::LastFenced | Policy::Lcb | Policy::Whole => false,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Policy, UnknownPolicy> {
        let named = Policy::ALL.into_iter().find(|policy| policy.name() == name);
        named.ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}

/// A policy name that is none of ours.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown extraction policy {0:?}: one of best-valid, single-valid, last-fenced, lcb, edits, whole"
)]
pub struct UnknownPolicy(String);

/// What the extraction may know about the problem.
#[derive(Clone, Copy, Debug)]
pub struct Spec<'a> {
    /// The language asked for.
    pub language: Language,
    /// How the program will be called.
    pub entry: &'a Entry,
    /// The rule.
    pub policy: Policy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for policy in Policy::ALL {
            assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
            let json = serde_json::to_string(&policy).unwrap();
            assert_eq!(json, format!("{:?}", policy.name()));
        }
        assert_eq!(Policy::default(), Policy::BestValid);
        assert!("best".parse::<Policy>().is_err());
    }
}
