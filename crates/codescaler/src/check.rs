//! Comparison rules: named, per test.

use serde::{Deserialize, Serialize};

/// How an answer is compared with what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Bytes, or the exact tree of values and types.
    Exact,
    /// Text without trailing blanks on lines and without trailing newlines.
    Trim,
    /// Text split at white space.
    Tokens,
    /// Tokens or values, where numbers may differ by `abs` or by `rel` of the expected one.
    Float {
        /// Absolute tolerance.
        abs: f64,
        /// Relative tolerance.
        rel: f64,
    },
    /// Lines in any order.
    LinesUnordered,
    /// LiveCodeBench's rule: stripped lines, equal or equal as decimals token by token; values
    /// with tuples as lists.
    Lcb,
    /// EvalPlus's rule: `==`, else `numpy.allclose(rtol=1e-7, atol)`.
    Evalplus {
        /// Absolute tolerance; 0 makes it 1e-6 where the expected value is a float.
        atol: f64,
    },
    /// Python's own `==`, as asserts have it: `1 == 1.0 == True`, a list is no tuple.
    PythonEq,
}

impl Check {
    /// Where a text test names no rule.
    pub const STDIO: Check = Check::Trim;
    /// Where a call test names no rule.
    pub const CALL: Check = Check::Exact;
}
