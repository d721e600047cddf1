//! DeepCoder-Preview: four sources in one dataset, with two encodings of tests.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    apps::{arguments, entry_of, suite_of, text},
    livecodebench::IMPORTS,
    python_problem,
    row::{Out, RowError},
    shown, with_code_before,
    written::Group,
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Problem, Test},
    value::{Value, literal},
};

#[derive(Deserialize)]
pub(super) struct Published {
    problem: String,
    #[serde(default)]
    solutions: Vec<String>,
    tests: Json,
    starter_code: Option<String>,
    metadata: Option<Json>,
}

/// Rows have no id: their number in the file is their name.
pub(super) fn published(row: Published, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("deepcoder/{}", out.row);
    let starter = row.starter_code.unwrap_or_default();
    let suite = value("tests", &row.tests)?;
    let (entry, tests) = match suite.as_list() {
        None => suite_of(&suite, "tests", &starter)?,
        Some(cases) => {
            let metadata = row.metadata.unwrap_or(Json::Null);
            cases_of(cases, &value("metadata", &metadata)?, &starter)?
        }
    };
    let tests = shown::split(&row.problem, tests);
    let meta = Meta { source: Some("deepcoder".to_owned()), ..Meta::default() };
    let problem = python_problem(id.clone(), row.problem, entry, tests, meta);
    out.problem(with_code_before(Problem { starter, ..problem }, IMPORTS))?;
    let mut group = Group::new(&id, Language::Python, "deepcoder");
    let mut solutions = row.solutions.into_iter();
    solutions.try_for_each(|text| group.authored(out, "reference", unfenced(&text), true))
}

/// The value of a key that holds JSON, or JSON in a string.
fn value(key: &str, json: &Json) -> Result<Value, RowError> {
    match json.as_str() {
        Some(text) if text.trim().is_empty() => Ok(Value::Null),
        Some(text) => literal::parse_json(text).map_err(|error| RowError::at(key, error)),
        None => Value::from_json(json).map_err(|message| RowError::at(key, message)),
    }
}

/// The list encoding: `[{"type"|"testtype", "input", "output", "fn_name"?, "metadata"?}]`.
fn cases_of(
    cases: &[Value],
    row_metadata: &Value,
    starter: &str,
) -> Result<(Entry, Vec<Test>), RowError> {
    let mut entry = Entry::Stdio;
    let mut tests = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let key = |name: &str| format!("tests[{at}].{name}");
        let field =
            |name: &str| case.get(name).ok_or_else(|| RowError::at(key(name), "missing in a test"));
        let kind = field("testtype").or_else(|_| field("type"))?.as_str();
        let (input, output) = (field("input")?, field("output")?);
        match kind.ok_or_else(|| RowError::at(key("type"), "expected a string"))? {
            "stdin" | "stdin_stdout" => tests.push(Test::Stdio {
                stdin: text(input, &key("input"))?,
                stdout: text(output, &key("output"))?,
                check: Check::Lcb,
            }),
            kind @ ("functional" | "function_call") => {
                let named = |metadata: &'_ Value| {
                    metadata.get("func_name").and_then(Value::as_str).map(str::to_owned)
                };
                let own = case.get("fn_name").and_then(Value::as_str).map(str::to_owned);
                let name = own
                    .or_else(|| case.get("metadata").and_then(named))
                    .or_else(|| named(row_metadata))
                    .ok_or_else(|| RowError::at(key("metadata.func_name"), "missing in a test"))?;
                entry = entry_of(&name, starter);
                tests.push(Test::Call {
                    args: arguments(input, &key("input"))?,
                    expected: result(output, kind)
                        .map_err(|error| RowError::at(key("output"), error))?,
                    check: Check::Lcb,
                });
            }
            other => {
                return Err(RowError::at(key("type"), format!("unknown kind of test {other:?}")));
            }
        }
    }
    Ok((entry, tests))
}

/// The value of a call: JSON in a string, or, in PrimeIntellect's part, in a list of its own.
fn result(output: &Value, kind: &str) -> Result<Value, literal::LiteralError> {
    match (output.as_str(), output.as_list()) {
        (Some(json), _) => literal::parse_json(json),
        (None, Some([one])) if kind == "function_call" => Ok(one.clone()),
        (None, _) => Ok(output.clone()),
    }
}

/// A solution that stands in a fence, without it.
fn unfenced(text: &str) -> String {
    let inside = text.trim().strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((_, code)) => code.to_owned(),
        None => text.to_owned(),
    }
}
