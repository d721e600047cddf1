//! APPS and TACO as published, and programs for APPS.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    livecodebench::IMPORTS,
    python_problem,
    row::{Out, RowError},
    shown, with_code_before,
    written::{Group, Written},
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Problem, Test, Tests},
    value::{Value, literal},
};

/// A row of APPS or TACO: the tests and the solutions are JSON in strings, which may be empty.
#[derive(Deserialize)]
pub(super) struct Published {
    #[serde(alias = "id")]
    problem_id: Option<u64>,
    name: Option<String>,
    question: String,
    #[serde(default)]
    solutions: String,
    #[serde(default)]
    input_output: String,
    #[serde(default)]
    starter_code: String,
    difficulty: Option<String>,
    url: Option<String>,
}

/// TACO's rows have no id: their number in the file is their name.
pub(super) fn published(
    row: Published,
    dataset: &'static str,
    out: &mut Out<'_>,
) -> Result<(), RowError> {
    let id = format!("{dataset}/{}", row.problem_id.unwrap_or(out.row));
    let (entry, tests) = match row.input_output.trim() {
        "" => {
            out.leave_out("suite of a problem that has none");
            (Entry::Stdio, Vec::new())
        }
        json => {
            let suite =
                literal::parse_json(json).map_err(|error| RowError::at("input_output", error))?;
            suite_of(&suite, "input_output", &row.starter_code)?
        }
    };
    let tests = shown::split(&row.question, tests);
    let mut meta = Meta {
        source: Some(dataset.to_owned()),
        difficulty: row.difficulty.map(|word| word.to_ascii_lowercase()),
        title: row.name,
        ..Meta::default()
    };
    meta.extra.extend(row.url.map(|url| ("url".to_owned(), url.into())));
    let problem = python_problem(id.clone(), row.question, entry, tests, meta);
    out.problem(with_code_before(Problem { starter: row.starter_code, ..problem }, IMPORTS))?;

    let solutions: Vec<String> = match row.solutions.trim() {
        "" => Vec::new(),
        json => super::row::nested("solutions", json)?,
    };
    let mut group = Group::new(&id, Language::Python, dataset);
    let mut solutions = solutions.into_iter();
    solutions.try_for_each(|program| group.authored(out, "reference", program, true))
}

/// The tests of `{"inputs":[…],"outputs":[…],"fn_name":…}`: calls where a function is named,
/// else programs. `key` is where the suite stands in its row.
pub(super) fn suite_of(
    suite: &Value,
    key: &str,
    starter: &str,
) -> Result<(Entry, Vec<Test>), RowError> {
    let list = |name: &str| {
        let items = suite.get(name).and_then(Value::as_list);
        items.ok_or_else(|| RowError::at(format!("{key}.{name}"), "expected a list"))
    };
    let (inputs, outputs) = (list("inputs")?, list("outputs")?);
    if inputs.len() != outputs.len() {
        let message = format!("{} inputs and {} outputs", inputs.len(), outputs.len());
        return Err(RowError::at(key, message));
    }
    let entry = match suite.get("fn_name").filter(|name| **name != Value::Null) {
        None => Entry::Stdio,
        Some(name) => {
            let text = name.as_str();
            let name =
                text.ok_or_else(|| RowError::at(format!("{key}.fn_name"), "expected a string"))?;
            entry_of(name, starter)
        }
    };
    let pairs = inputs.iter().zip(outputs).enumerate();
    let tests = if entry == Entry::Stdio {
        pairs
            .map(|(at, (input, output))| {
                Ok(Test::Stdio {
                    stdin: text(input, &format!("{key}.inputs[{at}]"))?,
                    stdout: text(output, &format!("{key}.outputs[{at}]"))?,
                    check: Check::Tokens,
                })
            })
            .collect::<Result<_, RowError>>()?
    } else {
        // The value stands in a list of its own where it does so throughout.
        let wrapped =
            outputs.iter().all(|output| output.as_list().is_some_and(|list| list.len() == 1));
        pairs
            .map(|(at, (input, output))| {
                let inner = output.as_list().filter(|_| wrapped).and_then(<[Value]>::first);
                Ok(Test::Call {
                    args: arguments(input, &format!("{key}.inputs[{at}]"))?,
                    expected: inner.unwrap_or(output).clone(),
                    check: Check::Lcb,
                })
            })
            .collect::<Result<_, RowError>>()?
    };
    Ok((entry, tests))
}

/// A method where the code to start from has the class, else a function.
pub(super) fn entry_of(name: &str, starter: &str) -> Entry {
    if starter.contains("class Solution") {
        Entry::Method { class: "Solution".to_owned(), name: name.to_owned() }
    } else {
        Entry::Function { name: name.to_owned() }
    }
}

/// Text, or lines of it.
pub(super) fn text(value: &Value, key: &str) -> Result<String, RowError> {
    let line = |value: &Value| {
        let number = matches!(value, Value::Int(_) | Value::BigInt(_) | Value::Float(_));
        let number = number.then(|| literal::to_python(value));
        number.or_else(|| value.as_str().map(str::to_owned))
    };
    let lines: Option<Vec<String>> = match value.as_list() {
        Some(lines) => lines.iter().map(line).collect(),
        None => line(value).map(|line| vec![line]),
    };
    let lines = lines.ok_or_else(|| RowError::at(key, "expected a string or a list of lines"))?;
    Ok(lines.join("\n"))
}

/// A list of arguments, or one JSON text per line.
pub(super) fn arguments(value: &Value, key: &str) -> Result<Vec<Value>, RowError> {
    if let Some(args) = value.as_list() {
        return Ok(args.to_vec());
    }
    let lines = value.as_str().ok_or_else(|| RowError::at(key, "expected a list of arguments"))?;
    let args = lines.trim_end().split('\n').map(literal::parse_json);
    args.collect::<Result<_, _>>().map_err(|error| RowError::at(key, error))
}

/// A row of the collection: a problem with its samples and programs.
#[derive(Deserialize)]
pub(super) struct Collected {
    task: String,
    difficulty: String,
    statement: String,
    sample_io: Vec<Sample>,
    #[serde(default)]
    starter: String,
    cands: Vec<Written>,
}

#[derive(Deserialize)]
struct Sample {
    input: String,
    output: Vec<Json>,
}

pub(super) fn collected(row: Collected, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = format!("apps/{}", row.task);
    let mut visible = Vec::new();
    let parameters = signature(&row.starter);
    for (at, sample) in row.sample_io.into_iter().enumerate() {
        match (&parameters, sample.output.as_slice()) {
            (None, [Json::String(stdout)]) => visible.push(Test::Stdio {
                stdin: sample.input,
                stdout: stdout.clone(),
                check: Check::Tokens,
            }),
            (None, _) => {
                return Err(RowError::at(format!("sample_io[{at}].output"), "expected one string"));
            }
            (Some((_, count)), [expected]) => match typed_lines(&sample.input, *count) {
                Some(args) => visible.push(Test::Call {
                    args,
                    expected: Value::from_json(expected).map_err(|message| {
                        RowError::at(format!("sample_io[{at}].output"), message)
                    })?,
                    check: Check::Lcb,
                }),
                None => out.leave_out("sample whose arguments have lost their types"),
            },
            (Some(_), _) => out.leave_out("sample with several results"),
        }
    }
    let entry = parameters.map_or(Entry::Stdio, |(name, _)| Entry::Function { name });
    let meta = Meta {
        source: Some("apps".to_owned()),
        difficulty: Some(row.difficulty),
        license: Some("MIT".to_owned()),
        split: Some("train".to_owned()),
        ..Meta::default()
    };
    let tests = Tests { visible, hidden: Vec::new() };
    let problem = python_problem(id.clone(), row.statement, entry, tests, meta);
    out.problem(with_code_before(Problem { starter: row.starter, ..problem }, IMPORTS))?;
    let mut group = Group::new(&id, Language::Python, "apps").licensed("MIT");
    row.cands.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}

/// The name and the number of parameters of the function to write.
fn signature(starter: &str) -> Option<(String, usize)> {
    let (_, definition) = starter.split_once("def ")?;
    let (name, rest) = definition.split_once('(')?;
    let (parameters, _) = rest.split_once(')')?;
    let count = parameters.split(',').filter(|parameter| !parameter.trim().is_empty()).count();
    Some((name.trim().to_owned(), count))
}

/// Arguments printed one per line, text without quotes: certain for lists and for text that is no
/// literal; `7` may be a number or a text.
fn typed_lines(input: &str, count: usize) -> Option<Vec<Value>> {
    let lines: Vec<&str> = input.split('\n').collect();
    if lines.len() != count {
        return None;
    }
    let argument = |line: &&str| match literal::parse_python(line) {
        Ok(value @ (Value::List(_) | Value::Dict(_))) => Some(value),
        Ok(_) => None,
        Err(_) => Some(Value::Str((*line).to_owned())),
    };
    lines.iter().map(argument).collect()
}
