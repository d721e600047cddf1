//! Selection: evidence in, one candidate out. Pure functions of the evidence and a seed.
//!
//! What every rule has in common, decided once:
//!
//! - A candidate without a valid program takes no part and ranks last. When nobody has one, the
//!   rule abstains.
//! - A verdict that is missing is neither a pass nor a fail: passes count +1, fails −1, missing
//!   cells 0. On complete tables that is the order of the number of passes.
//! - A candidate counts as many times as its multiplicity says.
//! - Rules that look at behavior first keep the candidates that do best on visible tests, where
//!   the evidence has them; leave `visible` out to have the bare rule. (The filter raised every
//!   rule in every setting that we simulated.) A problem without visible tests is passed by all.
//!   When nobody passes them all, the best go on and the choice is noted as unverified.
//! - Generated tests that no two candidates answer differently are dropped: they say nothing, yet
//!   would change what CodeT and B4 choose. When none is left, agreement of outputs decides, then
//!   the first scorer, then nothing; a note says so.
//! - Outputs agree when both are there and equal. An input on which nobody gives an output is
//!   dropped; two failures never agree.
//! - Equals are reported as equals: [`Choice::ties`] is the set, and accuracies are expectations
//!   over it. The one that is picked depends on the seed and on the candidates' own evidence, not
//!   on their order, except that of several candidates whose evidence is the same in everything
//!   the position decides. A rule that breaks ties by something else is another rule.

mod consensus;
mod pick;
mod rank;
mod rule;

use std::fmt;

pub use rule::{Need, Rule, RuleError};

use crate::evidence::{Evidence, EvidenceError};

/// What a rule chose among the candidates of one problem, by their positions in the evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The candidate; `None` when the rule abstains, and a note says why.
    pub chosen: Option<usize>,
    /// Every candidate that the rule holds as good as the chosen one, which is among them;
    /// ascending.
    pub ties: Vec<usize>,
    /// All candidates from best to worst, equals together. Candidates without a program are the
    /// last group.
    pub ranking: Vec<Vec<usize>>,
    /// What to submit, best first: the chosen one, or up to `k` for
    /// [`Rule::AlphacodeClusters`].
    pub submissions: Vec<usize>,
    /// Why it abstained or fell back; empty when the rule worked as meant. Ascending.
    pub notes: Vec<Note>,
}

impl Choice {
    /// The notes as one line; empty when there are none.
    pub fn note(&self) -> String {
        self.notes.iter().map(Note::to_string).collect::<Vec<_>>().join("; ")
    }
}

/// Why a rule abstained or did not work as meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// Abstained: there is no candidate.
    NoCandidates,
    /// Abstained: no candidate has a valid program.
    NoProgram,
    /// Abstained: no candidate has a score.
    NoScore,
    /// There are no visible tests, so everybody passes them.
    NoVisibleTests,
    /// No candidate is known to pass every visible test: those that do best went on.
    Unverified,
    /// No generated test tells the candidates apart.
    TestsSeparateNothing,
    /// No candidate gives an output on any input.
    NoOutput,
    /// Agreement of outputs decided instead.
    ByAgreement,
    /// The first scorer decided instead.
    ByScore,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Note::NoCandidates => "abstained: no candidates",
            Note::NoProgram => "abstained: no candidate has a valid program",
            Note::NoScore => "abstained: no candidate has a score",
            Note::NoVisibleTests => "no visible tests",
            Note::Unverified => "unverified: no candidate is known to pass every visible test",
            Note::TestsSeparateNothing => "no generated test tells the candidates apart",
            Note::NoOutput => "no candidate gives an output on any input",
            Note::ByAgreement => "decided by agreement of outputs",
            Note::ByScore => "decided by score",
        })
    }
}

/// Why nothing could be selected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The evidence lacks what the rule cannot do without.
    #[error(
        "rule {rule} needs {need}, which the evidence lacks; provide them or choose another rule"
    )]
    Missing {
        /// The rule.
        rule: &'static str,
        /// What it needs.
        need: Need,
    },
    /// As many weights as scorers are needed.
    #[error("rule weighted_verifiers has {weights} weights for {scorers} scorers; give one each")]
    Weights {
        /// How many weights the rule has.
        weights: usize,
        /// How many scorers the evidence has.
        scorers: usize,
    },
    /// The rule's parameters mean nothing.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// The evidence does not fit together.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
}

/// Chooses among the candidates of one problem.
///
/// The seed decides among equals only. Derive it from the run's seed and the problem's id
/// ([`crate::seed::derive`]), so that problems are drawn independently.
///
/// # Errors
/// Evidence that does not fit together, parameters that mean nothing, or evidence that the rule
/// needs and does not have. Never a silent fallback.
pub fn select(rule: &Rule, evidence: &Evidence, seed: u64) -> Result<Choice, SelectError> {
    evidence.check()?;
    rule.check()?;
    provided(rule, evidence)?;

    let (valid, invalid): (Vec<usize>, Vec<usize>) =
        (0..evidence.len()).partition(|&index| evidence.programs[index].is_some());
    let abstention = if evidence.is_empty() {
        Some(Note::NoCandidates)
    } else if valid.is_empty() {
        Some(Note::NoProgram)
    } else if lacks_scores(rule, evidence, &valid) {
        Some(Note::NoScore)
    } else {
        None
    };
    if let Some(note) = abstention {
        let ranking = [valid, invalid].into_iter().filter(|tier| !tier.is_empty()).collect();
        return Ok(Choice { ranking, notes: vec![note], ..Choice::default() });
    }

    let rank::Ranked { mut tiers, surviving, mut notes } = rank::rank(rule, evidence, &valid);
    let submissions = pick::submissions(rule, evidence, &tiers[..surviving], seed);
    if !invalid.is_empty() {
        tiers.push(invalid);
    }
    notes.sort_unstable();
    notes.dedup();
    let ties = tiers[0].clone();
    Ok(Choice { chosen: submissions.first().copied(), ties, ranking: tiers, submissions, notes })
}

fn provided(rule: &Rule, evidence: &Evidence) -> Result<(), SelectError> {
    let scorers = evidence.scores.len();
    for &need in rule.needs() {
        let there = match need {
            Need::Visible => evidence.visible.is_some(),
            Need::Generated => evidence.generated.is_some(),
            Need::Outputs => evidence.outputs.is_some(),
            Need::Scorers(n) => scorers >= n,
        };
        if !there {
            return Err(SelectError::Missing { rule: rule.name(), need });
        }
    }
    if let Rule::WeightedVerifiers { weights } = rule
        && !weights.is_empty()
        && weights.len() != scorers
    {
        return Err(SelectError::Weights { weights: weights.len(), scorers });
    }
    Ok(())
}

/// Whether the rule has scores alone to go by, and no candidate has one.
fn lacks_scores(rule: &Rule, evidence: &Evidence, valid: &[usize]) -> bool {
    let scorers = match rule.needs() {
        [Need::Scorers(1)] => &evidence.scores[..1],
        [Need::Scorers(_)] => &evidence.scores[..],
        _ => return false,
    };
    scorers.iter().all(|scores| valid.iter().all(|&index| scores[index].is_none()))
}

#[cfg(test)]
mod tests;
