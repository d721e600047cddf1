//! Refactory: programs of students for five exercises, with calls and their printed values.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    asserts, python_problem,
    row::{Out, RowError},
    written::{Group, Written},
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Test, Tests},
    value::literal,
};

#[derive(Deserialize)]
pub(super) struct Exercise {
    question: String,
    files: Files,
    cands: Vec<Written>,
    /// `input_001.txt` holds a call, `output_001.txt` its value.
    tests: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Files {
    #[serde(rename = "description.txt")]
    description: String,
}

pub(super) fn exercise(row: Exercise, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("refactory/{}", row.question);
    let mut calls = Vec::new();
    for (name, input) in &row.tests {
        let Some(number) = name.strip_prefix("input_") else { continue };
        let key = format!("output_{number}");
        let output =
            row.tests.get(&key).ok_or_else(|| RowError::at(format!("tests.{key}"), "missing"))?;
        let expected = literal::parse_python(output)
            .map_err(|error| RowError::at(format!("tests.{key}"), error))?;
        match asserts::call(input.trim()) {
            Some(call) if call.rest.is_empty() && call.arguments.keywords.is_empty() => {
                calls.push((call.function, call.arguments.positional, expected));
            }
            _ => out.leave_out("test that names what the source does not define"),
        }
    }
    let first = calls.first().map(|(function, ..)| *function);
    let single = first.filter(|first| calls.iter().all(|(function, ..)| function == first));
    let (entry, hidden) = match single {
        Some(name) => (
            Entry::Function { name: name.to_owned() },
            calls
                .into_iter()
                .map(|(_, args, expected)| Test::Call { args, expected, check: Check::PythonEq })
                .collect(),
        ),
        None => (
            Entry::Script,
            calls
                .into_iter()
                .map(|(function, args, expected)| {
                    let args: Vec<String> = args.iter().map(literal::to_python).collect();
                    let expected = literal::to_python(&expected);
                    let args = args.join(", ");
                    Test::Script { code: format!("assert {function}({args}) == {expected}\n") }
                })
                .collect(),
        ),
    };
    let meta = Meta {
        source: Some("refactory".to_owned()),
        license: Some("LGPL-3.0".to_owned()),
        split: Some("eval".to_owned()),
        ..Meta::default()
    };
    let tests = Tests { visible: Vec::new(), hidden };
    out.problem(python_problem(id.clone(), row.files.description, entry, tests, meta))?;
    let mut group =
        Group::new(&id, Language::Python, "refactory").licensed("LGPL-3.0").written_by("student");
    for written in row.cands {
        if written.kind.as_deref() == Some("reference") {
            group.authored(out, "reference", written.code, true)?;
        } else {
            group.written(out, written, |code| code)?;
        }
    }
    Ok(())
}
