//! QuixBugs: one-line bugs in classic programs, with arguments and results as JSON.

use serde::Deserialize;

use super::{
    python_problem,
    row::{Out, RowError},
    written::Group,
};
use crate::{
    check::Check,
    language::Language,
    problem::{Entry, Meta, Test, Tests},
    value::{Value, literal},
};

#[derive(Deserialize)]
pub(super) struct Bug {
    name: String,
    good: String,
    bad: String,
    tests: Option<String>,
}

pub(super) fn bug(row: Bug, out: &mut Out<'_>) -> Result<(), RowError> {
    let (good, _) = without_docstring(&row.good);
    let (bad, statement) = without_docstring(&row.bad);
    let id = format!("quixbugs/{}", row.name);
    let mut hidden = Vec::new();
    for (at, line) in row.tests.iter().flat_map(|tests| tests.lines()).enumerate() {
        let key = format!("tests[{at}]");
        let pair = literal::parse_json(line).map_err(|error| RowError::at(&*key, error))?;
        let Some([Value::List(args), expected]) = pair.as_list() else {
            return Err(RowError::at(key, "expected [[arguments], result]"));
        };
        if is_slow(&row.name, args) {
            out.leave_out("test that runs for minutes on the right program");
        } else {
            hidden.push(test(&row.name, good, args.clone(), expected.clone()));
        }
    }
    if hidden.is_empty() {
        out.leave_out("suite in code that the source does not have");
    }
    let meta = Meta {
        source: Some("quixbugs".to_owned()),
        license: Some("MIT".to_owned()),
        split: Some("eval".to_owned()),
        ..Meta::default()
    };
    let tests = Tests { visible: Vec::new(), hidden };
    let entry = Entry::Function { name: row.name.clone() };
    out.problem(python_problem(id.clone(), statement.to_owned(), entry, tests, meta))?;
    let mut group = Group::new(&id, Language::Python, "quixbugs").licensed("MIT");
    group.authored(out, "reference", good.to_owned(), true)?;
    if good.trim() == bad.trim() {
        out.leave_out("program without a bug, given as buggy");
        return Ok(());
    }
    group.authored(out, "bug", bad.to_owned(), false)
}

/// The program, and the description in a string below it. Both programs lose it: where only one
/// had it, it would tell them apart.
fn without_docstring(code: &str) -> (&str, &str) {
    match code.split_once("\n\"\"\"\n") {
        Some((program, below)) => (program, below.split("\"\"\"").next().unwrap_or(below).trim()),
        None => (code, ""),
    }
}

/// Whether QuixBugs' own runner skips the test unless asked for it.
fn is_slow(name: &str, args: &[Value]) -> bool {
    match args.first() {
        Some(Value::Int(capacity)) => name == "knapsack" && *capacity == 6_404_180,
        Some(Value::Str(text)) => name == "levenshtein" && text == "amanaplanacanalpanama",
        Some(_) | None => false,
    }
}

/// As QuixBugs' own tests compare: tuples are lists, what a generator yields is a list, and the
/// square root is right within the tolerance it was given.
fn test(name: &str, good: &str, args: Vec<Value>, expected: Value) -> Test {
    if good.contains("yield") {
        let printed: Vec<String> = args.iter().map(literal::to_python).collect();
        let call = format!("{name}({})", printed.join(", "));
        let expected = literal::to_python(&expected);
        return Test::Script { code: format!("assert list({call}) == {expected}\n") };
    }
    let check = match args.last() {
        Some(Value::Float(tolerance)) if name == "sqrt" => {
            Check::Float { abs: *tolerance, rel: 0.0 }
        }
        _ => Check::Lcb,
    };
    Test::Call { args, expected, check }
}
