//! Which candidates are right: labels, or executions of tests that decide.

use std::{collections::BTreeMap, path::Path};

use codescaler::{candidate::Label, execution::Execution, problem::Suite};

use crate::{
    failure::Failure,
    files::{kind, read_all, records},
};

/// Right or wrong, by problem and index. Who is not there is not known.
pub(crate) type Verdicts = BTreeMap<(String, u32), bool>;

/// Reads labels by those that `wanted` accepts, or executions of hidden tests. A candidate is right
/// when all labellers say so; one whose execution ended in a fault is not known.
pub(crate) fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Verdicts, Failure> {
    if kind(path)?.as_deref() == Some("codescaler/executions") {
        let executions = read_all::<Execution>(path)?.into_iter();
        let decided = executions.filter(|execution| execution.suite == Suite::Hidden);
        let verdict = |execution: Execution| {
            let passed = execution.passed()?;
            Some(((execution.problem, execution.index), passed))
        };
        return Ok(decided.filter_map(verdict).collect());
    }
    let mut verdicts = Verdicts::new();
    for label in records::<Label>(path)? {
        let Label { problem, index, passed, by, .. } = label?;
        if wanted(&by) {
            let known = verdicts.entry((problem, index)).or_insert(true);
            *known = *known && passed;
        }
    }
    Ok(verdicts)
}
