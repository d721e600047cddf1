//! Evidence: everything a selector may see about the candidates of one problem.

use crate::score::Score;

/// A table with one row per candidate and one column per test or input. `None` is a cell that
/// was not run or ended in a fault: it counts neither as pass nor as fail.
pub type Table<T> = Vec<Vec<Option<T>>>;

/// Digest of a canonical output; equal digests mean equal behaviour on that input. An input on
/// which the program gave nothing usable (an exception, a limit) has no digest: errors never
/// agree with one another.
pub type OutputDigest = u64;

/// What a selector may see about the N candidates of one problem.
///
/// There is deliberately no field for hidden tests or labels: a selector cannot peek.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// One per candidate, in the group's order: bytes of its program, `None` when there is no
    /// valid program.
    pub programs: Vec<Option<usize>>,
    /// Verdicts on visible tests: N rows.
    pub visible: Option<Table<bool>>,
    /// Verdicts on generated tests with (guessed) expected outputs: N rows.
    pub generated: Option<Table<bool>>,
    /// Outputs on inputs without expected outputs: N rows.
    pub outputs: Option<Table<OutputDigest>>,
    /// One vector of N scores per scorer.
    pub scores: Vec<Vec<Option<Score>>>,
    /// How many samples each candidate stands for; empty means one each.
    pub multiplicity: Vec<u32>,
}

impl Evidence {
    /// Number of candidates, N.
    pub fn len(&self) -> usize {
        self.programs.len()
    }

    /// Whether there is no candidate.
    pub fn is_empty(&self) -> bool {
        self.programs.is_empty()
    }
}
