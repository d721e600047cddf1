//! Python test code → tests: the asserts of benchmarks, read without running anything.

use crate::{
    check::Check,
    problem::Test,
    value::{
        Value,
        literal::{self, Arguments},
    },
};

/// A call of a function with literals.
pub(super) struct Call<'a> {
    pub(super) function: &'a str,
    pub(super) arguments: Arguments,
    /// What follows the call.
    pub(super) rest: &'a str,
}

/// The call that `code` starts with; the function may be dotted. `None` where an argument is no
/// literal.
pub(super) fn call(code: &str) -> Option<Call<'_>> {
    let name_end = code.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))?;
    let (function, tail) = code.split_at(name_end);
    if function.is_empty() || !tail.starts_with('(') {
        return None;
    }
    let (arguments, length) = literal::parse_python_arguments(tail).ok()?;
    Some(Call { function, arguments, rest: &tail[length..] })
}

/// A test of the form `assert f(literals) == literal`, with or without a message, and the name
/// of the function. `None` for any other statement.
pub(super) fn assert_equal(statement: &str) -> Option<(&str, Arguments, Value)> {
    let call = call(statement.strip_prefix("assert")?.trim_start())?;
    let expected = call.rest.trim_start().strip_prefix("==")?.trim_start();
    let (value, length) = literal::parse_python_prefix(expected).ok()?;
    let rest = &expected[length..];
    (rest.is_empty() || rest.starts_with(',')).then_some((call.function, call.arguments, value))
}

/// One assert of the statement as a test of `function`: a call where it can be, else the assert
/// itself after `setup`.
pub(super) fn test_of_assert(assert: &str, function: &str, setup: &str) -> Test {
    match assert_equal(assert.trim()) {
        Some((name, Arguments { positional, keywords }, expected))
            if name == function && keywords.is_empty() && setup.trim().is_empty() =>
        {
            Test::Call { args: positional, expected, check: Check::PythonEq }
        }
        _ if setup.trim().is_empty() => Test::Script { code: format!("{}\n", assert.trim()) },
        _ => Test::Script { code: format!("{}\n{}\n", setup.trim_end(), assert.trim()) },
    }
}

/// The tests of a benchmark's `def check(candidate): …`: one per assert, where the function is
/// nothing but asserts; else one script that defines and calls it.
///
/// `parameters` are the function's, so that arguments with names can be put in their places.
pub(super) fn tests_of_check(test: &str, function: &str, parameters: &[&str]) -> Vec<Test> {
    separate_asserts(test, function, parameters).unwrap_or_else(|| {
        let called = test.lines().any(|line| {
            line.strip_prefix("check(").is_some_and(|rest| rest.trim_end().ends_with(')'))
                || line.trim_end() == "test_check()"
        });
        let call = if called { String::new() } else { format!("\ncheck({function})\n") };
        vec![Test::Script { code: format!("{}{call}", test.trim_start_matches('\n')) }]
    })
}

fn separate_asserts(test: &str, function: &str, parameters: &[&str]) -> Option<Vec<Test>> {
    let (head, definition) = test.split_once("def check(")?;
    let (parameter, body) = definition.split_once("):")?;
    if !statements(head)?.iter().all(|statement| statement.text.starts_with("METADATA")) {
        return None;
    }
    let mut tests = Vec::new();
    let statements = statements(body)?;
    let (body, tail): (Vec<_>, Vec<_>) = {
        let end = statements.iter().position(|statement| statement.indent == 0);
        let (body, tail) = statements.split_at(end.unwrap_or(statements.len()));
        (body.to_vec(), tail.to_vec())
    };
    let is_call = |text: &str| {
        text == "def test_check():" || text == "test_check()" || text.starts_with("check(")
    };
    if !tail.iter().all(|statement| is_call(statement.text)) {
        return None;
    }
    for Statement { text, .. } in body {
        let condition = text.strip_prefix("assert")?;
        if condition.trim_start().starts_with("True") && assert_equal(text).is_none() {
            let constant = condition.trim_start().trim_start_matches("True").trim_start();
            if constant.is_empty() || constant.starts_with(',') {
                continue;
            }
        }
        let call = assert_equal(text).filter(|(name, ..)| *name == parameter);
        let call = call.and_then(|(_, arguments, expected)| {
            Some((in_place(arguments, parameters)?, expected))
        });
        tests.push(match call {
            Some((args, expected)) => Test::Call { args, expected, check: Check::PythonEq },
            None if parameter == function => Test::Script { code: format!("{text}\n") },
            None => Test::Script { code: format!("{parameter} = {function}\n{text}\n") },
        });
    }
    Some(tests)
}

/// The arguments by position: `None` when one is missing or unknown.
fn in_place(arguments: Arguments, parameters: &[&str]) -> Option<Vec<Value>> {
    let Arguments { positional: mut args, mut keywords } = arguments;
    if keywords.is_empty() {
        return Some(args);
    }
    for parameter in parameters.get(args.len()..)? {
        let at = keywords.iter().position(|(name, _)| name == parameter)?;
        args.push(keywords.swap_remove(at).1);
    }
    keywords.is_empty().then_some(args)
}

/// A statement without the space around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Statement<'a> {
    /// Bytes of white space before it.
    pub(super) indent: usize,
    pub(super) text: &'a str,
}

/// The logical lines of Python code that are neither blank nor comments. `None` where a string or
/// a bracket has no end.
pub(super) fn statements(code: &str) -> Option<Vec<Statement<'_>>> {
    let mut found = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let end = logical_line(rest)?;
        let (line, tail) = rest.split_at(end);
        rest = tail;
        let text = line.trim();
        if !text.is_empty() && !text.starts_with('#') {
            found.push(Statement { indent: line.len() - line.trim_start().len(), text });
        }
    }
    Some(found)
}

/// Length of the first logical line, its newline included.
fn logical_line(code: &str) -> Option<usize> {
    let bytes = code.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\n' if depth == 0 => return Some(at + 1),
            b'#' => {
                at += code[at..].find('\n').unwrap_or(code.len() - at);
                continue;
            }
            b'\\' => at += 1,
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.checked_sub(1)?,
            quote @ (b'"' | b'\'') => {
                at += string_length(&bytes[at..], quote)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    (depth == 0).then_some(code.len())
}

/// Length of the string that `bytes` starts with.
fn string_length(bytes: &[u8], quote: u8) -> Option<usize> {
    let long = bytes.starts_with(&[quote; 3]);
    let close: &[u8] = if long { &[quote; 3] } else { &[quote] };
    let mut at = close.len();
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' if !long => return None,
            _ if bytes[at..].starts_with(close) => return Some(at + close.len()),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The examples of a docstring, where they are calls of `function` with literals: doctests
/// (`>>> f(1)`, the value on the next line) and the ways people write equations
/// (`f(1) == 2`, `f(1) -> 2`, `f(1) => 2`, `f(1) # returns 2`, `f(1) should return 2`, …).
pub(super) fn examples(docstring: &str, function: &str) -> Vec<Test> {
    let mut tests: Vec<Test> = Vec::new();
    for (at, _) in docstring.match_indices(function) {
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        if docstring[..at].chars().next_back().is_some_and(is_name) {
            continue;
        }
        let line = docstring[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let doctest = docstring[line..at].trim() == ">>>";
        if let Some((args, expected)) = example(&docstring[at..], function, doctest) {
            let known = tests.iter().any(|test| match test {
                Test::Call { args: known, .. } => *known == args,
                Test::Stdio { .. } | Test::Script { .. } => false,
            });
            if !known {
                tests.push(Test::Call { args, expected, check: Check::Evalplus { atol: 0.0 } });
            }
        }
    }
    tests
}

const SIGNS: [&str; 14] = [
    "==>",
    "==",
    "->",
    "=>",
    "➞",
    "➔",
    "# =>",
    "# returns",
    "#returns",
    "returns",
    "should return",
    "should be",
    "# should be",
    "=",
];

/// The arguments and the value of the example that `text` starts with.
fn example(text: &str, function: &str, doctest: bool) -> Option<(Vec<Value>, Value)> {
    let call = call(text).filter(|call| call.function == function)?;
    let Arguments { positional, keywords } = call.arguments;
    let answer = if doctest {
        call.rest.trim_start_matches([' ', '\t']).strip_prefix('\n')?
    } else {
        let rest = call.rest.trim_start_matches([' ', '\t']);
        SIGNS.iter().find_map(|sign| rest.strip_prefix(sign))?
    };
    let line = answer.split('\n').next().unwrap_or(answer);
    let line = line.split(" #").next().unwrap_or(line).trim();
    let line = line.strip_suffix(['.', ',', ';']).unwrap_or(line);
    let expected = literal::parse_python(line).or_else(|_| literal::parse_json(line)).ok()?;
    keywords.is_empty().then_some((positional, expected))
}
