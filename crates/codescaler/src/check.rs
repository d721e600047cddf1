//! Comparison rules: named, per test, pure.

use serde::{Deserialize, Serialize};

use crate::value::Value;

mod canonical;
mod text;
mod value;

pub use canonical::canonical;

/// How an answer is compared with what was expected.
///
/// Rules for text judge values by their exact tree, unless both are strings; rules for values judge
/// text as [`Check::Trim`] does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Bytes, or the exact tree of values and types. Sets and dictionaries have no order, NaN is
    /// NaN, and zeros have no sign.
    Exact,
    /// Text without trailing blanks on lines and without trailing newlines.
    Trim,
    /// Text split at white space.
    Tokens,
    /// Tokens or values, where numbers may differ by `abs` or by `rel` of the expected one.
    ///
    /// Only where a fraction is meant: two integers must be equal, so a large count that is off by
    /// one is wrong. Tokens may swap `3` and `3.0`; a value must be a float, or an integer that
    /// stands for the expected float. NaN is only NaN.
    Float {
        /// Absolute tolerance.
        abs: f64,
        /// Relative tolerance.
        rel: f64,
    },
    /// Lines in any order, each without trailing blanks.
    LinesUnordered,
    /// LiveCodeBench's rule: stripped lines, equal or equal as decimals token by token (`1.0` is
    /// `1`, no tolerance); for values Python's `==`, where an outermost tuple counts as a list.
    Lcb,
    /// EvalPlus's rule: `==`, else, where the expected value is a float or a sequence of floats
    /// (or `atol` is not 0), the same type and length and `numpy.allclose(rtol=1e-7, atol)`.
    ///
    /// Nested sequences must have one shape: numpy's broadcasting is not imitated.
    Evalplus {
        /// Absolute tolerance; 0 makes it 1e-6 where the expected value is a float.
        atol: f64,
    },
    /// Python's own `==`, as asserts have it: `1 == 1.0 == True`, a list is no tuple, NaN equals
    /// nothing.
    PythonEq,
}

impl Check {
    /// Where a text test names no rule.
    pub const STDIO: Check = Check::Trim;
    /// Where a call test names no rule.
    pub const CALL: Check = Check::Exact;

    /// Whether the text that came out is what was expected.
    pub fn text(self, expected: &str, actual: &str) -> bool {
        match self {
            Check::Exact => expected == actual,
            Check::Trim | Check::Evalplus { .. } | Check::PythonEq => text::trim(expected, actual),
            Check::Tokens => text::tokens(expected, actual),
            Check::Float { abs, rel } => text::floats(expected, actual, (abs, rel)),
            Check::LinesUnordered => text::lines_unordered(expected, actual),
            Check::Lcb => text::livecodebench(expected, actual),
        }
    }

    /// Whether the value that came out is what was expected.
    pub fn value(self, expected: &Value, actual: &Value) -> bool {
        match self {
            Check::Exact => canonical(expected) == canonical(actual),
            Check::Trim | Check::Tokens | Check::LinesUnordered => match (expected, actual) {
                (Value::Str(expected), Value::Str(actual)) => self.text(expected, actual),
                _ => canonical(expected) == canonical(actual),
            },
            Check::Float { abs, rel } => value::floats(expected, actual, (abs, rel)),
            Check::Lcb => value::livecodebench(expected, actual),
            Check::Evalplus { atol } => value::evalplus(expected, actual, atol),
            Check::PythonEq => canonical::python_eq(expected, actual),
        }
    }
}

#[cfg(test)]
mod tests;
