//! Prompts: what a reward model is told of a problem.

use crate::problem::Problem;

/// The name of the format that [`reward_prompt`] writes; stored with each score. Another text for
/// the same problem is another name.
pub const REWARD_PROMPT: &str = "statement-starter/1";

/// What the user says before the assistant answers with the bare program.
///
/// As CodeScaler (arXiv 2602.17684) reads problems: the statement alone, without a system prompt
/// and without instructions on how to answer. Code to start from follows in a fence, unless the
/// statement shows it already. CodeScaler's training prompts put an instruction before it whose
/// exact text in its pairs is not published; ours has none.
pub fn reward_prompt(problem: &Problem) -> String {
    let Problem { statement, starter, language, .. } = problem;
    if starter.trim().is_empty() || statement.contains(starter.trim()) {
        return statement.clone();
    }
    let starter = starter.trim_end();
    format!("{}\n\n```{}\n{starter}\n```", statement.trim_end(), language.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        language::Language,
        problem::{Entry, Limits, Meta, Tests},
        record::Extra,
    };

    #[track_caller]
    fn check(statement: &str, starter: &str, expected: &str) {
        let problem = Problem {
            id: "p".to_owned(),
            statement: statement.to_owned(),
            starter: starter.to_owned(),
            prelude: "import math".to_owned(),
            language: Language::Python,
            entry: Entry::Stdio,
            tests: Tests::default(),
            limits: Limits::default(),
            meta: Meta::default(),
            extra: Extra::new(),
        };
        assert_eq!(reward_prompt(&problem), expected);
    }

    #[test]
    fn statement_and_starter() {
        check("Add.\n", "", "Add.\n");
        check("Add.\n", " \n", "Add.\n");
        check("Add.\n", "def f(a, b):\n    ", "Add.\n\n```python\ndef f(a, b):\n```");
        check("Complete:\ndef f(a, b):\n", "def f(a, b):\n", "Complete:\ndef f(a, b):\n");
    }
}
