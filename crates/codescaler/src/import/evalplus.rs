//! EvalPlus's suites: inputs and results as Python literals, or inputs alone with a reference
//! program that says what is right.

use serde_json::Value as Json;

use super::row::RowError;
use crate::{
    check::Check,
    problem::Test,
    value::{
        Value,
        literal::{self, parse_python_prefix},
    },
};

/// The comparison in the test code, by what it does. Its text is compared, not run: a text that
/// is not known leaves the suite a script.
const COMPARISONS: [&str; 2] = [
    "def assertion(out, exp, atol):
    exact_match = out == exp

    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if not exact_match and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert exact_match
",
    "def assertion(out, exp, atol):
    if atol == 0 and is_floats(exp):
        atol = 1e-6
    if out != exp and atol != 0:
        assert np.allclose(out, exp, rtol=1e-07, atol=atol)
    else:
        assert out == exp, f\"out: {out}, exp: {exp}\"
",
];

/// Slips in the published test code, and what was meant: a comparison that is computed and not
/// asserted (three problems of MBPP+), and HumanEval/32, which hands the polynomial its arguments
/// in the wrong places, so that the reference solution fails.
const SLIPS: [(&str, &str); 2] = [
    (
        "        exact_match = exp == (out is not None)\n",
        "        exact_match = exp == (out is not None)\n    assert exact_match\n",
    ),
    (
        "assert _poly(*candidate(*inp), inp) <= 0.0001",
        "assert abs(_poly(*inp, candidate(*inp))) <= 0.0001",
    ),
];

/// The tests of `inputs = […]; results = […]; … assertion(f(*inp), exp, atol)`.
///
/// # Errors
/// When there are as many inputs as results and one is no list of arguments.
pub(super) fn tests_of_inputs(test: &str, function: &str) -> Result<Vec<Test>, RowError> {
    if let Some(tests) = calls(test) {
        return tests;
    }
    let mut code = test.trim_matches('\n').to_owned();
    for (slip, meant) in SLIPS {
        code = code.replace(slip, meant);
    }
    code.push('\n');
    if code.contains("\ndef check(") {
        code.push_str("\ncheck(");
        code.push_str(function);
        code.push_str(")\n");
    }
    Ok(vec![Test::Script { code }])
}

/// `None` where the code does something else than compare results by the known rule.
fn calls(test: &str) -> Option<Result<Vec<Test>, RowError>> {
    let (head, tail) = test.split_once("inputs = ")?;
    let head = head.trim_end();
    let head = head.strip_suffix("def check(candidate):").unwrap_or(head).trim_end();
    if !COMPARISONS.iter().any(|comparison| head.ends_with(comparison.trim_end())) {
        return None;
    }
    let (inputs, length) = parse_python_prefix(tail).ok()?;
    let tail = tail[length..].trim_start().strip_prefix("results = ")?;
    let (results, length) = parse_python_prefix(tail).ok()?;
    let tail = tail[length..].trim();
    let (call, atol) = tail.strip_suffix(')')?.rsplit_once(", ")?;
    let atol: f64 = atol.parse().ok()?;
    let call = call.strip_prefix("for i, (inp, exp) in enumerate(zip(inputs, results)):")?.trim();
    if !(call.starts_with("assertion(") && call.ends_with("(*inp), exp")) {
        return None;
    }
    let (Value::List(inputs), Value::List(results)) = (inputs, results) else { return None };
    if inputs.len() != results.len() {
        return Some(Err(RowError::at(
            "test",
            format!("{} inputs and {} results", inputs.len(), results.len()),
        )));
    }
    let tests = inputs.into_iter().zip(results).map(|(input, expected)| {
        if let Value::List(args) | Value::Tuple(args) = input {
            Ok(Test::Call { args, expected, check: Check::Evalplus { atol } })
        } else {
            Err(RowError::at("test", "an input is no list of arguments"))
        }
    });
    Some(tests.collect())
}

/// One script that runs the reference program beside the program on every input: EvalPlus's own
/// files have no results. The reference's names stay apart from the program's.
///
/// # Errors
/// When inputs are no lists, or hold what is no value.
pub(super) fn tests_against(
    reference: &str,
    function: &str,
    inputs: [Option<Json>; 2],
    atol: f64,
) -> Result<Vec<Test>, RowError> {
    let mut all = Vec::new();
    for (key, json) in ["base_input", "plus_input"].into_iter().zip(inputs) {
        match json.as_ref().map(Value::from_json) {
            Some(Ok(Value::List(inputs))) => all.extend(inputs),
            // An empty suite is written as an empty object.
            None => {}
            Some(Ok(Value::Dict(entries))) if entries.is_empty() => {}
            Some(Ok(_)) => return Err(RowError::at(key, "expected a list of lists of arguments")),
            Some(Err(message)) => return Err(RowError::at(key, message)),
        }
    }
    let reference = literal::to_python(&Value::Str(reference.to_owned()));
    let inputs = literal::to_python(&Value::List(all));
    let code = format!(
        "\
import copy, math

def close(out, exp, atol):
    if isinstance(exp, float) and isinstance(out, (int, float)):
        return out == exp or math.isclose(out, exp, rel_tol=1e-07, abs_tol=atol or 1e-06)
    if isinstance(exp, (list, tuple)) and type(out) is type(exp) and len(out) == len(exp):
        return out == exp or all(close(a, b, atol) for a, b in zip(out, exp))
    return out == exp

names = {{}}
exec({reference}, names)
for args in {inputs}:
    expected = names[{function:?}](*copy.deepcopy(args))
    assert close({function}(*copy.deepcopy(args)), expected, {atol:?})
"
    );
    Ok(vec![Test::Script { code }])
}
