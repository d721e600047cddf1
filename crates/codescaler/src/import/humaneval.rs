//! HumanEval, EvalPlus's extended suites for it and for MBPP, and programs for HumanEval.

use serde::Deserialize;
use serde_json::Value as Json;

use super::{
    IMPORTS,
    asserts::{self, tests_of_check},
    evalplus::tests_of_inputs,
    mbpp, python_problem,
    row::{Out, RowError},
    with_code_before,
    written::{Group, Written},
};
use crate::{
    language::Language,
    problem::{Entry, Limits, Meta, Problem, Test, Tests},
    value::{Value, literal::to_python},
};

/// A row of HumanEval.
#[derive(Deserialize)]
pub(super) struct Published {
    task_id: String,
    prompt: String,
    entry_point: String,
    canonical_solution: String,
    test: String,
}

pub(super) fn published(row: Published, out: &mut Out<'_>) -> Result<(), RowError> {
    let hidden = tests_of_check(&row.test, &row.entry_point, &[]);
    out.problem(problem(&row.task_id, &row.prompt, &row.entry_point, hidden))?;
    let program = row.prompt + &row.canonical_solution;
    group(&row.task_id).authored(out, "reference", program, true)
}

fn group(id: &str) -> Group<'_> {
    Group::new(id, Language::Python, "humaneval")
}

/// A problem of the family. Its examples are visible.
fn problem(id: &str, prompt: &str, function: &str, hidden: Vec<Test>) -> Problem {
    let definition = prompt.rfind(&format!("def {function}")).unwrap_or(0);
    let quotes = prompt[definition..].find("\"\"\"").or_else(|| prompt[definition..].find("'''"));
    let docstring = quotes.map_or("", |at| &prompt[definition + at..]);
    let mut visible = asserts::examples(docstring, function);
    visible.retain(|test| !is_wrong_example(id, test));
    let meta = Meta {
        source: Some("humaneval".to_owned()),
        license: Some("MIT".to_owned()),
        split: Some("validation".to_owned()),
        ..Meta::default()
    };
    let entry = Entry::Function { name: function.to_owned() };
    let tests = Tests { visible, hidden };
    let problem = python_problem(id.to_owned(), prompt.to_owned(), entry, tests, meta);
    with_code_before(Problem { starter: prompt.to_owned(), ..problem }, IMPORTS)
}

/// Examples that the problem's own reference solution contradicts: two slips of the authors, and
/// two equations that are no examples.
fn is_wrong_example(id: &str, test: &Test) -> bool {
    const WRONG: [(&str, &str); 4] = [
        ("HumanEval/47", "[[-10, 4, 6, 1000, 10, 20]]"),
        ("HumanEval/130", "[1]"),
        ("HumanEval/130", "[4]"),
        ("HumanEval/148", "['Earth', 'Mercury']"),
    ];
    let Test::Call { args, .. } = test else { return false };
    let args = to_python(&Value::List(args.clone()));
    WRONG.contains(&(id, args.as_str()))
}

/// A row of HumanEval+ or MBPP+, with test code (as on the hub) or with inputs (as EvalPlus
/// itself reads them).
#[derive(Deserialize)]
pub(super) struct Extended {
    task_id: Json,
    prompt: String,
    entry_point: Option<String>,
    canonical_solution: Option<String>,
    code: Option<String>,
    test: Option<String>,
    #[serde(default)]
    test_imports: Vec<String>,
    test_list: Option<Vec<String>>,
    base_input: Option<Json>,
    plus_input: Option<Json>,
    #[serde(default)]
    atol: f64,
    assertion: Option<String>,
}

pub(super) fn extended(row: Extended, out: &mut Out<'_>) -> Result<(), RowError> {
    let id = match (row.task_id.as_str(), row.task_id.as_u64()) {
        (Some(id), _) => match id.strip_prefix("Mbpp/") {
            Some(number) => format!("mbpp/{number}"),
            None => id.to_owned(),
        },
        (None, Some(number)) => format!("mbpp/{number}"),
        (None, None) => return Err(RowError::at("task_id", "expected a string or a number")),
    };
    let missing = |key| RowError::at(key, "missing in a row of EvalPlus");
    let solution =
        row.canonical_solution.or(row.code).ok_or_else(|| missing("canonical_solution"))?;
    if id.starts_with("mbpp/") {
        let asserts = match (row.test_list, row.assertion) {
            (Some(asserts), _) => asserts,
            (None, Some(code)) => asserts::statements(&code)
                .ok_or_else(|| RowError::at("assertion", "a string or a bracket has no end"))?
                .iter()
                .map(|statement| statement.text.to_owned())
                .collect(),
            (None, None) => return Err(missing("test_list")),
        };
        let setup = row.test_imports.join("\n");
        let mut problem = mbpp::problem(&id, &row.prompt, &asserts, &setup);
        match row.test {
            Some(test) => problem.tests.hidden = tests_of_inputs(&test, mbpp::function(&problem))?,
            None => out.leave_out("extended inputs whose types JSON lost"),
        }
        out.problem(Problem { limits: evalplus_limits(), ..problem })?;
        return Group::new(&id, Language::Python, "evalplus").authored(
            out,
            "reference",
            solution,
            true,
        );
    }
    let function = row.entry_point.ok_or_else(|| missing("entry_point"))?;
    let program = format!("{}{solution}", row.prompt);
    let hidden = match (row.test, row.base_input, row.plus_input) {
        (Some(test), _, _) => tests_of_inputs(&test, &function)?,
        (None, Some(base), plus) => {
            super::evalplus::tests_against(&program, &function, [Some(base), plus], row.atol)?
        }
        (None, None, _) => return Err(missing("test")),
    };
    let problem = problem(&id, &row.prompt, &function, hidden);
    out.problem(Problem { limits: evalplus_limits(), ..problem })?;
    Group::new(&id, Language::Python, "evalplus").authored(out, "reference", program, true)
}

/// EvalPlus gives every program 4 GiB, and some of its inputs need more than the usual.
fn evalplus_limits() -> Limits {
    Limits { memory_mib_max: 4096, ..Limits::default() }
}

/// A row of the collection: programs of many writers for one problem.
#[derive(Deserialize)]
pub(super) struct Collected {
    id: String,
    statement: String,
    entry_point: String,
    cands: Vec<Written>,
}

pub(super) fn collected(row: Collected, out: &mut Out<'_>) -> Result<(), RowError> {
    out.problem(problem(&row.id, &row.statement, &row.entry_point, Vec::new()))?;
    let mut group = group(&row.id);
    row.cands.into_iter().try_for_each(|written| group.written(out, written, |code| code))
}
