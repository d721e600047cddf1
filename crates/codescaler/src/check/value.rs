//! Rules for values.

use super::{
    canonical::{canonical, python_eq},
    text::near,
};
use crate::value::Value;

/// The exact tree, except that numbers may be off where the expected one is a float.
pub(super) fn floats(expected: &Value, actual: &Value, tolerance: (f64, f64)) -> bool {
    let all = |expected: &[Value], actual: &[Value]| {
        expected.len() == actual.len()
            && expected.iter().zip(actual).all(|(e, a)| floats(e, a, tolerance))
    };
    match (expected, actual) {
        (Value::Float(expected), Value::Float(actual)) => {
            near(*expected, *actual, tolerance) || (expected.is_nan() && actual.is_nan())
        }
        (Value::Float(expected), Value::Int(_) | Value::BigInt(_)) => {
            as_float(actual).is_some_and(|actual| near(*expected, actual, tolerance))
        }
        (Value::Complex(re, im), Value::Complex(actual_re, actual_im)) => {
            near(*re, *actual_re, tolerance) && near(*im, *actual_im, tolerance)
        }
        (Value::List(expected), Value::List(actual))
        | (Value::Tuple(expected), Value::Tuple(actual)) => all(expected, actual),
        (Value::Dict(expected), Value::Dict(actual)) => {
            let sorted = |entries: &[(Value, Value)]| {
                let mut entries: Vec<(Vec<u8>, Value)> =
                    entries.iter().map(|(key, value)| (canonical(key), value.clone())).collect();
                entries.sort_by(|left, right| left.0.cmp(&right.0));
                entries
            };
            let (expected, actual) = (sorted(expected), sorted(actual));
            expected.len() == actual.len()
                && expected
                    .iter()
                    .zip(&actual)
                    .all(|(e, a)| e.0 == a.0 && floats(&e.1, &a.1, tolerance))
        }
        _ => canonical(expected) == canonical(actual),
    }
}

pub(super) fn livecodebench(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::List(items), Value::Tuple(other)) | (Value::Tuple(items), Value::List(other)) => {
            items.len() == other.len() && items.iter().zip(other).all(|(e, a)| python_eq(e, a))
        }
        _ => python_eq(expected, actual),
    }
}

/// EvalPlus passes numpy's own relative tolerance of `assert_allclose`.
const EVALPLUS_RTOL: f64 = 1e-7;
const EVALPLUS_ATOL: f64 = 1e-6;

pub(super) fn evalplus(expected: &Value, actual: &Value, atol: f64) -> bool {
    if python_eq(expected, actual) {
        return true;
    }
    let atol = if atol == 0.0 && is_floats(expected) { EVALPLUS_ATOL } else { atol };
    atol != 0.0 && same_type(expected, actual) && all_close(expected, actual, atol)
}

/// A float, or a sequence of nothing but floats (an empty one too).
fn is_floats(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::List(items) | Value::Tuple(items) => {
            items.iter().all(|item| matches!(item, Value::Float(_)))
        }
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => false,
    }
}

fn same_type(left: &Value, right: &Value) -> bool {
    let is_int = |value: &Value| matches!(value, Value::Int(_) | Value::BigInt(_));
    std::mem::discriminant(left) == std::mem::discriminant(right) || (is_int(left) && is_int(right))
}

/// `numpy.allclose(actual, expected)` on numbers and sequences of one shape; what is no number has
/// no distance, and fails as numpy does.
fn all_close(expected: &Value, actual: &Value, atol: f64) -> bool {
    match (sequence(expected), sequence(actual)) {
        (Some(expected), Some(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(e, a)| all_close(e, a, atol))
        }
        (None, None) => match (as_float(expected), as_float(actual)) {
            (Some(expected), Some(actual)) => {
                expected == actual
                    || (expected.is_finite()
                        && (actual - expected).abs() <= atol + EVALPLUS_RTOL * expected.abs())
            }
            (Some(_) | None, Some(_) | None) => false,
        },
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn sequence(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(items) | Value::Tuple(items) => Some(items),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::BigInt(_)
        | Value::Float(_)
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => None,
    }
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        #[expect(clippy::cast_precision_loss, reason = "numpy rounds in the same way")]
        Value::Int(int) => Some(*int as f64),
        Value::BigInt(digits) => digits.parse().ok(),
        Value::Float(float) => Some(*float),
        Value::Null
        | Value::Complex(..)
        | Value::Str(_)
        | Value::Bytes(_)
        | Value::List(_)
        | Value::Tuple(_)
        | Value::Set(_)
        | Value::FrozenSet(_)
        | Value::Dict(_) => None,
    }
}
