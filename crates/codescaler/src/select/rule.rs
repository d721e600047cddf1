//! The rules: a closed set, each with its name, parameters and needs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How to choose among the candidates of one problem.
///
/// Written as `name` or `name:key=value,…`, such as `codet:a=0.5,b=1`; parameters left out have
/// the default that [`Rule::ALL`] shows.
///
/// There is no oracle among the rules, since evidence has no labels: the ceiling is
/// [`crate::metric::oracle`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// The first candidate: what one sample gives.
    First,
    /// Any candidate; in expectation what one sample gives.
    Random,
    /// The program of fewest bytes.
    Shortest,
    /// The program of most bytes.
    Longest,
    /// Any candidate that passes every visible test.
    PublicFilter,
    /// Most generated tests passed (CURE, arXiv:2506.03136).
    MaxPass,
    /// Most generated tests passed; among those, the row of verdicts that most candidates share
    /// (CodeRM, arXiv:2501.01054).
    MaxPassConsistency,
    /// Dual agreement: candidates with one row of verdicts, times the tests they pass,
    /// `|candidates|^a · |tests|^b` (CodeT, arXiv:2207.10397).
    Codet {
        /// Exponent of the number of candidates: 0.5 in the released code, 1 in the paper.
        a: f64,
        /// Exponent of the number of tests passed.
        b: f64,
    },
    /// The row of verdicts of largest posterior under Beta priors (B4, arXiv:2409.08692).
    B4 {
        /// Prior weight of the shares of right programs and of right tests.
        axy: f64,
        /// Prior weight of wrong programs failing wrong tests.
        b0: f64,
    },
    /// Most agreement with other candidates, output by output (MBR-exec, arXiv:2204.11454).
    MbrExec,
    /// Largest cluster of equal outputs on all inputs, then one candidate of each next one
    /// (AlphaCode, arXiv:2203.07814).
    AlphacodeClusters {
        /// How many submissions the problem allows.
        k: usize,
    },
    /// Most inputs on which the output is the one that most candidates give.
    OutputVote,
    /// Highest score of the first scorer.
    RmArgmax,
    /// Highest score of the first scorer among the candidates that pass every visible test.
    RmWithinPassing,
    /// Keep the best by score; among them most visible tests, then most generated tests, then
    /// the score again (R2E-Gym, arXiv:2504.07164).
    HybridLexi {
        /// Keep at least so many.
        keep_min: usize,
        /// Keep at least this fraction of the candidates that have a program.
        keep_fraction: f64,
    },
    /// A weighted vote of several scorers (Weaver, arXiv:2506.18203).
    WeightedVerifiers {
        /// One weight per scorer; empty for equal weights.
        weights: Vec<f64>,
    },
}

/// A kind of evidence that a rule cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Verdicts on visible tests.
    Visible,
    /// Verdicts on generated tests.
    Generated,
    /// Outputs on inputs.
    Outputs,
    /// The scores of at least so many scorers.
    Scorers(usize),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Visible => f.write_str("verdicts on visible tests"),
            Need::Generated => f.write_str("verdicts on generated tests"),
            Need::Outputs => f.write_str("outputs on inputs"),
            Need::Scorers(1) => f.write_str("the scores of a scorer"),
            Need::Scorers(n) => write!(f, "the scores of {n} scorers"),
        }
    }
}

impl Rule {
    /// Every rule, with the parameters it has when none are given.
    pub const ALL: [Rule; 16] = [
        Rule::First,
        Rule::Random,
        Rule::Shortest,
        Rule::Longest,
        Rule::PublicFilter,
        Rule::MaxPass,
        Rule::MaxPassConsistency,
        Rule::Codet { a: 0.5, b: 1.0 },
        Rule::B4 { axy: 1e3, b0: 1e4 },
        Rule::MbrExec,
        Rule::AlphacodeClusters { k: 10 },
        Rule::OutputVote,
        Rule::RmArgmax,
        Rule::RmWithinPassing,
        Rule::HybridLexi { keep_min: 3, keep_fraction: 0.5 },
        Rule::WeightedVerifiers { weights: Vec::new() },
    ];

    /// The name, without parameters.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::First => "first",
            Rule::Random => "random",
            Rule::Shortest => "shortest",
            Rule::Longest => "longest",
            Rule::PublicFilter => "public_filter",
            Rule::MaxPass => "max_pass",
            Rule::MaxPassConsistency => "max_pass_consistency",
            Rule::Codet { .. } => "codet",
            Rule::B4 { .. } => "b4",
            Rule::MbrExec => "mbr_exec",
            Rule::AlphacodeClusters { .. } => "alphacode_clusters",
            Rule::OutputVote => "output_vote",
            Rule::RmArgmax => "rm_argmax",
            Rule::RmWithinPassing => "rm_within_passing",
            Rule::HybridLexi { .. } => "hybrid_lexi",
            Rule::WeightedVerifiers { .. } => "weighted_verifiers",
        }
    }

    /// What the rule does, in one line.
    pub fn describe(&self) -> &'static str {
        match self {
            Rule::First => "the first candidate that has a program",
            Rule::Random => "any candidate that has a program",
            Rule::Shortest => "the shortest program",
            Rule::Longest => "the longest program",
            Rule::PublicFilter => "any candidate that passes every visible test",
            Rule::MaxPass => "most generated tests passed",
            Rule::MaxPassConsistency => "most generated tests passed, then the commonest verdicts",
            Rule::Codet { .. } => "agreement of candidates times generated tests passed",
            Rule::B4 { .. } => "largest posterior of who and which generated tests are right",
            Rule::MbrExec => "most agreement with the others, output by output",
            Rule::AlphacodeClusters { .. } => "largest cluster of equal outputs on all inputs",
            Rule::OutputVote => "most inputs answered as the majority answers them",
            Rule::RmArgmax => "highest score",
            Rule::RmWithinPassing => "highest score among those that pass every visible test",
            Rule::HybridLexi { .. } => {
                "upper part by score, then visible tests, generated tests, score"
            }
            Rule::WeightedVerifiers { .. } => "weighted vote of several scorers",
        }
    }

    /// The evidence without which the rule is an error.
    pub fn needs(&self) -> &'static [Need] {
        match self {
            Rule::First | Rule::Random | Rule::Shortest | Rule::Longest => &[],
            Rule::PublicFilter => &[Need::Visible],
            Rule::MaxPass | Rule::MaxPassConsistency | Rule::Codet { .. } | Rule::B4 { .. } => {
                &[Need::Generated]
            }
            Rule::MbrExec | Rule::AlphacodeClusters { .. } | Rule::OutputVote => &[Need::Outputs],
            Rule::RmArgmax => &[Need::Scorers(1)],
            Rule::RmWithinPassing => &[Need::Visible, Need::Scorers(1)],
            Rule::HybridLexi { .. } => &[Need::Generated, Need::Scorers(1)],
            Rule::WeightedVerifiers { .. } => &[Need::Scorers(3)],
        }
    }

    /// Whether the parameters mean something.
    ///
    /// # Errors
    /// The first parameter that does not.
    pub fn check(&self) -> Result<(), RuleError> {
        let positive =
            |key, value: f64| self.require(key, value.is_finite() && value > 0.0, POSITIVE);
        match self {
            Rule::Codet { a, b } => positive("a", *a).and(positive("b", *b)),
            Rule::B4 { axy, b0 } => positive("axy", *axy).and(positive("b0", *b0)),
            Rule::AlphacodeClusters { k } => self.require("k", *k > 0, AT_LEAST_ONE),
            Rule::HybridLexi { keep_min, keep_fraction } => {
                self.require("keep_min", *keep_min > 0, AT_LEAST_ONE).and(self.require(
                    "keep_fraction",
                    *keep_fraction > 0.0 && *keep_fraction <= 1.0,
                    "above 0 and at most 1",
                ))
            }
            Rule::WeightedVerifiers { weights } => self.require(
                "weights",
                weights.is_empty() || weights.len() >= 3 && weights.iter().all(|w| w.is_finite()),
                "at least three numbers with a `/` between them",
            ),
            Rule::First
            | Rule::Random
            | Rule::Shortest
            | Rule::Longest
            | Rule::PublicFilter
            | Rule::MaxPass
            | Rule::MaxPassConsistency
            | Rule::MbrExec
            | Rule::OutputVote
            | Rule::RmArgmax
            | Rule::RmWithinPassing => Ok(()),
        }
    }

    fn require(&self, key: &str, holds: bool, domain: &'static str) -> Result<(), RuleError> {
        let (rule, key) = (self.name(), key.to_owned());
        if holds { Ok(()) } else { Err(RuleError::Domain { rule, key, domain }) }
    }

    /// Sets one parameter from its text.
    fn set(&mut self, key: &str, text: &str) -> Result<(), RuleError> {
        let rule = self.name();
        match (self, key) {
            (Rule::Codet { a, .. }, "a") => read(rule, key, text, POSITIVE, a),
            (Rule::Codet { b, .. }, "b") => read(rule, key, text, POSITIVE, b),
            (Rule::B4 { axy, .. }, "axy") => read(rule, key, text, POSITIVE, axy),
            (Rule::B4 { b0, .. }, "b0") => read(rule, key, text, POSITIVE, b0),
            (Rule::AlphacodeClusters { k }, "k") => read(rule, key, text, AT_LEAST_ONE, k),
            (Rule::HybridLexi { keep_min, .. }, "keep_min") => {
                read(rule, key, text, AT_LEAST_ONE, keep_min)
            }
            (Rule::HybridLexi { keep_fraction, .. }, "keep_fraction") => {
                read(rule, key, text, "above 0 and at most 1", keep_fraction)
            }
            (Rule::WeightedVerifiers { weights }, "weights") => {
                weights.clear();
                text.split('/').try_for_each(|part| {
                    weights.push(0.0);
                    let last = weights.last_mut().expect("one was just pushed");
                    read(rule, key, part, "numbers with a `/` between them", last)
                })
            }
            (_, _) => Err(RuleError::Key { rule, key: key.to_owned() }),
        }
    }
}

const POSITIVE: &str = "a number above 0";
const AT_LEAST_ONE: &str = "a whole number above 0";

fn read<T: FromStr>(
    rule: &'static str,
    key: &str,
    text: &str,
    domain: &'static str,
    into: &mut T,
) -> Result<(), RuleError> {
    *into = text.trim().parse().map_err(|_: T::Err| RuleError::Domain {
        rule,
        key: key.to_owned(),
        domain,
    })?;
    Ok(())
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Rule::Codet { a, b } => write!(f, ":a={a},b={b}"),
            Rule::B4 { axy, b0 } => write!(f, ":axy={axy},b0={b0}"),
            Rule::AlphacodeClusters { k } => write!(f, ":k={k}"),
            Rule::HybridLexi { keep_min, keep_fraction } => {
                write!(f, ":keep_min={keep_min},keep_fraction={keep_fraction}")
            }
            Rule::WeightedVerifiers { weights } if weights.is_empty() => Ok(()),
            Rule::WeightedVerifiers { weights } => {
                let weights: Vec<String> = weights.iter().map(f64::to_string).collect();
                write!(f, ":weights={}", weights.join("/"))
            }
            Rule::First
            | Rule::Random
            | Rule::Shortest
            | Rule::Longest
            | Rule::PublicFilter
            | Rule::MaxPass
            | Rule::MaxPassConsistency
            | Rule::MbrExec
            | Rule::OutputVote
            | Rule::RmArgmax
            | Rule::RmWithinPassing => Ok(()),
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let (name, parameters) = text.split_once(':').unwrap_or((text, ""));
        let mut rule = Rule::ALL
            .into_iter()
            .find(|rule| rule.name() == name.trim())
            .ok_or_else(|| RuleError::Name { name: name.trim().to_owned() })?;
        for parameter in parameters.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            rule.set(key.trim(), value)?;
        }
        rule.check()?;
        Ok(rule)
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(text: String) -> Result<Rule, RuleError> {
        text.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> String {
        rule.to_string()
    }
}

/// A rule that is written wrongly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No rule has this name.
    #[error("unknown rule {name:?}; the rules are {}", Rule::ALL.map(|rule| rule.name()).join(", "))]
    Name {
        /// The name.
        name: String,
    },
    /// The rule has no such parameter.
    #[error(
        "rule {rule} has no parameter {key:?}; written out with its parameters it is {:?}",
        default_text(rule)
    )]
    Key {
        /// The rule.
        rule: &'static str,
        /// The parameter.
        key: String,
    },
    /// A parameter's value means nothing.
    #[error("parameter {key} of rule {rule} must be {domain}")]
    Domain {
        /// The rule.
        rule: &'static str,
        /// The parameter.
        key: String,
        /// What it must be.
        domain: &'static str,
    },
}

fn default_text(name: &str) -> String {
    Rule::ALL
        .into_iter()
        .find(|rule| rule.name() == name)
        .map_or_else(String::new, |rule| rule.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = text.parse::<Rule>().map_or_else(|e| e.to_string(), |rule| rule.to_string());
        assert_eq!(found, expected);
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for rule in Rule::ALL {
            assert_eq!(rule.to_string().parse(), Ok(rule.clone()));
            assert_eq!(rule.name().parse(), Ok(rule.clone()));
            let json = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
            assert!(!rule.describe().is_empty());
        }
        check("codet:b=2", "codet:a=0.5,b=2");
        check(" b4 : axy = 10 , b0=10 ", "b4:axy=10,b0=10");
        check("weighted_verifiers:weights=1/-0.5/2", "weighted_verifiers:weights=1/-0.5/2");
        check("weighted_verifiers", "weighted_verifiers");
    }

    #[test]
    fn bad_rules_are_refused_with_a_way_out() {
        check(
            "best",
            "unknown rule \"best\"; the rules are first, random, shortest, longest, \
             public_filter, max_pass, max_pass_consistency, codet, b4, mbr_exec, \
             alphacode_clusters, output_vote, rm_argmax, rm_within_passing, hybrid_lexi, \
             weighted_verifiers",
        );
        check(
            "codet:c=1",
            "rule codet has no parameter \"c\"; written out with its parameters it is \
             \"codet:a=0.5,b=1\"",
        );
        check("codet:a", "parameter a of rule codet must be a number above 0");
        check("codet:a=nan", "parameter a of rule codet must be a number above 0");
        check("b4:b0=0", "parameter b0 of rule b4 must be a number above 0");
        check(
            "alphacode_clusters:k=0",
            "parameter k of rule alphacode_clusters must be a whole number above 0",
        );
        check(
            "hybrid_lexi:keep_fraction=1.5",
            "parameter keep_fraction of rule hybrid_lexi must be above 0 and at most 1",
        );
        check(
            "weighted_verifiers:weights=1/2",
            "parameter weights of rule weighted_verifiers must be at least three numbers with a \
             `/` between them",
        );
    }
}
