//! BigCodeBench: library-heavy tasks, a right program and one that was judged.

use serde::Deserialize;

use super::{
    python_problem,
    row::{Out, RowError},
    written::{Flag, Group},
};
use crate::{
    language::Language,
    problem::{Entry, Meta, Tests},
};

#[derive(Deserialize)]
pub(super) struct Pair {
    task_id: String,
    problem: String,
    good: String,
    cand: String,
    y: Flag,
}

pub(super) fn pair(row: Pair, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("BigCodeBench/{}", row.task_id);
    let meta = Meta {
        source: Some("bigcodebench".to_owned()),
        license: Some("Apache-2.0".to_owned()),
        split: Some("eval".to_owned()),
        ..Meta::default()
    };
    let entry = Entry::Function { name: "task_func".to_owned() };
    out.problem(python_problem(id.clone(), row.problem, entry, Tests::default(), meta))?;
    let mut group = Group::new(&id, Language::Python, "bigcodebench").licensed("Apache-2.0");
    group.authored(out, "reference", row.good, true)?;
    let Flag(passed) = row.y;
    group.authored(out, "candidate", row.cand, passed)
}
