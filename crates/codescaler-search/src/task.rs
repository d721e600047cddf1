//! What a method may see of a problem.

use codescaler::problem::{Meta, Problem, Tests};

/// A problem without what decides: it has neither hidden tests nor facts beside the statement.
#[derive(Clone, Debug)]
pub struct Task(Problem); // Invariant: `tests.hidden` is empty and `meta` is blank.

impl Task {
    /// The problem, its hidden tests left behind.
    pub fn of(problem: &Problem) -> Task {
        let visible = problem.tests.visible.clone();
        Task(Problem {
            tests: Tests { visible, hidden: Vec::new() },
            meta: Meta::default(),
            id: problem.id.clone(),
            statement: problem.statement.clone(),
            starter: problem.starter.clone(),
            prelude: problem.prelude.clone(),
            language: problem.language,
            entry: problem.entry.clone(),
            limits: problem.limits,
            extra: codescaler::record::Extra::new(),
        })
    }

    /// What is left.
    pub fn problem(&self) -> &Problem {
        &self.0
    }
}
