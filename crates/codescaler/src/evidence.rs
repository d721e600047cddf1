//! Evidence: everything a selector may see about the candidates of one problem.

use crate::score::Score;

/// A table with one row per candidate and one column per test or input. `None` is a cell that
/// was not run or ended in a fault: it counts neither as pass nor as fail.
pub type Table<T> = Vec<Vec<Option<T>>>;

/// Digest of a canonical output; equal digests mean equal behaviour on that input. An input on
/// which the program gave nothing usable (an exception, a limit) has no digest: errors never
/// agree with one another.
pub type OutputDigest = u64;

/// The columns in which at least one of the rows has a cell, ascending.
pub fn answered<T>(table: &Table<T>, rows: &[usize]) -> Vec<usize> {
    let columns = 0..table.first().map_or(0, Vec::len);
    columns.filter(|&column| rows.iter().any(|&row| table[row][column].is_some())).collect()
}

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

    /// How many samples candidate `index` stands for.
    pub fn count(&self, index: usize) -> u32 {
        self.multiplicity.get(index).copied().unwrap_or(1)
    }

    /// Checks that everything is about the same N candidates, and that tables are rectangular.
    ///
    /// A table of N rows without columns is valid: there were no such tests.
    ///
    /// # Errors
    /// The first part whose shape is wrong.
    pub fn check(&self) -> Result<(), EvidenceError> {
        let candidates = self.len();
        let length = |part: String, found: usize| {
            if found == candidates {
                Ok(())
            } else {
                Err(EvidenceError::Length { part, found, candidates })
            }
        };
        if let Some(table) = &self.visible {
            length("visible".to_owned(), table.len())?;
            rectangular("visible", table)?;
        }
        if let Some(table) = &self.generated {
            length("generated".to_owned(), table.len())?;
            rectangular("generated", table)?;
        }
        if let Some(table) = &self.outputs {
            length("outputs".to_owned(), table.len())?;
            rectangular("outputs", table)?;
        }
        for (scorer, scores) in self.scores.iter().enumerate() {
            length(format!("scores[{scorer}]"), scores.len())?;
        }
        if !self.multiplicity.is_empty() {
            length("multiplicity".to_owned(), self.multiplicity.len())?;
        }
        match self.multiplicity.iter().position(|&count| count == 0) {
            Some(candidate) => Err(EvidenceError::Multiplicity { candidate }),
            None => Ok(()),
        }
    }
}

fn rectangular<T>(part: &'static str, table: &Table<T>) -> Result<(), EvidenceError> {
    let columns = table.first().map_or(0, Vec::len);
    match table.iter().position(|row| row.len() != columns) {
        Some(row) => Err(EvidenceError::Ragged { part, row, found: table[row].len(), columns }),
        None => Ok(()),
    }
}

/// Evidence whose parts do not fit together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A part that is not about all candidates.
    #[error("{part} has {found} entries for {candidates} candidates; give one per candidate")]
    Length {
        /// The field.
        part: String,
        /// How many entries it has.
        found: usize,
        /// How many candidates there are.
        candidates: usize,
    },
    /// A table whose rows differ in length.
    #[error(
        "row {row} of {part} has {found} cells where row 0 has {columns}; a cell that was not run is `None`"
    )]
    Ragged {
        /// The field.
        part: &'static str,
        /// The first row that differs from row 0.
        row: usize,
        /// How many cells it has.
        found: usize,
        /// How many cells row 0 has.
        columns: usize,
    },
    /// A candidate that stands for no sample.
    #[error("multiplicity[{candidate}] is 0; leave out a candidate that nobody wrote")]
    Multiplicity {
        /// The candidate.
        candidate: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(evidence: &Evidence, error: &str) {
        let found = evidence.check().map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert_eq!(found, error);
    }

    #[test]
    fn shapes_are_checked() {
        let two = Evidence { programs: vec![Some(3), None], ..Evidence::default() };
        check(&Evidence::default(), "fine");
        check(&two, "fine");
        check(&Evidence { visible: Some(vec![vec![], vec![]]), ..two.clone() }, "fine");
        check(
            &Evidence { visible: Some(vec![vec![Some(true)]]), ..two.clone() },
            "visible has 1 entries for 2 candidates; give one per candidate",
        );
        check(
            &Evidence { outputs: Some(vec![vec![], vec![None]]), ..two.clone() },
            "row 1 of outputs has 1 cells where row 0 has 0; a cell that was not run is `None`",
        );
        check(
            &Evidence { scores: vec![vec![None, None], vec![]], ..two.clone() },
            "scores[1] has 0 entries for 2 candidates; give one per candidate",
        );
        check(
            &Evidence { multiplicity: vec![1, 0], ..two.clone() },
            "multiplicity[1] is 0; leave out a candidate that nobody wrote",
        );
        check(
            &Evidence { multiplicity: vec![1], ..two },
            "multiplicity has 1 entries for 2 candidates; give one per candidate",
        );
    }
}
