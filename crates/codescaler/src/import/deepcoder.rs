//! DeepCoder-Preview: four sources in one dataset, with two encodings of tests.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    apps::{arguments, entry_of, get, suite_of, text},
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
    let (entry, tests) = match &suite {
        Value::Dict(_) => suite_of(&suite, "tests", &starter)?,
        Value::List(cases) => {
            let metadata = match &row.metadata {
                None | Some(Json::Null) => Value::Null,
                Some(json) => value("metadata", json)?,
            };
            cases_of(cases, &metadata, &starter)?
        }
        _ => return Err(RowError::at("tests", "expected an object or a list")),
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
    match json {
        Json::String(text) if text.trim().is_empty() => Ok(Value::Null),
        Json::String(text) => literal::parse_json(text).map_err(|error| RowError::at(key, error)),
        json => Value::from_json(json).map_err(|message| RowError::at(key, message)),
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
        let field = |name: &str| {
            get(case, name).ok_or_else(|| RowError::at(key(name), "missing in a test"))
        };
        let kind = match field("testtype").or_else(|_| field("type"))? {
            Value::Str(kind) => kind.as_str(),
            _ => return Err(RowError::at(key("type"), "expected a string")),
        };
        let (input, output) = (field("input")?, field("output")?);
        match kind {
            "stdin" | "stdin_stdout" => tests.push(Test::Stdio {
                stdin: text(input, &key("input"))?,
                stdout: text(output, &key("output"))?,
                check: Check::Lcb,
            }),
            "functional" | "function_call" => {
                let metadata = get(case, "metadata").unwrap_or(row_metadata);
                let name = get(case, "fn_name").or_else(|| get(metadata, "func_name"));
                let Some(Value::Str(name)) = name.or_else(|| get(row_metadata, "func_name")) else {
                    return Err(RowError::at(key("metadata.func_name"), "missing in a test"));
                };
                entry = entry_of(name, starter);
                tests.push(Test::Call {
                    args: arguments(input, &key("input"))?,
                    expected: match output {
                        Value::Str(json) => literal::parse_json(json)
                            .map_err(|error| RowError::at(key("output"), error))?,
                        // PrimeIntellect puts the value of a call in a list of its own.
                        Value::List(one) if kind == "function_call" && one.len() == 1 => {
                            one[0].clone()
                        }
                        other => other.clone(),
                    },
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

/// A solution that stands in a fence, without it.
fn unfenced(text: &str) -> String {
    let inside = text.trim().strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    match inside.and_then(|inside| inside.split_once('\n')) {
        Some((_, code)) => code.to_owned(),
        None => text.to_owned(),
    }
}
